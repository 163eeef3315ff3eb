package main

import (
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// Expressions read the last value of gauges within ten minutes, so that a missed scrape or a restart is not a
// change, and series that are present only during a failure (endpoint_path_failure) over the same window.

// orZero gives 0 instead of an empty result while data has series: missing data must not look like a healthy site.
func orZero(count, data string) string { return count + "\nor 0 * count(" + data + ")" }

// latest aggregates the last values of series.
func latest(aggregation, series string) string {
	return aggregation + " (last_over_time(" + series + "[10m]))"
}

const lastUp = `last_over_time(endpoint_up{@target}[10m])`

// The certificates that the expected authority signed: their ends, their lifetimes, and those whose renewal is
// overdue.
const (
	certificates   = `last_over_time(endpoint:tls_authentic:not_after{@target}[10m])`
	lifetimes      = `(` + certificates + ` - last_over_time(endpoint:tls_authentic:not_before{@target}[10m]))`
	renewalOverdue = certificates + ` - time()
< clamp_max(
	scalar(max(endpoint:threshold:certificate_remaining_ratio)) * ` + lifetimes + `,
	scalar(max(endpoint:threshold:certificate_remaining_seconds)))`
)

// perPlace aggregates by site: a site is its label `site`, and without one its exporter. A site with a label has one
// series whatever the number of its exporters. The label `exporter` is then All, Grafana's own word in addresses for a
// variable that selects everything, and else the instance. labels are kept in addition.
//
// It aggregates by instance first: there are fewer series then for label_replace, which is slow.
func perPlace(operator, expr string, labels ...string) string {
	by := func(names ...string) string {
		return operator + " by (" + strings.Join(append(names, labels...), ", ") + ")"
	}
	return by("site", "exporter") + ` (label_replace(label_replace(
		` + by("site", "instance") + ` (
` + indentAll(indentAll(expr)) + `
		),
	"exporter", "$1", "instance", "(.+)"), "exporter", "All", "site", ".+"))`
}

// sitesBy counts the sites of series by labels.
func sitesBy(expr string, labels ...string) string {
	return "count by (" + strings.Join(labels, ", ") + ") (\n" + indentAll(perPlace("group", expr, labels...)) + "\n)"
}

// countSites counts the sites of series.
func countSites(expr string) string { return "count(" + perPlace("group", expr) + ")" }

// lastRounds is the last round of every exporter that was heard of within a window.
func lastRounds(window string) string {
	return `last_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[` + window + `])`
}

// faultSeries selects the faults that the rules record.
func faultSeries(keep func(fault) bool) string {
	return `endpoint:fault` + strings.TrimSuffix(hostOrSite, "}") + `, fault=~"` + strings.Join(faultNames(keep), "|") + `"}`
}

// expiredCertificates are a fault of the cloud to the rules, and of each site that sees them to the dashboards.
const expiredCertificates = `label_replace(
	endpoint:certificate_expired:lasting{@target},
	"fault", "EndpointCertificateExpired", "", "")`

// currentFaults are the faults of now.
func currentFaults(keep func(fault) bool) string {
	expr := faultSeries(keep)
	for _, f := range faults {
		if f.name == certificateExpired && keep(f) {
			expr += "\nor " + expiredCertificates
		}
	}
	return expr
}

// siteFaults are the faults of each site over a window, whatever the number of its hosts.
func siteFaults(window string) string {
	return `last_over_time(endpoint:site:fault{@fault}[` + window + `])`
}

// faultRanks gives each fault its position in faults.
func faultRanks(expr string) string {
	var ranks []string
	for rank, f := range faults {
		ranks = append(ranks, fmt.Sprintf(`label_replace(vector(%d), "fault", %q, "", "")`, rank, f.name))
	}
	return "0 * (\n" + indentAll(expr) + "\n)\n+ on (fault) group_left () (\n" + indentAll(strings.Join(ranks, "\nor ")) + "\n)"
}

// The columns of the table of sites: the rank of each site's worst fault, who must act on it, and when it began.
var (
	worstFault = perPlace("min", faultRanks(perFault(everyFault)))
	// Faults that began at many sites are one incident. A path's failures have the class that decides who must act.
	whoMustAct = fmt.Sprintf(`
	min by (site, exporter) (
		0 * %s + %d
		and on (site, exporter, fault) %s
	)
	or %d + %s
	and on (site, exporter) %s
	or %s`, indentRest(2, perPlace("max", `endpoint:incident:member`+hostOrSite, "fault")), inIncident, indentRest(2, worstOf(everyFault)),
		classOffset, indentRest(1, perPlace("min", classRanks)), indentRest(1, worstOf(func(f fault) bool { return f.path })), indentRest(1, worstFault))
	worstSince = fmt.Sprintf(`
	1000 * min by (site, exporter) (
		%s
		and on (site, exporter, fault) %s
	)`, indentRest(2, perPlace("min", `endpoint:fault:since`+hostOrSite, "fault")), indentRest(2, worstOf(everyFault)))
)

// perFault are the current faults of each exporter or site, whatever the number of their hosts.
func perFault(keep func(fault) bool) string {
	return "group by (site, instance, fault) (\n" + indentAll(currentFaults(keep)) + "\n)"
}

// hostOrSite selects the faults of hosts and those of sites.
const hostOrSite = `{@fault, service=~"$service|", host=~"$host|"}`

// worstOf gives those of some faults that are the worst of their site.
func worstOf(keep func(fault) bool) string {
	return fmt.Sprintf(`(
	%s
	== on (site, exporter) group_left () %s
)`, indentRest(1, perPlace("min", faultRanks(perFault(keep)), "fault")), indentRest(1, worstFault))
}

// hostsWith counts the hosts of each site with one of some faults.
func hostsWith(keep func(fault) bool) string {
	return `count by (site, exporter) (
` + indentAll(perPlace("group", currentFaults(keep), "service", "host")) + `
)`
}

// mostFaulty are the sites with most faults in the time shown.
var mostFaulty = "topk(25, " + perPlace("sum", `count_over_time(endpoint:site:fault{@fault}[$__range] @ end())`) + ")"

// partOfWhole shows a part and its whole as one text, "26 of 500", in the label part and the label whole; its value is
// the part.
func partOfWhole(part, whole string) string {
	return fmt.Sprintf(`
	(
		count_values("part", %[1]s)
		* on () group_left (whole) count_values("whole", %[2]s)
	)
	* on () group_left () (%[1]s)`, indentRest(2, part), indentRest(2, whole))
}

// failures are the failing paths by reason; the value is the number of addresses.
const failures = `max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target}[10m]))`

// rankBy gives each row the position of its label's value among values, so that a table can be sorted by importance.
// rows has SELECT in place of the matcher of that label.
func rankBy(rows, label string, values ...string) string {
	var out []string
	for i, v := range values {
		out = append(out, fmt.Sprintf("0 * %s + %d", strings.ReplaceAll(rows, "SELECT", fmt.Sprintf("%s=%q", label, v)), i))
	}
	return strings.Join(out, "\nor ")
}

// classRanks are the values for classRank.
var classRanks = rankBy(`max by (@path, reason, class) (last_over_time(endpoint_path_failure{@target, SELECT}[10m]))`,
	"class", classNames()...)

// worstPaths are the failing paths by the rank of their class: at most 200, the worst first.
var worstPaths = "bottomk(200,\n" + indentAll(classRanks) + "\n)"

// classNames lists the classes of reasons, the worst first.
func classNames() []string {
	var out []string
	for _, info := range reason.Classes() {
		out = append(out, string(info.Class))
	}
	return out
}

// withLabelsOf gives the values of value with the labels of rows, for the same row of a table.
func withLabelsOf(rows, labels, value string) string {
	return "0 * " + rows + "\n+ on (" + labels + ") group_left () " + value
}

// infoMetric is a metric that is always 1, with the labels that distinguish its series of one path.
type infoMetric struct{ metric, labels string }

// valueDuring gives each series of an info metric in the last 10 minutes the value that another metric of the path
// had at the same time. With the current value, the certificate of an interceptor that has just gone would look
// authentic.
func valueDuring(s infoMetric, metric string) string {
	return fmt.Sprintf(`min by (@path, %[2]s) (last_over_time((
  %[1]s{@target} * ignoring (%[2]s) group_left () %[3]s{@target}
)[10m:30s]))`, s.metric, s.labels, metric)
}

// withPlaceLabel adds the label place, for short legends: the site if there is one, else the exporter without its port,
// from the label instance, or exporter after perPlace.
func withPlaceLabel(exporter, expr string) string {
	return `label_replace(label_replace(
` + indentAll(expr) + `,
	"place", "$1", "` + exporter + `", "(.+?)(:\\d+)?"), "place", "$1", "site", "(.+)")`
}

// withNameLabel adds the label name: the host's first part, where it is a name.
func withNameLabel(expr string) string {
	return `label_replace(label_replace(
` + indentAll(expr) + `,
	"name", "$1", "host", "(.+)"), "name", "$1", "host", "([^.]*[a-zA-Z][^.]*)[.].+")`
}

// indentRest indents all lines of an expression but the first, for a place that is deep in another one.
func indentRest(depth int, expr string) string {
	return strings.ReplaceAll(tidy(expr), "\n", "\n"+strings.Repeat("\t", depth))
}

func indentAll(expr string) string {
	return "\t\t" + strings.ReplaceAll(tidy(expr), "\n", "\n\t\t")
}

// pathStates are the values of pathHistory: the worst of each interval.
const pathStates = `
	0 * max by (@path) (max_over_time(endpoint_path_failure{@target, class="interception"}[$__interval])) + 3
	or 0 * (
		max by (@path) (max_over_time(endpoint_path_addresses{@target, result="failed"}[$__interval])) > 0
		and min by (@path) (min_over_time(endpoint_path_up{@target}[$__interval])) == 1
	) + 2
	or min by (@path) (min_over_time(endpoint_path_up{@target}[$__interval]))`

// recordedPathStates are the values of pathHistory that the rules record of paths that are not up.
const recordedPathStates = `
	min by (@path) (
		min_over_time(endpoint:path_state{@target}[$__interval])
		and on (@path) ` + longestFailing + `
	)`

// longestFailing are the paths that were not up for longest in the time shown.
const longestFailing = `topk(30, sum by (@path) (count_over_time(endpoint:path_state{@target}[$__range] @ end())))`

// lostBeforeKeepalive are the TCP paths that lose idle connections before the devices' keepalive, after how long.
const lostBeforeKeepalive = `
	bottomk(200,
		min by (@path) (last_over_time(endpoint_idle_lost_seconds{@target, transport="tcp"}[10m]))
		<= on (@host) group_left () ` + keepalives + `
	)`

// unprovedSites counts the sites of each path whose state endpoint_path_unproven meets a condition.
func unprovedSites(condition string) string {
	return sitesBy(`last_over_time(endpoint_path_unproven{@target}[10m]) `+condition, "service", "host", "transport", "port")
}

// silenceStates are the values of silence. Devices send no keepalive over UDP, and hosts for browsers have none.
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

// verdictRanks are the values of verdictRank.
func verdictRanks(window string) string {
	return strings.ReplaceAll(`
	max by (@resolver) (
		3 * max_over_time(endpoint_dns_verdict{@target, verdict="stale"}[WINDOW])
		or 2 * max_over_time(endpoint_dns_verdict{@target, verdict="suspect"}[WINDOW])
		or max_over_time(endpoint_dns_verdict{@target, verdict="unknown"}[WINDOW])
	)`, "WINDOW", window)
}

// worstResolvers counts the hosts of each resolver in trouble: at most 200, those with most hosts first.
var worstResolvers = "topk(200, count by (@site, resolver, verdict) (\n" + indentAll(resolversInTrouble) + "\n))"

// resolversInTrouble are those that are stale, suspect or failing, by the label verdict: the verdict, or the reason.
const resolversInTrouble = `
	last_over_time(endpoint_dns_verdict{@target, verdict=~"stale|suspect"}[10m]) == 1
	or label_replace(last_over_time(endpoint_dns_failure{@target}[10m]), "verdict", "$1", "reason", "(.+)")
	or label_join(last_over_time(endpoint_dns_family_failure{@target}[10m]), "verdict", " ", "family", "reason")`
