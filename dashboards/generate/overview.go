package main

// overview is the dashboard for the person on call: what is wrong now, at which site, to which host.
func overview() dashboard {
	here := labelColumns(fromRow, "site", "instance", "service", "host", "transport", "port")
	resolvers := labelColumns(fromRow, "site", "instance", "host", "resolver")
	count := func(title, description, expr, fine string, colour string) panel {
		return stat(3, title, description, orZero(expr, lastUp), field{
			Unit: "short", NoValue: "no data", Mappings: none(fine), Thresholds: above0(colour),
		})
	}
	panels := place(
		count("Unreachable", "Hosts to which no path carries a device, each site counted separately. Devices there that need one are offline.",
			unreachable, "none", bad),
		count("Intercepted", "Hosts, each site counted separately, in whose place something else answered in the last 10 minutes: another or a forged "+
			"issuer, a block page, a sinkhole. Devices refuse it and stay offline.", hostsFailing(`="interception"`), "none", worse),
		count("Blocked", "Hosts, each site counted separately, with a path or an address that was blocked in the last 10 minutes. "+
			"Devices may still pass by another path.", hostsFailing(`="blocked"`), "none", partly),
		count("Other failures", "Hosts, each site counted separately, that failed in the last 10 minutes by the server, its certificate, or because "+
			"the name did not resolve.", hostsFailing(`=~"server|certificate|dns"`), "none", partly),
		count("Stale DNS", "Hosts, each site counted separately, for which a DNS server of the site is proved to keep records past their TTL. "+
			"When the cloud moves, devices connect to the old address.",
			`count(count by (@host) (last_over_time(endpoint_dns_stale{@target}[10m]) == 1))`, "none", bad),
		count("Certificates", "Hosts whose own certificate has expired or should have been renewed by now: less than a fifth of its lifetime "+
			"is left and less than 30 days. Each host counts once, whatever the number of sites.", `
			count(count by (service, host) (
				`+certificates+` - time()
				< clamp_max(0.2 * (`+certificates+` - last_over_time(endpoint_tls_not_before_timestamp_seconds{@target}[10m])), 30 * 86400)
				and last_over_time(endpoint_tls_authentic{@target}[10m]) == 1
			))`, "all valid", partly),
		stat(3, "Silent sites", "Exporters without data for 10 minutes that had data in the last day. "+
			"The state of their sites is not known, and the other panels do not include them.",
			orZero(`count(
				present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[1d])
				unless present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[10m])
			)`, `present_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[1d])`),
			field{Unit: "short", NoValue: "never heard of any", Mappings: none("none"), Thresholds: above0(unknown)}),
		stat(3, "Critical alerts", "Critical alerts that fire now. The dashboards need no alerting rules; this panel and the list of alerts do.",
			`count(ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing", severity="critical"}) or 0 * count(endpoint:threshold:rounds)`,
			field{Unit: "short", NoValue: "rules not loaded", Mappings: none("none"), Thresholds: above0(bad)}),

		table(24, 9, "Failing paths", "Paths with a failure in the last 10 minutes, and how they are now. A path may be up and still be here: "+
			"another of its addresses fails, or it has just recovered. Follow a host to see its own dashboard.",
			"No path has failed in the last 10 minutes, as far as the exporters can say", "Fault", false,
			append(here,
				column{value: "C", header: "Fault", width: 95, cell: "color-text", field: field{Mappings: classRank}},
				column{label: "reason", header: "Reason", field: field{Mappings: reasonNames}},
				column{value: "B", header: "Path now", width: 80, cell: "color-text", field: field{Mappings: pathState, NoValue: "no verdict"}},
				column{value: "A", header: "Addresses", width: 85},
			), []string{"job", "class"},
			query{expr: failures},
			query{expr: beside(failures, pathLabels, `max by (@path) (last_over_time(endpoint_path_up{@target}[10m]))`)},
			query{expr: classRanks},
		),

		table(24, 8, "Alerts that fire", "Alerts of these sites and of the whole fleet. The runbook says what to do at each.",
			"No alert fires, or the alerting rules are not loaded", "Severity", false,
			append([]column{
				{value: "B", header: "Severity", width: 80, cell: "color-text", field: field{Mappings: severityRank}},
				{label: "alertname", header: "Alert", width: 270, field: field{Links: []link{{Title: "Runbook", URL: runbooks, TargetBlank: true}}}},
				{value: "A", header: "Since", width: 120, field: field{Unit: "dateTimeFromNow"}},
			}, labelColumns(fromRow, "site", "instance", "service", "host", "transport", "port", "resolver")...), []string{"job", "severity"},
			query{expr: "1000 * min by (@path, resolver, severity, alertname) (\n" + indented(ofAll(`
				ALERTS_FOR_STATE{@alert, alertname=~"Endpoint.+"}
				and ignoring (alertstate) ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing"}`)) + "\n)"},
			query{expr: ranked("max by (@path, resolver, severity, alertname) (\n"+indented(ofAll(
				`ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing", SELECT}`))+"\n)",
				"severity", "critical", "warning", "info")},
		),
		table(24, 6, "Issuers that are not authentic", "Who signed the certificates that devices refuse, over the time shown. The same issuer at one site is that "+
			"site's inspection of TLS; at all sites it is the company's, or the cloud has a new authority.",
			"No certificate of a foreign issuer was seen in the time shown", "Last seen", true,
			append(labelColumns(fromRow, "site", "instance", "service", "host", "transport", "port"),
				column{label: "issuer", header: "Issuer"},
				column{value: "A", header: "Last seen", width: 120, field: field{Unit: "dateTimeFromNow"}},
			), []string{"job"},
			query{expr: `
				1000 * max by (@path, issuer) (max_over_time(timestamp(
					endpoint_tls_issuer_info{@target}
					and ignoring (issuer, subject, public_key_sha256) endpoint_tls_authentic{@target} == 0
				)[$__range:2m]))`},
		),

		timeline(24, 10, "Paths that were not up all the time", "Paths with a failure in the time shown; those without one are left out. Each cell is the worst of its "+
			"interval. A gap is time without a verdict: the exporter was silent, or the deadline cut the path off.",
			pathHistory, "No path has failed in the time shown, as far as the exporters can say", fromSeries,
			query{placed(named(`
	(
` + indented(pathStates) + `
	)
	and on (@path) (
		max by (@path) (max_over_time(endpoint_path_failure{@target, class!="survey"}[$__range] @ end()))
	)`)), "{{place}} {{name}} {{transport}} {{port}}"}),

		table(12, 8, "Sites", "Every exporter that was heard of in the last day, and what it saw in the last 10 minutes. Follow a site or its exporter to see only that one.",
			"No exporter was heard of in the last day", "Last round", true,
			append(labelColumns(fromSite, "site", "instance"),
				column{value: "A", header: "Last round", width: 105, cell: "color-text", field: field{Unit: "s", Decimals: ptr(0), Thresholds: limits(good, from(600, bad))}},
				column{value: "B", header: "Hosts", width: 65, field: field{NoValue: "?"}},
				column{value: "C", header: "Unreachable", width: 100, cell: "color-text", field: field{NoValue: "?", Mappings: none("none"), Thresholds: limits(unknown, from(1, bad))}},
				column{value: "D", header: "No verdict", field: field{NoValue: "?", Mappings: none("none"), Thresholds: limits(unknown)}, cell: "color-text"},
			), []string{"job"},
			query{expr: `clamp_min(time() - max by (@site) (max_over_time(endpoint_survey_last_timestamp_seconds{@exporter}[1d])), 0)`},
			query{expr: `count by (@site) (` + lastUp + `)`},
			query{expr: `count by (@site) (` + lastUp + ` == 0) or 0 * count by (@site) (` + lastUp + `)`},
			query{expr: `max by (@site) (last_over_time(endpoint_survey_incomplete_paths{@exporter}[10m]))`},
		),
		lines(12, 8, "Hosts in trouble", "How many hosts, each site counted separately, had which trouble in the 10 minutes before.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter", "lineWidth": 2}},
			query{orZero(unreachable, lastUp), "unreachable"},
			query{orZero(hostsFailing(`="interception"`), lastUp), "intercepted"},
			query{orZero(hostsFailing(`="blocked"`), lastUp), "blocked"},
			query{orZero(`count(count by (@host) (last_over_time(endpoint_dns_stale{@target}[10m]) == 1))`, lastUp), "stale DNS"},
		).override("unreachable", fixed(bad)).override("intercepted", fixed("purple"), dashed).override("blocked", fixed(partly)).override("stale DNS", fixed("blue"), dashed),

		table(17, 8, "Resolvers in trouble", "DNS servers of the sites that are proved to keep records past their TTL (stale), are suspected of it (suspect), or gave no address "+
			"in the last 10 minutes (the reason). The last columns are the excess of a TTL over the zone's, and how long a record was proved to be given past its TTL.", "No resolver is stale, suspect or failing", "Verdict", false,
			append(resolvers,
				column{label: "verdict", header: "Verdict", width: 95, cell: "color-text", field: field{
					Color: &color{Mode: "fixed", FixedColor: partly}, Mappings: verdictName}},
				column{value: "B", header: "Over zone's TTL", field: field{Unit: seconds, NoValue: "not known"}, width: 115},
				column{value: "C", header: "Past TTL", field: field{Unit: seconds, NoValue: "not known"}},
			), []string{"job", "service"},
			query{expr: resolversInTrouble},
			query{expr: beside(resolversInTrouble, resolverLabels, `max by (@resolver) (last_over_time(endpoint_dns_ttl_excess_seconds{@target}[10m]))`)},
			query{expr: beside(resolversInTrouble, resolverLabels, `max by (@resolver) (last_over_time(endpoint_dns_staleness_seconds{@target}[10m]))`)},
		),
		bars(7, 8, "Verdicts on resolvers", "Hosts at each resolver by whether its records are fresh. Unknown is not ok: the zone's own servers cannot be asked, "+
			"or the exporter has not watched for long enough. The Exporter dashboard shows its way to port 53.",
			field{Unit: "short", Min: ptr(0.0), NoValue: "no data", Color: &color{Mode: "fixed", FixedColor: neutral}},
			query{`sum by (verdict) (last_over_time(endpoint_dns_verdict{@target}[10m]))`, "{{verdict}}"},
		).override("ok", fixed(good)).override("unknown", fixed(unknown)).override("suspect", fixed(hint)).override("stale", fixed(bad)),

		table(8, 8, "Certificates of the cloud", "How long the certificates last that the expected authority signed: for each host the one that ends first, "+
			"as seen from any site.", "No authentic certificate was seen in the last 10 minutes", "Remaining", false,
			append(labelColumns(fromCloud, "host"),
				column{value: "A", header: "Remaining", width: 90, cell: "color-text", field: field{Unit: "s", Decimals: ptr(1), Thresholds: limits(bad, from(0, neutral))}},
				column{value: "B", header: "Of lifetime", cell: "color-text", field: field{
					Unit: "percentunit", Decimals: ptr(0), Thresholds: limits(bad, from(0, partly), from(0.2, good))}},
			), []string{"service"},
			query{expr: `
				min by (service, host) (
					` + certificates + ` - time()
					and last_over_time(endpoint_tls_authentic{@target}[10m]) == 1
				)`},
			query{expr: `
				min by (service, host) (
					(` + certificates + ` - time()) / (` + certificates + ` - last_over_time(endpoint_tls_not_before_timestamp_seconds{@target}[10m]))
					and last_over_time(endpoint_tls_authentic{@target}[10m]) == 1
				)`},
		),
		table(16, 8, "Silence against keepalive", "How long a silent TCP connection survives the path, and how long devices are silent between two keepalives. Where the network "+
			"forgets sooner, devices are cut off without noticing.", "Silence is not measured at these sites (idle.enabled)", "Verdict", false,
			append(labelColumns(fromRow, "site", "instance", "host", "port"),
				column{value: "A", header: "Verdict", width: 135, cell: "color-text", field: field{Mappings: silence}},
				column{value: "B", header: "Survives", width: 70, field: field{Unit: seconds}},
				column{value: "C", header: "Lost after", width: 75, field: field{Unit: seconds}},
				column{value: "D", header: "Keepalive", field: field{Unit: seconds}},
			), []string{"job", "service", "transport"},
			query{expr: `(` + silenceStates + `
				) < 3`},
			query{expr: `min by (@path) (last_over_time(endpoint_idle_survived_seconds{@target, transport="tcp"}[10m])) and on (@host) ` + keepalives},
			query{expr: `min by (@path) (last_over_time(endpoint_idle_lost_seconds{@target, transport="tcp"}[10m])) and on (@host) ` + keepalives},
			query{expr: beside(measuredTCP, hostLabels, keepalives)},
		),
	)
	return describe(overviewUID, "Endpoints: overview", "What is wrong now on the paths from the sites to their device cloud.",
		variables(false, false), selecting(panels))
}
