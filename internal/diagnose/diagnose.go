// Package diagnose turns evidence into what a person needs: one reason of a closed list, its class, and advice.
// It is pure.
package diagnose

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

// Finding is the diagnosis of one path to one address, or of a whole path or host.
type Finding struct {
	Reason Reason
	Class  Class
	// Summary is one clause: what was seen ("signed by CN=SSLInspect instead of CN=ARM Bootstrap CA").
	Summary string
	// Advice is one or two sentences that a technician can act on or forward; "" when nothing is wrong.
	Advice string
}
