package devicetls

import (
	"cmp"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"golang.org/x/crypto/cryptobyte"
)

// testServer is a server's side of a handshake without a connection. The zero value of every field gives what a device
// accepts.
type testServer struct {
	version, suite, scheme, curve uint16
	announcedScheme               uint16 // in place of the scheme that signed
	extensions                    []byte // with their length
	noExchange, noRequest         bool
	wrongKey                      bool
	leaf                          func(*x509.Certificate)
	leafDER                       func([]byte) []byte     // edits its bytes
	second                        func(*x509.Certificate) // another certificate in the list
	secondKey                     crypto.Signer           // its key; nil means the leaf's
	leafSecond                    bool                    // the leaf comes after it
	signer                        crypto.Signer
	ticket                        []byte // body of a NewSessionTicket; nil sends none
	tickets                       int    // how often it is sent; 0 means once
	announced, unannounced        bool   // session_ticket in ServerHello without a ticket, a ticket without session_ticket
	ticketCut                     int    // maximum bytes of a NewSessionTicket in one record; 0 means all
	extra                         int    // bytes of padding in the leaf
	afterFinished                 []byte
	request                       []byte // body of CertificateRequest; nil means a usual one
	signature                     func([]byte) []byte

	random    [32]byte
	ephemeral *ecdh.PrivateKey
	key       crypto.Signer
}

var (
	withEMS    = []byte{0, 9, 0xff, 0x01, 0, 1, 0, 0x00, 0x17, 0, 0}
	withoutEMS = []byte{0, 5, 0xff, 0x01, 0, 1, 0}
	someTicket = []byte{0, 0, 1, 0, 0, 3, 1, 2, 3}
)

// withExtension appends an extension to a list of extensions with its length.
func withExtension(list []byte, extension ...byte) []byte {
	out := append(slices.Clone(list), extension...)
	out[1] += byte(len(extension))
	return out
}

func message(t testing.TB, kind uint8, body func(*cryptobyte.Builder)) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddUint8(kind)
	b.AddUint24LengthPrefixed(body)
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func raw(body []byte) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) { b.AddBytes(body) }
}

func record(kind uint8, body []byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

func ecdsaKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify returns a self-signed certificate.
func certify(t testing.TB, key crypto.Signer, padding int, edit func(*x509.Certificate)) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if padding > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Value: make([]byte, padding)}}
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (s *testServer) messages(t testing.TB, clientRandom [32]byte) [][]byte {
	t.Helper()
	or := func(v *uint16, otherwise uint16) {
		if *v == 0 {
			*v = otherwise
		}
	}
	or(&s.version, Version)
	or(&s.suite, SuiteCCM8)
	or(&s.scheme, 0x0403)
	or(&s.curve, uint16(tls.CurveP256))
	if s.extensions == nil {
		s.extensions = withEMS
	}
	extensions := s.extensions
	if s.ticket != nil && !s.unannounced || s.announced {
		extensions = withExtension(extensions, 0, 35, 0, 0)
	}
	if s.key = s.signer; s.key == nil {
		s.key = ecdsaKey(t, elliptic.P256())
	}
	var err error
	if s.ephemeral, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	point := s.ephemeral.PublicKey().Bytes()
	if s.curve == uint16(tls.CurveP384) {
		other, err := ecdh.P384().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point = other.PublicKey().Bytes()
	}
	_, _ = rand.Read(s.random[:])
	chain := [][]byte{certify(t, s.key, s.extra, s.leaf)}
	if s.leafDER != nil {
		chain[0] = s.leafDER(chain[0])
	}
	if s.second != nil {
		key := s.secondKey
		if key == nil {
			key = s.key
		}
		chain = append(chain, certify(t, key, 0, s.second))
	}
	if s.leafSecond {
		slices.Reverse(chain)
	}
	parameters := append([]byte{3, byte(s.curve >> 8), byte(s.curve), byte(len(point))}, point...)

	out := [][]byte{
		message(t, TypeServerHello, func(b *cryptobyte.Builder) {
			b.AddUint16(s.version)
			b.AddBytes(s.random[:])
			b.AddUint8(0)
			b.AddUint16(s.suite)
			b.AddUint8(0)
			b.AddBytes(extensions)
		}),
		message(t, TypeCertificate, func(b *cryptobyte.Builder) {
			b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
				for _, der := range chain {
					b.AddUint24LengthPrefixed(raw(der))
				}
			})
		}),
	}
	if !s.noExchange {
		signature := s.sign(t, clientRandom, parameters)
		if s.signature != nil {
			signature = s.signature(signature)
		}
		out = append(out, message(t, TypeServerKeyExchange, func(b *cryptobyte.Builder) {
			b.AddBytes(parameters)
			b.AddUint16(cmp.Or(s.announcedScheme, s.scheme))
			b.AddUint16LengthPrefixed(raw(signature))
		}))
	}
	if !s.noRequest {
		request := s.request
		if request == nil {
			request = []byte{1, 64, 0, 2, 4, 3, 0, 0}
		}
		out = append(out, message(t, TypeCertificateRequest, raw(request)))
	}
	return append(out, message(t, TypeServerHelloDone, raw(nil)))
}

func (s *testServer) sign(t testing.TB, clientRandom [32]byte, parameters []byte) []byte {
	t.Helper()
	known, ok := schemes[s.scheme]
	if !ok {
		return []byte("a signature of an unknown kind")
	}
	h := known.hash.New()
	h.Write(clientRandom[:])
	h.Write(s.random[:])
	h.Write(parameters)
	key := s.key
	if s.wrongKey {
		key = ecdsaKey(t, elliptic.P256())
	}
	var options crypto.SignerOpts = known.hash
	if known.kind == kindPSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: known.hash}
	}
	signature, err := key.Sign(rand.Reader, h.Sum(nil), options)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// flight returns the flight with each message in its own record.
func (s *testServer) flight(t testing.TB, clientRandom [32]byte) []byte {
	t.Helper()
	var out []byte
	for _, m := range s.messages(t, clientRandom) {
		out = appendRecords(out, m)
	}
	return out
}

// finish checks the client's answer and returns the server's: [NewSessionTicket], ChangeCipherSpec, Finished. out
// protects the server's next records.
func (s *testServer) finish(t testing.TB, c *Client, answer []byte) (reply []byte, in, out *Protection) {
	t.Helper()
	transcript := append([]byte(nil), c.hello[recordHeader:]...)
	transcript = append(transcript, c.messages[:c.processed]...)
	var sealed []byte
	var master []byte
	for len(answer) > 0 {
		size := recordHeader + int(answer[3])<<8 + int(answer[4])
		r, body := answer[:size], answer[recordHeader:size]
		answer = answer[size:]
		if r[0] == RecordChangeCipherSpec {
			sealed = answer
			break
		}
		transcript = append(transcript, body...)
		if body[0] == TypeClientKeyExchange {
			master = s.master(t, c, transcript, body[messageHeader+1:])
		}
	}
	in, out, err := DeriveKeys(s.suite, master, c.random[:], s.random[:])
	if err != nil {
		t.Fatal(err)
	}
	finished, err := in.Open(sealed)
	if err != nil {
		t.Fatalf("open the client's Finished: %v", err)
	}
	want, err := prf.VerifyDataClient(master, transcript, sha256.New)
	if err != nil || string(finished[messageHeader:]) != string(want) {
		t.Fatalf("the client's Finished is %x, want %x (%v)", finished, want, err)
	}
	transcript = append(transcript, finished...)
	for range max(s.tickets, min(1, len(s.ticket))) {
		m := message(t, TypeNewSessionTicket, raw(s.ticket))
		transcript = append(transcript, m...)
		cut := s.ticketCut
		if cut == 0 {
			cut = len(m)
		}
		for part := range slices.Chunk(m, cut) {
			reply = append(reply, record(RecordHandshake, part)...)
		}
	}
	verify, err := prf.VerifyDataServer(master, transcript, sha256.New)
	if err != nil {
		t.Fatal(err)
	}
	reply = append(reply, record(RecordChangeCipherSpec, []byte{1})...)
	return out.Seal(reply, RecordHandshake, append(message(t, TypeFinished, raw(verify)), s.afterFinished...)), in, out
}

func (s *testServer) master(t testing.TB, c *Client, transcript, point []byte) []byte {
	t.Helper()
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.ephemeral.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	var master []byte
	if string(s.extensions) == string(withEMS) {
		sum := sha256.Sum256(transcript)
		master, err = prf.ExtendedMasterSecret(secret, sum[:], sha256.New)
	} else {
		master, err = prf.MasterSecret(secret, c.random[:], s.random[:], sha256.New)
	}
	if err != nil {
		t.Fatal(err)
	}
	return master
}
