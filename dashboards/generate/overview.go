package main

import "fmt"

// overview is the dashboard for the person on call: which sites are in trouble, with what, since when, and who must
// act.
func overview() dashboard {
	const rulesLoaded = `endpoint:threshold:rounds`
	count := func(title, description, expr, data, noValue, color string) panel {
		return stat(3, title, description, orZero(expr, data), field{Unit: "short", NoValue: noValue, Mappings: none, Thresholds: above0(color)})
	}
	faultCount := func(title, description, expr, color string) panel {
		return count(title, description, expr, rulesLoaded, "rules not loaded", color)
	}
	affecting := func(f fault) bool { return f.effect == offline || f.effect == affected }
	inTrouble := orZero(countSites(currentFaults(affecting)), rulesLoaded)
	known := countSites(lastRounds("10m") + "\nor " + faultSeries(hasEffect(silent)))
	panels := place(
		stat(3, "Sites", "Sites that were heard of in the last day, silent ones included. Several exporters with the same label site are one site.",
			known, field{Unit: "short", NoValue: "none", Color: &color{Mode: "fixed", FixedColor: "blue"}}),
		stat(3, "Sites in trouble", "Sites with a fault that affects devices now, of all sites. Silent sites are counted separately.",
			partOfWhole(inTrouble, known), field{Unit: "short", NoValue: "rules not loaded", Thresholds: above0(bad)}).showName("{{part}} of {{whole}}"),
		faultCount("Silent sites", "Sites that were heard of in the last day, and not in the last 5 minutes: their state is not known. "+
			"Power or the uplink failed, or the exporter stopped.", countSites(faultSeries(hasEffect(silent))), unknown),
		faultCount("Devices offline", "Sites at which devices of at least one host are cut off: no path passes, all answers are intercepted, or the certificate has expired.",
			countSites(currentFaults(hasEffect(offline))), bad),
		count("Intercepted", "Sites at which something else answered in the cloud's place in the last 10 minutes: another or a forged "+
			"issuer, a block page, a sinkhole. Devices refuse it and stay offline.",
			countSites(`last_over_time(endpoint_path_failure{@target, class="interception"}[10m])`), lastUp, "no data", worse),
		count("Stale DNS", "Sites with a DNS server that is proved to keep records past their TTL. When the cloud moves, devices connect to the old address.",
			countSites(`last_over_time(endpoint_dns_stale{@target}[10m]) == 1`), lastUp, "no data", bad),
		faultCount("Certificates", "Hosts whose own certificate has expired or should have been renewed by now, by the thresholds of the alerting rules. "+
			"Each host counts once, whatever the number of sites.", "count(group by (service, host) (\n"+indentAll(renewalOverdue)+"\n))", partly),
		faultCount("Impaired", "Sites where faults of devices may not be seen: rounds are cut off, hosts are not watched, port 53 to the zones' own servers is closed, "+
			"the clock is wrong, or a configuration was refused.", countSites(faultSeries(hasEffect(impaired))), unknown),

		table(13, 15, "Sites with a fault", "One row for each site with a fault, the worst on top. Hosts are those with any fault, offline are those whose devices are cut off. "+
			"Follow a site to see only its paths below.",
			"No site has a fault, or the alerting rules are not loaded", "Fault", false,
			[]column{
				{label: "site", header: "Site", width: 100, field: field{Links: fromPlace}},
				{value: "A", header: "Fault", width: 140, cell: "color-background", field: field{Mappings: faultRank}, expr: worstFault},
				{value: "E", header: "Since", width: 125, field: field{Unit: "dateTimeFromNow"}, expr: worstSince},
				{value: "C", header: "Hosts", width: 65, expr: hostsWith(affecting)},
				{value: "D", header: "Offline", width: 70, cell: "color-text", field: field{Thresholds: limits(neutral, colourFrom(1, bad))}, expr: hostsWith(hasEffect(offline))},
				{value: "B", header: "Who must act", width: 255, field: field{Mappings: actor}, expr: whoMustAct},
				{label: "exporter", header: "Exporter", field: field{Links: fromPlace}},
			}, nil),
		table(11, 15, "What fails, and at how many sites", "Failures of the last 10 minutes by path and reason, with the number of sites. At one site it is that site's network; "+
			"at many it is the cloud, or a network or policy that they share.",
			"No path has failed in the last 10 minutes, as far as the exporters can tell", "Sites", true,
			append([]column{
				{value: "A", header: "Sites", width: 60, expr: sitesBy(`last_over_time(endpoint_path_failure{@target}[10m])`, "service", "host", "transport", "port", "reason", "class")},
				{value: "B", header: "Fault", width: 95, cell: "color-text", field: field{Mappings: classRank},
					expr: rankBy(`max by (service, host, transport, port, reason, class) (last_over_time(endpoint_path_failure{@target, SELECT}[10m]))`,
						"class", classNames()...)},
			}, append(labelColumns(fromCloud, "host", "transport", "port"),
				column{label: "reason", header: "Reason", field: field{Mappings: reasonNames}})...),
			[]string{"service", "class"},
		),

		table(12, 8, "Alerts that fire", "Alerts of these sites and of the whole fleet, with the number of each and the time since the first of them. The runbook tells what to do at each.",
			"No alert fires, or the alerting rules are not loaded", "Severity", false,
			[]column{
				{value: "B", header: "Severity", width: 80, cell: "color-text", field: field{Mappings: severityRank},
					expr: rankBy(`max by (alertname, severity, scope) (ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing", SELECT})`,
						"severity", "critical", "warning", "info")},
				{label: "alertname", header: "Alert", field: field{Links: []link{{Title: "Runbook", URL: runbooks, TargetBlank: true}}}},
				{label: "scope", header: "Of", width: 60},
				{value: "A", header: "Alerts", width: 70, expr: `count by (alertname, severity, scope) (ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing"})`},
				{value: "C", header: "Since", width: 120, field: field{Unit: "dateTimeFromNow"},
					expr: `
				1000 * min by (alertname, severity, scope) (
					ALERTS_FOR_STATE{@alert, alertname=~"Endpoint.+"}
					and ignoring (alertstate) ALERTS{@alert, alertname=~"Endpoint.+", alertstate="firing"}
				)`},
			}, []string{"severity"}),
		faultLines(),
		timeline(24, 12, "Sites with most faults over time", "The 25 sites with most faults in the time shown. Each cell is the worst fault of its interval. "+
			"A gap is time without data. If no site had a fault, nothing is shown.",
			faultRank, "No site had a fault in the time shown, or the alerting rules are not loaded", fromPlaceSeries, query{withPlaceLabel("exporter", fmt.Sprintf(`
	(
		%s
		or 0 * %s + %d
	)
	and on (site, exporter) %s`,
				indentRest(2, perPlace("min", faultRanks(siteFaults("$__interval")+"\nand on (site) "+mostFaulty))),
				indentRest(2, perPlace("max", lastRounds("$__interval")+"\nand on (site) "+mostFaulty)), noFault, indentRest(1, mostFaulty))), "{{place}}"}),

		row("Paths"),
		table(24, 10, "Failing paths", "Paths with a failure in the last 10 minutes, and how they are now; at most 200, those of the worst class first. A path may be up and still be here: "+
			"another of its addresses fails, or it has just recovered. Follow a host to see its own dashboard.",
			"No path has failed in the last 10 minutes, as far as the exporters can tell", "Fault", false,
			append(labelColumns(fromRow, "site", "instance", "host", "transport", "port"),
				column{value: "A", header: "Fault", width: 105, cell: "color-text", field: field{Mappings: classRank}, expr: worstPaths},
				column{label: "reason", header: "Reason", field: field{Mappings: reasonNames}},
				column{value: "B", header: "Path now", width: 90, cell: "color-text", field: field{Mappings: pathState, NoValue: "no verdict"},
					expr: withLabelsOf(worstPaths, pathLabels, latest(`max by (@path)`, `endpoint_path_up{@target}`))},
				column{value: "C", header: "Addresses", width: 90, expr: failures + "\nand " + worstPaths},
			), []string{"job", "service", "class"}),
		timeline(24, 13, "Paths that failed for longest", "The 30 paths that failed for longest in the time shown. Each cell is the worst of its interval; a gap is time in which the exporter was silent.",
			pathHistory, "No path failed in the time shown, or the alerting rules are not loaded", fromSeries, query{withPlaceLabel("instance", withNameLabel(fmt.Sprintf(`
	%s
	or
	0 * %s + 1
	and on (@site) %s`, indentRest(1, recordedPathStates), indentRest(1, longestFailing), lastRounds("$__interval")))), "{{place}} {{name}} {{transport}} {{port}}"}).every("10m"),
		table(12, 8, "Issuers that are not authentic", "Who signed the certificates that devices refuse, over the time shown, and at how many sites. One issuer at one site is that "+
			"site's inspection of TLS; at many sites it is the company's, or the cloud has a new authority.",
			"No certificate of an unexpected issuer was seen in the time shown, or the alerting rules are not loaded", "Sites", true,
			append(labelColumns(fromCloud, "host"),
				column{label: "issuer", header: "Issuer"},
				column{value: "A", header: "Sites", width: 60, expr: sitesBy(`last_over_time(endpoint:issuer:not_authentic{@target}[$__range])`, "service", "host", "issuer")},
				column{value: "B", header: "Last seen", width: 120, field: field{Unit: "dateTimeFromNow"},
					expr: `1000 * max by (service, host, issuer) (max_over_time(timestamp(endpoint:issuer:not_authentic{@target})[$__range:2m]))`},
			), []string{"service"}),
		table(12, 8, "Sessions that are not proved", "Paths on which sessions end without a TLS alert after the exporter's temporary certificate: the server refuses it, or a firewall cuts the session. "+
			"A device's certificate as client_certificate decides it.",
			"Every session was completed or refused by a TLS alert", "Sites", true,
			append(labelColumns(fromCloud, "host", "transport", "port"),
				column{value: "A", header: "Sites", width: 70, expr: unprovedSites("== 1")},
				column{value: "B", header: "Of", expr: unprovedSites("") + "\nand " + unprovedSites("== 1")},
			), []string{"service"}),

		row("Name service"),
		table(17, 8, "Resolvers in trouble", "DNS servers of the sites that are proved to keep records past their TTL (stale), are suspected of it (suspect), or gave no address "+
			"(the reason), or none of one family (the family and the reason), in the last 10 minutes; at most 200. The last columns are the largest excess of a TTL over the zone's, and the longest time that a record was proved to be given past its TTL.",
			"No resolver is stale, suspect or failing", "Hosts", true,
			append(labelColumns(fromSite, "site", "instance", "resolver"),
				column{label: "verdict", header: "Verdict", width: 130, cell: "color-text", field: field{
					Color: &color{Mode: "fixed", FixedColor: partly}, Mappings: verdictName}},
				column{value: "A", header: "Hosts", width: 65, expr: worstResolvers},
				column{value: "B", header: "Over zone's TTL", field: field{Unit: seconds, NoValue: "not known"}, width: 130,
					expr: withLabelsOf(worstResolvers, siteLabels+", resolver", latest(`max by (@site, resolver)`, `endpoint_dns_ttl_excess_seconds{@target}`))},
				column{value: "C", header: "Past TTL", field: field{Unit: seconds, NoValue: "not known"},
					expr: withLabelsOf(worstResolvers, siteLabels+", resolver", latest(`max by (@site, resolver)`, `endpoint_dns_staleness_seconds{@target}`))},
			), []string{"job"}),
		bars(7, 8, "Verdicts on resolvers", "Hosts at each resolver by whether its records are fresh. Unknown is not ok: the zone's own servers cannot be asked, "+
			"or the exporter has not watched for long enough. The Exporter dashboard shows its way to port 53.",
			field{Unit: "short", Min: ptr(0.0), NoValue: "no data", Color: &color{Mode: "fixed", FixedColor: neutral}},
			query{`sum by (verdict) (last_over_time(endpoint_dns_verdict{@target}[10m]))`, "{{verdict}}"},
		).override("ok", fixed(good)).override("unknown", fixed(unknown)).override("suspect", fixed(hint)).override("stale", fixed(bad)),

		row("Certificates and idle connections"),
		table(10, 8, "Certificates of the cloud", "How long the certificates last that the expected authority signed: for each host the one that ends first, "+
			"as seen from any site. Overdue is by the thresholds of the alerting rules.", "No authentic certificate was seen in the last 10 minutes", "Remaining", false,
			append(labelColumns(fromCloud, "host"),
				column{value: "A", header: "Remaining", width: 100, cell: "color-text", field: field{Unit: "s", Decimals: ptr(1), Thresholds: limits(bad, colourFrom(0, neutral))},
					expr: `min by (service, host) (` + certificates + ` - time())`},
				column{value: "B", header: "Of lifetime", width: 90, field: field{Unit: "percentunit", Decimals: ptr(0)},
					expr: `min by (service, host) ((` + certificates + ` - time()) / ` + lifetimes + `)`},
				column{value: "C", header: "Renewal", cell: "color-text", field: field{Mappings: words(word{"1", "overdue", partly}), NoValue: "in time"},
					expr: "group by (service, host) (\n" + indentAll(renewalOverdue) + "\n)"},
			), []string{"service"}),
		table(14, 8, "Idle connections that are lost before the keepalive", "TCP paths on which an idle connection is lost before the devices' keepalive; at most 200. Devices there "+
			"are cut off without noticing.", "No path loses idle connections before the keepalive, or idle connections are not measured (idle.enabled)", "Lost after", false,
			append(labelColumns(fromRow, "site", "instance", "host", "port"),
				column{value: "A", header: "Lost after", width: 90, field: field{Unit: seconds}, expr: lostBeforeKeepalive},
				column{value: "B", header: "Survives", width: 80, field: field{Unit: seconds},
					expr: withLabelsOf(lostBeforeKeepalive, pathLabels, latest(`min by (@path)`, `endpoint_idle_survived_seconds{@target, transport="tcp"}`))},
				column{value: "C", header: "Keepalive", field: field{Unit: seconds}, expr: withLabelsOf(lostBeforeKeepalive, hostLabels, keepalives)},
			), []string{"job", "service", "transport"}),
	)
	return describe(overviewUID, "Endpoints: overview", "Which sites are in trouble, with what, since when, and who must act.",
		variables(false, false), selecting(panels)).
		annotate([]annotation{alertAnnotation}, []annotation{restartAnnotation, reloadAnnotation, addressAnnotation})
}

// faultLines shows how many sites had which fault over time.
func faultLines() panel {
	p := lines(12, 8, "Faults over time", "How many sites had which fault. A site with several faults counts in each line.",
		field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "No site had a fault in the time shown, or the alerting rules are not loaded",
			Custom: map[string]any{"lineInterpolation": "stepAfter", "lineWidth": 2, "fillOpacity": 10}},
		query{sitesBy(siteFaults("$__interval"), "fault"), "{{fault}}"}).everyScrape()
	for _, f := range faults {
		p = p.override(f.name, property{"displayName", f.word}, fixed(f.color))
	}
	return p
}
