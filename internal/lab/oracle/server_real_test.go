//go:build realpeers

package oracle

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/ccm"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// Record content types and handshake message types (RFC 5246 §6.2.1, §7.4).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordData             = 23
	recordCID              = 25 // tls12_cid (RFC 9146 §4)

	messageHelloRequest       = 0
	messageClientHello        = 1
	messageServerHello        = 2
	messageHelloVerifyRequest = 3
	messageNewSessionTicket   = 4
	messageCertificate        = 11
	messageServerKeyExchange  = 12
	messageRequest            = 13
	messageServerHelloDone    = 14
	messageCertificateVerify  = 15
	messageClientKeyExchange  = 16
	messageFinished           = 20
	messageCertificateStatus  = 22
)

const (
	warning = 1
	fatal   = 2

	closeNotify       = 0
	unexpectedMessage = 10
	handshakeFailure  = 40
	badCertificate    = 42
	unknownCA         = 48
	decryptError      = 51
	protocolVersion   = 70
	internalError     = 80
	userCanceled      = 90
	noRenegotiation   = 100
)

// item is one step of a server's flight: a handshake message or another record; bytes as they are; or something to do.
type item struct {
	content byte
	message byte // of a handshake record
	body    []byte
	late    func(s *session) []byte // makes the body when its turn comes: a Finished covers what went before
	hidden  bool                    // not part of the transcript
	raw     []byte                  // written as it is, without a record's header
	do      func(s *session) error
}

func message(kind byte, body []byte) item {
	return item{content: recordHandshake, message: kind, body: body}
}
func alert(level, description byte) item {
	return item{content: recordAlert, body: []byte{level, description}}
}
func record(content byte, body []byte) item { return item{content: content, body: body} }

// The ways to end a connection, and to keep it without a word.
var (
	errClosed = errors.New("closed by the script")
	errReset  = errors.New("reset by the script")

	closes  = item{do: func(*session) error { return errClosed }}
	resets  = item{do: func(*session) error { return errReset }}
	silence = item{do: func(s *session) error { s.w.drain(); return errClosed }}
)

func pause(d time.Duration) item {
	return item{do: func(s *session) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-s.server.ended:
			return errClosed
		}
	}}
}

type extensionField struct {
	id   uint16
	data []byte
}

// serverHello is a ServerHello before it is encoded.
type serverHello struct {
	version     uint16
	random      []byte
	session     []byte
	suite       uint16
	compression byte
	extensions  []extensionField
	bare        bool   // without a list of extensions
	after       []byte // bytes behind the last field
}

func (h *serverHello) encode() []byte {
	b := binary.BigEndian.AppendUint16(nil, h.version)
	b = append(b, h.random...)
	b = append(b, byte(len(h.session)))
	b = append(b, h.session...)
	b = binary.BigEndian.AppendUint16(b, h.suite)
	b = append(b, h.compression)
	if !h.bare {
		var list []byte
		for _, e := range h.extensions {
			list = binary.BigEndian.AppendUint16(list, e.id)
			list = binary.BigEndian.AppendUint16(list, uint16(len(e.data)))
			list = append(list, e.data...)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
		b = append(b, list...)
	}
	return append(b, h.after...)
}

func (h *serverHello) has(id uint16) bool {
	for _, e := range h.extensions {
		if e.id == id {
			return true
		}
	}
	return false
}

func (h *serverHello) add(id uint16, data ...byte) {
	h.extensions = append(h.extensions, extensionField{id, data})
}

func (h *serverHello) remove(id uint16) {
	kept := h.extensions[:0]
	for _, e := range h.extensions {
		if e.id != id {
			kept = append(kept, e)
		}
	}
	h.extensions = kept
}

// keyExchange is a ServerKeyExchange before it is encoded.
type keyExchange struct {
	kind      byte
	curve     uint16
	point     []byte
	scheme    uint16
	hash      crypto.Hash
	signer    crypto.Signer
	signature func([]byte) []byte // changes the signature
	signed    func([]byte) []byte // changes what is signed
	after     []byte
}

func (x *keyExchange) encode(s *session) []byte {
	b := []byte{x.kind}
	b = binary.BigEndian.AppendUint16(b, x.curve)
	b = append(b, byte(len(x.point)))
	b = append(b, x.point...)
	covered := bytes.Join([][]byte{s.clientRandom, s.serverRandom, b}, nil)
	if x.signed != nil {
		covered = x.signed(covered)
	}
	digest := covered
	if x.hash != 0 {
		h := x.hash.New()
		h.Write(covered)
		digest = h.Sum(nil)
	}
	signature, err := x.signer.Sign(rand.Reader, digest, x.hash)
	if err != nil {
		panic(err)
	}
	if x.signature != nil {
		signature = x.signature(signature)
	}
	b = binary.BigEndian.AppendUint16(b, x.scheme)
	b = binary.BigEndian.AppendUint16(b, uint16(len(signature)))
	b = append(b, signature...)
	return append(b, x.after...)
}

// script is a server and how it differs from a plain one, which finishes the handshake as the cloud does and answers a
// CoAP ping.
type script struct {
	chain        [][]byte
	key          crypto.Signer
	certificates []byte // body of the Certificate message, instead of the chain's
	request      []byte // body of the CertificateRequest
	noRequest    bool
	ticket       []byte // body of a NewSessionTicket; the hello then promises one
	hello        func(s *session, h *serverHello)
	exchange     func(x *keyExchange)
	before       []item // before the hello is read
	first, final func(s *session, flight []item) []item
	records      func([]outgoing) []outgoing // cuts the records of the first flight
	finalRecords func([]outgoing) []outgoing // those of the second
	refuse       byte                        // alert in answer to the client's certificate; 0: any is accepted
	mute         bool                        // answers no ping
	pong         func(s *session, request []byte) []item

	// Of DTLS.
	verify    []helloVerify                                 // HelloVerifyRequests to send before the hello is answered
	fragment  int                                           // bytes of a fragment's body; 0: no message is cut
	datagram  int                                           // bytes that a datagram is filled up to with records; 0: 1200
	cid       []byte                                        // the connection id to ask for, if the client offers the extension; nil: none
	datagrams func(flight int, datagrams [][]byte) [][]byte // changes what is sent of a flight, the resent ones included
	loses     func(n int, datagram []byte) bool             // a datagram from the client is lost; n counts from 0
	number    func(epoch uint16, next uint64) uint64        // of a record
	sequence  func(next uint16) uint16                      // of a message
}

// helloVerify is a HelloVerifyRequest (RFC 6347 §4.2.1).
type helloVerify struct {
	version  uint16 // of the record and in the message; 0: 0xfeff
	cookie   []byte
	sequence uint16
	after    []byte // bytes behind the cookie
}

// defaultRequest accepts any certificate with an ECDSA key.
var defaultRequest = []byte{1, 64, 0, 2, 4, 3, 0, 0}

// wire is the transport of a session.
type wire interface {
	// next reads a record, opened if the keys are there.
	next() (content byte, body []byte, err error)
	// message reads a handshake message and adds it to the transcript.
	message() (kind byte, body []byte, err error)
	// send sends a flight.
	send(items []item, records func([]outgoing) []outgoing) error
	// drain reads until the client ends or the server does.
	drain()
	// ours is a message to send, with its header; frame is the client's message that was read last.
	ours(kind byte, body []byte) []byte
	frame(kind byte, body []byte) []byte
}

// session is one client's.
type session struct {
	*script
	server       *server
	w            wire
	version      uint16
	clientHello  []byte
	clientRandom []byte
	serverRandom []byte
	sent         serverHello
	offered      map[uint16][]byte
	transcript   []byte
	ephemeral    *ecdh.PrivateKey
	master       []byte
	extended     bool
	in, out      *protection
	sealed       bool // records out are protected
	opened       bool // records in are
}

func (s *session) run() error {
	if err := s.w.send(s.before, nil); err != nil {
		return err
	}
	if err := s.readHello(); err != nil {
		return err
	}
	for _, v := range s.verify {
		if err := s.w.(*dtlsWire).askAgain(v); err != nil {
			return err
		}
		if err := s.readHello(); err != nil {
			return err
		}
	}
	flight := s.firstFlight()
	if s.first != nil {
		flight = s.first(s, flight)
	}
	if err := s.w.send(flight, s.records); err != nil {
		return err
	}
	if err := s.readClient(); err != nil {
		return err
	}
	flight = s.secondFlight()
	if s.final != nil {
		flight = s.final(s, flight)
	}
	if err := s.w.send(flight, s.finalRecords); err != nil {
		return err
	}
	return s.serve()
}

// serve answers CoAP pings until the client ends.
func (s *session) serve() error {
	for {
		content, body, err := s.w.next()
		if err != nil {
			return err
		}
		if content != recordData || len(body) < 4 || s.mute {
			continue
		}
		answer := []item{record(recordData, []byte{0x70, 0, body[2], body[3]})}
		if s.pong != nil {
			answer = s.pong(s, body)
		}
		if err := s.w.send(answer, nil); err != nil {
			return err
		}
	}
}

func (s *session) readHello() error {
	kind, body, err := s.w.message()
	if err != nil {
		return err
	}
	if kind != messageClientHello {
		return fmt.Errorf("message %d instead of a ClientHello", kind)
	}
	return s.parseHello(body)
}

func (s *session) parseHello(body []byte) error {
	s.clientHello = body
	h := cryptobyte.String(body)
	var version uint16
	var session, cookie, suites, compressions, extensions cryptobyte.String
	if !h.ReadUint16(&version) || !h.ReadBytes(&s.clientRandom, 32) || !h.ReadUint8LengthPrefixed(&session) {
		return errors.New("malformed ClientHello")
	}
	if s.version == devicetls.VersionDTLS && !h.ReadUint8LengthPrefixed(&cookie) {
		return errors.New("malformed cookie")
	}
	if !h.ReadUint16LengthPrefixed(&suites) || !h.ReadUint8LengthPrefixed(&compressions) || !h.ReadUint16LengthPrefixed(&extensions) {
		return errors.New("malformed ClientHello")
	}
	s.offered = make(map[uint16][]byte)
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			return errors.New("malformed extensions")
		}
		s.offered[id] = data
	}
	for !suites.Empty() {
		var suite uint16
		if !suites.ReadUint16(&suite) {
			return errors.New("malformed suites")
		}
		if suite == devicetls.SuiteCCM8 {
			return nil
		}
	}
	// The exporter's second, wider hello: a server with the device's suite only refuses it.
	return errors.Join(errors.New("no suite in common"), s.w.send([]item{alert(fatal, handshakeFailure)}, nil))
}

const (
	extensionPointFormats  = 0x000b
	extensionExtended      = 0x0017
	extensionTicket        = 0x0023
	extensionRenegotiation = 0xff01
	extensionCID           = 0x00fe
)

func (s *session) firstFlight() []item {
	s.serverRandom = make([]byte, 32)
	_, _ = rand.Read(s.serverRandom)
	var err error
	if s.ephemeral, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	h := serverHello{version: s.version, random: s.serverRandom, suite: devicetls.SuiteCCM8}
	h.add(extensionRenegotiation, 0)
	h.add(extensionPointFormats, 1, 0)
	if _, ok := s.offered[extensionExtended]; ok {
		h.add(extensionExtended)
	}
	if s.ticket != nil {
		h.add(extensionTicket)
	}
	if _, ok := s.offered[extensionCID]; ok && s.cid != nil {
		h.add(extensionCID, append([]byte{byte(len(s.cid))}, s.cid...)...)
	}
	if s.hello != nil {
		s.hello(s, &h)
	}
	s.serverRandom = h.random
	s.extended = h.has(extensionExtended)
	s.sent = h

	x := keyExchange{kind: 3, curve: 0x0017, point: s.ephemeral.PublicKey().Bytes(), scheme: 0x0403, hash: crypto.SHA256, signer: s.key}
	switch s.key.Public().(type) {
	case *rsa.PublicKey:
		x.scheme = 0x0401
	case ed25519.PublicKey:
		x.scheme, x.hash = 0x0807, 0
	}
	if s.exchange != nil {
		s.exchange(&x)
	}
	certificates := s.certificates
	if certificates == nil {
		certificates = certificateList(s.chain...)
	}
	flight := []item{
		message(messageServerHello, h.encode()),
		message(messageCertificate, certificates),
		message(messageServerKeyExchange, x.encode(s)),
	}
	if !s.noRequest {
		request := s.request
		if request == nil {
			request = defaultRequest
		}
		flight = append(flight, message(messageRequest, request))
	}
	return append(flight, message(messageServerHelloDone, nil))
}

// certificateList is the body of a Certificate message.
func certificateList(chain ...[]byte) []byte {
	var list []byte
	for _, der := range chain {
		list = append(list, byte(len(der)>>16), byte(len(der)>>8), byte(len(der)))
		list = append(list, der...)
	}
	return append([]byte{byte(len(list) >> 16), byte(len(list) >> 8), byte(len(list))}, list...)
}

// readClient reads the client's flight to its Finished and checks that one.
func (s *session) readClient() error {
	for {
		kind, body, err := s.w.message()
		if err != nil {
			return err
		}
		switch kind {
		case messageCertificate:
			if s.refuse != 0 {
				return errors.Join(errors.New("refused by the script"), s.w.send([]item{alert(fatal, s.refuse)}, nil))
			}
		case messageCertificateVerify:
		case messageClientKeyExchange:
			if err := s.agree(body); err != nil {
				return err
			}
		case messageFinished:
			covered := s.transcript[:len(s.transcript)-len(s.w.frame(kind, body))]
			want, err := prf.VerifyDataClient(s.master, covered, sha256.New)
			if err != nil {
				return err
			}
			if !bytes.Equal(want, body) {
				return errors.Join(errors.New("the client's Finished does not match"), s.w.send([]item{alert(fatal, decryptError)}, nil))
			}
			return nil
		default:
			return errors.Join(fmt.Errorf("message %d from the client", kind), s.w.send([]item{alert(fatal, unexpectedMessage)}, nil))
		}
	}
}

func (s *session) agree(body []byte) error {
	if len(body) < 1 || int(body[0]) != len(body)-1 {
		return errors.New("malformed ClientKeyExchange")
	}
	public, err := ecdh.P256().NewPublicKey(body[1:])
	if err != nil {
		return err
	}
	secret, err := s.ephemeral.ECDH(public)
	if err != nil {
		return err
	}
	if s.extended {
		digest := sha256.Sum256(s.transcript)
		s.master, err = prf.ExtendedMasterSecret(secret, digest[:], sha256.New)
	} else {
		s.master, err = prf.MasterSecret(secret, s.clientRandom, s.serverRandom, sha256.New)
	}
	if err != nil {
		return err
	}
	keys, err := prf.GenerateEncryptionKeys(s.master, s.clientRandom, s.serverRandom, 0, 16, 4, sha256.New)
	if err != nil {
		return err
	}
	s.in, s.out = newProtection(keys.ClientWriteKey, keys.ClientWriteIV), newProtection(keys.ServerWriteKey, keys.ServerWriteIV)
	return nil
}

// protection is one direction of AES-128-CCM-8 (RFC 6655, RFC 7251), written apart from the exporter's own.
type protection struct {
	aead cipher.AEAD
	salt []byte
	next uint64 // of TLS
}

func newProtection(key, salt []byte) *protection {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := ccm.NewCCM(block, 8, 12)
	if err != nil {
		panic(err)
	}
	return &protection{aead: aead, salt: salt}
}

// additional is the data that protects a record's header. With a connection id it is that of
// draft-ietf-tls-dtls-connection-id-05, as Mbed TLS 2.28 has it.
func additional(number uint64, content byte, version uint16, cid []byte, length int) []byte {
	b := binary.BigEndian.AppendUint64(nil, number)
	b = append(b, content)
	b = binary.BigEndian.AppendUint16(b, version)
	if len(cid) > 0 {
		b = append(append(b, cid...), byte(len(cid)))
	}
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

func (p *protection) seal(number uint64, content byte, version uint16, payload []byte) []byte {
	explicit := binary.BigEndian.AppendUint64(nil, number)
	return p.aead.Seal(explicit, slices.Concat(p.salt, explicit), payload, additional(number, content, version, nil, len(payload)))
}

func (p *protection) open(number uint64, content byte, version uint16, cid, sealed []byte) ([]byte, error) {
	if len(sealed) < 16 {
		return nil, errors.New("a protected record is too short")
	}
	return p.aead.Open(nil, slices.Concat(p.salt, sealed[:8]), sealed[8:], additional(number, content, version, cid, len(sealed)-16))
}

func (s *session) secondFlight() []item {
	var flight []item
	if s.ticket != nil {
		flight = append(flight, message(messageNewSessionTicket, s.ticket))
	}
	return append(flight,
		record(recordChangeCipherSpec, []byte{1}),
		item{content: recordHandshake, message: messageFinished, late: func(s *session) []byte {
			verify, err := prf.VerifyDataServer(s.master, s.transcript, sha256.New)
			if err != nil {
				panic(err)
			}
			return verify
		}})
}

// outgoing is a record that is ready to be protected and sent.
type outgoing struct {
	content byte
	version uint16 // 0: the protocol's
	body    []byte
	raw     []byte
	do      func(s *session) error
	plain   bool // is not protected, though the keys are there
}

// put makes records of items, one each, and adds the messages to the transcript.
func (s *session) put(i item) outgoing {
	switch {
	case i.do != nil, i.raw != nil:
		return outgoing{raw: i.raw, do: i.do}
	case i.content != recordHandshake:
		return outgoing{content: i.content, body: i.body}
	}
	body := i.body
	if i.late != nil {
		body = i.late(s)
	}
	framed := s.w.ours(i.message, body)
	if !i.hidden {
		s.transcript = append(s.transcript, framed...)
	}
	return outgoing{content: recordHandshake, body: framed}
}

// tlsWire is a session over TCP.
type tlsWire struct {
	*session
	conn    *net.TCPConn
	pending []byte // handshake bytes that were read and not yet used
}

func (w *tlsWire) frame(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func (w *tlsWire) ours(kind byte, body []byte) []byte { return w.frame(kind, body) }

func (w *tlsWire) next() (content byte, body []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(w.conn, header[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(w.conn, body); err != nil {
		return 0, nil, err
	}
	if w.opened {
		if body, err = w.in.open(w.in.next, header[0], 0x0303, nil, body); err != nil {
			return 0, nil, err
		}
		w.in.next++
	}
	switch header[0] {
	case recordAlert:
		return 0, nil, fmt.Errorf("alert % x from the client", body)
	case recordChangeCipherSpec:
		w.opened = true
	}
	return header[0], body, nil
}

func (w *tlsWire) message() (kind byte, body []byte, err error) {
	for {
		if len(w.pending) >= 4 {
			if n := 4 + (int(w.pending[1])<<16 | int(w.pending[2])<<8 | int(w.pending[3])); len(w.pending) >= n {
				whole := w.pending[:n]
				w.pending = w.pending[n:]
				w.transcript = append(w.transcript, whole...)
				return whole[0], whole[4:], nil
			}
		}
		content, data, err := w.next()
		if err != nil {
			return 0, nil, err
		}
		if content == recordHandshake {
			w.pending = append(w.pending, data...)
		}
	}
}

func (w *tlsWire) send(items []item, cut func([]outgoing) []outgoing) error {
	var records []outgoing
	for _, i := range items {
		records = append(records, w.put(i))
	}
	if cut != nil {
		records = cut(records)
	}
	var b []byte
	flush := func() error {
		_, err := w.conn.Write(b)
		b = nil
		return err
	}
	for _, r := range records {
		switch {
		case r.do != nil:
			if err := flush(); err != nil {
				return err
			}
			if err := r.do(w.session); err != nil {
				return err
			}
			continue
		case r.raw != nil:
			b = append(b, r.raw...)
			continue
		}
		version := r.version
		if version == 0 {
			version = 0x0303
		}
		body := r.body
		if w.sealed && !r.plain {
			body = w.out.seal(w.out.next, r.content, version, body)
			w.out.next++
		}
		b = append(b, r.content, byte(version>>8), byte(version), byte(len(body)>>8), byte(len(body)))
		b = append(b, body...)
		if r.content == recordChangeCipherSpec && w.out != nil {
			w.sealed = true
		}
	}
	return flush()
}

func (w *tlsWire) drain() { _, _ = io.Copy(io.Discard, w.conn) }

// server runs a script for every client that comes.
type server struct {
	ended chan struct{}
}
