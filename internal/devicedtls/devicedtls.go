// Package devicedtls implements the device's DTLS 1.2 (RFC 6347): its ClientHello byte for byte, the server flight
// reassembled from fragments, the finish with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, and application data.
//
// A [Client] opens no socket and reads no clock. Received datagrams go in by [Client.Take], datagrams to send are
// returned by [Client.Send], and the caller decides when to retransmit.
//
// Package devicetls has what TLS and DTLS share: the checks of a server flight, the answer to it and the protection of
// records. This package adds fragments, message and record numbers, cookies and retransmission.
// docs/design/002-own-tls-and-dtls.md says why this is not the connection of a DTLS library.
package devicedtls

import "github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"

// Version is DTLS 1.2 on the wire. The records of the first hello carry [versionHello].
const (
	Version      = 0xfefd
	versionHello = 0xfeff
)

// typeHelloVerifyRequest is the handshake message that only DTLS has (RFC 6347 §4.3.2).
const typeHelloVerifyRequest = 3

// Hello returns the body of the device's ClientHello. Without a cookie it has 87 bytes, which the headers of message
// and record make 112. Without the connection id, as of devices on other systems, it has 5 bytes less.
func Hello(random [32]byte, cookie []byte, connectionID bool) []byte {
	b := make([]byte, 0, 87+len(cookie))
	b = append(b, 0xfe, 0xfd)
	b = append(b, random[:]...)
	b = append(b, 0) // no session to resume
	b = append(b, byte(len(cookie)))
	b = append(b, cookie...)
	return devicetls.AppendOffer(b, connectionID)
}
