package main

// endpoint is the dashboard of one host at one site: the phases of each path, each resolver, and the
// certificates.
func endpoint() dashboard {
	const (
		series   = "{{place}} {{transport}} {{port}}"
		resolver = "{{place}} {{resolver}}"
	)
	phase := func(title, name, description string) panel {
		return lines(6, 7, title, description, field{Unit: "s", Min: ptr(0.0), NoValue: "This phase did not run"},
			query{withPlaceLabel("instance", `endpoint_path_duration_seconds{@target, phase="`+name+`"}`), series})
	}
	onPath := labelColumns(nil, "instance", "transport", "port")
	onResolver := labelColumns(nil, "instance", "resolver")
	panels := place(
		stat(4, "Host", "Whether any path carries a device to this host now.",
			`min(`+lastUp+`)`, field{Unit: "short", NoValue: "no verdict", Mappings: hostState}),
		stat(4, "Paths down", "Paths that carry no device now. Another path may pass.",
			orZero(`count(last_over_time(endpoint_path_up{@target}[10m]) == 0)`, `last_over_time(endpoint_path_up{@target}[10m])`),
			field{Unit: "short", NoValue: "no verdict", Mappings: none, Thresholds: above0(bad)}),
		stat(4, "Who answers", "Whether the expected authority signed the certificate and its holder proved the key: the worst of the paths.",
			`min(last_over_time(endpoint_tls_authentic{@target}[10m]))`, field{Unit: "short", NoValue: "no certificate seen", Mappings: authenticity}),
		stat(4, "Certificate lasts", "Until the authentic certificate that ends first expires. Below zero it has expired. Whether its renewal is overdue stands below.",
			`min(`+certificates+` - time())`, field{Unit: "s", Decimals: ptr(1), NoValue: "none seen", Thresholds: limits(bad, colourFrom(0, good))}),
		stat(4, "Resolvers", "The worst verdict on the records that the site's resolvers give of this host. Unknown is not ok.",
			`max(`+verdictRanks("10m")+`)`, field{Unit: "short", NoValue: "no verdict", Mappings: verdictRank}),
		stat(4, "Silence", "Whether a silent TCP connection survives the path for longer than devices are silent between two keepalives: the worst of the paths.",
			`min(`+silenceStates+`)`, field{Unit: "short", NoValue: "not measured", Mappings: silence}),

		row("Paths"),
		timeline(14, 9, "Path states", "Each cell is the worst of its interval. A gap is time without a verdict: the exporter was silent, or the deadline cut the path off.",
			pathHistory, "no data", nil, query{withPlaceLabel("instance", pathStates), series}),
		table(10, 9, "Failures", "Why paths failed in the last 10 minutes.", "No failure was reported in the last 10 minutes", "Fault", false,
			[]column{
				{label: "instance", header: "Exporter", width: 190}, {label: "transport", header: "Over", width: 55}, {label: "port", header: "Port", width: 55},
				{value: "B", header: "Fault", width: 100, cell: "color-text", field: field{Mappings: classRank}, expr: classRanks},
				{label: "reason", header: "Reason", field: field{Mappings: reasonNames}},
				{value: "A", header: "Addresses", width: 85, expr: failures},
			}, []string{"job", "site", "service", "host", "class"}),

		lines(12, 7, "Failures by reason", "Addresses that failed on any path, by path and reason, in the 10 minutes before. Every address is probed; a device takes the first.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "No failure was reported in the time shown",
				Custom: map[string]any{"lineInterpolation": "stepAfter", "lineWidth": 2}},
			query{withPlaceLabel("instance", `max by (@path, reason) (max_over_time(endpoint_path_failure{@target}[10m]))`), series + " {{reason}}"}),
		lines(12, 7, "Rounds that passed", "Of the rounds of the hour before, the part in which the path carried a device.",
			field{Unit: "percentunit", Min: ptr(0.0), Max: ptr(1.0), NoValue: "no data", Custom: map[string]any{"lineWidth": 2}},
			query{withPlaceLabel("instance", `
				sum by (@path) (increase(endpoint_path_attempts_total{@target, result="ok"}[1h]))
				/ sum by (@path) (increase(endpoint_path_attempts_total{@target}[1h]))`), series}),

		phase("Connect", "connect", "TCP's connect in each round, to the address that a device would take. UDP has none."),
		phase("Hello", "hello", "From the device's hello to the end of the server's flight. Over UDP a lost datagram shows as 4 seconds or more."),
		phase("Finish", "finish", "The rest of the handshake, where it is asked for and the server takes the client's certificate."),
		phase("CoAP ping", "ping", "The empty message and its answer, inside the session. A server may ignore unregistered clients, so an unanswered ping is not a fault."),

		lines(12, 7, "Connect and hello together, 90 of 100 rounds", "Nine of ten rounds of the 3 hours before were faster than this; from the histogram, which is coarse. "+
			"A site that got slower shows here, a lost packet does not.",
			field{Unit: "s", Min: ptr(0.0), NoValue: "no handshake in the time shown"},
			query{withPlaceLabel("instance", `
				histogram_quantile(0.9, sum by (@path, le) (increase(endpoint_handshake_duration_seconds_bucket{@target}[3h])))
				or histogram_quantile(0.9, sum by (@path) (increase(endpoint_handshake_duration_seconds{@target}[3h])))`), series}),
		lines(6, 7, "Flights sent again over UDP", "Flights of the handshake that were sent again, per round, on average of the 30 minutes before. Each costs a device 4 to 13 seconds.",
			field{Unit: "short", Min: ptr(0.0), NoValue: "No path over UDP"},
			query{withPlaceLabel("instance", `avg_over_time(endpoint_udp_retransmissions{@target}[30m])`), series}),
		lines(6, 7, "Round-trip time", "TCP: the kernel's own measure after the connect. UDP: from the hello to the first datagram back.",
			field{Unit: "s", Min: ptr(0.0), NoValue: "not measured here"},
			query{withPlaceLabel("instance", `endpoint_tcp_rtt_seconds{@target} or endpoint_path_first_reply_seconds{@target}`), series}),

		row("Name service"),
		table(24, 7, "Each resolver", "Each of the site's DNS servers: its verdict, the TTL it answers against the TTL of the zone, and how long a record was proved to be given past its TTL.",
			"No resolver was asked in the last 10 minutes", "Verdict", true,
			append(onResolver,
				column{value: "A", header: "Verdict", width: 90, cell: "color-text", field: field{Mappings: verdictRank, NoValue: "none"}, expr: verdictRanks("10m")},
				column{value: "B", header: "Answers", width: 85, cell: "color-text", field: field{Mappings: words(word{"0", "no", bad}, word{"1", "yes", good}), NoValue: "no verdict"},
					expr: latest(`max by (@resolver)`, `endpoint_dns_up{@target}`)},
				column{value: "C", header: "Its TTL", width: 85, field: field{Unit: seconds}, expr: latest(`max by (@resolver)`, `endpoint_dns_ttl_seconds{@target}`)},
				column{value: "D", header: "The zone's TTL", width: 120, field: field{Unit: seconds, NoValue: "not known"},
					expr: withLabelsOf(verdictRanks("10m"), hostLabels, latest(`max by (@host)`, `endpoint_dns_authority_ttl_seconds{@target}`))},
				column{value: "E", header: "TTL over the zone's", width: 150, field: field{Unit: seconds, NoValue: "not known"},
					expr: latest(`max by (@resolver)`, `endpoint_dns_ttl_excess_seconds{@target}`)},
				column{value: "I", header: "Its TTL is", width: 95, cell: "color-text", field: field{Mappings: words(word{"0", "fine", good}, word{"1", "too long", partly}), NoValue: "not known"},
					expr: `max by (@resolver) (last_over_time(endpoint_dns_ttl_excess_seconds{@target}[10m])) > bool scalar(max(endpoint:threshold:records_excess_seconds))`},
				column{value: "J", header: "Families", width: 130, cell: "color-text", field: field{Mappings: familyFailure, NoValue: "all answered"},
					expr: rankBy(latest(`max by (@resolver)`, `endpoint_dns_family_failure{@target, SELECT}`), "family", "ipv4", "ipv6")},
				column{value: "F", header: "Proved past TTL", width: 130, cell: "color-text", field: field{Unit: seconds, Thresholds: limits(neutral, colourFrom(1, bad))},
					expr: latest(`max by (@resolver)`, `endpoint_dns_staleness_seconds{@target}`)},
				column{value: "G", header: "Withdrawn addresses", width: 155, cell: "color-text", field: field{NoValue: "–", Thresholds: limits(neutral, colourFrom(1, bad))},
					expr: latest(`max by (@resolver)`, `endpoint_dns_withdrawn_addresses{@target}`)},
				column{value: "H", header: "Addresses changed", field: field{Unit: "dateTimeFromNow", NoValue: "not seen"},
					expr: `1000 * ` + latest(`max by (@resolver)`, `endpoint_dns_last_change_timestamp_seconds{@target}`)},
			), []string{"job", "site", "service", "host"}),
		lines(12, 7, "TTL of each resolver against the zone's", "The highest TTL that each resolver answered in the 10 minutes before. A cache counts down from the zone's TTL (dashed) and never passes it.",
			field{Unit: seconds, Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{withPlaceLabel("instance", `max by (@resolver) (max_over_time(endpoint_dns_ttl_seconds{@target}[10m]))`), resolver},
			query{`max by (service, host) (max_over_time(endpoint_dns_authority_ttl_seconds{@target}[10m]))`, "the zone's"},
		).override("the zone's", fixed(neutral), dashed, property{"custom.lineWidth", 2}),
		timeline(12, 7, "Verdicts", "The verdict on each resolver's records of this host; the worst of each interval. Stale is proved; suspect is not.",
			verdictRank, "no data", nil, query{withPlaceLabel("instance", verdictRanks("$__interval")), resolver}),

		lines(8, 7, "Changes of address", "How often each resolver's addresses changed in the hour before. Firewalls that allow by address must follow.",
			field{Unit: "short", Min: ptr(0.0), NoValue: "no data", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{withPlaceLabel("instance", `increase(endpoint_dns_address_changes_total{@target}[1h])`), resolver}),
		table(8, 7, "Addresses now", "What the resolvers gave in the last round; a device takes the first.", "No address is known (or --no-collector.addresses)", "Address", false,
			[]column{
				{label: "instance", header: "Exporter", width: 190}, {label: "resolver", header: "Resolver", width: 140}, {label: "address", header: "Address"},
				{value: "A", expr: `max by (@resolver, address) (endpoint_dns_address_info{@target})`},
			}, []string{"job", "site", "service", "host"}),
		lines(8, 7, "Look-ups", "How long each resolver took to answer, or was waited for.", field{Unit: "s", Min: ptr(0.0), NoValue: "no data"},
			query{withPlaceLabel("instance", `endpoint_dns_lookup_duration_seconds{@target}`), resolver}),

		lines(12, 6, "Evidence of stale records", "Pieces of evidence in the 30 minutes before, by kind. One is not a proof; the verdict says when there is one.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "No evidence in the time shown", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{withPlaceLabel("instance", `sum by (@resolver, evidence) (increase(endpoint_dns_evidence_total{@target}[30m])) > 0`), resolver + " {{evidence}}"}),
		lines(12, 6, "Addresses that no longer count", "Addresses that a resolver still gives although the zone has withdrawn them, and whether they still carry a device.",
			field{Unit: "short", Decimals: ptr(0), Min: ptr(0.0), NoValue: "No resolver has handed out a withdrawn address in the time shown", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{withPlaceLabel("instance", `max by (@path, result) (max_over_time(endpoint_path_withdrawn_addresses{@target}[10m]))`), series + " {{result}}"}),

		row("Certificate and session"),
		table(24, 7, "Who signed", "The certificates that each path showed in the last 10 minutes, whether or not a device would take them.", "No certificate was seen in the last 10 minutes", "Authentic", false,
			append(onPath,
				column{value: "A", header: "Authentic", width: 120, cell: "color-text", field: field{Mappings: authenticity, NoValue: "not proved"},
					expr: valueDuring(certificate, `endpoint_tls_authentic`)},
				column{label: "issuer", header: "Issuer", width: 430},
				column{label: "subject", header: "Subject", width: 275},
				column{value: "B", header: "Valid until", width: 160, field: field{Unit: "dateTimeAsIso"},
					expr: `1000 * ` + valueDuring(certificate, `endpoint_tls_not_after_timestamp_seconds`)},
				column{value: "C", header: "Renewal", width: 85, cell: "color-text", field: field{Mappings: words(word{"0", "overdue", partly}), NoValue: "–"},
					expr: "0 * " + valueDuring(certificate, `endpoint_tls_authentic`) + "\nand on (@path) (\n" + indentAll(renewalOverdue) + "\n)"},
				column{label: "public_key_sha256", header: "Public key, SHA-256"},
			), []string{"job", "site", "service", "host"}),
		table(24, 7, "Session", "What the server chose in the last 10 minutes, whose hello it answered, and what it asks of a device, which holds a flight of up to 4096 bytes. "+
			"A server that refuses unregistered certificates leaves the session incomplete, as expected. Not proved: the session ended without a TLS alert, so that a firewall may have cut it.",
			"No session was opened in the last 10 minutes", "Over", false,
			append(onPath,
				column{label: "version", header: "Version", width: 110}, column{label: "cipher", header: "Cipher suite", width: 350},
				column{label: "client", header: "Answered to", width: 105},
				column{value: "A", header: "Asks for a certificate", width: 160, field: field{Mappings: yesNo}, expr: valueDuring(session, `endpoint_tls_client_certificate_requested`)},
				column{value: "B", header: "Server's flight", width: 120, cell: "color-text", field: field{Unit: "bytes", Thresholds: limits(neutral, colourFrom(4097, bad))},
					expr: valueDuring(session, `endpoint_tls_server_flight_bytes`)},
				column{value: "C", header: "Completed", width: 100, field: field{Mappings: yesNo, NoValue: "not tried"}, expr: valueDuring(session, `endpoint_path_finished`)},
				column{value: "E", header: "Proved", width: 80, cell: "color-text", field: field{
					Mappings: words(word{"0", "yes", good}, word{"1", "no", hint}), NoValue: "–"}, expr: valueDuring(session, `endpoint_path_unproven`)},
				column{value: "D", header: "CoAP ping", field: field{Mappings: words(word{"0", "ignored", neutral}, word{"1", "answered", neutral}), NoValue: "not sent"},
					expr: valueDuring(session, `endpoint_coap_up`)},
			), []string{"job", "site", "service", "host"}),

		row("Silent connections"),
		table(12, 7, "Silence against keepalive", "How long a silent connection survives each path. Over UDP devices send no keepalive: only a registration's update, or a connection id, keeps them reachable.",
			"Silence is not measured here (idle.enabled)", "Verdict", false,
			append(labelColumns(nil, "instance", "transport", "port"),
				column{value: "A", header: "Verdict", width: 155, cell: "color-text", field: field{Mappings: silence}, expr: silenceStates},
				column{value: "B", header: "Survives", width: 85, field: field{Unit: seconds}, expr: latest(`min by (@path)`, `endpoint_idle_survived_seconds{@target}`)},
				column{value: "C", header: "Lost after", width: 85, field: field{Unit: seconds}, expr: latest(`min by (@path)`, `endpoint_idle_lost_seconds{@target}`)},
				column{value: "D", header: "Server closes after", width: 140, field: field{Unit: seconds}, expr: latest(`min by (@path)`, `endpoint_idle_closed_seconds{@target}`)},
				column{value: "E", header: "NAT", field: field{Mappings: yesNo}, expr: `max by (@path) (last_over_time(endpoint_path_behind_nat{@target}[10m])) and on (@path) ` + measured},
			), []string{"job", "site", "service", "host"}),
		lines(12, 7, "Bounds of silence over time", "The longest silence survived and the shortest one lost, against the devices' keepalive (dashed). "+
			"Devices are safe while their keepalive is below every line.",
			field{Unit: seconds, Min: ptr(0.0), NoValue: "Silence is not measured here (idle.enabled)", Custom: map[string]any{"lineInterpolation": "stepAfter"}},
			query{withPlaceLabel("instance", `min by (@path) (min_over_time(endpoint_idle_survived_seconds{@target}[10m]))`), series + " survived"},
			query{withPlaceLabel("instance", `min by (@path) (min_over_time(endpoint_idle_lost_seconds{@target}[10m]))`), series + " lost"},
			query{`max by (service, host) (max_over_time(endpoint_keepalive_seconds{@target}[10m]))`, "keepalive"},
		).override("keepalive", fixed(neutral), dashed, property{"custom.lineWidth", 2}),
	)
	return describe(endpointUID, "Endpoints: one host", "One host of the cloud at one site: each path's phases, each resolver's TTL against the zone's, who signed, and how long silence lasts.",
		variables(true, false), selecting(panels)).
		annotate([]annotation{alertAnnotation, restartAnnotation, reloadAnnotation, addressAnnotation}, nil)
}

// The info metrics of a path, with their labels.
var (
	certificate = infoMetric{"endpoint_tls_issuer_info", "issuer, subject, public_key_sha256"}
	session     = infoMetric{"endpoint_tls_info", "version, cipher, client"}
)
