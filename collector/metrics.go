package collector

import (
	"maps"
	"slices"

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

// The groups, in the order of the table.
const (
	groupHosts     = "Hosts and paths"
	groupTimes     = "How long it took"
	groupTLS       = "TLS and CoAP"
	groupDNS       = "DNS"
	groupStaleness = "DNS staleness"
	groupIdle      = "Silent connections"
	groupExporter  = "Survey and exporter"
)

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

// The labels that most metrics share.
var (
	ofTarget   = []string{"service", "host"}
	ofPath     = []string{"service", "host", "transport", "port"}
	ofResolver = []string{"service", "host", "resolver"}
)

// Label values that no other package lists.
const (
	resultOK      = "ok"
	resultFailed  = "failed"
	resultOmitted = "omitted"

	familyIPv4 = "ipv4"
	familyIPv6 = "ipv6"
)

var (
	transports  = []string{string(measurement.TCP), string(measurement.UDP)}
	clients     = []string{string(measurement.Device), string(measurement.Web)}
	families    = []string{familyIPv4, familyIPv6}
	classes     = classesOf(reason.Classes())
	reasons     = reasonsOf(reason.All())
	phases      = texts(measurement.Phases)
	kinds       = texts(staleness.Kinds)
	verdicts    = texts([]staleness.Verdict{staleness.OK, staleness.Stale, staleness.Suspect, staleness.Unknown})
	dnsFailures = texts(measurement.DNSFailures)

	authorityPaths = texts(measurement.Port53States)
)

// table is the only place that names a metric of this program.
var table = withTransports([metricCount]Metric{
	up: {
		Name: "endpoint_up", Type: Gauge, Labels: ofTarget, Group: groupHosts,
		Help: "1 if at least one of the host's paths carries a device, 0 if none does; absent if none is known to and the deadline cut off one that might.",
	},
	pathUp: {
		Name: "endpoint_path_up", Type: Gauge, Labels: ofPath, Group: groupHosts,
		Help: "1 if this path carries a device to the address that the device would use now, 0 if not; absent if the deadline cut it off.",
	},
	pathFailure: {
		Name: "endpoint_path_failure", Type: Gauge, Labels: with(ofPath, "reason", "class"), Group: groupHosts,
		Values: map[string][]string{"reason": reasons, "class": classes},
		Help: "Number of addresses that failed on this path for this reason in the last round, or 1 if there was no address to try; " +
			"present only while there are any.",
	},
	pathAttempts: {
		Name: "endpoint_path_attempts_total", Type: Counter, Labels: with(ofPath, "result"), Group: groupHosts,
		Values: map[string][]string{"result": {resultOK, resultFailed}},
		Help:   "Rounds in which this path carried a device, or did not.",
	},
	pathAddresses: {
		Name: "endpoint_path_addresses", Type: Gauge, Labels: with(ofPath, "result"), Group: groupHosts,
		Values: map[string][]string{"result": {resultOK, resultFailed, resultOmitted}},
		Help: "Addresses of the host by the result of this path to each in the last round; omitted are those without a verdict: " +
			"more than max_addresses, of a family without a route, or cut off by the deadline.",
	},
	pathWithdrawnAddresses: {
		Name: "endpoint_path_withdrawn_addresses", Type: Gauge, Labels: with(ofPath, "result"), Group: groupHosts,
		Values: map[string][]string{"result": {resultOK, resultFailed}},
		Help: "Addresses that a resolver still gives although the zone has withdrawn them, by whether they still carry a device; " +
			"present only while there are any.",
	},
	pathInterceptorAddresses: {
		Name: "endpoint_path_interceptor_addresses", Type: Gauge, Labels: with(ofPath, "issuer"), Group: groupHosts,
		Help: "Addresses of this path that are intercepted, by the issuer of the certificate that they sent, also if none of them is the one that " +
			"a device would use now; present only while there are any.",
	},
	pathBehindNAT: {
		Name: "endpoint_path_behind_nat", Type: Gauge, Labels: ofPath, Group: groupHosts,
		Help: "1 if this path goes from a private address of this machine to a public one, which means that it passes a NAT.",
	},
	pathFinished: {
		Name: "endpoint_path_finished", Type: Gauge, Labels: ofPath, Group: groupHosts,
		Help: "1 if the TLS or DTLS session was completed in the last round, 0 if the attempt failed; absent if it was not attempted, " +
			"or the deadline cut it off. 0 while endpoint_path_up is 1 is expected from a server that refuses unregistered certificates, " +
			"unless client_certificate is configured.",
	},
	pathUnproven: {
		Name: "endpoint_path_unproven", Type: Gauge, Labels: ofPath, Group: groupHosts,
		Help: "1 if the session ended without a TLS alert after the temporary client certificate, so that it is not proved whether " +
			"the server refuses that certificate or a firewall cuts the session, 0 if that is known; absent where endpoint_path_finished is. " +
			"endpoint_path_up is 1 meanwhile. A device's certificate as client_certificate decides it.",
	},

	pathDuration: {
		Name: "endpoint_path_duration_seconds", Type: Gauge, Labels: with(ofPath, "phase"), Group: groupTimes,
		Values: map[string][]string{"phase": phases},
		Help: "Time that the network and the server took in each phase of the last round, on Linux by the kernel's clock: without the " +
			"exporter's own work, however busy its machine is. A phase that did not run to its end is absent.",
	},
	handshakeDuration: {
		Name: "endpoint_handshake_duration_seconds", Type: Histogram, Labels: ofPath, Group: groupTimes,
		Help: "Duration of connect and hello together, over all rounds; over UDP, of the hello only. Native and classic buckets.",
	},
	pathFirstReply: {
		Name: "endpoint_path_first_reply_seconds", Type: Gauge, Labels: ofPath, Group: groupTimes,
		Help: "UDP: time from the hello to the first datagram back in the last round, which shows that the path is open in both directions.",
	},
	udpRetransmissions: {
		Name: "endpoint_udp_retransmissions", Type: Gauge, Labels: ofPath, Group: groupTimes,
		Help: "UDP: handshake flights that were retransmitted in the last round.",
	},
	tcpRTT: {
		Name: "endpoint_tcp_rtt_seconds", Type: Gauge, Labels: ofPath, Group: groupTimes,
		Help: "TCP: the kernel's smoothed round-trip time after the connect, where the kernel reports it.",
	},

	tlsAuthentic: {
		Name: "endpoint_tls_authentic", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "1 if the certificate is signed by the expected authority and its holder proved the key, 0 if not; " +
			"absent if no certificate was sent, if the handshake was cut off before the proof, or if no trust anchor is known (/probe?client=device).",
	},
	tlsIssuerInfo: {
		Name: "endpoint_tls_issuer_info", Type: Gauge, Labels: with(ofPath, "issuer", "subject", "public_key_sha256"), Group: groupTLS,
		Help: "Issuer, subject and key of the server's certificate, also if verification fails; always 1.",
	},
	tlsNotBefore: {
		Name: "endpoint_tls_not_before_timestamp_seconds", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "Start of the validity of the server's certificate, also if verification fails.",
	},
	tlsNotAfter: {
		Name: "endpoint_tls_not_after_timestamp_seconds", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "End of the validity of the server's certificate, also if verification fails.",
	},
	tlsInfo: {
		Name: "endpoint_tls_info", Type: Gauge, Labels: with(ofPath, "version", "cipher", "client"), Group: groupTLS,
		Values: map[string][]string{"client": clients},
		Help:   "Protocol version (TLS 1.2, TLS 1.3, DTLS 1.2) and cipher suite (IANA name) that the server chose, and whose hello it answered; always 1.",
	},
	tlsCertificateRequested: {
		Name: "endpoint_tls_client_certificate_requested", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "1 if the server asks for the device's certificate, 0 if not.",
	},
	tlsServerFlight: {
		Name: "endpoint_tls_server_flight_bytes", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "Size of the server flight, from ServerHello to ServerHelloDone, in answer to a device's hello, which the device must buffer.",
	},
	coapUp: {
		Name: "endpoint_coap_up", Type: Gauge, Labels: ofPath, Group: groupTLS,
		Help: "1 if a CoAP ping (an empty message) inside the session was answered with a reset, 0 if not; absent if none was sent.",
	},

	dnsUp: {
		Name: "endpoint_dns_up", Type: Gauge, Labels: ofResolver, Group: groupDNS,
		Help: "1 if the resolver gave at least one address, 0 if none; absent if the deadline cut the look-up off.",
	},
	dnsFailure: {
		Name: "endpoint_dns_failure", Type: Gauge, Labels: with(ofResolver, "reason"), Group: groupDNS,
		Values: map[string][]string{"reason": dnsFailures},
		Help:   "Why the resolver gave no address; always 1, present only while it fails.",
	},
	dnsFamilyFailure: {
		Name: "endpoint_dns_family_failure", Type: Gauge, Labels: with(ofResolver, "family", "reason"), Group: groupDNS,
		Values: map[string][]string{"family": families, "reason": dnsFailures},
		Help: "Why the resolver gave no answer for one address family although it gave addresses of the other; always 1, present only " +
			"while it fails. Devices with musl then do not resolve the name, and those with glibc may wait.",
	},
	dnsLookupDuration: {
		Name: "endpoint_dns_lookup_duration_seconds", Type: Gauge, Labels: ofResolver, Group: groupDNS,
		Help: "How long the resolver took to answer, on Linux by the kernel's clock, or how long this exporter waited; " +
			"absent if the deadline cut the look-up off.",
	},
	dnsTTL: {
		Name: "endpoint_dns_ttl_seconds", Type: Gauge, Labels: ofResolver, Group: groupDNS,
		Help: "TTL in the resolver's answer: the lowest of the CNAME chain and the addresses.",
	},
	dnsAuthorityTTL: {
		Name: "endpoint_dns_authority_ttl_seconds", Type: Gauge, Labels: ofTarget, Group: groupDNS,
		Help: "TTL from the zone's authoritative servers, or the configured expected_ttl: the lowest of the CNAME chain and the addresses.",
	},
	dnsAddresses: {
		Name: "endpoint_dns_addresses", Type: Gauge, Labels: with(ofResolver, "family"), Group: groupDNS,
		Values: map[string][]string{"family": families},
		Help:   "Addresses that the resolver gave.",
	},
	dnsAddressInfo: {
		Name: "endpoint_dns_address_info", Type: Gauge, Labels: with(ofResolver, "address"), Group: groupDNS,
		Help: "An address that the resolver gave, at most max_addresses of them; always 1. Turned off by --no-collector.addresses.",
	},
	dnsAddressChanges: {
		Name: "endpoint_dns_address_changes_total", Type: Counter, Labels: ofResolver, Group: groupDNS,
		Help: "New addresses of the host at the resolver, after three answers and 3 TTLs (at most 1 h) without one: " +
			"a failover counts once each way, a pool that rotates does not count.",
	},
	dnsLastChange: {
		Name: "endpoint_dns_last_change_timestamp_seconds", Type: Gauge, Labels: ofResolver, Group: groupDNS,
		Help: "When the set of addresses that the resolver gives for the host last changed; absent before the first change.",
	},

	dnsStale: {
		Name: "endpoint_dns_stale", Type: Gauge, Labels: ofResolver, Group: groupStaleness,
		Help: "1 if the resolver is proved to keep records past their TTL, else 0; latched; absent while the verdict is unknown.",
	},
	dnsVerdict: {
		Name: "endpoint_dns_verdict", Type: Gauge, Labels: with(ofResolver, "verdict"), Group: groupStaleness,
		Values: map[string][]string{"verdict": verdicts},
		Help:   "1 for the verdict on the resolver's records of this host, 0 for the others; latched.",
	},
	dnsEvidence: {
		Name: "endpoint_dns_evidence_total", Type: Counter, Labels: with(ofResolver, "evidence"), Group: groupStaleness,
		Values: map[string][]string{"evidence": kinds},
		Help:   "Pieces of evidence of staleness. One piece is not a proof.",
	},
	dnsTTLExcess: {
		Name: "endpoint_dns_ttl_excess_seconds", Type: Gauge, Labels: ofResolver, Group: groupStaleness,
		Help: "Largest excess of a TTL of the resolver over the zone's TTL within hold, at least 0; absent while the zone's TTL is not known.",
	},
	dnsStaleness: {
		Name: "endpoint_dns_staleness_seconds", Type: Gauge, Labels: ofResolver, Group: groupStaleness,
		Help: "Longest proved time that a record was given past its permitted lifetime within hold, at least 0; " +
			"absent while the verdict is unknown.",
	},
	dnsWithdrawnAddresses: {
		Name: "endpoint_dns_withdrawn_addresses", Type: Gauge, Labels: ofResolver, Group: groupStaleness,
		Help: "Addresses in the resolver's last answer that the zone has withdrawn, proved or strongly suspected; " +
			"absent while the verdict is unknown.",
	},
	dnsAuthorityAddresses: {
		Name: "endpoint_dns_authority_addresses", Type: Gauge, Labels: ofTarget, Group: groupStaleness,
		Help: "Addresses that the zone's authoritative servers gave in the last round.",
	},
	dnsAuthorityLastValid: {
		Name: "endpoint_dns_authority_last_valid_timestamp_seconds", Type: Gauge, Labels: ofTarget, Group: groupStaleness,
		Help: "When the zone's authoritative servers last gave a valid answer; absent before the first one.",
	},
	dnsAuthorityPath: {
		Name: "endpoint_dns_authority_path", Type: Gauge, Labels: []string{"state"}, Group: groupStaleness,
		Values: map[string][]string{"state": authorityPaths},
		Help:   "1 for the state of port 53 from this machine to the zones' authoritative servers, 0 for the others; absent while it is not known.",
	},
	dnsQueries: {
		Name: "endpoint_dns_queries_total", Type: Counter, Labels: []string{"leg", "rcode"}, Group: groupStaleness,
		Values: map[string][]string{"leg": measurement.DNSLegs, "rcode": measurement.DNSRcodes},
		Help:   "DNS queries sent by this exporter, to the site's resolvers and to the zones' authoritative servers, by result.",
	},

	idleSurvived: {
		Name: "endpoint_idle_survived_seconds", Type: Gauge, Labels: ofPath, Group: groupIdle,
		Help: "Longest silence after which a connection still worked if the device speaks first (the cloud may be cut off earlier); absent while it is not known.",
	},
	idleLost: {
		Name: "endpoint_idle_lost_seconds", Type: Gauge, Labels: ofPath, Group: groupIdle,
		Help: "Shortest silence after which the path had dropped the connection although the device speaks first; absent while it is not known.",
	},
	idleClosed: {
		Name: "endpoint_idle_closed_seconds", Type: Gauge, Labels: ofPath, Group: groupIdle,
		Help: "Silence after which the server itself closed the connection; absent while it is not known.",
	},
	idleLastRound: {
		Name: "endpoint_idle_last_round_timestamp_seconds", Type: Gauge, Labels: ofPath, Group: groupIdle,
		Help: "When silence on this path was last measured; absent before the first measurement.",
	},
	keepalive: {
		Name: "endpoint_keepalive_seconds", Type: Gauge, Labels: ofTarget, Group: groupIdle,
		Help: "Keepalive interval of the devices, as configured: the longest silence between two of their messages.",
	},

	surveyDuration: {
		Name: "endpoint_survey_duration_seconds", Type: Gauge, Group: groupExporter,
		Help: "How long the last round took.",
	},
	surveyLast: {
		Name: "endpoint_survey_last_timestamp_seconds", Type: Gauge, Group: groupExporter,
		Help: "When the last round ended.",
	},
	surveyIncomplete: {
		Name: "endpoint_survey_incomplete_paths", Type: Gauge, Group: groupExporter,
		Help: "Paths that the deadline cut off in the last round; their earlier values are not repeated.",
	},
	reloadSuccessful: {
		Name: "endpoint_exporter_config_last_reload_successful", Type: Gauge, Group: groupExporter,
		Help: "1 if the last reload of the configuration succeeded, 0 if it failed and the older configuration stays in force.",
	},
	reloadTime: {
		Name: "endpoint_exporter_config_last_reload_success_timestamp_seconds", Type: Gauge, Group: groupExporter,
		Help: "When the configuration in force was loaded.",
	},
	buildInfo: {
		Name: "endpoint_exporter_build_info", Type: Gauge, Group: groupExporter,
		Labels: []string{"version", "revision", "branch", "goversion", "goos", "goarch", "tags"},
		Help:   "Version and build of this exporter; always 1.",
	},
})

// withTransports sets the values of the label transport, which all metrics of paths share.
func withTransports(metrics [metricCount]Metric) [metricCount]Metric {
	for i := range metrics {
		if m := &metrics[i]; slices.Contains(m.Labels, "transport") {
			values := map[string][]string{"transport": transports}
			maps.Copy(values, m.Values)
			m.Values = values
		}
	}
	return metrics
}

// with is labels followed by more.
func with(labels []string, more ...string) []string { return slices.Concat(labels, more) }

// texts turns a closed list of another package into label values.
func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func classesOf(list []reason.ClassInfo) []string {
	out := make([]string, len(list))
	for i, info := range list {
		out[i] = string(info.Class)
	}
	return out
}

func reasonsOf(list []reason.Info) []string {
	out := make([]string, len(list))
	for i, info := range list {
		out[i] = string(info.Reason)
	}
	return out
}
