package main

// exporter is the exporters themselves: whether their rounds come, end in time, and can see what they must.
func exporter() dashboard {
	const (
		series   = "{{site}} {{instance}}" // a site may have several
		lastSeen = `last_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[10m])`
	)
	onSite := labelColumns(fromSite, "site", "instance")
	states := func(expr string) query { return query{expr, series} }
	panels := place(
		stat(4, "Exporters", "Exporters of which something was heard in the last 10 minutes.", `count(`+lastSeen+`)`,
			field{Unit: "short", NoValue: "none", Thresholds: limits(good)}),
		stat(4, "Silent exporters", "Exporters of which nothing was heard for 10 minutes, but something in the last day.",
			orZero(`count(
				present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[1d])
				unless present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[10m])
			)`, `present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[1d])`),
			field{Unit: "short", NoValue: "never heard of any", Mappings: none("none"), Thresholds: above0(bad)}),
		stat(4, "Oldest last round", "Age of the last round of the exporter that is furthest behind, of those heard of in the last 10 minutes.",
			`clamp_min(max(time() - `+lastSeen+`), 0)`, field{Unit: "s", Decimals: ptr(0), NoValue: "no round", Thresholds: limits(good, from(180, partly), from(600, bad))}),
		stat(4, "Paths without a verdict", "Paths that the deadline cut off in the last rounds. A fault of theirs would not be seen.",
			`sum(last_over_time(endpoint_survey_incomplete_paths{@exporter}[10m]))`,
			field{Unit: "short", NoValue: "no data", Mappings: none("none"), Thresholds: above0(partly)}),
		stat(4, "Configurations refused", "Exporters that refused their configuration file and go on with the last good one.",
			orZero(`count(last_over_time(endpoint_exporter_config_last_reload_successful{@exporter}[10m]) == 0)`,
				`last_over_time(endpoint_exporter_config_last_reload_successful{@exporter}[10m])`),
			field{Unit: "short", NoValue: "no data", Mappings: none("none"), Thresholds: above0(partly)}),
		stat(4, "Port 53 not usable", "Exporters that cannot ask the zones' own servers. Their verdicts on DNS are unknown, never ok.",
			orZero(`count(last_over_time(endpoint_dns_authority_path{@exporter, state!="ok"}[10m]) == 1)`,
				`last_over_time(endpoint_dns_authority_path{@exporter}[10m])`),
			field{Unit: "short", NoValue: "not looked at", Mappings: none("none"), Thresholds: above0(partly)}),

		row("Rounds"),
		lines(12, 7, "Duration of rounds", "The longest round of the 10 minutes before. A round never takes longer than survey.timeout or the scrape's own timeout.",
			field{Unit: "s", Min: ptr(0.0), NoValue: "no data"},
			query{`max_over_time(endpoint_survey_duration_seconds{@exporter}[10m])`, series}),
		lines(12, 7, "Age of the last round", "How long ago the last round ended. It grows to the scrape interval and falls back; what only grows is an exporter that is not scraped.",
			field{Unit: "s", Min: ptr(0.0), NoValue: "no data"},
			query{`clamp_min(time() - max_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[3h]), 0)`, series}),
		lines(12, 7, "Paths without a verdict over time", "The most paths that the deadline cut off in a round of the 10 minutes before.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{`max_over_time(endpoint_survey_incomplete_paths{@exporter}[10m])`, series}),
		lines(12, 7, "Scrapes", "How long Prometheus waited for the answer, the longest of the 10 minutes before: rounds, and what the answer itself costs.",
			field{Unit: "s", Min: ptr(0.0), NoValue: "no data: the samples come from elsewhere"},
			query{`max_over_time(scrape_duration_seconds{@exporter}[10m]) and on (@site) ` + lastSeen, series}),

		row("Name service"),
		lines(12, 7, "DNS queries to the resolvers", "Queries to the sites' resolvers by how they ended, of all exporters chosen, on average of the 10 minutes before.",
			field{Unit: "reqps", Min: ptr(0.0), NoValue: "no data"},
			query{`sum by (rcode) (rate(endpoint_dns_queries_total{@exporter, leg="resolver"}[10m])) > 0`, "{{rcode}}"}),
		lines(12, 7, "DNS queries to the zones' servers", "Queries to the zones' own servers by how they ended, of all exporters chosen, on average of the 10 minutes before.",
			field{Unit: "reqps", Min: ptr(0.0), NoValue: "no zone's server is asked (authority.mode)"},
			query{`sum by (rcode) (rate(endpoint_dns_queries_total{@exporter, leg="authority"}[10m])) > 0`, "{{rcode}}"}),
		timeline(12, 7, "Way to port 53", "Each exporter's own way to the zones' servers; the worst of each interval. Where it is not ok, verdicts on DNS are unknown.",
			authorityPath, "not looked at (authority.mode)", nil, states(`
				max by (@site) (
					0 * max_over_time(endpoint_dns_authority_path{@exporter, state="ok"}[$__interval])
					or max_over_time(endpoint_dns_authority_path{@exporter, state="blocked"}[$__interval])
					or 2 * max_over_time(endpoint_dns_authority_path{@exporter, state="intercepted"}[$__interval])
					or 3 * max_over_time(endpoint_dns_authority_path{@exporter, state="not_authoritative"}[$__interval])
				)`)),
		timeline(12, 7, "Configuration", "Whether the configuration file was last read without a mistake; the worst of each interval.",
			succeeded, "no data", nil, states(`min by (@site) (min_over_time(endpoint_exporter_config_last_reload_successful{@exporter}[$__interval]))`)),

		row("Resources"),
		lines(6, 7, "Memory", "Resident memory of the process.", field{Unit: "bytes", Min: ptr(0.0), NoValue: "no data"},
			query{`process_resident_memory_bytes{@exporter} and on (@site) ` + lastSeen, series}),
		lines(6, 7, "CPU", "Processor time used per second, on average of the 10 minutes before.", field{Unit: "percentunit", Min: ptr(0.0), NoValue: "no data"},
			query{`rate(process_cpu_seconds_total{@exporter}[10m]) and on (@site) ` + lastSeen, series}),
		lines(6, 7, "Goroutines", "What runs at once in the process. It may rise in a round; what only rises is a leak.", field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "no data"},
			query{`max_over_time(go_goroutines{@exporter}[10m]) and on (@site) ` + lastSeen, series}),
		lines(6, 7, "Open files", "Files and sockets that the process holds, of those it may.", field{Unit: "percentunit", Min: ptr(0.0), NoValue: "no data"},
			query{`max_over_time(process_open_fds{@exporter}[10m]) / max_over_time(process_max_fds{@exporter}[10m]) and on (@site) ` + lastSeen, series}),

		table(24, 7, "Builds", "What runs where, and since when its configuration is in force.", "no data", "Version", false,
			append(onSite,
				column{label: "version", header: "Version", width: 130}, column{label: "revision", header: "Revision", width: 330},
				column{label: "goversion", header: "Go", width: 110}, column{label: "goos", header: "System", width: 90}, column{label: "goarch", header: "Machine", width: 100},
				column{value: "B", header: "Started", width: 140, field: field{Unit: "dateTimeFromNow", NoValue: "–"}},
				column{value: "C", header: "Configuration", field: field{Unit: "dateTimeFromNow", NoValue: "–"}},
			), []string{"job"},
			query{expr: builds},
			query{expr: beside(builds, siteLabels, `1000 * max by (@site) (last_over_time(process_start_time_seconds{@exporter}[10m]))`)},
			query{expr: beside(builds, siteLabels, `1000 * max by (@site) (last_over_time(endpoint_exporter_config_last_reload_success_timestamp_seconds{@exporter}[10m]))`)},
		),
	)
	return describe(exporterUID, "Endpoints: exporters", "The exporters themselves: their rounds, deadlines, and resources.",
		variables(false, true), selecting(panels))
}

const builds = `max by (@site, version, revision, goversion, goos, goarch) (last_over_time(endpoint_exporter_build_info{@exporter}[10m]))`
