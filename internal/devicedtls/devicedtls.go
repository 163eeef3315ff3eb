// Package devicedtls is the device's own DTLS 1.2 (RFC 6347): its hello byte for byte, the server's flight put together
// from fragments, the finish with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, and application data.
//
// A [Client] opens no socket and reads no clock: datagrams go in by [Client.Take] and come out of [Client.Send], and when to
// send again is its caller's to say. So each step of a handshake is plain data that tests and fuzzing can reach.
//
// # Why not a DTLS library's connection
//
// The device's hello offers session tickets (extension 35, RFC 5077), and a server that takes the offer sends a
// NewSessionTicket message before its Finished, which counts in the transcript. The connections of pion/dtls v3 do not
// know that message: against OpenSSL, which sends one by default, the finish of such a hello never ends. A hello
// without the extension would finish, but it would not be the device's, and what a firewall lets pass is decided by the
// hello. Nor can a connection stop between the server's flight and the answer to it, or tell bytes that are no DTLS from
// silence, both of which are the evidence sought here. So this package keeps the order of the messages itself and takes
// the cryptography from pion (PRF, CCM) and Go's own library (ECDH, ECDSA, AES).
//
// # Why there is no connection id
//
// Devices on Linux and Mbed OS also offer a connection id by the extension number 254 of the draft that became RFC 9146.
// A server that takes it protects its records by the draft's rules, which differ from the RFC's in the additional data;
// no server that can be had to test against speaks them. The hello here is that of a device built without it.
package devicedtls

import (
	"errors"
	"fmt"
)

// Version is DTLS 1.2 on the wire; the first hello's records carry [versionHello].
const (
	Version      = 0xfefd
	versionHello = 0xfeff
)

// Suite is TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 (RFC 7251), the only one a device offers.
const Suite = 0xc0ae

// Handshake message types (RFC 5246 §7.4, RFC 6347 §4.3.2, RFC 5077 §3.3).
const (
	typeClientHello        = 1
	typeServerHello        = 2
	typeHelloVerifyRequest = 3
	typeNewSessionTicket   = 4
	typeCertificate        = 11
	typeServerKeyExchange  = 12
	typeCertificateRequest = 13
	typeServerHelloDone    = 14
	typeCertificateVerify  = 15
	typeClientKeyExchange  = 16
	typeFinished           = 20
)

var (
	// ErrTooLarge means that the server's messages take more than is read here (see [maxFlight]): far more than a device can.
	ErrTooLarge = errors.New("the server's flight is larger than is read")
	// ErrNotVerified means that the server's Finished does not match the handshake.
	ErrNotVerified = errors.New("the server's Finished does not match the handshake")
	// ErrMalformed means that a message of the server that the finish needs cannot be read.
	ErrMalformed = errors.New("malformed handshake message")
)

// AlertError is an alert that ended the session: a fatal one, or a closure (RFC 5246 §7.2).
type AlertError struct {
	Description uint8 // 0 is close_notify
}

func (e *AlertError) Error() string { return fmt.Sprintf("the server sent the alert %d", e.Description) }

// Hello is the body of the device's ClientHello: 82 bytes without a cookie, 107 with the headers of its record and
// message.
func Hello(random [32]byte, cookie []byte) []byte {
	b := make([]byte, 0, 82+len(cookie))
	b = append(b, 0xfe, 0xfd)
	b = append(b, random[:]...)
	b = append(b, 0) // no session to resume
	b = append(b, byte(len(cookie)))
	b = append(b, cookie...)
	b = append(b, 0, 4, 0xc0, 0xae, 0x00, 0xff) // the suite, and the marker of secure renegotiation (RFC 5746 §3.3)
	b = append(b, 1, 0)                         // no compression
	return append(b,
		0, 36,
		0x00, 0x0d, 0, 6, 0, 4, 0x04, 0x03, 0x03, 0x03, // signature_algorithms: ECDSA with SHA-256, SHA-224
		0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17, // supported_groups: secp256r1
		0x00, 0x0b, 0, 2, 1, 0, // ec_point_formats: uncompressed
		0x00, 0x16, 0, 0, // encrypt_then_mac: says nothing for an AEAD suite, but devices send it
		0x00, 0x17, 0, 0, // extended_master_secret
		0x00, 0x23, 0, 0, // session_ticket: empty
	)
}
