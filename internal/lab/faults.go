package lab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict is what the exporter must report for a fault: the labels reason and class, both empty if the path still
// carries the client.
type Verdict struct{ Reason, Class string }

// Fault is one fault of a path. TCP and UDP are the verdicts for a device on that transport, Web for a browser-like
// client; nil if the fault cannot be set there.
type Fault struct {
	Name string
	// Argument says what may follow the name after a colon, with its default; "" if nothing.
	Argument string
	Does     string // one line
	TCP      *Verdict
	UDP      *Verdict
	Web      *Verdict
}

var (
	carried     = &Verdict{}
	blocked     = func(reason string) *Verdict { return &Verdict{reason, "blocked"} }
	intercepted = func(reason string) *Verdict { return &Verdict{reason, "interception"} }
	server      = func(reason string) *Verdict { return &Verdict{reason, "server"} }
	certificate = func(reason string) *Verdict { return &Verdict{reason, "certificate"} }
)

// The names of all faults.
const (
	None              = "none"
	Refuse            = "refuse"
	Drop              = "drop"
	ResetAfterHello   = "reset_after_hello"
	CloseAfterHello   = "close_after_hello"
	Silence           = "silence_after_connect"
	BlockPage         = "block_page"
	Intercept         = "intercept"
	InterceptNoCCM    = "intercept_no_ccm"
	ForgedIssuer      = "forged_issuer"
	Replay            = "replay"
	Expired           = "expired"
	NotYetValid       = "not_yet_valid"
	OversizedChain    = "oversized_chain"
	RSALeaf           = "rsa_leaf"
	ClientOnlyLeaf    = "client_only_leaf"
	SplitRecords      = "split_records"
	Garbage           = "garbage"
	Drip              = "drip"
	Endless           = "endless"
	Alert             = "alert"
	RefuseCertificate = "refuse_certificate"

	CloseAfterCertificate   = "close_after_certificate"
	ResetAfterCertificate   = "reset_after_certificate"
	InterceptNegativeSerial = "intercept_negative_serial"
	SelfSigned              = "self_signed"
	NoPong                  = "no_pong"
	Slow                    = "slow"
	NATForgets              = "nat_forgets"
	NATResets               = "nat_resets"
	DropFirst               = "drop_first"
	Duplicate               = "duplicate"
	Reorder                 = "reorder"
	NoAnswerAfter           = "no_answer_after_cookie"
	Fragments               = "fragments_100"
	DropConnectionIDs       = "drop_connection_ids"
)

// Faults lists every fault, in the order of help and documentation.
func Faults() []Fault {
	return []Fault{
		{None, "", "passes everything", carried, carried, carried},
		{Refuse, "", "nothing listens: RST on connect, ICMP port unreachable on UDP", blocked("refused"), blocked("refused"), blocked("refused")},
		{Drop, "", "every packet to the host is dropped silently", blocked("unreachable"), blocked("silent"), blocked("unreachable")},
		{ResetAfterHello, "", "connects, reads the hello, sends RST", blocked("reset"), nil, blocked("reset")},
		{CloseAfterHello, "", "connects, reads the hello, sends FIN", blocked("closed"), nil, blocked("closed")},
		{Silence, "", "connects, reads, never answers", blocked("silent"), nil, blocked("silent")},
		{BlockPage, "", "answers the hello with an HTTP 403 page", intercepted("block_page"), nil, intercepted("block_page")},
		{Intercept, "", "terminates any TLS with a certificate from CN=SSLInspect", intercepted("wrong_issuer"), intercepted("wrong_issuer"), intercepted("wrong_issuer")},
		{InterceptNoCCM, "", "the same by a box without AES-CCM: alerts devices, intercepts browsers", intercepted("wrong_issuer"), nil, intercepted("wrong_issuer")},
		{InterceptNegativeSerial, "", "the same with a negative serial number, which strict parsers reject", intercepted("wrong_issuer"), intercepted("wrong_issuer"), intercepted("wrong_issuer")},
		{SelfSigned, "", "an appliance with its factory certificate: self-signed, for another name", intercepted("wrong_issuer"), intercepted("wrong_issuer"), intercepted("wrong_issuer")},
		{ForgedIssuer, "", "a certificate with the right issuer's name, signed with another key", intercepted("forged_issuer"), intercepted("forged_issuer"), intercepted("forged_issuer")},
		{Replay, "", "the true certificate, sent by a server without its key", intercepted("key_not_proved"), intercepted("key_not_proved"), intercepted("key_not_proved")},
		{Expired, "", "the certificate expired an hour ago", certificate("expired"), certificate("expired"), certificate("expired")},
		{NotYetValid, "", "the certificate is valid in an hour", certificate("not_yet_valid"), certificate("not_yet_valid"), certificate("not_yet_valid")},
		{OversizedChain, "", "a true chain of more than the 4096 bytes that a device accepts", server("device_unfit"), server("device_unfit"), carried},
		{RSALeaf, "", "a true certificate with an RSA key", server("device_unfit"), nil, carried},
		{ClientOnlyLeaf, "", "a true certificate whose extended key usage is client only", server("device_unfit"), server("device_unfit"), nil},
		{SplitRecords, "", "the true answer with unencrypted records of at most 512 bytes", server("device_unfit"), nil, carried},
		{Garbage, "", "answers with bytes that are neither TLS nor HTTP", server("not_tls"), server("not_tls"), server("not_tls")},
		{Drip, "", "the true answer, one byte a second", blocked("silent"), nil, blocked("silent")},
		{Endless, "", "an endless certificate message, as fast as it is read", server("not_tls"), nil, server("not_tls")},
		{Alert, "code of the alert, default 40", "answers the hello with a fatal alert", server("alert"), server("alert"), server("alert")},
		{RefuseCertificate, "", "a server that refuses any client certificate with unknown_ca", carried, carried, nil},
		{CloseAfterCertificate, "", "sends FIN after the client certificate, without a TLS alert", carried, nil, nil},
		{ResetAfterCertificate, "", "the same with RST", carried, nil, nil},
		{NoPong, "", "a server that ignores CoAP pings", carried, carried, nil},
		{Slow, "delay, default 100ms", "delays everything by this much in each direction", carried, carried, carried},
		{NATForgets, "idle timeout, default 30s", "a NAT with an idle timeout that then drops packets", carried, carried, carried},
		{NATResets, "idle timeout, default 30s", "a NAT with an idle timeout that then answers with RST", carried, nil, carried},
		{DropFirst, "number, default 1", "drops the first datagrams of each client", nil, carried, nil},
		{Duplicate, "", "sends every datagram twice", nil, carried, nil},
		{Reorder, "", "swaps the server's datagrams in pairs", nil, carried, nil},
		{NoAnswerAfter, "", "passes the server's cookie and nothing after it", nil, blocked("silent"), nil},
		{DropConnectionIDs, "", "drops records with the connection id that the server asks for", nil, blocked("silent"), nil},
		{Fragments, "", "a server with datagrams of at most 100 bytes", nil, carried, nil},
	}
}

// setting is a parsed fault with its argument.
type setting struct {
	text  string // as it was set
	fault string
	delay time.Duration // Slow: each way; NATForgets, NATResets: idle timeout
	count int           // DropFirst, Alert
}

// arguments are the defaults of the faults that take one, a delay or a number.
var arguments = map[string]setting{
	Alert: {count: int(alertHandshakeFailure)}, DropFirst: {count: 1},
	Slow: {delay: 100 * time.Millisecond}, NATForgets: {delay: 30 * time.Second}, NATResets: {delay: 30 * time.Second},
}

// maxDelay bounds the arguments: longer ones are mistakes.
const maxDelay = time.Hour

// ErrFault means that a fault's name or argument is not on the list, or does not apply to the path.
var ErrFault = errors.New("invalid fault")

// parseSetting reads NAME or NAME:ARGUMENT.
func parseSetting(text string) (*setting, error) {
	name, argument, given := strings.Cut(text, ":")
	all := Faults()
	i := slices.IndexFunc(all, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: %q", ErrFault, name)
	}
	if given && all[i].Argument == "" {
		return nil, fmt.Errorf("%w: %s takes no argument", ErrFault, name)
	}
	s := arguments[name]
	s.text, s.fault = text, name
	if !given {
		return &s, nil
	}
	var err error
	if s.delay > 0 {
		s.delay, err = time.ParseDuration(argument)
		if err == nil && (s.delay < 0 || s.delay > maxDelay) {
			err = fmt.Errorf("not within 0s and %v", maxDelay)
		}
	} else {
		var n uint64
		n, err = strconv.ParseUint(argument, 10, 8)
		s.count = int(n)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: argument of %s: %w", ErrFault, name, err)
	}
	return &s, nil
}
