package main

import (
	"fmt"
	"slices"
	"strings"
)

// exporter is the dashboard of the exporters themselves: whether their rounds take place, end in time, and see what
// they must. Panels of values over time show the highest five and the median, so that 500 exporters are readable.
func exporter() dashboard {
	now := lastRounds("10m")
	// spread shows the five exporters with the highest values in the time shown, and the median of all.
	spread := func(title, description string, f field, metric string) panel {
		f.Min, f.NoValue = ptr(0.0), "no data"
		return highest(title, description, f, func(window string) string { return "max_over_time(" + metric + "{@exporter}[" + window + "])" }).everyScrape()
	}
	rate := func(title, description, noValue, leg string) panel {
		return lines(12, 7, title, description, field{Unit: "reqps", Min: ptr(0.0), NoValue: noValue},
			query{`sum by (rcode) (rate(endpoint_dns_queries_total{@exporter, leg="` + leg + `"}[$__rate_interval])) > 0`, "{{rcode}}"}).everySecondScrape().every("10m")
	}
	silentRank := slices.IndexFunc(faults, func(f fault) bool { return f.name == "EndpointExporterAbsent" })
	panels := place(
		stat(4, "Exporters", "Exporters of which something was heard in the last 10 minutes.", `count(`+now+`)`,
			field{Unit: "short", NoValue: "none", Color: &color{Mode: "fixed", FixedColor: "blue"}}),
		stat(4, "Silent exporters", "Exporters of which nothing was heard for 10 minutes, but something in the last day.",
			orZero(`count(`+lastRounds("1d")+` unless `+now+`)`, lastRounds("1d")),
			field{Unit: "short", NoValue: "never heard of any", Mappings: none, Thresholds: above0(bad)}),
		stat(4, "Oldest last round", "Age of the last round of the exporter that is furthest behind, of those heard of in the last 10 minutes.",
			`clamp_min(max(time() - `+now+`), 0)`, field{Unit: "s", Decimals: ptr(0), NoValue: "no round", Thresholds: limits(good, colourFrom(180, partly), colourFrom(600, bad))}),
		stat(4, "Paths without a verdict", "Paths that the deadline cut off in the last rounds. A fault of theirs would not be seen.",
			`sum(last_over_time(endpoint_survey_incomplete_paths{@exporter}[10m]))`,
			field{Unit: "short", NoValue: "no data", Mappings: none, Thresholds: above0(partly)}),
		stat(4, "Configurations refused", "Exporters that refused their configuration file and go on with the last good one.",
			orZero(`count(last_over_time(endpoint_exporter_config_last_reload_successful{@exporter}[10m]) == 0)`,
				`last_over_time(endpoint_exporter_config_last_reload_successful{@exporter}[10m])`),
			field{Unit: "short", NoValue: "no data", Mappings: none, Thresholds: above0(partly)}),
		stat(4, "Port 53 not usable", "Exporters that cannot query the zones' authoritative servers. Their verdicts on DNS are unknown, never ok.",
			orZero(`count(last_over_time(endpoint_dns_authority_path{@exporter, state!="ok"}[10m]) == 1)`,
				`last_over_time(endpoint_dns_authority_path{@exporter}[10m])`),
			field{Unit: "short", NoValue: "not looked at", Mappings: none, Thresholds: above0(partly)}),

		table(24, 12, "Each exporter", "Every exporter that was heard of in the last day, those with a fault of their own on top.", "No exporter was heard of in the last day", "State", false,
			[]column{
				{label: "site", header: "Site", width: 100, field: field{Links: fromSite}}, {label: "instance", header: "Exporter", width: 260, field: field{Links: fromSite}},
				{value: "A", header: "State", width: 150, cell: "color-background", field: field{Mappings: faultRank},
					expr: fmt.Sprintf(`
				min by (@site) (
					%s
					or 0 * (%s unless %s) + %d
					or 0 * %s + %d
				)`, indentRest(5, faultRanks("max by (@site, fault) ("+faultSeries(func(f fault) bool { return f.effect == impaired && f.ofSite })+")")), lastRounds("1d"), now, silentRank, now, noFault)},
				{value: "B", header: "Last round", width: 100, field: field{Unit: "s", Decimals: ptr(0)}, expr: `clamp_min(time() - max by (@site) (` + lastRounds("1d") + `), 0)`},
				{value: "C", header: "It took", width: 90, field: field{Unit: "s"}, expr: latest(`max by (@site)`, `endpoint_survey_duration_seconds{@exporter}`)},
				{value: "D", header: "No verdict", width: 100, cell: "color-text", field: field{NoValue: "?", Mappings: none, Thresholds: limits(partly)},
					expr: latest(`max by (@site)`, `endpoint_survey_incomplete_paths{@exporter}`)},
				{value: "E", header: "Port 53", width: 130, cell: "color-text", field: field{Mappings: authorityPath, NoValue: "not looked at"},
					expr: rankBy(`max by (@site) (last_over_time(endpoint_dns_authority_path{@exporter, SELECT}[10m]) == 1)`, "state", "ok", "blocked", "intercepted", "not_authoritative")},
				{value: "F", header: "Configuration", width: 115, cell: "color-text", field: field{Mappings: words(word{"0", "refused", bad}, word{"1", "ok", good})},
					expr: latest(`min by (@site)`, `endpoint_exporter_config_last_reload_successful{@exporter}`)},
				{value: "G", header: "Loaded", width: 130, field: field{Unit: "dateTimeFromNow"},
					expr: `1000 * ` + latest(`max by (@site)`, `endpoint_exporter_config_last_reload_success_timestamp_seconds{@exporter}`)},
				{value: "H", header: "Started", field: field{Unit: "dateTimeFromNow"}, expr: `1000 * ` + latest(`max by (@site)`, `process_start_time_seconds{@exporter}`)},
			}, []string{"job"}),

		row("Rounds"),
		spread("Duration of rounds", "The longest round of each interval. A round never takes longer than survey.timeout or the scrape's own timeout.",
			field{Unit: "s"}, "endpoint_survey_duration_seconds"),
		spread("Scrapes", "How long Prometheus waited for the answer, the longest of each interval: rounds, and what the answer itself costs.",
			field{Unit: "s"}, "scrape_duration_seconds"),
		lines(12, 7, "Exporters heard of", "Exporters of which something was heard in the 10 minutes before.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter", "lineWidth": 2}},
			query{`count(` + now + `)`, "exporters"}).everyScrape(),
		lines(12, 7, "Paths without a verdict over time", "Paths that the deadline cut off in a round, of all exporters together, and how many exporters have such paths.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{`sum(max_over_time(endpoint_survey_incomplete_paths{@exporter}[$__interval]))`, "paths"},
			query{orZero(`count(max_over_time(endpoint_survey_incomplete_paths{@exporter}[$__interval]) > 0)`, `last_over_time(endpoint_survey_incomplete_paths{@exporter}[$__interval])`), "exporters"}).everyScrape(),

		row("Name service"),
		rate("DNS queries to the resolvers", "Queries to the sites' resolvers by how they ended, of all exporters chosen.", "no data", "resolver"),
		rate("DNS queries to the zones' servers", "Queries to the zones' authoritative servers by how they ended, of all exporters chosen.", "no zone's server is queried (authority.mode)", "authority"),
		lines(24, 7, "Ways to port 53", "How many exporters have which way to the zones' authoritative servers. Where it is not ok, verdicts on DNS are unknown.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "not looked at (authority.mode)", Custom: map[string]any{"lineInterpolation": "stepAfter", "lineWidth": 2}},
			query{`sum by (state) (endpoint_dns_authority_path{@exporter}) > 0`, "{{state}}"}).everyScrape().
			override("ok", fixed(good)).override("blocked", fixed(bad)).override("intercepted", fixed(worse)).override("not_authoritative", fixed(partly)),

		row("Resources"),
		spread("Memory", "Resident memory of the process.", field{Unit: "bytes"}, "process_resident_memory_bytes"),
		highest("CPU", "Processor time used per second.", field{Unit: "percentunit", Min: ptr(0.0), NoValue: "no data"},
			func(window string) string {
				if window == "$__interval" {
					window = "$__rate_interval"
				}
				return "rate(process_cpu_seconds_total{@exporter}[" + window + "])"
			}).everySecondScrape(),
		spread("Goroutines", "Goroutines of the process. Their number may rise during a round; one that only rises is a leak.",
			field{Unit: "short", Decimals: ptr(0)}, "go_goroutines"),
		spread("Open files", "Files and sockets that the process holds.", field{Unit: "short", Decimals: ptr(0)}, "process_open_fds"),

		table(24, 6, "Builds", "Which versions run, and how many exporters of each.", "no data", "Exporters", true,
			[]column{
				{label: "version", header: "Version", width: 150},
				{value: "A", header: "Exporters", width: 100, expr: `count by (version, revision, goversion, goos, goarch) (last_over_time(endpoint_exporter_build_info{@exporter}[10m]))`},
				{label: "revision", header: "Revision", width: 340},
				{label: "goversion", header: "Go", width: 110}, {label: "goos", header: "System", width: 90}, {label: "goarch", header: "Machine"},
			}, nil),
	)
	return describe(exporterUID, "Endpoints: exporters", "The exporters themselves: their rounds, deadlines, and resources.",
		variables(false, true), selecting(panels)).
		annotate([]annotation{restartAnnotation, reloadAnnotation}, []annotation{alertAnnotation})
}

// highest shows the five exporters with the highest values in the time shown, and the median of all. value is the
// expression of one exporter's value over a window.
func highest(title, description string, f field, value func(window string) string) panel {
	return lines(12, 8, title, description, f,
		query{value("$__interval") + "\nand on (@site) topk(5, max by (@site) (" + strings.Replace(value("$__range"), "])", "] @ end())", 1) + "))", "{{site}} {{instance}}"},
		query{"quantile(0.5, " + value("$__interval") + ")", "median of all"},
	).override("median of all", fixed(neutral), dashed, property{"custom.lineWidth", 2})
}
