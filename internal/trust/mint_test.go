package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// authority is a CA of a test.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// spec says what certificate to mint; the zero value is a leaf valid now.
type spec struct {
	subject    []byte // DER; nil: empty
	names      []string
	from, to   time.Duration // from now; zero: a day ago, 90 days ahead
	ca         bool
	key        crypto.Signer
	usage      x509.KeyUsage
	extended   []x509.ExtKeyUsage
	issuerName []byte // DER, instead of the issuer's own
	extra      []pkix.Extension
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
		DNSNames: s.names, KeyUsage: s.usage, ExtKeyUsage: s.extended,
		ExtraExtensions: s.extra,
	}
	if s.ca {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	parent, signer := template, s.key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	if s.issuerName != nil {
		renamed := *parent
		renamed.RawSubject = s.issuerName
		renamed.PublicKey = signer.Public()
		parent = &renamed
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

func chain(authorities ...*authority) []*x509.Certificate {
	var out []*x509.Certificate
	for _, a := range authorities {
		out = append(out, a.cert)
	}
	return out
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
