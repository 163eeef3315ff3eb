package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// authority is a certificate of a test and its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// spec says what certificate to mint; the zero value is a leaf valid now.
type spec struct {
	subject    []byte // DER; nil: empty
	names      []string
	addresses  []net.IP
	from, to   time.Duration // from now; zero: a day ago, 90 days ahead
	ca         bool
	key        crypto.Signer // nil: a new one on P-256
	usage      x509.KeyUsage
	extended   []x509.ExtKeyUsage
	issuerName []byte // DER, instead of the issuer's own
	extra      []pkix.Extension
	algorithm  x509.SignatureAlgorithm
	pathLen    int // of a CA: 0 means no constraint, -1 a constraint of 0
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSAKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mint issues a certificate; a nil issuer makes it self-signed.
func mint(t testing.TB, issuer *authority, s spec) *authority {
	t.Helper()
	if s.from == 0 {
		s.from = -day
	}
	if s.to == 0 {
		s.to = 90 * day
	}
	if s.key == nil {
		s.key = newKey(t)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.Unix()),
		RawSubject:   s.subject,
		NotBefore:    now.Add(s.from), NotAfter: now.Add(s.to),
		DNSNames: s.names, IPAddresses: s.addresses, KeyUsage: s.usage, ExtKeyUsage: s.extended,
		ExtraExtensions: s.extra, SignatureAlgorithm: s.algorithm,
	}
	if s.ca {
		template.IsCA, template.BasicConstraintsValid = true, true
		if template.KeyUsage == 0 {
			template.KeyUsage = x509.KeyUsageCertSign
		}
		template.MaxPathLen, template.MaxPathLenZero = max(s.pathLen, 0), s.pathLen < 0
	}
	parent, signer := template, s.key
	if issuer != nil {
		named := *issuer.cert
		signer, named.PublicKey = issuer.key, issuer.key.Public() // which may be another than its certificate's
		parent = &named
	}
	if s.issuerName != nil {
		named := *parent
		named.RawSubject, named.PublicKey = s.issuerName, signer.Public()
		parent = &named
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, s.key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, s.key}
}

// der encodes a name; each argument is one RDN.
func der(t testing.TB, rdns ...pkix.RelativeDistinguishedNameSET) []byte {
	t.Helper()
	out, err := asn1.Marshal(pkix.RDNSequence(rdns))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	oidC  = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// attr is one attribute, encoded as a PrintableString where its characters allow it.
func attr(oid asn1.ObjectIdentifier, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

// coded is one attribute with the ASN.1 string type given.
func coded(oid asn1.ObjectIdentifier, tag int, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)}}
}

func rdn(attrs ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET { return attrs }

// named encodes C=GB, O=ARM Ltd, CN=cn.
func named(t testing.TB, cn string) []byte {
	t.Helper()
	return der(t, rdn(attr(oidC, "GB")), rdn(attr(oidO, "ARM Ltd")), rdn(attr(oidCN, cn)))
}

func spki(t testing.TB, a *authority) []byte {
	t.Helper()
	return a.cert.RawSubjectPublicKeyInfo
}

func inPEM(authorities ...*authority) []byte {
	var out []byte
	for _, a := range authorities {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	}
	return out
}

func poolOf(authorities ...*authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a.cert)
	}
	return pool
}

func chain(authorities ...*authority) [][]byte {
	var out [][]byte
	for _, a := range authorities {
		out = append(out, a.cert.Raw)
	}
	return out
}

// reissued signs a certificate again with what it says edited, to make what package x509 refuses to make. The edit must
// keep all lengths.
func reissued(t testing.TB, issuer, subject *authority, edit func(tbs []byte)) [][]byte {
	t.Helper()
	tbs := slices.Clone(subject.cert.RawTBSCertificate)
	edit(tbs)
	digest := sha256.Sum256(tbs)
	signature, err := issuer.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{der}
}

// negative makes the serial number negative. minted certificates have one of four bytes.
func negative(t testing.TB) func(tbs []byte) {
	return func(tbs []byte) {
		at := bytes.Index(tbs, []byte{asn1.TagInteger, 4})
		if at < 0 {
			t.Fatal("no serial number of four bytes")
		}
		tbs[at+2] |= 0x80
	}
}

// replaced replaces the first occurrence of some bytes by as many others.
func replaced(t testing.TB, old, with string) func(tbs []byte) {
	return func(tbs []byte) {
		at := bytes.Index(tbs, []byte(old))
		if at < 0 || len(old) != len(with) {
			t.Fatalf("%q cannot be replaced by %q", old, with)
		}
		copy(tbs[at:], with)
	}
}

func newP384Key(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
