package devicetls

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/cryptobyte"
)

// ErrNotReady means that a finish was asked for before there was a flight to answer, or of one that cannot be answered:
// its key exchange is not on secp256r1, or it is not proved that its sender has the certificate's key.
var ErrNotReady = errors.New("there is no flight that can be answered")

// Message is a handshake message without its header.
type Message struct {
	Type uint8
	Body []byte
}

// Frame appends the n-th message of a client's answer with its header, as the transcript takes it. TLS and DTLS differ in
// nothing else here (RFC 6347 §4.2.6).
type Frame func(b []byte, n int, m Message) []byte

// Answer is a device's answer to a server's flight (RFC 5246 §7.3), and the keys that come of it.
type Answer struct {
	// Messages are Certificate if the server asked for one (an empty list if there is none to show), ClientKeyExchange,
	// CertificateVerify if a certificate is shown, and Finished, which alone is protected.
	Messages []Message
	// Out protects what we say from Finished on, In what the server does.
	Out, In *Protection

	frame      Frame
	transcript []byte // what Finished covers
	master     []byte
}

// Answer makes the answer to a flight that is whole. The transcript holds the client's hello and the flight.
func (f *Flight) Answer(certificate *tls.Certificate, transcript []byte, frame Frame) (*Answer, error) {
	if !f.Done || f.point == nil || !f.KeyProved {
		return nil, ErrNotReady
	}
	a := &Answer{frame: frame, transcript: transcript}
	var signer crypto.Signer
	if f.CertificateRequested {
		var err error
		if signer, err = a.sayCertificate(certificate); err != nil {
			return nil, err
		}
	}
	if err := a.sayKeyExchange(f); err != nil {
		return nil, err
	}
	if signer != nil {
		if err := a.sayVerify(signer); err != nil {
			return nil, err
		}
	}
	finished, err := prf.VerifyDataClient(a.master, a.transcript, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("make Finished: %w", err)
	}
	return a, a.say(typeFinished, func(b *cryptobyte.Builder) { b.AddBytes(finished) })
}

func (a *Answer) say(kind uint8, body cryptobyte.BuilderContinuation) error {
	var b cryptobyte.Builder
	body(&b)
	bytes, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("make message %d: %w", kind, err)
	}
	m := Message{kind, bytes}
	a.transcript = a.frame(a.transcript, len(a.Messages), m)
	a.Messages = append(a.Messages, m)
	return nil
}

// sayCertificate shows our chain, and returns who has to prove its key; nil if there is nobody.
func (a *Answer) sayCertificate(certificate *tls.Certificate) (signer crypto.Signer, err error) {
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
	return signer, a.say(typeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range chain {
				b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
			}
		})
	})
}

// sayKeyExchange agrees on the master secret and derives the keys from it.
func (a *Answer) sayKeyExchange(f *Flight) error {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key for the exchange: %w", err)
	}
	secret, err := key.ECDH(f.point)
	if err != nil {
		return fmt.Errorf("agree on a secret: %w", err)
	}
	if err := a.say(typeClientKeyExchange, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(key.PublicKey().Bytes()) })
	}); err != nil {
		return err
	}
	if f.ExtendedMasterSecret { // RFC 7627 §4: over everything up to the key exchange
		digest := sha256.Sum256(a.transcript)
		a.master, err = prf.ExtendedMasterSecret(secret, digest[:], sha256.New)
	} else {
		a.master, err = prf.MasterSecret(secret, f.clientRandom[:], f.Random[:], sha256.New)
	}
	if err != nil {
		return fmt.Errorf("derive the master secret: %w", err)
	}
	a.Out, a.In, err = DeriveKeys(f.Cipher, a.master, f.clientRandom[:], f.Random[:])
	return err
}

// sayVerify proves that we have the key of the certificate shown.
func (a *Answer) sayVerify(signer crypto.Signer) error {
	digest := sha256.Sum256(a.transcript)
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("sign with the client certificate's key: %w", err)
	}
	return a.say(typeCertificateVerify, func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(tls.ECDSAWithP256AndSHA256))
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(signature) })
	})
}

// Heard adds a message of the server, header included, to what its Finished covers: a NewSessionTicket, which our hello
// invites (RFC 5077 §3.3).
func (a *Answer) Heard(message []byte) { a.transcript = append(a.transcript, message...) }

// Verify holds the server's Finished against the handshake; [ErrNotVerified] if it does not match.
func (a *Answer) Verify(finished []byte) error {
	want, err := prf.VerifyDataServer(a.master, a.transcript, sha256.New)
	if err != nil || subtle.ConstantTimeCompare(want, finished) != 1 {
		return ErrNotVerified
	}
	return nil
}
