package main

import (
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// Gauges that are always present are read by their last value of ten minutes, so that a missed scrape or a restart is
// not a change. Series that are present only during a failure (endpoint_path_failure) are read over the same time.

// orZero gives 0 instead of an empty result while there is data: missing data must not look like a healthy site.
func orZero(count, data string) string { return count + "\nor 0 * count(" + data + ")" }

const (
	lastUp       = `last_over_time(endpoint_up{@target}[10m])`
	unreachable  = `count(` + lastUp + ` == 0)`
	certificates = `last_over_time(endpoint_tls_not_after_timestamp_seconds{@target}[10m])`
)

// hostsFailing counts the hosts, separately for each site, with a failure of the class on any path to any address.
func hostsFailing(class string) string {
	return `count(count by (@host) (last_over_time(endpoint_path_failure{@target, class` + class + `}[10m])))`
}

// failures are the failing paths by reason; the value is the number of addresses.
const failures = `max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target}[10m]))`

// ranked gives each row the position of its label's value among values, so that a table can be sorted by importance and
// not alphabetically. rows has SELECT in place of the matcher of that label.
func ranked(rows, label string, values ...string) string {
	var out []string
	for i, v := range values {
		out = append(out, fmt.Sprintf("0 * %s + %d", strings.ReplaceAll(rows, "SELECT", fmt.Sprintf("%s=%q", label, v)), i))
	}
	return strings.Join(out, "\nor ")
}

// classRanks are the values for classRank.
var classRanks = ranked(`max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target, SELECT}[10m]))`,
	"class", classNames()...)

// classNames lists the classes of reasons, the worst first.
func classNames() []string {
	var out []string
	for _, info := range reason.Classes() {
		out = append(out, string(info.Class))
	}
	return out
}

// beside gives the values of value with the labels of rows, for the same row of a table.
func beside(rows, labels, value string) string {
	return "0 * " + rows + "\n+ on (" + labels + ") group_left () " + value
}

// shown is a metric that is always 1, with the labels that distinguish its series of one path.
type shown struct{ metric, labels string }

// whileShown gives each series of an info metric in the last 10 minutes the value that another metric of the path had
// at that time. The current value belongs to the current series: an interceptor that has just gone would look
// authentic.
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

// resolversInTrouble are those that are stale, suspect or failing, by the label verdict.
const resolversInTrouble = `
	max by (@resolver, verdict) (
		last_over_time(endpoint_dns_verdict{@target, verdict=~"stale|suspect"}[10m]) == 1
		or label_replace(last_over_time(endpoint_dns_failure{@target}[10m]), "verdict", "$1", "reason", "(.+)")
	)`
