package devicecert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// el encodes an ASN.1 element of the parts, with the shortest form of its length.
func el(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	n := len(content)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, content...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, content...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
}

// wide encodes an element with a length of four octets, which DER forbids.
func wide(tag byte, content []byte) []byte {
	n := len(content)
	return append([]byte{tag, 0x84, 0, 0, byte(n >> 8), byte(n)}, content...)
}

func oid(content string) []byte { return el(tagObjectIdentifier, []byte(content)) }

func algorithmID(id string, parameters ...[]byte) []byte {
	return el(tagSequence, append([][]byte{oid(id)}, parameters...)...)
}

const (
	idC, idO, idCN  = "\x55\x04\x06", "\x55\x04\x0a", "\x55\x04\x03"
	idECDSASHA224   = "\x2a\x86\x48\xce\x3d\x04\x03\x01"
	idECDSASHA256   = "\x2a\x86\x48\xce\x3d\x04\x03\x02"
	idECDSASHA384   = "\x2a\x86\x48\xce\x3d\x04\x03\x03"
	idRSASHA256     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	idUnknown       = "\x2b\x06\x01\x04\x01\x81\xfd\x58\x02" // 1.3.6.1.4.1.32472.2
	idP384          = "\x2b\x81\x04\x00\x22"
	idAuthorityInfo = "\x2b\x06\x01\x05\x05\x07\x01\x01"
)

// attribute encodes one attribute of a name.
func attribute(id string, tag byte, value string) []byte {
	return el(tagSequence, oid(id), el(tag, []byte(value)))
}

// rdn encodes a relative distinguished name.
func rdn(attributes ...[]byte) []byte { return el(tagSet, attributes...) }

func named(rdns ...[]byte) []byte { return el(tagSequence, rdns...) }

// cn encodes C=GB, CN=name.
func cn(name string) []byte {
	return named(rdn(attribute(idC, PrintableString, "GB")), rdn(attribute(idCN, UTF8String, name)))
}

func extension(id string, critical bool, value ...[]byte) []byte {
	if critical {
		return el(tagSequence, oid(id), []byte{tagBoolean, 1, 0xff}, el(tagOctetString, value...))
	}
	return el(tagSequence, oid(id), el(tagOctetString, value...))
}

func basicConstraints(ca bool, pathLen ...byte) []byte {
	var content []byte
	if ca {
		content = []byte{tagBoolean, 1, 0xff}
	}
	for _, n := range pathLen {
		content = append(content, tagInteger, 1, n)
	}
	return extension(idBasicConstraints, true, el(tagSequence, content))
}

func keyUsage(bits ...byte) []byte {
	return extension(idKeyUsage, true, el(tagBitString, []byte{0}, bits))
}

func extendedKeyUsage(ids ...string) []byte {
	var list [][]byte
	for _, id := range ids {
		list = append(list, oid(id))
	}
	return extension(idExtendedKeyUsage, false, el(tagSequence, list...))
}

func altName(names ...[]byte) []byte {
	return extension(idSubjectAltName, false, el(tagSequence, names...))
}

func dnsName(name string) []byte { return el(contextual|2, []byte(name)) }

// signer is a key pair of a test with the name that it signs under.
type signer struct {
	key  *ecdsa.PrivateKey
	name []byte
}

// keys are made once: which key it is matters in no test, only that two differ.
var keys = func() (out [12]*ecdsa.PrivateKey) {
	for i := range out {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		out[i] = key
	}
	return out
}()

func newSigner(n int, name string) signer { return signer{keys[n], cn(name)} }

func spkiOf(key crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return der
}

// template holds the encoded parts of a certificate. An empty part is replaced by one that every reader takes; a part
// that is present but has no octets is left out.
type template struct {
	version, serial, algorithm, issuer, validity, subject, key []byte
	extra                                                      []byte // between the key and the extensions
	extensions                                                 [][]byte
	rawExtensions                                              []byte // in place of extensions, with their tag
	after                                                      []byte // follows in the TBSCertificate
	outerAlgorithm, signature                                  []byte // the whole elements
	end                                                        []byte // follows the signature
	hash                                                       crypto.Hash
	signed                                                     func(tbs []byte) []byte // changes what is signed
}

func or(part, other []byte) []byte {
	if part == nil {
		return other
	}
	return part
}

func validity(from, to time.Time) []byte {
	return el(tagSequence, el(tagUTCTime, []byte(from.Format("060102150405Z"))), el(tagUTCTime, []byte(to.Format("060102150405Z"))))
}

const day = 24 * time.Hour

// mint signs a certificate for the key and the name of subject.
func mint(issuer, subject signer, t template) []byte {
	extensions := t.rawExtensions
	if extensions == nil && t.extensions != nil {
		extensions = el(contextual|constructed|3, el(tagSequence, t.extensions...))
	}
	algorithm := or(t.algorithm, algorithmID(idECDSASHA256))
	tbs := el(tagSequence,
		or(t.version, el(contextual|constructed, []byte{tagInteger, 1, 2})),
		or(t.serial, []byte{tagInteger, 4, 1, 2, 3, 4}),
		algorithm,
		or(t.issuer, issuer.name),
		or(t.validity, validity(now.Add(-day), now.Add(90*day))),
		or(t.subject, subject.name),
		or(t.key, spkiOf(&subject.key.PublicKey)),
		t.extra, extensions, t.after)
	if t.signed != nil {
		tbs = t.signed(tbs)
	}
	signature := t.signature
	if signature == nil {
		hash := t.hash
		if hash == 0 {
			hash = crypto.SHA256
		}
		h := hash.New()
		h.Write(tbs)
		raw, err := ecdsa.SignASN1(rand.Reader, issuer.key, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		signature = el(tagBitString, []byte{0}, raw)
	}
	return el(tagSequence, tbs, or(t.outerAlgorithm, algorithm), signature, t.end)
}

// The certificates that most tests begin with.
var (
	root  = newSigner(0, "Root")
	lower = newSigner(1, "Issuing CA")
	leaf  = newSigner(2, "device.example")

	ca          = [][]byte{basicConstraints(true), keyUsage(0x06)}
	rootCert    = mint(root, root, template{extensions: ca})
	lowerCert   = mint(root, lower, template{extensions: ca})
	leafCert    = mint(root, leaf, template{extensions: [][]byte{altName(dnsName("device.example"))}})
	subLeafCert = mint(lower, leaf, template{})
)

func list(certificates ...[]byte) [][]byte { return slices.Clone(certificates) }

func mustRoot(t testing.TB, der []byte) *Certificate {
	t.Helper()
	c, finding := NewRoot(der)
	if finding != (Finding{}) {
		t.Fatalf("root: %+v", finding)
	}
	return c
}
