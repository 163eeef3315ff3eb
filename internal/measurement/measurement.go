// Package measurement is the vocabulary of what a round sees: plain data, filled in by the probes (packages dns and
// path) and read by the packages that judge it (staleness, trust, diagnose) and by the views (collector, present).
//
// It has no sockets, no clock and no verdicts. Every text in it that came from the network has passed [Text].
package measurement

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxText is the most bytes that any text from the network may take in a label, a log line or a page.
const MaxText = 200

// Text makes a text that came from the network safe to show: [Printable], at most [MaxText] bytes.
func Text(s string) string { return Printable(s, MaxText) }

// Printable makes a text safe to show: valid UTF-8, no control or formatting characters (each becomes U+FFFD), at most
// so many bytes, cut between characters and marked with an ellipsis when it was longer.
func Printable(s string, most int) string {
	const ellipsis = "…"
	if len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > most {
			cut := b.String()
			for len(cut)+len(ellipsis) > most {
				_, size := utf8.DecodeLastRuneInString(cut)
				cut = cut[:len(cut)-size]
			}
			return cut + ellipsis
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Transport is what carries a path: "tcp" or "udp".
type Transport string

const (
	TCP Transport = "tcp"
	UDP Transport = "udp"
)

// Path is one way to a host: a transport and a port. It is comparable, and the key of everything that is kept per path.
type Path struct {
	Transport Transport `yaml:"transport" required:"true" example:"tcp"`
	Port      uint16    `yaml:"port" required:"true" example:"5684"`
}

// Client says whose hello is sent: a device's or a browser's.
type Client string

const (
	// Device sends the hello of the device byte for byte: TLS 1.2, one suite, no server name.
	Device Client = "device"
	// Web sends a hello as a browser does: SNI, every suite, TLS 1.2 and 1.3.
	Web Client = "web"
)

// Framing is how CoAP messages are delimited inside TLS over TCP.
type Framing string

const (
	// RFC7252 puts plain RFC 7252 messages into TLS records, as the device does (not RFC 8323).
	RFC7252 Framing = "rfc7252"
	// RFC8323 is CoAP over TCP as standardised: CSM, ping 7.02, pong 7.03.
	RFC8323 Framing = "rfc8323"
)

// Phase is one step of a walk; each has its own clock.
type Phase string

const (
	// Connect is the TCP handshake: SYN to SYN+ACK. UDP has none.
	Connect Phase = "connect"
	// Hello runs from the client's hello to the whole of the server's flight.
	Hello Phase = "hello"
	// Finish runs from the client's answer to the server's Finished.
	Finish Phase = "finish"
	// Ping runs from the empty CoAP message to its reset.
	Ping Phase = "ping"
)

// Phases lists every phase in the order of a walk.
var Phases = []Phase{Connect, Hello, Finish, Ping}

// Failure says how a walk ended that did not reach its goal, in terms of what happened on the wire. It is a closed
// list: packages map errors onto it where they arise, by errors.Is and errors.As. Package diagnose decides what it
// means.
type Failure string

const (
	// Completed: nothing failed.
	Completed Failure = ""
	// Refused: RST on connect, or ICMP port unreachable on UDP.
	Refused Failure = "refused"
	// Unreachable: no connection within the timeout of connect, or ICMP host/net unreachable.
	Unreachable Failure = "unreachable"
	// Reset: RST after the hello.
	Reset Failure = "reset"
	// Closed: FIN after the hello, before the server flight was complete.
	Closed Failure = "closed"
	// Silent: no answer, or only a part of the server flight, within the timeout of the phase.
	Silent Failure = "silent"
	// Alert: a TLS alert answered the hello.
	Alert Failure = "alert"
	// NotTLS: the answer is not a TLS record.
	NotTLS Failure = "not_tls"
	// HTTP: an HTTP response instead of TLS.
	HTTP Failure = "http"
	// Malformed: TLS records whose content violates the protocol or exceeds a bound.
	Malformed Failure = "malformed"
	// Unfit: the server flight is complete, but a device cannot use it: see TLS.Unfit.
	Unfit Failure = "unfit"
	// FinishFailed: the session could not be completed, for another reason than the client certificate.
	FinishFailed Failure = "finish_failed"
	// CertificateNeeded: the server refused or requires a client certificate: an alert, or the end of the connection
	// after it was sent.
	CertificateNeeded Failure = "certificate_needed"
	// OutOfTime: the round's deadline came first; nothing is known about the path.
	OutOfTime Failure = "out_of_time"
	// Internal: this machine failed: no socket, no route, no memory.
	Internal Failure = "internal"
)

// PhaseTime is how long one phase took.
type PhaseTime struct {
	Phase Phase
	Took  time.Duration
}

// Outcome is what one walk of one path to one address saw.
type Outcome struct {
	Address   netip.AddrPort // where to
	Local     netip.AddrPort // where from, as the kernel chose; invalid when no socket came to be
	Transport Transport
	Client    Client
	Started   time.Time

	// Times holds the phases that ran to their end, in order. A phase that did not is absent.
	Times []PhaseTime
	// Failure is empty when everything asked for was reached; FailedIn is then empty too.
	Failure  Failure
	FailedIn Phase
	// Detail has further facts about the failure.
	Detail Detail

	// TLS is what the server showed, as far as it came; nil if no ServerHello did. It is kept whatever failed later.
	TLS *TLS
	// FirstReply is the time from the hello to the first datagram that came back (UDP only; 0: none came). A
	// HelloVerifyRequest already shows that the path is open both ways.
	FirstReply time.Duration
	// Retransmissions counts flights sent again (UDP only).
	Retransmissions int
	// RTT is the kernel's smoothed round-trip time at the end of the connect; 0 where the kernel gives none.
	RTT time.Duration
	// Unproven is set with the failure CertificateNeeded if the connection ended without a TLS alert after the server
	// had acknowledged the client's certificate, or where the acknowledgement is not known. It is not proved who
	// ended it: the server that refuses the certificate, or a middlebox.
	Unproven bool
	// Ended is set if the server ended an established session, by close_notify, FIN, RST or a fatal alert, before it
	// answered the ping. A server that ignores the ping leaves Ponged and Ended unset.
	Ended bool
	// Pinged is set if an empty CoAP message was sent; Ponged if its reset came. A server may ignore unregistered clients.
	Pinged, Ponged bool

	// Web is the same path tried again with a web hello after the device's failed; nil if it was not.
	Web *Outcome
}

// Took is the time a phase took; ok is false if it did not run to its end.
func (o *Outcome) Took(p Phase) (took time.Duration, ok bool) {
	for _, t := range o.Times {
		if t.Phase == p {
			return t.Took, true
		}
	}
	return 0, false
}

// Finished says whether the session was completed. tried is false if it did not come to that, or if the attempt says
// nothing of the server: the deadline cut it off, or our own side failed.
func (o *Outcome) Finished() (finished, tried bool) {
	switch {
	case o.FailedIn == Finish:
		return false, o.Failure != OutOfTime && o.Failure != Internal
	case o.Client == Web: // its handshake is one phase
		finished = o.Failure == Completed && o.TLS != nil && o.TLS.KeyProved
	default:
		_, finished = o.Took(Finish)
	}
	return finished, finished
}

// SawTLS returns the outcome whose TLS shows most about the server: o itself or, if the device's hello saw no
// certificate and the browser's did, o.Web.
func (o *Outcome) SawTLS() *Outcome {
	sawCertificate := func(t *TLS) bool { return t != nil && len(t.RawChain) > 0 }
	if o.Web != nil && !sawCertificate(o.TLS) && sawCertificate(o.Web.TLS) {
		return o.Web
	}
	return o
}

// MaxChain bounds the certificates of a server that are kept. It is more than fit into the 4096 bytes that a device
// takes.
const MaxChain = 32

// TLS is the server's side of a TLS or DTLS handshake.
type TLS struct {
	Version uint16 // 0x0303 TLS 1.2, 0x0304 TLS 1.3, 0xfefd DTLS 1.2
	Cipher  uint16
	// RawChain holds the certificates in DER as sent, the leaf first, at most [MaxChain]. It is what package trust
	// judges. In a flight for a device, certificates before the leaf that a device skips are left out.
	RawChain [][]byte
	// KeyProved is true if the server signed this handshake's randoms with the leaf's key: it holds that key.
	KeyProved bool
	// SignatureChecked is true if that signature came and could be checked. Where it is false, KeyProved is false too
	// and says nothing about the holder: the flight was cut short, or signed in a way that is not known here.
	SignatureChecked bool
	// CertificateRequested is true if the server asks for a client certificate.
	CertificateRequested bool
	// ConnectionID is true if the server chose a connection id, so that the device's records after ChangeCipherSpec
	// have the content type 25 (DTLS only).
	ConnectionID bool
	// FlightBytes is the size of the handshake messages from ServerHello to ServerHelloDone, headers included.
	FlightBytes int
	// Unfit lists the reasons why a device cannot use this flight; empty if it can, or if the client is not a device.
	Unfit []UnfitReason
	// Alert is the TLS alert's description code that ended the handshake, if HasAlert.
	Alert    uint8
	HasAlert bool
}
