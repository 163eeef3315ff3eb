package devicetls

import (
	"crypto/ecdh"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// VersionDTLS is DTLS 1.2 on the wire.
const VersionDTLS = 0xfefd

// Flight reads the server's flight from ServerHello to ServerHelloDone (RFC 5246 §7.4), message by message, over TLS or
// DTLS. It checks what a device would: that the holder of the certificate signed this handshake, and that a device can
// take all of it. What a device cannot take is in Unfit and ends nothing; a breach of the protocol is an error.
//
// A flight that a device cannot take is read as far as it makes sense, so that who answers is known.
type Flight struct {
	Version, Cipher uint16
	Random          [32]byte
	// Chain is set by the Certificate message; without a readable leaf there is none.
	Chain []*x509.Certificate
	// SignatureChecked says that the ServerKeyExchange was signed in a way that could be checked; KeyProved that the
	// signature is the leaf's, over both randoms of this handshake.
	SignatureChecked, KeyProved bool
	CertificateRequested        bool
	ExtendedMasterSecret        bool
	// Bytes is the size of the messages so far, headers included.
	Bytes int
	// Unfit lists why a device cannot take this flight, for a person.
	Unfit []string
	// Done says that the flight is whole.
	Done bool

	clientRandom [32]byte
	version      uint16 // due
	header       int    // bytes of a message's header
	last         uint8  // type of the last message; 0: none
	exchanged    bool   // a ServerKeyExchange came
	point        *ecdh.PublicKey
}

// NewFlight begins a flight that answers a hello with that random; version is [Version] or [VersionDTLS].
func NewFlight(clientRandom [32]byte, version uint16) *Flight {
	f := &Flight{clientRandom: clientRandom, version: version, header: messageHeader}
	if version == VersionDTLS {
		f.header = 12 // RFC 6347 §4.2.2
	}
	return f
}

// Evidence is what the flight showed so far; nil if there was no ServerHello.
func (f *Flight) Evidence() *measurement.TLS {
	if f.Version == 0 {
		return nil
	}
	return &measurement.TLS{
		Version: f.Version, Cipher: f.Cipher, Chain: f.Chain,
		KeyProved: f.KeyProved, SignatureChecked: f.SignatureChecked,
		CertificateRequested: f.CertificateRequested, FlightBytes: f.Bytes, Unfit: f.Unfit,
	}
}

func (f *Flight) unfit(format string, args ...any) {
	f.Unfit = append(f.Unfit, fmt.Sprintf(format, args...))
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// due says whether a message of that type may come next: the messages of a flight come in the order of their numbers,
// and a ServerHello begins it.
func (f *Flight) due(kind uint8) bool {
	switch kind {
	case typeServerHello:
		return f.last == 0
	case typeCertificate, typeServerKeyExchange, typeCertificateRequest, typeServerHelloDone:
		return f.last != 0 && f.last < kind
	}
	return false
}

// Take takes the body of the next message. The bytes are kept, and must not change.
func (f *Flight) Take(kind uint8, body []byte) error {
	if !f.due(kind) {
		return malformed("message of type %d after one of type %d", kind, f.last)
	}
	f.last = kind
	f.Bytes += f.header + len(body)
	if size := f.header + len(body); size > MaxMessage {
		f.unfit("handshake message of %d bytes, a device takes %d", size, MaxMessage)
	}
	switch kind {
	case typeServerHello:
		return f.takeHello(body)
	case typeCertificate:
		return f.takeCertificates(body)
	case typeServerKeyExchange:
		f.exchanged = true
		return f.takeKeyExchange(body)
	case typeCertificateRequest:
		f.CertificateRequested = true
		return nil
	}
	if len(body) != 0 {
		return malformed("ServerHelloDone of %d bytes", len(body))
	}
	f.Done = true
	if len(f.Chain) == 0 {
		f.unfit("no certificate")
	}
	if !f.exchanged {
		f.unfit("no ServerKeyExchange: the key exchange is not ECDHE")
	}
	return nil
}

// takeHello reads a ServerHello (RFC 5246 §7.4.1.3).
func (f *Flight) takeHello(body []byte) error {
	s := cryptobyte.String(body)
	var version, suite uint16
	var random []byte
	var session, extensions cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!s.ReadUint16(&suite) || !s.ReadUint8(&compression) || compression != 0 {
		return malformed("ServerHello")
	}
	if !s.Empty() && (!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty()) {
		return malformed("extensions of ServerHello")
	}
	f.Version, f.Cipher, f.Random = version, suite, [32]byte(random)
	if version != f.version {
		f.unfit("version %s, a device speaks %s alone", VersionName(version), VersionName(f.version))
	}
	if suite != SuiteCCM8 {
		f.unfit("suite %s, which a device does not offer", tls.CipherSuiteName(suite))
	}
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return malformed("extensions of ServerHello")
		}
		switch id {
		case 0x0017: // extended_master_secret (RFC 7627 §5.1)
			if !data.Empty() {
				return malformed("extended_master_secret")
			}
			f.ExtendedMasterSecret = true
		case 0xff01: // renegotiation_info: empty in a first handshake (RFC 5746 §3.4)
			if len(data) != 1 || data[0] != 0 {
				return malformed("renegotiation_info of a session that never was")
			}
		}
	}
	return nil
}

// VersionName is what a version of TLS or DTLS on the wire is called.
func VersionName(version uint16) string {
	switch version {
	case VersionDTLS:
		return "DTLS 1.2"
	case 0xfeff:
		return "DTLS 1.0"
	}
	return tls.VersionName(version)
}

// takeCertificates reads a Certificate message (RFC 5246 §7.4.2). A leaf that cannot be read ends the handshake on a
// device; of the rest of the chain, which a device with the authority's key has no need of, only the readable is kept.
func (f *Flight) takeCertificates(body []byte) error {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return malformed("Certificate")
	}
	for first := true; !list.Empty(); first = false {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() {
			return malformed("certificate list")
		}
		if len(der) > MaxCertificate {
			f.unfit("certificate of %d bytes, a device takes %d", len(der), MaxCertificate)
		}
		certificate, err := x509.ParseCertificate(der)
		if first && err != nil {
			return malformed("leaf certificate: %w", err)
		}
		if err == nil {
			f.Chain = append(f.Chain, certificate)
			f.checkCritical(certificate)
		}
	}
	if len(f.Chain) > 0 {
		f.checkLeaf(f.Chain[0])
	}
	return nil
}

// takeKeyExchange reads a ServerKeyExchange of ECDHE (RFC 8422 §5.4) and checks its signature. With a suite that a
// device does not know the message may be another one; then it is passed over.
func (f *Flight) takeKeyExchange(body []byte) error {
	err := f.readKeyExchange(body)
	if err != nil && !slices.Contains([]uint16{SuiteCCM8, SuiteGCM}, f.Cipher) {
		return nil
	}
	return err
}

func (f *Flight) readKeyExchange(body []byte) error {
	if f.Version != Version && f.Version != VersionDTLS {
		return nil // before TLS 1.2 the signature is another one
	}
	s := cryptobyte.String(body)
	var kind uint8
	var curve, scheme uint16
	var point, signature cryptobyte.String
	if !s.ReadUint8(&kind) || kind != 3 || !s.ReadUint16(&curve) || !s.ReadUint8LengthPrefixed(&point) {
		return malformed("ServerKeyExchange is not on a named curve")
	}
	signed := body[:len(body)-len(s)]
	if !s.ReadUint16(&scheme) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return malformed("signature of ServerKeyExchange")
	}
	if curve != uint16(tls.CurveP256) {
		f.unfit("key exchange on curve %v, a device knows secp256r1 alone", tls.CurveID(curve))
	} else {
		var err error
		if f.point, err = ecdh.P256().NewPublicKey(point); err != nil {
			return malformed("point of ServerKeyExchange: %w", err)
		}
	}
	if scheme != 0x0403 && scheme != 0x0303 {
		f.unfit("signature algorithm %#04x, a device offers 0x0403 and 0x0303", scheme)
	}
	if len(f.Chain) > 0 {
		f.SignatureChecked, f.KeyProved = f.verify(f.Chain[0], scheme, signed, signature)
	}
	return nil
}
