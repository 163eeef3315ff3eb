package devicedtls

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/ccm"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
)

// ErrCredential means that our own certificate cannot be shown: it has no ECDSA key. It says nothing about the server.
var ErrCredential = errors.New("the client certificate has no ECDSA key")

// Finish prepares the device's answer to a whole flight: its certificate if the server asked for one (an empty list if
// there is none to show), the key exchange, the proof of the certificate's key, ChangeCipherSpec and Finished (RFC 5246
// §7.3). The caller has judged the flight: what is not needed here is not checked.
func (c *Client) Finish(certificate *tls.Certificate) error {
	if c.state != flightWhole {
		return errors.New("finish before the server's flight is whole")
	}
	server, err := readFlight(c.flight)
	if err != nil {
		return err
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key for the exchange: %w", err)
	}
	secret, err := key.ECDH(server.point)
	if err != nil {
		return fmt.Errorf("agree on a secret: %w", err)
	}

	c.transcript = c.hello.appendWhole(nil)
	for _, m := range c.flight {
		c.transcript = m.appendWhole(c.transcript)
	}
	c.out = nil
	seq := c.hello.Seq
	say := func(kind uint8, body []byte) {
		seq++
		m := Message{Type: kind, Seq: seq, Body: body}
		c.transcript = m.appendWhole(c.transcript)
		c.out = append(c.out, outgoing{kind: recordHandshake, version: Version, message: m})
	}
	var signer crypto.Signer
	if server.asksCertificate {
		var chain [][]byte
		if certificate != nil {
			var ok bool
			if signer, ok = certificate.PrivateKey.(crypto.Signer); !ok {
				return ErrCredential
			}
			if _, ok = signer.Public().(*ecdsa.PublicKey); !ok {
				return ErrCredential
			}
			chain = certificate.Certificate
		}
		say(typeCertificate, certificateList(chain))
	}
	point := key.PublicKey().Bytes()
	say(typeClientKeyExchange, append([]byte{byte(len(point))}, point...))

	if server.extendedMasterSecret { // RFC 7627 §4: over everything up to the key exchange
		hash := sha256.Sum256(c.transcript)
		c.master, err = prf.ExtendedMasterSecret(secret, hash[:], sha256.New)
	} else {
		c.master, err = prf.MasterSecret(secret, c.random[:], server.random[:], sha256.New)
	}
	if err != nil {
		return fmt.Errorf("derive the master secret: %w", err)
	}
	if c.keys, err = newKeys(c.master, c.random, server.random); err != nil {
		return err
	}
	if signer != nil {
		hash := sha256.Sum256(c.transcript)
		signature, err := signer.Sign(rand.Reader, hash[:], crypto.SHA256)
		if err != nil {
			return fmt.Errorf("sign with the client certificate's key: %w", err)
		}
		body := append([]byte{4, 3}, 0, 0) // ecdsa_secp256r1_sha256
		binary.BigEndian.PutUint16(body[2:], uint16(len(signature)))
		say(typeCertificateVerify, append(body, signature...))
	}
	verify, err := prf.VerifyDataClient(c.master, c.transcript, sha256.New)
	if err != nil {
		return fmt.Errorf("make Finished: %w", err)
	}
	c.out = append(c.out, outgoing{kind: recordChangeCipherSpec, version: Version, body: []byte{1}})
	say(typeFinished, verify)
	c.out[len(c.out)-1].epoch = 1
	c.state = finishSent
	return nil
}

// verified compares the server's Finished with the transcript so far.
func (c *Client) verified(finished []byte) bool {
	want, err := prf.VerifyDataServer(c.master, c.transcript, sha256.New)
	return err == nil && subtle.ConstantTimeCompare(want, finished) == 1
}

// serverFlight is what the finish needs of the server's flight.
type serverFlight struct {
	random               [32]byte
	extendedMasterSecret bool
	asksCertificate      bool
	point                *ecdh.PublicKey
}

func readFlight(flight []Message) (s serverFlight, err error) {
	for _, m := range flight {
		switch m.Type {
		case typeServerHello:
			if err := s.readHello(m.Body); err != nil {
				return s, err
			}
		case typeServerKeyExchange: // curve type 3, secp256r1, a point of 65 bytes (RFC 8422 §5.4)
			if len(m.Body) < 69 || m.Body[0] != 3 || m.Body[1] != 0 || m.Body[2] != 23 || m.Body[3] != 65 {
				return s, fmt.Errorf("%w: the key exchange is not on secp256r1", ErrMalformed)
			}
			if s.point, err = ecdh.P256().NewPublicKey(m.Body[4:69]); err != nil {
				return s, fmt.Errorf("%w: key exchange: %w", ErrMalformed, err)
			}
		case typeCertificateRequest:
			s.asksCertificate = true
		}
	}
	if s.point == nil {
		return s, fmt.Errorf("%w: no key exchange", ErrMalformed)
	}
	return s, nil
}

// readHello reads a ServerHello: version, random, session id, suite, compression, extensions (RFC 5246 §7.4.1.3).
func (s *serverFlight) readHello(b []byte) error {
	if len(b) < 35 || len(b) < 38+int(b[34]) {
		return fmt.Errorf("%w: ServerHello is cut short", ErrMalformed)
	}
	copy(s.random[:], b[2:34])
	b = b[35+int(b[34]):]
	if suite := binary.BigEndian.Uint16(b); suite != Suite {
		return fmt.Errorf("%w: the suite %#04x was not offered", ErrMalformed, suite)
	}
	extensions, _, ok := uint16Length(b[3:])
	if !ok {
		return nil // a hello may have none
	}
	for len(extensions) >= 4 {
		kind := binary.BigEndian.Uint16(extensions)
		_, rest, ok := uint16Length(extensions[2:])
		if !ok {
			return fmt.Errorf("%w: the extensions of ServerHello are cut short", ErrMalformed)
		}
		if kind == 0x0017 {
			s.extendedMasterSecret = true
		}
		extensions = rest
	}
	return nil
}

// certificateList is the body of a Certificate message.
func certificateList(chain [][]byte) []byte {
	u24 := func(b []byte, n int) []byte { return append(b, byte(n>>16), byte(n>>8), byte(n)) }
	var list []byte
	for _, der := range chain {
		list = append(u24(list, len(der)), der...)
	}
	return append(u24(nil, len(list)), list...)
}

// keys protect records in epoch 1 by AES-128-CCM with a tag of 8 bytes (RFC 6655 §3, RFC 5246 §6.2.3.3).
type keys struct {
	client, server     cipher.AEAD
	clientIV, serverIV [4]byte
}

func newKeys(master []byte, client, server [32]byte) (*keys, error) {
	material, err := prf.GenerateEncryptionKeys(master, client[:], server[:], 0, 16, 4, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("derive the keys: %w", err)
	}
	k := &keys{clientIV: [4]byte(material.ClientWriteIV), serverIV: [4]byte(material.ServerWriteIV)}
	if k.client, err = newCCM8(material.ClientWriteKey); err != nil {
		return nil, err
	}
	k.server, err = newCCM8(material.ServerWriteKey)
	return k, err
}

func newCCM8(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use a key: %w", err)
	}
	aead, err := ccm.NewCCM(block, tagLength, 4+explicitNonce)
	if err != nil {
		return nil, fmt.Errorf("use a key: %w", err)
	}
	return aead, nil
}

// protection is the nonce and the additional data of a record: the number, kind, version and length in the clear.
func protection(iv [4]byte, header []byte, explicit []byte, length int) (nonce, additional []byte) {
	nonce = append(append(make([]byte, 0, 12), iv[:]...), explicit...)
	additional = append(make([]byte, 0, recordHeader), header[3:11]...)
	additional = append(additional, header[:3]...)
	return nonce, binary.BigEndian.AppendUint16(additional, uint16(length))
}

// seal appends a protected record. Its explicit nonce is the record's number, which never comes twice.
func (k *keys) seal(b []byte, kind uint8, version, epoch uint16, seq uint64, body []byte) []byte {
	start := len(b)
	b = appendHeader(b, kind, version, epoch, seq, explicitNonce+len(body)+tagLength)
	header := b[start : start+recordHeader]
	b = append(b, header[3:11]...)
	nonce, additional := protection(k.clientIV, header, b[len(b)-explicitNonce:], len(body))
	return k.client.Seal(b, nonce, body, additional)
}

// open gives the content of a protected record; ok is false if it was not sealed by the server.
func (k *keys) open(r record) (body []byte, ok bool) {
	if len(r.body) < explicitNonce+tagLength {
		return nil, false
	}
	sealed := r.body[explicitNonce:]
	nonce, additional := protection(k.serverIV, r.raw, r.body[:explicitNonce], len(sealed)-tagLength)
	body, err := k.server.Open(nil, nonce, sealed, additional)
	return body, err == nil
}
