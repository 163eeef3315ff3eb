package collector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

//go:generate go run ./gendocs ../docs

// Type is a metric's type, as in the exposition format.
type Type string

const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
)

// Metric describes one metric. It is read-only.
type Metric struct {
	Name string
	Help string
	Type Type
	// Labels are in the order in which the collector gives their values.
	Labels []string
	// Values holds the values of each label whose list is closed; a label that is not in it can have any value.
	Values map[string][]string
	// Group is the heading under which the metric stands in docs/metrics.md.
	Group string
}

// Metrics lists every metric, group by group, except those of the Go runtime and the process.
func Metrics() []Metric { return slices.Clone(table[:]) }

// name indexes the table.
type name int

const (
	up name = iota
	pathUp
	pathFailure
	pathAttempts
	pathAddresses
	pathWithdrawnAddresses
	pathInterceptorAddresses
	pathBehindNAT
	pathFinished
	pathUnproven

	pathDuration
	handshakeDuration
	pathFirstReply
	udpRetransmissions
	tcpRTT

	tlsAuthentic
	tlsIssuerInfo
	tlsNotBefore
	tlsNotAfter
	tlsInfo
	tlsCertificateRequested
	tlsServerFlight
	coapUp

	dnsUp
	dnsFailure
	dnsFamilyFailure
	dnsLookupDuration
	dnsTTL
	dnsAuthorityTTL
	dnsAddresses
	dnsAddressInfo
	dnsAddressChanges
	dnsLastChange

	dnsStale
	dnsVerdict
	dnsEvidence
	dnsTTLExcess
	dnsStaleness
	dnsWithdrawnAddresses
	dnsAuthorityAddresses
	dnsAuthorityLastValid
	dnsAuthorityPath
	dnsQueries

	idleSurvived
	idleLost
	idleClosed
	idleLastRound
	keepalive

	surveyDuration
	surveyLast
	surveyIncomplete
	reloadSuccessful
	reloadTime
	buildInfo

	metricCount
)

// The labels that most metrics share, as in a row of the table.
const (
	ofTarget   = "service host"
	ofPath     = ofTarget + " transport port"
	ofResolver = ofTarget + " resolver"
)

// Label values that no other package lists.
const (
	resultOK      = "ok"
	resultFailed  = "failed"
	resultOmitted = "omitted"

	familyIPv4 = "ipv4"
	familyIPv6 = "ipv6"
)

// closedLists holds the values of the labels whose list is closed, by the label's name, or by another name where
// metrics use one label for several lists.
var closedLists = map[string][]string{
	"transport":      {string(measurement.TCP), string(measurement.UDP)},
	"client":         {string(measurement.Device), string(measurement.Web)},
	"family":         {familyIPv4, familyIPv6},
	"class":          mapped(reason.Classes(), func(info reason.ClassInfo) string { return string(info.Class) }),
	"reason":         mapped(reason.All(), func(info reason.Info) string { return string(info.Reason) }),
	"dns_failure":    texts(measurement.DNSFailures),
	"phase":          texts(measurement.Phases),
	"evidence":       texts(staleness.Kinds),
	"verdict":        texts([]staleness.Verdict{staleness.OK, staleness.Stale, staleness.Suspect, staleness.Unknown}),
	"result":         {resultOK, resultFailed},
	"address_result": {resultOK, resultFailed, resultOmitted},
	"state":          texts(measurement.Port53States),
	"leg":            measurement.DNSLegs,
	"rcode":          measurement.DNSRcodes,
}

// groups are the headings of the parts of the table, by the first metric of each.
var groups = map[name]string{
	up:             "Hosts and paths",
	pathDuration:   "How long it took",
	tlsAuthentic:   "TLS and CoAP",
	dnsUp:          "DNS",
	dnsStale:       "DNS staleness",
	idleSurvived:   "Silent connections",
	surveyDuration: "Survey and exporter",
}

// row describes a metric by constants, so that the table takes no code at the start of the program. labels holds the
// names of the labels, separated by spaces. The values of a label are those of the closed list with the same name;
// "name=list" selects another list.
type row struct {
	kind               Type
	name, labels, help string
}

// rows is the only place that names a metric of this program.
var rows = [metricCount]row{
	up: {Gauge, "endpoint_up", ofTarget,
		"1 if at least one of the host's paths carries a device, 0 if none does; absent if none is known to and the deadline cut off one that might."},
	pathUp: {Gauge, "endpoint_path_up", ofPath,
		"1 if this path carries a device to the address that the device would use now, 0 if not; absent if the deadline cut it off."},
	pathFailure: {Gauge, "endpoint_path_failure", ofPath + " reason class",
		"Number of addresses that failed on this path for this reason in the last round, or 1 if there was no address to try; " +
			"present only while there are any."},
	pathAttempts: {Counter, "endpoint_path_attempts_total", ofPath + " result",
		"Rounds in which this path carried a device, or did not."},
	pathAddresses: {Gauge, "endpoint_path_addresses", ofPath + " result=address_result",
		"Addresses of the host by the result of this path to each in the last round; omitted are those without a verdict: " +
			"more than max_addresses, of a family without a route, or cut off by the deadline."},
	pathWithdrawnAddresses: {Gauge, "endpoint_path_withdrawn_addresses", ofPath + " result",
		"Addresses that a resolver still gives although the zone has withdrawn them, by whether they still carry a device; " +
			"present only while there are any."},
	pathInterceptorAddresses: {Gauge, "endpoint_path_interceptor_addresses", ofPath + " issuer",
		"Addresses of this path that are intercepted, by the issuer of the certificate that they sent, also if none of them is the one that " +
			"a device would use now; present only while there are any."},
	pathBehindNAT: {Gauge, "endpoint_path_behind_nat", ofPath,
		"1 if this path goes from a private address of this machine to a public one, which means that it passes a NAT."},
	pathFinished: {Gauge, "endpoint_path_finished", ofPath,
		"1 if the TLS or DTLS session was completed in the last round, 0 if the attempt failed; absent if it was not attempted, " +
			"or the deadline cut it off. 0 while endpoint_path_up is 1 is expected from a server that refuses unregistered certificates, " +
			"unless client_certificate is configured."},
	pathUnproven: {Gauge, "endpoint_path_unproven", ofPath,
		"1 if the session ended without a TLS alert after the temporary client certificate, so that it is not proved whether " +
			"the server refuses that certificate or a firewall cuts the session, 0 if that is known; absent where endpoint_path_finished is. " +
			"endpoint_path_up is 1 meanwhile. A device's certificate as client_certificate decides it."},

	pathDuration: {Gauge, "endpoint_path_duration_seconds", ofPath + " phase",
		"Time that the network and the server took in each phase of the last round, on Linux by the kernel's clock: without the " +
			"exporter's own work, however busy its machine is. A phase that did not run to its end is absent."},
	handshakeDuration: {Histogram, "endpoint_handshake_duration_seconds", ofPath,
		"Duration of connect and hello together, over all rounds; over UDP, of the hello only. Native and classic buckets."},
	pathFirstReply: {Gauge, "endpoint_path_first_reply_seconds", ofPath,
		"UDP: time from the hello to the first datagram back in the last round, which shows that the path is open in both directions."},
	udpRetransmissions: {Gauge, "endpoint_udp_retransmissions", ofPath,
		"UDP: handshake flights that were retransmitted in the last round."},
	tcpRTT: {Gauge, "endpoint_tcp_rtt_seconds", ofPath,
		"TCP: the kernel's smoothed round-trip time after the connect, where the kernel reports it."},

	tlsAuthentic: {Gauge, "endpoint_tls_authentic", ofPath,
		"1 if the certificate is signed by the expected authority and its holder proved the key, 0 if not; " +
			"absent if no certificate was sent, if the handshake was cut off before the proof, or if no trust anchor is known (/probe?client=device)."},
	tlsIssuerInfo: {Gauge, "endpoint_tls_issuer_info", ofPath + " issuer subject public_key_sha256",
		"Issuer, subject and key of the server's certificate, also if verification fails; always 1."},
	tlsNotBefore: {Gauge, "endpoint_tls_not_before_timestamp_seconds", ofPath,
		"Start of the validity of the server's certificate, also if verification fails."},
	tlsNotAfter: {Gauge, "endpoint_tls_not_after_timestamp_seconds", ofPath,
		"End of the validity of the server's certificate, also if verification fails."},
	tlsInfo: {Gauge, "endpoint_tls_info", ofPath + " version cipher client",
		"Protocol version (TLS 1.2, TLS 1.3, DTLS 1.2) and cipher suite (IANA name) that the server chose, and whose hello it answered; always 1."},
	tlsCertificateRequested: {Gauge, "endpoint_tls_client_certificate_requested", ofPath,
		"1 if the server asks for the device's certificate, 0 if not."},
	tlsServerFlight: {Gauge, "endpoint_tls_server_flight_bytes", ofPath,
		"Size of the server flight, from ServerHello to ServerHelloDone, in answer to a device's hello, which the device must buffer."},
	coapUp: {Gauge, "endpoint_coap_up", ofPath,
		"1 if a CoAP ping (an empty message) inside the session was answered with a reset, 0 if not; absent if none was sent."},

	dnsUp: {Gauge, "endpoint_dns_up", ofResolver,
		"1 if the resolver gave at least one address, 0 if none; absent if the deadline cut the look-up off."},
	dnsFailure: {Gauge, "endpoint_dns_failure", ofResolver + " reason=dns_failure",
		"Why the resolver gave no address; always 1, present only while it fails."},
	dnsFamilyFailure: {Gauge, "endpoint_dns_family_failure", ofResolver + " family reason=dns_failure",
		"Why the resolver gave no answer for one address family although it gave addresses of the other; always 1, present only " +
			"while it fails. Devices with musl then do not resolve the name, and those with glibc may wait."},
	dnsLookupDuration: {Gauge, "endpoint_dns_lookup_duration_seconds", ofResolver,
		"How long the resolver took to answer, on Linux by the kernel's clock, or how long this exporter waited; " +
			"absent if the deadline cut the look-up off."},
	dnsTTL: {Gauge, "endpoint_dns_ttl_seconds", ofResolver,
		"TTL in the resolver's answer: the lowest of the CNAME chain and the addresses."},
	dnsAuthorityTTL: {Gauge, "endpoint_dns_authority_ttl_seconds", ofTarget,
		"TTL from the zone's authoritative servers, or the configured expected_ttl: the lowest of the CNAME chain and the addresses."},
	dnsAddresses: {Gauge, "endpoint_dns_addresses", ofResolver + " family",
		"Addresses that the resolver gave."},
	dnsAddressInfo: {Gauge, "endpoint_dns_address_info", ofResolver + " address",
		"An address that the resolver gave, at most max_addresses of them; always 1. Turned off by --no-collector.addresses."},
	dnsAddressChanges: {Counter, "endpoint_dns_address_changes_total", ofResolver,
		"New addresses of the host at the resolver, after three answers and 3 TTLs (at most 1 h) without one: " +
			"a failover counts once each way, a pool that rotates does not count."},
	dnsLastChange: {Gauge, "endpoint_dns_last_change_timestamp_seconds", ofResolver,
		"When the set of addresses that the resolver gives for the host last changed; absent before the first change."},

	dnsStale: {Gauge, "endpoint_dns_stale", ofResolver,
		"1 if the resolver is proved to keep records past their TTL, else 0; latched; absent while the verdict is unknown."},
	dnsVerdict: {Gauge, "endpoint_dns_verdict", ofResolver + " verdict",
		"1 for the verdict on the resolver's records of this host, 0 for the others; latched."},
	dnsEvidence: {Counter, "endpoint_dns_evidence_total", ofResolver + " evidence",
		"Pieces of evidence of staleness. One piece is not a proof."},
	dnsTTLExcess: {Gauge, "endpoint_dns_ttl_excess_seconds", ofResolver,
		"Largest excess of a TTL of the resolver over the zone's TTL within hold, at least 0; absent while the zone's TTL is not known."},
	dnsStaleness: {Gauge, "endpoint_dns_staleness_seconds", ofResolver,
		"Longest proved time that a record was given past its permitted lifetime within hold, at least 0; " +
			"absent while the verdict is unknown."},
	dnsWithdrawnAddresses: {Gauge, "endpoint_dns_withdrawn_addresses", ofResolver,
		"Addresses in the resolver's last answer that the zone has withdrawn, proved or strongly suspected; " +
			"absent while the verdict is unknown."},
	dnsAuthorityAddresses: {Gauge, "endpoint_dns_authority_addresses", ofTarget,
		"Addresses that the zone's authoritative servers gave in the last round."},
	dnsAuthorityLastValid: {Gauge, "endpoint_dns_authority_last_valid_timestamp_seconds", ofTarget,
		"When the zone's authoritative servers last gave a valid answer; absent before the first one."},
	dnsAuthorityPath: {Gauge, "endpoint_dns_authority_path", "state",
		"1 for the state of port 53 from this machine to the zones' authoritative servers, 0 for the others; absent while it is not known."},
	dnsQueries: {Counter, "endpoint_dns_queries_total", "leg rcode",
		"DNS queries sent by this exporter, to the site's resolvers and to the zones' authoritative servers, by result."},

	idleSurvived: {Gauge, "endpoint_idle_survived_seconds", ofPath,
		"Longest silence after which a connection still worked if the device speaks first (the cloud may be cut off earlier); absent while it is not known."},
	idleLost: {Gauge, "endpoint_idle_lost_seconds", ofPath,
		"Shortest silence after which the path had dropped the connection although the device speaks first; absent while it is not known."},
	idleClosed: {Gauge, "endpoint_idle_closed_seconds", ofPath,
		"Silence after which the server itself closed the connection; absent while it is not known."},
	idleLastRound: {Gauge, "endpoint_idle_last_round_timestamp_seconds", ofPath,
		"When silence on this path was last measured; absent before the first measurement."},
	keepalive: {Gauge, "endpoint_keepalive_seconds", ofTarget,
		"Keepalive interval of the devices, as configured: the longest silence between two of their messages."},

	surveyDuration: {Gauge, "endpoint_survey_duration_seconds", "",
		"How long the last round took."},
	surveyLast: {Gauge, "endpoint_survey_last_timestamp_seconds", "",
		"When the last round ended."},
	surveyIncomplete: {Gauge, "endpoint_survey_incomplete_paths", "",
		"Paths that the deadline cut off in the last round; their earlier values are not repeated."},
	reloadSuccessful: {Gauge, "endpoint_exporter_config_last_reload_successful", "",
		"1 if the last reload of the configuration succeeded, 0 if it failed and the older configuration stays in force."},
	reloadTime: {Gauge, "endpoint_exporter_config_last_reload_success_timestamp_seconds", "",
		"When the configuration in force was loaded."},
	buildInfo: {Gauge, "endpoint_exporter_build_info", "version revision branch goversion goos goarch tags",
		"Version and build of this exporter; always 1."},
}

// table holds the metrics of rows.
var table = describe()

func describe() (metrics [metricCount]Metric) {
	group := ""
	for n, r := range rows {
		group = cmp.Or(groups[name(n)], group)
		m := Metric{Name: r.name, Help: r.help, Type: r.kind, Values: make(map[string][]string), Group: group}
		for label := range strings.FieldsSeq(r.labels) {
			label, list, _ := strings.Cut(label, "=")
			m.Labels = append(m.Labels, label)
			if values := closedLists[cmp.Or(list, label)]; values != nil {
				m.Values[label] = values
			}
		}
		metrics[n] = m
	}
	return metrics
}

// texts turns a closed list of another package into label values.
func texts[T ~string](list []T) []string { return mapped(list, func(v T) string { return string(v) }) }

// mapped returns to(v) for each v of a list.
func mapped[T, U any](list []T, to func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = to(v)
	}
	return out
}
