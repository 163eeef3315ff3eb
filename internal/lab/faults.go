package lab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Due is what the exporter owes for a fault: the labels reason and class, both empty where the path still carries the
// client.
type Due struct{ Reason, Class string }

// Fault is one thing that sites do to a path. TCP and UDP say what is due for a device on that transport, Web for a
// browser-like client; nil: the fault cannot be set there.
type Fault struct {
	Name string
	// Argument says what may follow the name after a colon, with its default; "" if nothing.
	Argument string
	Does     string // one line
	TCP      *Due
	UDP      *Due
	Web      *Due
}

var (
	carried     = &Due{}
	blocked     = func(reason string) *Due { return &Due{reason, "blocked"} }
	intercepted = func(reason string) *Due { return &Due{reason, "interception"} }
	server      = func(reason string) *Due { return &Due{reason, "server"} }
	certificate = func(reason string) *Due { return &Due{reason, "certificate"} }
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
	NoPong            = "no_pong"
	Slow              = "slow"
	NATForgets        = "nat_forgets"
	NATResets         = "nat_resets"
	DropFirst         = "drop_first"
	Duplicate         = "duplicate"
	Reorder           = "reorder"
	NoAnswerAfter     = "no_answer_after_cookie"
	Fragments         = "fragments_100"
)

// Faults returns every fault, in the order that help and documentation list them.
func Faults() []Fault {
	return []Fault{
		{None, "", "lets everything through", carried, carried, carried},
		{Refuse, "", "nobody listens: RST on connect, ICMP port unreachable on UDP", blocked("refused"), blocked("refused"), blocked("refused")},
		{Drop, "", "every packet towards the host is dropped without a word", blocked("unreachable"), blocked("silent"), blocked("unreachable")},
		{ResetAfterHello, "", "connects, reads the hello, sends RST", blocked("reset"), nil, blocked("reset")},
		{CloseAfterHello, "", "connects, reads the hello, sends FIN", blocked("closed"), nil, blocked("closed")},
		{Silence, "", "connects, reads, never answers", blocked("silent"), nil, blocked("silent")},
		{BlockPage, "", "answers the hello with an HTTP 403 page", intercepted("block_page"), nil, intercepted("block_page")},
		{Intercept, "", "terminates any TLS with a certificate of CN=SSLInspect", intercepted("wrong_issuer"), intercepted("wrong_issuer"), intercepted("wrong_issuer")},
		{InterceptNoCCM, "", "the same by a box without AES-CCM: alerts devices, intercepts browsers", intercepted("wrong_issuer"), nil, intercepted("wrong_issuer")},
		{ForgedIssuer, "", "a certificate with the right issuer's name, signed with another key", intercepted("forged_issuer"), intercepted("forged_issuer"), intercepted("forged_issuer")},
		{Replay, "", "the true certificate, shown by one who lacks its key", intercepted("key_not_proved"), intercepted("key_not_proved"), intercepted("key_not_proved")},
		{Expired, "", "the certificate ended an hour ago", certificate("expired"), certificate("expired"), certificate("expired")},
		{NotYetValid, "", "the certificate begins in an hour", certificate("not_yet_valid"), certificate("not_yet_valid"), certificate("not_yet_valid")},
		{OversizedChain, "", "a true chain of more than the 4096 bytes that a device takes", server("device_unfit"), server("device_unfit"), carried},
		{RSALeaf, "", "a true certificate with an RSA key", server("device_unfit"), nil, carried},
		{ClientOnlyLeaf, "", "a true certificate that is for TLS clients alone", server("device_unfit"), server("device_unfit"), nil},
		{SplitRecords, "", "the true answer, its unencrypted records cut to at most 512 bytes", server("device_unfit"), nil, carried},
		{Garbage, "", "answers with bytes that are neither TLS nor HTTP", server("not_tls"), server("not_tls"), server("not_tls")},
		{Drip, "", "the true answer, one byte a second", blocked("silent"), nil, blocked("silent")},
		{Endless, "", "a certificate message that never ends, as fast as it is read", server("not_tls"), nil, server("not_tls")},
		{Alert, "code of the alert, default 40", "answers the hello with a fatal alert", server("alert"), server("alert"), server("alert")},
		{RefuseCertificate, "", "a server that refuses any client certificate with unknown_ca", carried, carried, nil},
		{NoPong, "", "a server that ignores CoAP pings", carried, carried, nil},
		{Slow, "delay, default 100ms", "delays everything by that much each way", carried, carried, carried},
		{NATForgets, "idle time, default 30s", "a NAT that forgets silent connections and then drops what they carry", carried, carried, carried},
		{NATResets, "idle time, default 30s", "a NAT that forgets silent connections and then answers with RST", carried, nil, carried},
		{DropFirst, "number, default 1", "drops the first datagrams of each client", nil, carried, nil},
		{Duplicate, "", "sends every datagram twice", nil, carried, nil},
		{Reorder, "", "swaps the server's datagrams in pairs", nil, carried, nil},
		{NoAnswerAfter, "", "lets the server's cookie through and nothing after it", nil, blocked("silent"), nil},
		{Fragments, "", "a server whose datagrams hold at most 100 bytes", nil, carried, nil},
	}
}

// setting is a fault with its argument, ready to be inflicted.
type setting struct {
	text  string // as it was set
	fault string
	delay time.Duration // Slow: each way; NATForgets, NATResets: idle time
	count int           // DropFirst, Alert
}

// maxDelay is longer than any path delays or forgets; more is a slip of the pen.
const maxDelay = time.Hour

// ErrFault says that a fault's name or argument is not one of the list, or does not fit the path.
var ErrFault = errors.New("no such fault")

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
	s := &setting{text: text, fault: name, delay: 100 * time.Millisecond, count: 1}
	switch name {
	case Alert:
		s.count = int(alertHandshakeFailure)
	case NATForgets, NATResets:
		s.delay = 30 * time.Second
	}
	if !given {
		return s, nil
	}
	var err error
	switch name {
	case Slow, NATForgets, NATResets:
		s.delay, err = time.ParseDuration(argument)
		if err == nil && (s.delay < 0 || s.delay > maxDelay) {
			err = fmt.Errorf("not within 0s and %v", maxDelay)
		}
	default:
		var n uint64
		n, err = strconv.ParseUint(argument, 10, 8)
		s.count = int(n)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: argument of %s: %w", ErrFault, name, err)
	}
	return s, nil
}
