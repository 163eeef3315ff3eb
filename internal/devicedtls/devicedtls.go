// Package devicedtls is the device's own DTLS 1.2 (RFC 6347): its hello byte for byte, the server's flight put together
// from fragments, the finish with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, and application data.
//
// A [Client] opens no socket and reads no clock: datagrams go in by [Client.Take] and come out of [Client.Send], and when to
// send again is its caller's to say. So each step of a handshake is plain data that tests and fuzzing can reach.
//
// What TLS and DTLS share is in package devicetls: how a flight is judged, the answer to it, and the protection of
// records. Here is what datagrams add: fragments, numbers, cookies and flights sent again.
//
// # Why not a DTLS library's connection
//
// The device's hello offers session tickets (extension 35, RFC 5077), and a server that takes the offer sends a
// NewSessionTicket message before its Finished, which counts in the transcript. The connections of pion/dtls v3 (as of
// 3.1.15) do not know that message: against OpenSSL, which sends one by default, the finish of such a hello does not end
// before its patience does; with -no_ticket, or without the extension, it takes milliseconds. But a hello without the
// extension would not be the device's, and what a firewall lets pass is decided by the hello. Nor can a connection stop
// between the server's flight and the answer to it, or tell bytes that are no DTLS from silence, both of which are the
// evidence sought here. So this package keeps the order of the messages itself and takes the cryptography from pion (PRF,
// CCM) and Go's own library (ECDH, ECDSA, AES).
//
// # Why there is no connection id
//
// Devices on Linux and Mbed OS also offer a connection id by the extension number 254 of the draft that became RFC 9146.
// A server that takes it protects its records by the draft's rules, which differ from the RFC's in the additional data;
// no server that can be had to test against speaks them. The hello here is that of a device built without it.
package devicedtls

import "github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"

// Version is DTLS 1.2 on the wire; the first hello's records carry [versionHello].
const (
	Version      = 0xfefd
	versionHello = 0xfeff
)

// Handshake message types that have a part to play here (RFC 6347 §4.3.2, RFC 5077 §3.3); the flight's are read by
// [devicetls.Flight].
const (
	typeClientHello        = 1
	typeHelloVerifyRequest = 3
	typeNewSessionTicket   = 4
	typeServerHelloDone    = 14
	typeFinished           = 20
)

// Hello is the body of the device's ClientHello: 82 bytes without a cookie, 107 with the headers of its record and
// message.
func Hello(random [32]byte, cookie []byte) []byte {
	b := make([]byte, 0, 82+len(cookie))
	b = append(b, 0xfe, 0xfd)
	b = append(b, random[:]...)
	b = append(b, 0) // no session to resume
	b = append(b, byte(len(cookie)))
	b = append(b, cookie...)
	return devicetls.AppendOffer(b)
}
