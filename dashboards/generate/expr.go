package main

import (
	"fmt"
	"strings"
)

// Gauges that are always there are read by their last value of ten minutes: a scrape that was missed, or a restart, is
// not a change. What is there only while something is wrong (endpoint_path_failure) is counted for as long.

// orZero gives 0 instead of nothing while there is data at all: no data must not look like no trouble.
func orZero(count, data string) string { return count + "\nor 0 * count(" + data + ")" }

const (
	lastUp       = `last_over_time(endpoint_up{@target}[10m])`
	unreachable  = `count(` + lastUp + ` == 0)`
	certificates = `last_over_time(endpoint_tls_not_after_timestamp_seconds{@target}[10m])`
)

// hostsFailing counts the hosts, at each site for itself, with a failure of the class on any path to any address.
func hostsFailing(class string) string {
	return `count(count by (@host) (last_over_time(endpoint_path_failure{@target, class` + class + `}[10m])))`
}

// failures are the failing paths and why; the value is how many addresses failed so.
const failures = `max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target}[10m]))`

// ranked gives each row the place of its label's value among values, so that a table can be sorted by what matters and
// not by the alphabet. rows has SELECT where the matcher of that label belongs.
func ranked(rows, label string, values ...string) string {
	var out []string
	for i, v := range values {
		out = append(out, fmt.Sprintf("0 * %s + %d", strings.ReplaceAll(rows, "SELECT", fmt.Sprintf("%s=%q", label, v)), i))
	}
	return strings.Join(out, "\nor ")
}

// classRanks is what classRank has words for.
var classRanks = ranked(`max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target, SELECT}[10m]))`,
	"class", "interception", "blocked", "dns", "certificate", "server", "survey")

// beside gives value's values with the labels of rows, to stand in the same row of a table.
func beside(rows, labels, value string) string {
	return "0 * " + rows + "\n+ on (" + labels + ") group_left () " + value
}

// shown is a metric that is always 1, with the labels that tell its series of one path apart.
type shown struct{ metric, labels string }

// whileShown gives each thing that a path showed in the last 10 minutes the value that another metric of the path had at that
// time. Its value now is that of what is shown now: an interceptor that has just gone would pass for authentic.
func whileShown(s shown, metric string) string {
	return fmt.Sprintf(`min by (@path, %[2]s) (last_over_time((
  %[1]s{@target} * ignoring (%[2]s) group_left () %[3]s{@target}
)[10m:30s]))`, s.metric, s.labels, metric)
}

// placed adds the label place: the site where there is one, else the exporter without its port. Legends are short.
func placed(expr string) string {
	return `label_replace(label_replace(
` + indented(expr) + `,
	"place", "$1", "instance", "(.+?)(:\\d+)?"), "place", "$1", "site", "(.+)")`
}

// named adds the label name: the host's first part, where it is a name.
func named(expr string) string {
	return `label_replace(label_replace(
` + indented(expr) + `,
	"name", "$1", "host", "(.+)"), "name", "$1", "host", "([^.]*[a-zA-Z][^.]*)[.].+")`
}

// ofAll has the alerts of the fleet, which are of no single site, say so in the columns that links go by: All is how
// Grafana's own addresses say that a variable selects everything.
func ofAll(alerts string) string {
	return `label_replace(label_replace(
` + indented(alerts) + `,
	"site", "All", "scope", "fleet"), "instance", "All", "scope", "fleet")`
}

func indented(expr string) string {
	return "\t\t" + strings.ReplaceAll(tidy(expr), "\n", "\n\t\t")
}

// pathStates is what pathHistory has words for: the worst of each interval.
const pathStates = `
	0 * max by (@path) (max_over_time(endpoint_path_failure{@target, class="interception"}[$__interval])) + 3
	or 0 * (
		max by (@path) (max_over_time(endpoint_path_addresses{@target, result="failed"}[$__interval])) > 0
		and min by (@path) (min_over_time(endpoint_path_up{@target}[$__interval])) == 1
	) + 2
	or min by (@path) (min_over_time(endpoint_path_up{@target}[$__interval]))`

// silenceStates is what silence has words for. Devices send no keepalive over UDP, and hosts for browsers have none.
const silenceStates = `
	0 * (
		min by (@path) (last_over_time(endpoint_idle_lost_seconds{@target, transport="tcp"}[10m]))
		<= on (@host) group_left () ` + keepalives + `
	)
	or 0 * (
		min by (@path) (last_over_time(endpoint_idle_survived_seconds{@target, transport="tcp"}[10m]))
		>= on (@host) group_left () ` + keepalives + `
	) + 2
	or 0 * (
		` + measuredTCP + `
		and on (@host) ` + keepalives + `
	) + 1
	or 0 * ` + measured + ` + 3`

// keepalives are those of hosts that have one; measured are the paths on which silence is measured.
const (
	keepalives  = `max by (@host) (last_over_time(endpoint_keepalive_seconds{@target}[10m]))`
	measured    = `min by (@path) (last_over_time(endpoint_idle_last_round_timestamp_seconds{@target}[10m]))`
	measuredTCP = `min by (@path) (last_over_time(endpoint_idle_last_round_timestamp_seconds{@target, transport="tcp"}[10m]))`
)

// verdictRanks is what verdictRank has words for.
func verdictRanks(window string) string {
	return strings.ReplaceAll(`
	max by (@resolver) (
		3 * max_over_time(endpoint_dns_verdict{@target, verdict="stale"}[WINDOW])
		or 2 * max_over_time(endpoint_dns_verdict{@target, verdict="suspect"}[WINDOW])
		or max_over_time(endpoint_dns_verdict{@target, verdict="unknown"}[WINDOW])
	)`, "WINDOW", window)
}

// resolversInTrouble are those that give out stale records, may do so, or fail; the label verdict says which.
const resolversInTrouble = `
	max by (@resolver, verdict) (
		last_over_time(endpoint_dns_verdict{@target, verdict=~"stale|suspect"}[10m]) == 1
		or label_replace(last_over_time(endpoint_dns_failure{@target}[10m]), "verdict", "$1", "reason", "(.+)")
	)`
