// Package promql holds PromQL expressions against the metrics that exist: every name, every label that a matcher, a
// grouping or a join names. Prometheus itself takes any name and answers nothing, so that a metric renamed in the
// exporter would leave a dashboard empty and an alert silent, and neither would say so.
//
// It parses with Prometheus' own parser and is for tests alone: no program imports it.
package promql
