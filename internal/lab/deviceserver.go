package lab

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/cryptobyte"
)

// Handshake message types (RFC 5246 §7.4).
const (
	typeClientHello        byte = 1
	typeServerHello        byte = 2
	typeCertificate        byte = 11
	typeServerKeyExchange  byte = 12
	typeCertificateRequest byte = 13
	typeServerHelloDone    byte = 14
	typeCertificateVerify  byte = 15
	typeClientKeyExchange  byte = 16
	typeFinished           byte = 20
)

// Alert descriptions (RFC 5246 §7.2).
const (
	alertUnexpectedMessage byte = 10
	alertHandshakeFailure  byte = 40
	alertUnknownCA         byte = 48
	alertDecryptError      byte = 51
)

const (
	ecdsaP256SHA256 uint16 = 0x0403
	rsaPKCS1SHA256  uint16 = 0x0401
	curveP256       uint16 = 0x0017
	ecdsaSignType   byte   = 64 // ClientCertificateType ecdsa_sign (RFC 8422 §5.5)
)

// maxSession bounds a session that the client does not close.
const maxSession = 20 * time.Minute

// DeviceServer is the TCP side of the device port: TLS 1.2 with the one suite 0xC0AE. It ignores SNI, requires a client
// certificate, finishes the handshake and answers CoAP.
//
//	client                                  server
//	ClientHello              ───────────►   without 0xC0AE: alert handshake_failure
//	                         ◄───────────   ServerHello, Certificate, ServerKeyExchange,
//	                                        CertificateRequest, ServerHelloDone
//	Certificate, ClientKeyExchange,
//	CertificateVerify, [CCS], Finished ──►  no certificate: alert handshake_failure
//	                         ◄───────────   [CCS], Finished
//	CoAP                     ◄──────────►   CoAP
type DeviceServer struct {
	Certificate tls.Certificate
	// RefuseClients answers every client certificate with unknown_ca.
	RefuseClients bool
	// EndUnfinished closes the connection without an alert instead of sending the server's Finished.
	EndUnfinished bool
	CoAP          CoAP
	// IdleLimit ends a session with close_notify and FIN after that long without a record; 0: none.
	IdleLimit time.Duration
}

// Serve runs one session on conn and closes conn. The error is how the session ended, nil for close_notify.
func (s *DeviceServer) Serve(ctx context.Context, conn net.Conn) error {
	defer closeAfter(ctx, conn)()
	_ = conn.SetDeadline(time.Now().Add(maxSession))

	h := &deviceHandshake{server: s, records: &records{conn: conn}}
	if err := h.run(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return s.session(h.records, conn)
}

// session answers CoAP until either side ends the session.
func (s *DeviceServer) session(r *records, conn net.Conn) error {
	if greeting := s.CoAP.greeting(); greeting != nil {
		if err := r.write(contentApplicationData, greeting); err != nil {
			return fmt.Errorf("greet: %w", err)
		}
	}
	for {
		if s.IdleLimit > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(s.IdleLimit))
		}
		content, data, err := r.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return r.alert(closeNotify)
		case errors.Is(err, alertError{1, closeNotify}):
			return nil
		case err != nil:
			return fmt.Errorf("session: %w", err)
		case content != contentApplicationData:
			return fmt.Errorf("session: %w: content type %d", errUnexpectedRecord, content)
		}
		if answer := s.CoAP.answer(data); answer != nil {
			if err := r.write(contentApplicationData, answer); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
		}
	}
}

// deviceHandshake is one handshake in progress.
type deviceHandshake struct {
	server       *DeviceServer
	records      *records
	transcript   []byte
	hello        *clientHello
	serverRandom []byte
	ephemeral    *ecdh.PrivateKey
}

func (h *deviceHandshake) run() error {
	if err := h.readHello(); err != nil {
		return err
	}
	if err := h.sendFlight(); err != nil {
		return err
	}
	return h.finish()
}

// fail sends an alert and returns the error that caused it.
func (h *deviceHandshake) fail(alert byte, err error) error {
	return errors.Join(err, h.records.alert(alert))
}

func (h *deviceHandshake) readHello() error {
	kind, body, whole, err := h.records.message()
	if err != nil {
		return fmt.Errorf("read client hello: %w", err)
	}
	if kind != typeClientHello {
		return h.fail(alertUnexpectedMessage, errHello)
	}
	if h.hello, err = parseClientHello(body, false); err != nil {
		return h.fail(alertHandshakeFailure, err)
	}
	if !h.hello.offersCCM8() {
		return h.fail(alertHandshakeFailure, errors.New("hello does not offer 0xC0AE"))
	}
	h.transcript = append(h.transcript, whole...)
	return nil
}

// sendFlight sends ServerHello to ServerHelloDone in one go.
func (h *deviceHandshake) sendFlight() error {
	h.serverRandom = make([]byte, 32)
	_, _ = rand.Read(h.serverRandom)
	var err error
	if h.ephemeral, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		return err
	}
	var b cryptobyte.Builder
	for _, m := range []struct {
		kind byte
		body func(*cryptobyte.Builder)
	}{
		{typeServerHello, h.serverHello},
		{typeCertificate, h.certificate},
		{typeServerKeyExchange, h.keyExchange},
		{typeCertificateRequest, certificateRequest},
		{typeServerHelloDone, func(*cryptobyte.Builder) {}},
	} {
		b.AddUint8(m.kind)
		b.AddUint24LengthPrefixed(m.body)
	}
	flight, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("build flight: %w", err)
	}
	h.transcript = append(h.transcript, flight...)
	return h.records.write(contentHandshake, flight)
}

func (h *deviceHandshake) serverHello(b *cryptobyte.Builder) {
	b.AddUint16(tls.VersionTLS12)
	b.AddBytes(h.serverRandom)
	b.AddUint8(0) // no session to resume
	b.AddUint16(suiteCCM8)
	b.AddUint8(0) // no compression
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(extensionRenegotiationInfo) // the hello's 0x00FF asks for it (RFC 5746 §3.6)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) })
		b.AddUint16(extensionPointFormats)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
		if h.hello.extendedMaster {
			b.AddUint16(extensionExtendedMasterSecret)
			b.AddUint16(0)
		}
	})
}

func (h *deviceHandshake) certificate(b *cryptobyte.Builder) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, der := range h.server.Certificate.Certificate {
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
		}
	})
}

// certificateRequest names no authorities, so that any client certificate fits.
func certificateRequest(b *cryptobyte.Builder) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(ecdsaSignType) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(ecdsaP256SHA256) })
	b.AddUint16(0)
}

// keyExchange is the body of ServerKeyExchange, signed over both randoms (RFC 8422 §5.4).
func (h *deviceHandshake) keyExchange(b *cryptobyte.Builder) {
	signer, ok := h.server.Certificate.PrivateKey.(crypto.Signer)
	if !ok {
		b.SetError(fmt.Errorf("server key of type %T cannot sign", h.server.Certificate.PrivateKey))
		return
	}
	scheme := ecdsaP256SHA256
	if _, isRSA := signer.Public().(*rsa.PublicKey); isRSA {
		scheme = rsaPKCS1SHA256
	}
	const namedCurve = 3
	point := h.ephemeral.PublicKey().Bytes()
	parameters := binary.BigEndian.AppendUint16([]byte{namedCurve}, curveP256)
	parameters = append(append(parameters, byte(len(point))), point...)
	sum := sha256.Sum256(slices.Concat(h.hello.random, h.serverRandom, parameters))
	signature, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		b.SetError(fmt.Errorf("sign key exchange: %w", err))
		return
	}
	b.AddBytes(parameters)
	b.AddUint16(scheme)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(signature) })
}

// next reads a message, which must be of the given type, and adds it to the transcript; before is the transcript
// without it.
func (h *deviceHandshake) next(want byte) (body, before []byte, err error) {
	kind, body, whole, err := h.records.message()
	if err != nil {
		return nil, nil, fmt.Errorf("read message %d: %w", want, err)
	}
	if kind != want {
		return nil, nil, h.fail(alertUnexpectedMessage, fmt.Errorf("message %d, want %d", kind, want))
	}
	before = h.transcript
	h.transcript = append(before[:len(before):len(before)], whole...)
	return body, before, nil
}

// finish reads the client's second flight and answers it.
func (h *deviceHandshake) finish() error {
	peer, err := h.clientCertificate()
	if err != nil {
		return err
	}
	master, err := h.masterSecret()
	if err != nil {
		return err
	}
	if err := h.verifyClient(peer); err != nil {
		return err
	}
	keys, err := prf.GenerateEncryptionKeys(master, h.hello.random, h.serverRandom, 0, 16, 4, sha256.New)
	if err != nil {
		return fmt.Errorf("derive keys: %w", err)
	}
	content, _, err := h.records.read()
	if err != nil {
		return fmt.Errorf("read change cipher spec: %w", err)
	}
	if content != contentChangeCipherSpec {
		return h.fail(alertUnexpectedMessage, fmt.Errorf("content type %d, want change cipher spec", content))
	}
	if h.records.in, err = newProtection(keys.ClientWriteKey, keys.ClientWriteIV); err != nil {
		return err
	}
	if err := h.verifyFinished(master); err != nil {
		return err
	}
	if h.server.EndUnfinished {
		return errRefused
	}
	return h.sendFinished(master, keys)
}

// clientCertificate reads the client's chain. It accepts every certificate unless RefuseClients is set, and requires
// one.
func (h *deviceHandshake) clientCertificate() (*x509.Certificate, error) {
	body, _, err := h.next(typeCertificate)
	if err != nil {
		return nil, err
	}
	s := cryptobyte.String(body)
	var list, der cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&list) || !list.Empty() && !list.ReadUint24LengthPrefixed(&der) {
		return nil, h.fail(alertHandshakeFailure, errors.New("malformed client certificate message"))
	}
	if der.Empty() {
		return nil, h.fail(alertHandshakeFailure, errors.New("client sent no certificate"))
	}
	if h.server.RefuseClients {
		return nil, h.fail(alertUnknownCA, errRefused)
	}
	peer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, h.fail(alertHandshakeFailure, fmt.Errorf("client certificate: %w", err))
	}
	return peer, nil
}

// masterSecret reads ClientKeyExchange; the extended form binds the transcript up to and including it (RFC 7627 §4).
func (h *deviceHandshake) masterSecret() ([]byte, error) {
	body, _, err := h.next(typeClientKeyExchange)
	if err != nil {
		return nil, err
	}
	s := cryptobyte.String(body)
	var point cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&point) {
		return nil, h.fail(alertHandshakeFailure, errors.New("malformed client key exchange"))
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, h.fail(alertHandshakeFailure, fmt.Errorf("client key exchange: %w", err))
	}
	shared, err := h.ephemeral.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("agree on key: %w", err)
	}
	if h.hello.extendedMaster {
		sum := sha256.Sum256(h.transcript)
		return prf.ExtendedMasterSecret(shared, sum[:], sha256.New)
	}
	return prf.MasterSecret(shared, h.hello.random, h.serverRandom, sha256.New)
}

func (h *deviceHandshake) verifyClient(peer *x509.Certificate) error {
	body, before, err := h.next(typeCertificateVerify)
	if err != nil {
		return err
	}
	s := cryptobyte.String(body)
	var scheme uint16
	var signature cryptobyte.String
	if !s.ReadUint16(&scheme) || !s.ReadUint16LengthPrefixed(&signature) || scheme != ecdsaP256SHA256 {
		return h.fail(alertHandshakeFailure, errors.New("malformed certificate verify"))
	}
	public, ok := peer.PublicKey.(*ecdsa.PublicKey)
	sum := sha256.Sum256(before)
	if !ok || !ecdsa.VerifyASN1(public, sum[:], signature) {
		return h.fail(alertDecryptError, errors.New("client did not prove its key"))
	}
	return nil
}

func (h *deviceHandshake) verifyFinished(master []byte) error {
	body, before, err := h.next(typeFinished)
	if err != nil {
		return err
	}
	want, err := prf.VerifyDataClient(master, before, sha256.New)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, body) != 1 {
		return h.fail(alertDecryptError, errors.New("client finished does not match"))
	}
	return nil
}

func (h *deviceHandshake) sendFinished(master []byte, keys *prf.EncryptionKeys) error {
	data, err := prf.VerifyDataServer(master, h.transcript, sha256.New)
	if err != nil {
		return err
	}
	if err := h.records.write(contentChangeCipherSpec, []byte{1}); err != nil {
		return err
	}
	if h.records.out, err = newProtection(keys.ServerWriteKey, keys.ServerWriteIV); err != nil {
		return err
	}
	return h.records.write(contentHandshake, append([]byte{typeFinished, 0, 0, byte(len(data))}, data...)) // 12 bytes
}
