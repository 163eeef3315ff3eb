package devicetls

import (
	"crypto"
	"crypto/ecdh"
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// VersionDTLS is DTLS 1.2 on the wire.
const VersionDTLS = 0xfefd

// Flight reads the server flight from ServerHello to ServerHelloDone (RFC 5246 §7.4), message by message, over TLS or
// DTLS. It checks what a device checks: that the holder of the certificate signed this handshake, and that a device can
// use every part of it. What a device cannot use is added to Unfit and does not end the handshake, so that the
// certificate is seen; a breach of the protocol is a [MalformedError].
type Flight struct {
	Version, Cipher uint16
	Random          [32]byte
	// RawChain is set by the Certificate message, see [measurement.TLS]; Rejected if a device aborts the handshake
	// there. Package trust says why.
	RawChain [][]byte
	Rejected bool
	// SignatureChecked is set if ServerKeyExchange had a signature that could be checked; KeyProved if that signature
	// was made with the leaf's key over both randoms of this handshake.
	SignatureChecked, KeyProved bool
	CertificateRequested        bool
	// RefusesSignature is set if CertificateRequest does not list the algorithm with which a device signs
	// CertificateVerify. A device signs all the same, and most servers then end the handshake, whatever the
	// certificate.
	RefusesSignature     bool
	ExtendedMasterSecret bool
	// ConnectionID is what the records to the server must carry after ChangeCipherSpec (DTLS only); empty without one.
	ConnectionID []byte
	// Bytes is the size of the messages so far, headers included.
	Bytes int
	// Unfit lists the reasons why a device cannot use this flight.
	Unfit []measurement.UnfitReason
	// Done is set by ServerHelloDone.
	Done bool

	clientRandom    [32]byte
	expectedVersion uint16
	headerSize      int   // of a handshake message
	lastType        uint8 // type of the last message; 0 before the first
	keyExchangeSeen bool  // a ServerKeyExchange was received
	offersID        bool  // the hello offered a connection id
	ticketAnnounced bool  // ServerHello has session_ticket
	ticketSeen      bool  // a NewSessionTicket was received
	point           *ecdh.PublicKey
	leafKey         crypto.PublicKey // nil if it cannot be read
	helloRead       bool             // a ServerHello was read
	sentChain       [][]byte         // the certificates as sent, with those that a device skips
}

// NewFlight returns a Flight that answers a hello with that random. The version is [Version] or [VersionDTLS].
func NewFlight(clientRandom [32]byte, version uint16) *Flight {
	f := &Flight{clientRandom: clientRandom, expectedVersion: version, headerSize: messageHeader}
	if version == VersionDTLS {
		f.headerSize = 12 // RFC 6347 §4.2.2
	}
	return f
}

// OfferConnectionID tells the flight that the hello offered a connection id.
func (f *Flight) OfferConnectionID() { f.offersID = true }

// Seen returns what the flight has shown so far; nil before ServerHello.
func (f *Flight) Seen() *measurement.TLS {
	if !f.helloRead {
		return nil
	}
	return &measurement.TLS{
		Version: f.Version, Cipher: f.Cipher, RawChain: f.RawChain,
		KeyProved: f.KeyProved, SignatureChecked: f.SignatureChecked,
		CertificateRequested: f.CertificateRequested, ConnectionID: len(f.ConnectionID) > 0, FlightBytes: f.Bytes, Unfit: f.Unfit,
	}
}

func (f *Flight) unfit(u measurement.UnfitReason) { f.Unfit = append(f.Unfit, u) }

// expects reports whether a message of that type may come next. The messages of a flight come in the order of their
// types, and ServerHello is the first.
func (f *Flight) expects(messageType uint8) bool {
	switch messageType {
	case TypeServerHello:
		return f.lastType == 0
	case TypeCertificate, TypeServerKeyExchange, TypeCertificateRequest, TypeServerHelloDone:
		return f.lastType != 0 && f.lastType < messageType
	}
	return false
}

// Take processes the body of the next message. The body is retained and must not be changed afterwards.
func (f *Flight) Take(messageType uint8, body []byte) error {
	if !f.expects(messageType) {
		return malformed(measurement.DetailUnexpectedMessage, int(messageType))
	}
	f.lastType = messageType
	size := f.headerSize + len(body)
	f.Bytes += size
	if size > MaxMessage {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitMessageTooLong, N: size, Max: MaxMessage})
	}
	switch messageType {
	case TypeServerHello:
		return f.takeHello(body)
	case TypeCertificate:
		return f.takeCertificates(body)
	case TypeServerKeyExchange:
		f.keyExchangeSeen = true
		err := f.takeKeyExchange(body)
		if f.Cipher != SuiteCCM8 && f.Cipher != SuiteGCM {
			return nil // another suite may give the message another form
		}
		return err
	case TypeCertificateRequest:
		f.CertificateRequested = true
		return f.takeCertificateRequest(body)
	}
	if len(body) != 0 {
		return malformed(measurement.DetailMalformedMessage, TypeServerHelloDone)
	}
	f.Done = true
	if len(f.RawChain) == 0 {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitNoCertificate})
	}
	if !f.keyExchangeSeen {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitKeyExchange})
	}
	return nil
}

var errServerHello = malformed(measurement.DetailMalformedMessage, TypeServerHello)

// takeHello reads a ServerHello (RFC 5246 §7.4.1.3).
func (f *Flight) takeHello(body []byte) error {
	s := cryptobyte.String(body)
	var version, suite uint16
	var random []byte
	var session, extensions cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&version) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!s.ReadUint16(&suite) || !s.ReadUint8(&compression) || compression != 0 ||
		!s.Empty() && (!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty()) {
		return errServerHello
	}
	f.helloRead, f.Version, f.Cipher, f.Random = true, version, suite, [32]byte(random)
	if version != f.expectedVersion {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitVersion, Text: VersionName(version)})
	}
	if suite != SuiteCCM8 {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitCipher, Text: tls.CipherSuiteName(suite)})
	}
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return errServerHello
		}
		if err := f.takeExtension(id, data); err != nil {
			return err
		}
	}
	return nil
}

// Extensions of a ServerHello that Mbed TLS 2.28 parses. It ignores all others.
const (
	extensionMaxFragmentLength    = 1
	extensionPointFormats         = 11
	extensionALPN                 = 16
	extensionEncryptThenMAC       = 22
	extensionExtendedMasterSecret = 23
	extensionSessionTicket        = 35
	extensionConnectionID         = 254
	extensionRenegotiationInfo    = 0xff01
)

// MaxConnectionID is the longest connection id of a server that a device accepts, in bytes.
const MaxConnectionID = 32

// takeExtension applies the device's rules for one extension of ServerHello.
func (f *Flight) takeExtension(id uint16, data cryptobyte.String) error {
	switch id {
	case extensionExtendedMasterSecret, extensionEncryptThenMAC, extensionSessionTicket:
		if !data.Empty() {
			return errServerHello
		}
		f.ExtendedMasterSecret = f.ExtendedMasterSecret || id == extensionExtendedMasterSecret
		f.ticketAnnounced = f.ticketAnnounced || id == extensionSessionTicket
	case extensionRenegotiationInfo: // empty in a first handshake (RFC 5746 §3.4)
		if len(data) != 1 || data[0] != 0 {
			return malformed(measurement.DetailRenegotiationFalse, 0)
		}
	case extensionPointFormats:
		var formats cryptobyte.String
		if !data.ReadUint8LengthPrefixed(&formats) || !data.Empty() {
			return errServerHello
		}
		const compressedPrime = 1 // a device accepts it too, although it always sends uncompressed points
		if !slices.ContainsFunc(formats, func(format byte) bool { return format <= compressedPrime }) {
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitPointFormats})
		}
	case extensionConnectionID:
		if !f.offersID {
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitExtension, Text: "connection_id"})
			return nil
		}
		var cid cryptobyte.String
		if !data.ReadUint8LengthPrefixed(&cid) || !data.Empty() || len(cid) > MaxConnectionID {
			return errServerHello
		}
		f.ConnectionID = cid
	case extensionMaxFragmentLength:
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitExtension, Text: "max_fragment_length"})
	case extensionALPN:
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitExtension, Text: "application_layer_protocol_negotiation"})
	}
	return nil
}

// takeCertificateRequest reads a CertificateRequest (RFC 5246 §7.4.4). A device checks its structure and ignores its
// content.
func (f *Flight) takeCertificateRequest(body []byte) error {
	s := cryptobyte.String(body)
	var types, algorithms, authorities cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&types) || !s.ReadUint16LengthPrefixed(&algorithms) || !s.ReadUint16LengthPrefixed(&authorities) ||
		!s.Empty() {
		return malformed(measurement.DetailMalformedMessage, TypeCertificateRequest)
	}
	f.RefusesSignature = true
	for !algorithms.Empty() {
		var scheme uint16
		if !algorithms.ReadUint16(&scheme) {
			break
		}
		f.RefusesSignature = f.RefusesSignature && scheme != uint16(tls.ECDSAWithP256AndSHA256)
	}
	return nil
}

// TakeTicket processes the body of a NewSessionTicket (RFC 5077 §3.3). A device accepts exactly one, and only if
// ServerHello announced it.
func (f *Flight) TakeTicket(body []byte) error {
	if !f.ticketAnnounced || f.ticketSeen {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitTicketUnexpected})
	}
	f.ticketSeen = true
	if size := f.headerSize + len(body); size > MaxMessage {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitMessageTooLong, N: size, Max: MaxMessage})
	}
	s := cryptobyte.String(body)
	var lifetime uint32
	var ticket cryptobyte.String
	if !s.ReadUint32(&lifetime) || !s.ReadUint16LengthPrefixed(&ticket) || !s.Empty() {
		return malformed(measurement.DetailMalformedMessage, TypeNewSessionTicket)
	}
	return nil
}

// AwaitsTicket reports whether the server has promised a NewSessionTicket that was not received.
func (f *Flight) AwaitsTicket() bool { return f.ticketAnnounced && !f.ticketSeen }

// EndTickets tells the flight that no NewSessionTicket can follow: the server has sent ChangeCipherSpec.
func (f *Flight) EndTickets() {
	if f.AwaitsTicket() {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitTicketMissing})
		f.ticketSeen = true
	}
}

// AddUnfit adds a reason why a device cannot use what the server sends: one that only the transport can see.
func (f *Flight) AddUnfit(u measurement.UnfitReason) {
	if !slices.Contains(f.Unfit, u) {
		f.unfit(u)
	}
}

// VersionName returns the name of a TLS or DTLS version on the wire.
func VersionName(version uint16) string {
	switch version {
	case VersionDTLS:
		return "DTLS 1.2"
	case 0xfeff:
		return "DTLS 1.0"
	}
	return tls.VersionName(version)
}

// takeCertificates reads a Certificate message (RFC 5246 §7.4.2).
func (f *Flight) takeCertificates(body []byte) error {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return malformed(measurement.DetailMalformedMessage, TypeCertificate)
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || der.Empty() {
			return malformed(measurement.DetailMalformedMessage, TypeCertificate)
		}
		if len(f.RawChain) < measurement.MaxChain {
			f.RawChain = append(f.RawChain, der)
		}
	}
	f.judgeCertificates()
	return nil
}

// judgeCertificates sets the key that must sign the handshake, that of the first certificate that a device does not
// skip, and whether a device goes on with the list.
func (f *Flight) judgeCertificates() {
	list := devicecert.ParseList(f.RawChain)
	f.sentChain = f.RawChain
	leaf := slices.IndexFunc(list, func(c *devicecert.Certificate) bool { return !c.Skipped() })
	if leaf > 0 && f.Cipher == SuiteCCM8 {
		f.RawChain, list = f.RawChain[leaf:], list[leaf:]
	}
	if len(list) > 0 {
		f.leafKey = list[0].PublicKey()
	}
	f.Rejected = devicecert.Aborts(list)
}

// takeKeyExchange reads a ServerKeyExchange of ECDHE (RFC 8422 §5.4) and checks its signature.
func (f *Flight) takeKeyExchange(body []byte) error {
	if f.Version != Version && f.Version != VersionDTLS {
		return nil // before TLS 1.2 the signature has another form
	}
	s := cryptobyte.String(body)
	var curveType uint8
	var curve, scheme uint16
	var point, signature cryptobyte.String
	const namedCurve = 3
	if !s.ReadUint8(&curveType) || curveType != namedCurve || !s.ReadUint16(&curve) || !s.ReadUint8LengthPrefixed(&point) ||
		!s.ReadUint16(&scheme) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return malformed(measurement.DetailMalformedMessage, TypeServerKeyExchange)
	}
	if curve != uint16(tls.CurveP256) {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitCurve, Text: tls.CurveID(curve).String()})
	} else {
		var err error
		if f.point, err = ecdh.P256().NewPublicKey(point); err != nil {
			return malformed(measurement.DetailMalformedMessage, TypeServerKeyExchange)
		}
	}
	if scheme != 0x0403 && scheme != 0x0303 {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitSignatureScheme, N: int(scheme)})
	}
	const curveLength = 4 // curve type, curve, and length of the point
	f.proveKey(scheme, body[:curveLength+len(point)], signature)
	return nil
}

// proveKey checks the signature with the key of the leaf. A server that has the key of another certificate in its list
// proves its identity too: its list has the wrong order, or its leaf is one that a device skips. A device rejects both.
func (f *Flight) proveKey(scheme uint16, signed, signature []byte) {
	f.SignatureChecked, f.KeyProved = f.verify(f.leafKey, scheme, signed, signature)
	if f.KeyProved {
		return
	}
	for i, c := range devicecert.ParseList(f.sentChain) {
		if _, good := f.verify(c.PublicKey(), scheme, signed, signature); !good {
			continue
		}
		f.SignatureChecked, f.KeyProved, f.Rejected = true, true, true
		f.RawChain = f.sentChain
		if i > 0 {
			f.RawChain = slices.Concat(f.sentChain[i:i+1], f.sentChain[:i], f.sentChain[i+1:])
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitLeafNotFirst, N: i + 1})
		}
		return
	}
}
