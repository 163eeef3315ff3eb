// Package devicetls implements the device's TLS 1.2 over TCP (RFC 5246): its ClientHello byte for byte, the server
// flight read from pieces of any size, the finish with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, and application data.
//
// A [Client] opens no socket and reads no clock. Received bytes go in by [Client.Take]; bytes to send are returned by
// [Client.Hello], [Client.Finish], [Client.Seal] and [Client.Close].
//
//	client                                    server
//	Hello()                    ───────────►
//	                           ◄───────────   ServerHello … ServerHelloDone          FlightComplete: may stop here
//	Finish(certificate)        ───────────►
//	                           ◄───────────   [NewSessionTicket], [CCS], Finished    Done
//	Seal(data)                 ◄──────────►   application data                       Data
//	Close()                    ───────────►
//
// A [Flight] reads the handshake messages without their records. DTLS has the same message bodies, so package
// devicedtls uses it too. docs/design/002-own-tls-and-dtls.md says why this is not crypto/tls.
package devicetls

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Version is TLS 1.2 on the wire.
const Version = 0x0303

// The cipher suites whose records [DeriveKeys] can protect. A device offers only the first. The second is for the
// servers of tests; a device gives up when a server selects it.
const (
	SuiteCCM8 = 0xc0ae // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251)
	SuiteGCM  = 0xc02b // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 5289)
)

// MaxMessage is the longest handshake message, its header included, and the longest content of a record that a device
// accepts, in bytes (Mbed TLS as the vendor configures it).
const MaxMessage = 4096

// MaxHandshake bounds the bytes of handshake messages that a client reads. It is sixteen times the limit of a device
// for one message, so that the size of a flight that is too long for a device can still be reported.
const MaxHandshake = 64 << 10

// Handshake message types (RFC 5246 §7.4, RFC 5077 §3.3).
const (
	TypeClientHello        = 1
	TypeServerHello        = 2
	TypeNewSessionTicket   = 4
	TypeCertificate        = 11
	TypeServerKeyExchange  = 12
	TypeCertificateRequest = 13
	TypeServerHelloDone    = 14
	TypeCertificateVerify  = 15
	TypeClientKeyExchange  = 16
	TypeFinished           = 20
)

// messageNames are the names of the handshake messages that a server sends (RFC 5246 §7.4).
var messageNames = map[uint8]string{
	TypeServerHello:        "ServerHello",
	TypeNewSessionTicket:   "NewSessionTicket",
	TypeCertificate:        "Certificate",
	TypeServerKeyExchange:  "ServerKeyExchange",
	TypeCertificateRequest: "CertificateRequest",
	TypeServerHelloDone:    "ServerHelloDone",
	TypeFinished:           "Finished",
}

// MessageName returns the name of a handshake message that a server sends.
func MessageName(messageType uint8) string {
	if name, ok := messageNames[messageType]; ok {
		return name
	}
	return fmt.Sprintf("handshake message of type %d", messageType)
}

var (
	// ErrMalformed is matched by every [MalformedError].
	ErrMalformed = errors.New("malformed TLS")
	// ErrNotVerified means that a protected record or the server's Finished does not match the handshake.
	ErrNotVerified = errors.New("not protected with the keys of this handshake")
	// ErrCredential means that the client certificate has no ECDSA key. It is a fault of this side, not of the server.
	ErrCredential = errors.New("the client certificate has no ECDSA key")
)

// MalformedError means that the server speaks TLS or DTLS but breaks the protocol. Detail says how.
type MalformedError struct{ Detail measurement.Detail }

func (e *MalformedError) Error() string {
	return fmt.Sprintf("%v: %s (%d) %s", ErrMalformed, e.Detail.Kind, e.Detail.N, e.Detail.Text)
}

// Is reports whether target is [ErrMalformed].
func (e *MalformedError) Is(target error) bool { return target == ErrMalformed }

// malformed returns a [MalformedError] with a count, length or code.
func malformed(kind measurement.DetailKind, n int) error {
	return &MalformedError{measurement.Detail{Kind: kind, N: n}}
}

// ErrTooLong is returned when more than [MaxHandshake] bytes of handshake messages were received or announced.
var ErrTooLong error = &MalformedError{measurement.Detail{Kind: measurement.DetailHandshakeTooLong, Max: MaxHandshake}}

// NotTLSError means that the answer to the hello is not a TLS record.
type NotTLSError struct {
	// Line is the first line of the answer, or as much of it as was waited for. It is not safe to show: see Preview.
	Line []byte
	// HTTP is set if the answer is an HTTP response or an HTML document.
	HTTP bool
	// Page is set if it is one with which a proxy or firewall blocks, and not the error of a server that expected
	// HTTP: a document, a redirect, or the status 403, 407, 451 or 511.
	Page bool
}

func newNotTLSError(data []byte) error {
	data = bytes.TrimLeft(data, whitespace)
	line, _, _ := bytes.Cut(data[:min(len(data), maxLine)], []byte("\n"))
	e := &NotTLSError{Line: bytes.TrimSuffix(bytes.Clone(line), []byte("\r"))}
	lower := bytes.ToLower(e.Line)
	for _, tag := range []string{"<html", "<!doctype html", "<head", "<body"} {
		if bytes.HasPrefix(lower, []byte(tag)) {
			e.HTTP, e.Page = true, true
		}
	}
	if bytes.HasPrefix(lower, []byte("http/")) {
		e.HTTP, e.Page = true, blockingStatus(lower)
	}
	return e
}

// whitespace is what may precede the first line of an answer.
const whitespace = " \t\r\n"

// blockingStatus reports whether a status line is that of a page or redirect.
func blockingStatus(line []byte) bool {
	fields := bytes.Fields(line)
	if len(fields) < 2 || len(fields[1]) != 3 {
		return false
	}
	status := string(fields[1])
	return slices.Contains([]string{"403", "407", "451", "511"}, status) || status[0] == '2' || status[0] == '3'
}

func (e *NotTLSError) Error() string { return "not a TLS record: " + e.Preview() }

// Preview returns the beginning of the answer in a form that is safe to show: quoted text, or hexadecimal if it is not
// printable ASCII. Of an HTTP response it is the status line.
func (e *NotTLSError) Preview() string {
	if e.HTTP {
		return measurement.Text(string(e.Line))
	}
	begin := e.Line[:min(len(e.Line), 16)]
	if slices.ContainsFunc(begin, func(b byte) bool { return b < ' ' || b > '~' }) {
		return fmt.Sprintf("% x", begin)
	}
	return measurement.Text(fmt.Sprintf("%q", e.Line))
}

// HelloSize is the length of the device's hello on the wire.
const HelloSize = 90

// Hello returns the device's ClientHello in its record, byte for byte: no server name, one cipher suite, one curve.
func Hello(random [32]byte) []byte {
	b := make([]byte, 0, HelloSize)
	b = append(b,
		RecordHandshake, 3, 3, 0, 85,
		TypeClientHello, 0, 0, 81,
		3, 3)
	b = append(b, random[:]...)
	b = append(b, 0) // no session to resume
	return AppendOffer(b, false)
}

// AppendOffer appends the part of the device's ClientHello that TLS and DTLS share: cipher suites, compression methods
// and extensions. With connectionID it offers an empty connection id, as devices on Linux and Mbed OS do over DTLS.
func AppendOffer(b []byte, connectionID bool) []byte {
	b = append(b,
		0, 4, 0xc0, 0xae, 0x00, 0xff, // the suite, and the marker of secure renegotiation (RFC 5746 §3.3)
		1, 0) // no compression
	length := byte(36)
	if connectionID {
		length += 5
	}
	b = append(b,
		0, length,
		0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x03, 0x03, // signature_algorithms: ECDSA with SHA-256 and with SHA-224
		0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17, // supported_groups: secp256r1
		0x00, 0x0b, 0, 2, 1, 0) // ec_point_formats: uncompressed
	if connectionID {
		b = append(b, 0x00, 0xfe, 0, 1, 0) // connection_id of draft-ietf-tls-dtls-connection-id-05: empty
	}
	return append(b,
		0x00, 0x16, 0, 0, // encrypt_then_mac (no effect on an AEAD suite, but devices send it)
		0x00, 0x17, 0, 0, // extended_master_secret (RFC 7627)
		0x00, 0x23, 0, 0, // session_ticket (RFC 5077), empty
	)
}
