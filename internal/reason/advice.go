package reason

import "slices"

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

// RequestInfo is the record of one kind of request.
type RequestInfo struct {
	Request Request
	Advice  []Advice // the kinds of advice that ask for it
}

// requests is in the order in which requests are made. Each kind of advice is in one record.
var requests = []RequestInfo{
	{RequestDirect, []Advice{PassProxy}},
	{RequestExemption, []Advice{ExemptFromInspection, ExemptFromForgery, FindReplayingBox, BypassProxy}},
	{RequestAllow, []Advice{
		AllowOutbound, StopFiltering, StopHelloFiltering, LetSessionFinish, LetIDRecordsPass, AllowByName, OpenNetwork,
	}},
	{RequestLargeDatagrams, []Advice{LetLargeDatagramsPass, LetLargePacketsPass}},
	{RequestBox, []Advice{CheckAddress, AskAboutAlert, AskAboutDeviceAlert, FindAlteringBox}},
	{RequestRoute, []Advice{FindRoute}},
	{RequestFamily, []Advice{RepairFamily}},
	{RequestExemptNames, []Advice{ExemptNameFromFilter, UnblockName}},
	{RequestAnswers, []Advice{JoinNetwork, ReplaceResolver}},
	{RequestNames, []Advice{ResolveName, CheckForwarders, AllowQueries, AllowNames, ResolveAtServer}},
	{RequestTTL, []Advice{StopStaleRecords}},
	{RequestIdle, []Advice{ShortenKeepalive}},
	{NoRequest, []Advice{
		CheckServer, ReportUnfitAnswer, CompleteChain, CheckClientCertificate, CheckCertificateThenFirewall,
		ConfigureCertificate, NameAnchor, CheckClock, CheckName, RepeatLookup, RepeatLookupAtServer, CheckHostName,
		SetResolvers, AllowMoreTime, AllowMoreTimeForNames, CheckThisMachine, FindOwnRoute,
	}},
}

// Requests lists the record of every kind of request in the order in which they are made, [NoRequest] last.
func Requests() []RequestInfo { return slices.Clone(requests) }
