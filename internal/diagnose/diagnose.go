// Package diagnose turns evidence into what a person needs: one reason of a closed list, its class, and advice.
// It is pure.
//
// [Walk] judges one path to one address, [Compare] holds a host's paths against each other, and the functions named
// after a reason speak for hosts that no path could be walked to. A verdict of interception needs proof: an issuer that
// is not the expected one, a holder that failed to sign, a page where TLS was due, or an address that cannot be the cloud.
package diagnose

import "slices"

// Class groups reasons by who can do something about them.
type Class string

const (
	ClassInterception Class = "interception"
	ClassBlocked      Class = "blocked"
	ClassServer       Class = "server"
	ClassCertificate  Class = "certificate"
	ClassDNS          Class = "dns"
	ClassSurvey       Class = "survey"
)

// Reason is why a path does not carry a device; "" if it does. The list is public: it is the label `reason`.
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

// table holds the closed list in the order in which it is shown, worst class first.
var table = []struct {
	class   Class
	reasons []Reason
}{
	{ClassInterception, []Reason{WrongIssuer, ForgedIssuer, KeyNotProved, BlockPage, Sinkhole}},
	{ClassBlocked, []Reason{Refused, Reset, Closed, Silent, Unreachable}},
	{ClassServer, []Reason{Alert, NotTLS, DeviceUnfit, CertificateRefused}},
	{ClassCertificate, []Reason{Expired, NotYetValid, WrongName}},
	{ClassDNS, []Reason{DNSFailed}},
	{ClassSurvey, []Reason{OutOfTime}},
}

// Reasons lists every reason but [OK], class by class.
func Reasons() []Reason {
	var out []Reason
	for _, row := range table {
		out = append(out, row.reasons...)
	}
	return out
}

// ClassOf is the class of a reason; "" for [OK] and for what is not on the list.
func ClassOf(r Reason) Class {
	for _, row := range table {
		if slices.Contains(row.reasons, r) {
			return row.class
		}
	}
	return ""
}

// Finding is the diagnosis of one path to one address, or of a whole path or host.
type Finding struct {
	Reason Reason
	Class  Class
	// Summary is one clause: what was seen ("signed by CN=SSLInspect instead of CN=ARM Bootstrap CA").
	Summary string
	// Advice is one or two sentences that a technician can act on or forward; "" when nothing is wrong.
	Advice string
	// Where is the place that Advice names, word for word ("TCP 5684 to lwm2m.example.com (192.0.2.1)", or a host), so that
	// the same advice about many places can be given once; "" if it names none.
	Where string
	// SmallOnly: datagrams pass both ways, but the server's flight does not come whole. The port is open, and who is asked
	// to open it will say so.
	SmallOnly bool
	// Elsewhere: somebody else's server has the address, by a certificate of the public web for other names.
	Elsewhere bool
}
