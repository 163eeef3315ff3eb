// Package devicetls is the device's own TLS 1.2 over TCP (RFC 5246): its hello byte for byte, the server's flight read
// from whatever pieces it comes in, the finish with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, and application data.
//
// A [Client] opens no socket and reads no clock: bytes go in by [Client.Take], and those to send come out of
// [Client.Hello], [Client.Finish], [Client.Seal] and [Client.Close].
//
//	client                                    server
//	Hello()                    ───────────►
//	                           ◄───────────   ServerHello … ServerHelloDone     step Flight: may stop here
//	Finish(certificate)        ───────────►
//	                           ◄───────────   [NewSessionTicket], [CCS], Finished    step Done
//	Seal(data)                 ◄──────────►   application data                       step Data
//	Close()                    ───────────►
//
// A [Flight] reads the messages alone. Their bodies are those of DTLS too, so that package path judges both by one rule.
//
// # What is taken from where
//
// The pseudo-random function and CCM are pion/dtls's, the rest of the cryptography Go's. The message codecs of pion/dtls
// are not used: its ServerKeyExchange refuses curves and signature algorithms that it does not know, and a flight that a
// device cannot take is a finding here, to be described and, where possible, still held against its signature.
package devicetls

import (
	"errors"
	"fmt"
	"slices"
)

// Version is TLS 1.2 on the wire.
const Version = 0x0303

// The suites whose records [DeriveKeys] can protect. A device offers the first alone. A server that answers with another
// one breaks the protocol, and a device gives up; the second is here for servers that this is tested against.
const (
	SuiteCCM8 = 0xc0ae // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251)
	SuiteGCM  = 0xc02b // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 5289)
)

// What a device can hold (Mbed TLS as the vendor configures it), in bytes.
const (
	MaxMessage     = 4096 // of a handshake message with its header, and of a record
	MaxCertificate = 1024
)

// MaxHandshake bounds the bytes of handshake messages that are read: sixteen times what a device takes of one leaves room
// to say by how much a flight is too large, and is nothing to keep for each of the walks at a time.
const MaxHandshake = 64 << 10

// Handshake message types (RFC 5246 §7.4, RFC 5077 §3.3).
const (
	typeClientHello        = 1
	typeServerHello        = 2
	typeNewSessionTicket   = 4
	typeCertificate        = 11
	typeServerKeyExchange  = 12
	typeCertificateRequest = 13
	typeServerHelloDone    = 14
	typeCertificateVerify  = 15
	typeClientKeyExchange  = 16
	typeFinished           = 20
)

// messageName is a message's name in RFC 5246 §7.4, of those that a server sends.
func messageName(kind uint8) string {
	switch kind {
	case typeServerHello:
		return "ServerHello"
	case typeNewSessionTicket:
		return "NewSessionTicket"
	case typeCertificate:
		return "Certificate"
	case typeServerKeyExchange:
		return "ServerKeyExchange"
	case typeCertificateRequest:
		return "CertificateRequest"
	case typeServerHelloDone:
		return "ServerHelloDone"
	case typeFinished:
		return "Finished"
	}
	return fmt.Sprintf("handshake message of type %d", kind)
}

var (
	// ErrMalformed means that the server speaks TLS, but breaks the protocol.
	ErrMalformed = errors.New("malformed TLS")
	// ErrTooLarge is an ErrMalformed: more came, or was announced, than is read here.
	ErrTooLarge = fmt.Errorf("%w: more than %d bytes of handshake", ErrMalformed, MaxHandshake)
	// ErrNotVerified means that a protected record or the server's Finished does not match the handshake.
	ErrNotVerified = errors.New("not protected with the keys of this handshake")
	// ErrCredential means that our own certificate cannot be shown. It says nothing about the server.
	ErrCredential = errors.New("the client certificate has no ECDSA key")
)

// NotTLSError means that what answered the hello is no TLS record.
type NotTLSError struct {
	// Line is how the answer begins: its first line, or as much of it as was waited for. It is not safe to show.
	Line []byte
	// HTTP is set if it is an HTTP response.
	HTTP bool
}

func (e *NotTLSError) Error() string {
	if e.HTTP {
		return fmt.Sprintf("an HTTP response instead of TLS: %q", e.Line)
	}
	if begin := e.Line[:min(len(e.Line), 16)]; slices.ContainsFunc(begin, func(b byte) bool { return b < ' ' || b > '~' }) {
		return fmt.Sprintf("no TLS record: % x", begin)
	}
	return fmt.Sprintf("no TLS record: %q", e.Line)
}

// HelloSize is the length of the device's hello on the wire.
const HelloSize = 90

// Hello is the device's ClientHello in its record, to the byte: no server name, one suite, one curve.
func Hello(random [32]byte) []byte {
	b := make([]byte, 0, HelloSize)
	b = append(b,
		recordHandshake, 3, 3, 0, 85,
		typeClientHello, 0, 0, 81,
		3, 3)
	b = append(b, random[:]...)
	b = append(b, 0) // no session to resume
	return AppendOffer(b)
}

// AppendOffer appends what a device's hello offers, over TLS as over DTLS: its suite, its compression, its extensions.
func AppendOffer(b []byte) []byte {
	return append(b,
		0, 4, 0xc0, 0xae, 0x00, 0xff, // the suite, and the marker of secure renegotiation (RFC 5746 §3.3)
		1, 0, // no compression
		0, 36,
		0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x03, 0x03, // signature_algorithms: ECDSA with SHA-256, SHA-224
		0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17, // supported_groups: secp256r1
		0x00, 0x0b, 0, 2, 1, 0, // ec_point_formats: uncompressed
		0x00, 0x16, 0, 0, // encrypt_then_mac: says nothing for an AEAD suite, but devices send it
		0x00, 0x17, 0, 0, // extended_master_secret (RFC 7627)
		0x00, 0x23, 0, 0, // session_ticket (RFC 5077): empty
	)
}
