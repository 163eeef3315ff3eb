package devicetls

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/cryptobyte"
)

// ErrNotReady means that a finish was asked for before there was a flight to answer, or of one that cannot be answered:
// its key exchange is not on secp256r1, or it is not proved that its sender has the certificate's key.
var ErrNotReady = errors.New("there is no flight that can be answered")

// Finish makes the device's answer to a whole flight, to be sent in one go: its certificate if the server asked for one
// (an empty list if there is none to show), the key exchange, the proof of the certificate's key, ChangeCipherSpec and
// Finished (RFC 5246 §7.3).
func (c *Client) Finish(certificate *tls.Certificate) ([]byte, error) {
	if c.state != flightWhole || c.flight.point == nil || !c.flight.KeyProved {
		return nil, ErrNotReady
	}
	c.transcript = append(append([]byte(nil), c.hello[recordHeader:]...), c.messages[:c.taken]...)
	ours := len(c.transcript)

	signer, err := c.sayCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if err := c.sayKeyExchange(); err != nil {
		return nil, err
	}
	if signer != nil {
		digest := sha256.Sum256(c.transcript)
		signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sign with the client certificate's key: %w", err)
		}
		if err := c.say(typeCertificateVerify, func(b *cryptobyte.Builder) {
			b.AddUint16(uint16(tls.ECDSAWithP256AndSHA256))
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(signature) })
		}); err != nil {
			return nil, err
		}
	}
	verify, err := prf.VerifyDataClient(c.master, c.transcript, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("make Finished: %w", err)
	}
	wire := appendRecords(nil, c.transcript[ours:])
	wire = append(wire, recordChangeCipherSpec, 3, 3, 0, 1, 1)
	finished := len(c.transcript)
	if err := c.say(typeFinished, func(b *cryptobyte.Builder) { b.AddBytes(verify) }); err != nil {
		return nil, err
	}
	c.state = finishSent
	return c.out.Seal(wire, recordHandshake, c.transcript[finished:]), nil
}

// say appends a handshake message to the transcript.
func (c *Client) say(kind uint8, body cryptobyte.BuilderContinuation) error {
	b := cryptobyte.NewBuilder(c.transcript)
	b.AddUint8(kind)
	b.AddUint24LengthPrefixed(body)
	transcript, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("make message %d: %w", kind, err)
	}
	c.transcript = transcript
	return nil
}

// sayCertificate shows our chain if it was asked for, and returns who has to prove its key.
func (c *Client) sayCertificate(certificate *tls.Certificate) (signer crypto.Signer, err error) {
	if !c.flight.CertificateRequested {
		return nil, nil
	}
	var chain [][]byte
	if certificate != nil {
		var ok bool
		if signer, ok = certificate.PrivateKey.(crypto.Signer); !ok {
			return nil, ErrCredential
		}
		if _, ok = signer.Public().(*ecdsa.PublicKey); !ok {
			return nil, ErrCredential
		}
		chain = certificate.Certificate
	}
	return signer, c.say(typeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range chain {
				b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
			}
		})
	})
}

// sayKeyExchange agrees on the master secret and derives the keys from it.
func (c *Client) sayKeyExchange() error {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key for the exchange: %w", err)
	}
	secret, err := key.ECDH(c.flight.point)
	if err != nil {
		return fmt.Errorf("agree on a secret: %w", err)
	}
	if err := c.say(typeClientKeyExchange, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(key.PublicKey().Bytes()) })
	}); err != nil {
		return err
	}
	if c.flight.ExtendedMasterSecret { // RFC 7627 §4: over everything up to the key exchange
		digest := sha256.Sum256(c.transcript)
		c.master, err = prf.ExtendedMasterSecret(secret, digest[:], sha256.New)
	} else {
		c.master, err = prf.MasterSecret(secret, c.random[:], c.flight.Random[:], sha256.New)
	}
	if err != nil {
		return fmt.Errorf("derive the master secret: %w", err)
	}
	c.out, c.peer, err = DeriveKeys(c.flight.Cipher, c.master, c.random[:], c.flight.Random[:])
	return err
}

// appendRecords appends handshake messages, each in records of its own as a device sends them.
func appendRecords(b, messages []byte) []byte {
	for len(messages) > 0 {
		size := messageHeader + (int(messages[1])<<16 | int(messages[2])<<8 | int(messages[3]))
		for message := messages[:size]; len(message) > 0; {
			part := message[:min(len(message), maxPlaintext)]
			message = message[len(part):]
			b = append(b, recordHandshake, 3, 3)
			b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
			b = append(b, part...)
		}
		messages = messages[size:]
	}
	return b
}
