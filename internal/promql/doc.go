// Package promql checks PromQL expressions against the metrics that exist: every metric name, and every label that a
// matcher, a grouping or a join names. Prometheus accepts unknown names and returns no series, so that renaming a
// metric would leave a dashboard empty and an alert silent without an error.
//
// It uses the parser of Prometheus. Only tests import it.
package promql
