// Package reason holds the closed lists that a diagnosis uses: why a path does not carry a device ([Reason]), who can
// do something about it ([Class]), what to do ([Advice]), and what to ask the network's owner for ([Request]).
//
// Each value has one record, and everything that lists reasons reads these records: package diagnose, the metrics and
// their documentation, the dashboards, and the texts of package present. To add a reason, add a constant and its
// record; the tests of these packages run over the lists and fail where something is missing.
package reason

import "slices"

// Class groups reasons by who can do something about them. It is the label `class`.
type Class string

const (
	Interception Class = "interception" // something on the way answers in the cloud's place
	Blocked      Class = "blocked"      // something on the way, or the host itself, stops the connection
	Server       Class = "server"       // the server answers in a way that a device cannot use
	Certificate  Class = "certificate"  // signed by the expected authority, but not valid for this host and time
	DNS          Class = "dns"          // the name does not resolve
	Survey       Class = "survey"       // nothing is known about the path
)

// ClassInfo is what is known about a class.
type ClassInfo struct {
	Class   Class
	Outcome string // what happened to the path: "2 of 12 paths are blocked"
	Title   string // heading in the dashboards
	Colour  string // in the dashboards: a colour name of Grafana, or a hex code
}

// classes is ordered by what a failure costs devices, the worst first.
var classes = []ClassInfo{
	{Interception, "intercepted", "intercepted", "purple"},
	{Blocked, "blocked", "blocked", "red"},
	{Server, "refused or not understood", "server", "orange"},
	{Certificate, "with an invalid certificate", "certificate", "orange"},
	{DNS, "without an address", "name service", "orange"},
	{Survey, "not known", "not known", "#8e8e8e"},
}

// Classes lists the record of every class, the worst first.
func Classes() []ClassInfo { return slices.Clone(classes) }

// Rank is the position of the class in [Classes]: 0 is the worst. A class that is not on the list comes last.
func (c Class) Rank() int {
	for i, info := range classes {
		if info.Class == c {
			return i
		}
	}
	return len(classes)
}

// Reason is why a path does not carry a device; [OK] if it does. It is the label `reason`.
type Reason string

const (
	OK                 Reason = ""
	WrongIssuer        Reason = "wrong_issuer"
	ForgedIssuer       Reason = "forged_issuer"
	KeyNotProved       Reason = "key_not_proved"
	BlockPage          Reason = "block_page"
	Sinkhole           Reason = "sinkhole"
	Refused            Reason = "refused"
	Reset              Reason = "reset"
	Closed             Reason = "closed"
	Silent             Reason = "silent"
	Unreachable        Reason = "unreachable"
	Alert              Reason = "alert"
	NotTLS             Reason = "not_tls"
	DeviceUnfit        Reason = "device_unfit"
	CertificateRefused Reason = "certificate_refused"
	Expired            Reason = "expired"
	NotYetValid        Reason = "not_yet_valid"
	WrongName          Reason = "wrong_name"
	DNSFailed          Reason = "dns_failed"
	OutOfTime          Reason = "out_of_time"
)

// Info is the record of one reason. The order of the records is the order in which reasons are shown.
type Info struct {
	Reason Reason
	Class  Class
	// Word says in a few words what happened, for a table or a legend.
	Word string
	// Meaning is what the reason means, for docs/metrics.md: a clause without a full stop.
	Meaning string
	// Advice is what to do where the facts of the finding ask for nothing more specific.
	Advice Advice
}

// reasons is the closed list, class by class, the worst first.
var reasons = []Info{
	{WrongIssuer, Interception, "another authority signed", "another authority than the expected one signed the certificate", ExemptFromInspection},
	{ForgedIssuer, Interception, "right name, wrong key", "the certificate names the expected issuer, but another key signed it", ExemptFromForgery},
	{KeyNotProved, Interception, "the server does not hold the key",
		"the certificate is genuine, but the server that sends it does not hold its private key", FindReplayingBox},
	{BlockPage, Interception, "a web page instead of TLS", "an HTTP response answered the TLS hello", BypassProxy},
	{Sinkhole, Interception, "the name leads to a non-public address",
		"the name resolves to an address that cannot be the cloud: private, loopback, link-local or unspecified", ExemptNameFromFilter},
	{Refused, Blocked, "connection refused", "RST or ICMP port unreachable answered the connect or the first datagram", AllowOutbound},
	{Reset, Blocked, "RST after the hello", "the connection was reset after the hello was sent", StopFiltering},
	{Closed, Blocked, "FIN after the hello", "the connection was closed after the hello was sent", StopFiltering},
	{Silent, Blocked, "no answer, or only a part of it", "the hello was sent, and no answer came back, or only a part of it", StopFiltering},
	{Unreachable, Blocked, "no connection", "no connection in time, an ICMP error, or no route", AllowOutbound},
	{Alert, Server, "TLS alert", "a TLS alert answered the device's hello", AskAboutAlert},
	{NotTLS, Server, "not TLS", "the answer is not TLS, or breaks the protocol", FindAlteringBox},
	{DeviceUnfit, Server, "not usable for a device",
		"a device cannot use the answer: too large, RSA, another curve or version; or a browser finds no chain from the certificate to a known authority", ReportUnfitAnswer},
	{CertificateRefused, Server, "client certificate refused", "the server refused the configured client certificate", CheckClientCertificate},
	{Expired, Certificate, "certificate expired", "the certificate has expired", CheckClock},
	{NotYetValid, Certificate, "certificate not yet valid", "the certificate is not valid yet", CheckClock},
	{WrongName, Certificate, "certificate for another name", "the certificate is for another name (web clients only)", CheckName},
	{DNSFailed, DNS, "the name does not resolve", "no resolver gave an address", ResolveName},
	{OutOfTime, Survey, "the round ended first",
		"the round's deadline came first, or this machine could not probe the path; nothing is known about the path", AllowMoreTime},
}

// All lists the record of every reason except [OK], class by class.
func All() []Info { return slices.Clone(reasons) }

// Info is the record of a reason; the zero value for [OK] and for a reason that is not on the list.
func (r Reason) Info() Info {
	for _, info := range reasons {
		if info.Reason == r {
			return info
		}
	}
	return Info{}
}

// Class is the class of a reason; "" for [OK] and for a reason that is not on the list.
func (r Reason) Class() Class { return r.Info().Class }
