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

// ErrNotReady means that a finish was requested without a complete flight, or for a flight that cannot be answered: the
// key exchange is not on secp256r1, or the server has not proved that it has the certificate's key.
var ErrNotReady = errors.New("no server flight that can be answered")

// Message is a handshake message without its header.
type Message struct {
	Type uint8
	Body []byte
}

// Frame appends the n-th message of the client's answer with its header, in the form that the transcript has. It is the
// only difference between TLS and DTLS in an [Answer] (RFC 6347 §4.2.6).
type Frame func(b []byte, n int, m Message) []byte

// Answer is the device's answer to a server flight (RFC 5246 §7.3), and the keys that follow from it.
type Answer struct {
	// Messages are, in order: Certificate if the server asked for one (an empty list without a certificate to send),
	// ClientKeyExchange, CertificateVerify if a certificate is sent, and Finished. Only Finished is encrypted.
	Messages []Message
	// Out protects the client's records from Finished on; In protects the server's.
	Out, In *Protection

	frame      Frame
	transcript []byte // everything that the server's Finished covers so far
	master     []byte
}

// Answer returns the answer to a complete flight. The transcript holds the client's hello and the flight. A nil
// certificate sends an empty list when the server asks for one.
func (f *Flight) Answer(certificate *tls.Certificate, transcript []byte, frame Frame) (*Answer, error) {
	if !f.Done || f.point == nil || !f.KeyProved {
		return nil, ErrNotReady
	}
	a := &Answer{frame: frame, transcript: transcript}
	var signer crypto.Signer
	if f.CertificateRequested {
		var err error
		if signer, err = a.addCertificate(certificate); err != nil {
			return nil, err
		}
	}
	if err := a.addKeyExchange(f); err != nil {
		return nil, err
	}
	if signer != nil {
		if err := a.addCertificateVerify(signer); err != nil {
			return nil, err
		}
	}
	finished, err := prf.VerifyDataClient(a.master, a.transcript, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("compute Finished: %w", err)
	}
	return a, a.add(TypeFinished, func(b *cryptobyte.Builder) { b.AddBytes(finished) })
}

// add appends a message to the answer and to the transcript.
func (a *Answer) add(messageType uint8, body cryptobyte.BuilderContinuation) error {
	var b cryptobyte.Builder
	body(&b)
	bytes, err := b.Bytes()
	if err != nil {
		return fmt.Errorf("build handshake message %d: %w", messageType, err)
	}
	m := Message{messageType, bytes}
	a.transcript = a.frame(a.transcript, len(a.Messages), m)
	a.Messages = append(a.Messages, m)
	return nil
}

// addCertificate adds the client's chain and returns the key that has to sign CertificateVerify; nil without a
// certificate.
func (a *Answer) addCertificate(certificate *tls.Certificate) (signer crypto.Signer, err error) {
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
	return signer, a.add(TypeCertificate, func(b *cryptobyte.Builder) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range chain {
				b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
			}
		})
	})
}

// addKeyExchange adds ClientKeyExchange and derives the master secret and the record keys.
func (a *Answer) addKeyExchange(f *Flight) error {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("generate an ECDH key: %w", err)
	}
	secret, err := key.ECDH(f.point)
	if err != nil {
		return fmt.Errorf("compute the ECDH secret: %w", err)
	}
	if err := a.add(TypeClientKeyExchange, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(key.PublicKey().Bytes()) })
	}); err != nil {
		return err
	}
	if f.ExtendedMasterSecret { // RFC 7627 §4: over all messages up to ClientKeyExchange
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

// addCertificateVerify adds the proof that this side has the certificate's key.
func (a *Answer) addCertificateVerify(signer crypto.Signer) error {
	digest := sha256.Sum256(a.transcript)
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("sign with the client certificate's key: %w", err)
	}
	return a.add(TypeCertificateVerify, func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(tls.ECDSAWithP256AndSHA256))
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(signature) })
	})
}

// AddToTranscript adds a message of the server, header included, that its Finished covers: NewSessionTicket (RFC 5077
// §3.3).
func (a *Answer) AddToTranscript(message []byte) { a.transcript = append(a.transcript, message...) }

// Verify checks the server's Finished; it returns [ErrNotVerified] if it does not match the handshake.
func (a *Answer) Verify(finished []byte) error {
	want, err := prf.VerifyDataServer(a.master, a.transcript, sha256.New)
	if err != nil || subtle.ConstantTimeCompare(want, finished) != 1 {
		return ErrNotVerified
	}
	return nil
}
