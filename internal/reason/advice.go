package reason

// Advice is a kind of thing to do about one cause. Package diagnose chooses it from the facts of a finding; package
// present has one text for each kind.
type Advice string

const NoAdvice Advice = "" // nothing is wrong

// Kinds of advice about the paths to a host.
const (
	ExemptFromInspection   Advice = "exempt_from_inspection"   // another issuer: a box inspects TLS
	ExemptFromForgery      Advice = "exempt_from_forgery"      // a box inspects TLS and copies the issuer's name
	FindReplayingBox       Advice = "find_replaying_box"       // a box replays the cloud's certificate without its key
	BypassProxy            Advice = "bypass_proxy"             // a proxy answers with its own page
	ExemptNameFromFilter   Advice = "exempt_name_from_filter"  // DNS leads to a sinkhole
	AllowOutbound          Advice = "allow_outbound"           // the port is blocked
	StopFiltering          Advice = "stop_filtering"           // the connection opens, and the handshake is stopped
	StopHelloFiltering     Advice = "stop_hello_filtering"     // the same, while a browser's hello passes
	LetSessionFinish       Advice = "let_session_finish"       // the hello was answered, the handshake could not be finished
	LetLargeDatagramsPass  Advice = "let_large_datagrams_pass" // only small datagrams pass
	LetLargePacketsPass    Advice = "let_large_packets_pass"   // only small TCP segments pass
	LetIDRecordsPass       Advice = "let_id_records_pass"      // only DTLS records with a connection id are lost
	CheckServer            Advice = "check_server"             // a server without TLS answers
	AllowByName            Advice = "allow_by_name"            // some addresses of a host are blocked, others pass
	RepairFamily           Advice = "repair_family"            // nothing passes over one IP version, and everything over the other
	CheckAddress           Advice = "check_address"            // another site's server answers at the address
	FindRoute              Advice = "find_route"               // this machine has no route to any address of the host
	AskAboutAlert          Advice = "ask_about_alert"          // a TLS alert answers the device
	AskAboutDeviceAlert    Advice = "ask_about_device_alert"   // the same, while a browser's hello passes
	FindAlteringBox        Advice = "find_altering_box"        // the answer is not TLS
	ReportUnfitAnswer      Advice = "report_unfit_answer"      // a device cannot use the server's answer
	CompleteChain          Advice = "complete_chain"           // no chain from a public certificate to a known authority
	CheckClientCertificate Advice = "check_client_certificate" // the configured client certificate is refused
	// CheckCertificateThenFirewall: the session ends after the configured client certificate without a TLS alert.
	CheckCertificateThenFirewall Advice = "check_certificate_then_firewall"
	// ConfigureCertificate: the same after the temporary one, which proves nothing.
	ConfigureCertificate  Advice = "configure_certificate"
	NameAnchor            Advice = "name_anchor"               // the certificate was compared with no trust anchor
	CheckClock            Advice = "check_clock"               // the certificate is not valid now
	CheckName             Advice = "check_name"                // the certificate is for another name
	ResolveName           Advice = "resolve_name"              // no DNS server gives an address
	RepeatLookup          Advice = "repeat_lookup"             // no DNS server answered in time for the name
	UnblockName           Advice = "unblock_name"              // a DNS server says that it filters the name
	CheckHostName         Advice = "check_host_name"           // the zone itself has no such name
	SetResolvers          Advice = "set_resolvers"             // no DNS server is known
	AllowMoreTime         Advice = "allow_more_time"           // the round ended before the path was probed
	AllowMoreTimeForNames Advice = "allow_more_time_for_names" // the round ended before the name was resolved
	CheckThisMachine      Advice = "check_this_machine"        // this machine could not probe the path
)

// Kinds of advice about a cause that explains every failure of the site.
const (
	JoinNetwork     Advice = "join_network"     // no DNS server answers
	CheckForwarders Advice = "check_forwarders" // the DNS servers answer SERVFAIL for every name
	AllowQueries    Advice = "allow_queries"    // the DNS servers refuse to answer this machine
	AllowNames      Advice = "allow_names"      // the DNS servers give no address for any name
	FindOwnRoute    Advice = "find_own_route"   // this machine has no route to any address
	OpenNetwork     Advice = "open_network"     // every path to every host is blocked
	PassProxy       Advice = "pass_proxy"       // direct paths fail, and this machine has a proxy, which devices do not use
)

// Kinds of advice about one DNS server, and about silent connections.
const (
	StopStaleRecords Advice = "stop_stale_records" // it keeps records past their TTL
	ReplaceResolver  Advice = "replace_resolver"   // it does not answer, others do
	ResolveAtServer  Advice = "resolve_at_server"  // it does not resolve names that others resolve
	// RepeatLookupAtServer: it did not answer in time for names that others resolve, and it answers for other names.
	RepeatLookupAtServer Advice = "repeat_lookup_at_server"
	ShortenKeepalive     Advice = "shorten_keepalive" // idle connections are dropped before the keepalive
)

// Request is a kind of change that only the network's owner can make. The Markdown report asks for each kind once.
type Request string

const (
	NoRequest             Request = "none" // nothing to ask the network's owner for
	RequestExemption      Request = "exemption"
	RequestDirect         Request = "direct"
	RequestAllow          Request = "allow"
	RequestLargeDatagrams Request = "large_datagrams"
	RequestBox            Request = "box"
	RequestRoute          Request = "route"
	RequestFamily         Request = "family"
	RequestExemptNames    Request = "exempt_names"
	RequestAnswers        Request = "answers"
	RequestNames          Request = "names"
	RequestTTL            Request = "ttl"
	RequestIdle           Request = "idle"
)

// Requests lists the kinds of requests in the order in which they are made; [NoRequest] is not one of them.
func Requests() []Request {
	return []Request{
		RequestDirect, RequestExemption, RequestAllow, RequestLargeDatagrams, RequestBox, RequestRoute, RequestFamily,
		RequestExemptNames, RequestAnswers, RequestNames, RequestTTL, RequestIdle,
	}
}

// AdviceInfo is the record of one kind of advice.
type AdviceInfo struct {
	Advice  Advice
	Request Request
}

var advice = []AdviceInfo{
	{ExemptFromInspection, RequestExemption},
	{ExemptFromForgery, RequestExemption},
	{FindReplayingBox, RequestExemption},
	{BypassProxy, RequestExemption},
	{ExemptNameFromFilter, RequestExemptNames},
	{AllowOutbound, RequestAllow},
	{StopFiltering, RequestAllow},
	{StopHelloFiltering, RequestAllow},
	{LetSessionFinish, RequestAllow},
	{LetLargeDatagramsPass, RequestLargeDatagrams},
	{LetLargePacketsPass, RequestLargeDatagrams},
	{LetIDRecordsPass, RequestAllow},
	{CheckServer, NoRequest},
	{AllowByName, RequestAllow},
	{RepairFamily, RequestFamily},
	{CheckAddress, RequestBox},
	{FindRoute, RequestRoute},
	{AskAboutAlert, RequestBox},
	{AskAboutDeviceAlert, RequestBox},
	{FindAlteringBox, RequestBox},
	{ReportUnfitAnswer, NoRequest},
	{CompleteChain, NoRequest},
	{CheckClientCertificate, NoRequest},
	{CheckCertificateThenFirewall, NoRequest},
	{ConfigureCertificate, NoRequest},
	{NameAnchor, NoRequest},
	{CheckClock, NoRequest},
	{CheckName, NoRequest},
	{ResolveName, RequestNames},
	{RepeatLookup, NoRequest},
	{UnblockName, RequestExemptNames},
	{CheckHostName, NoRequest},
	{SetResolvers, NoRequest},
	{AllowMoreTime, NoRequest},
	{AllowMoreTimeForNames, NoRequest},
	{CheckThisMachine, NoRequest},
	{JoinNetwork, RequestAnswers},
	{CheckForwarders, RequestNames},
	{AllowQueries, RequestNames},
	{AllowNames, RequestNames},
	{FindOwnRoute, NoRequest},
	{OpenNetwork, RequestAllow},
	{PassProxy, RequestDirect},
	{StopStaleRecords, RequestTTL},
	{ReplaceResolver, RequestAnswers},
	{ResolveAtServer, RequestNames},
	{RepeatLookupAtServer, NoRequest},
	{ShortenKeepalive, RequestIdle},
}

// AllAdvice lists the record of every kind of advice except [NoAdvice].
func AllAdvice() []AdviceInfo { return append([]AdviceInfo(nil), advice...) }

// Info is the record of a kind of advice; ok is false for [NoAdvice] and for a kind that is not on the list.
func (a Advice) Info() (info AdviceInfo, ok bool) {
	for _, info := range advice {
		if info.Advice == a {
			return info, true
		}
	}
	return AdviceInfo{}, false
}
