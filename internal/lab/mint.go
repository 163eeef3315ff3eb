package lab

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"sync"
	"time"
)

// Mint holds every authority of a lab, each with its own key. The two ARM authorities have the names of the real
// ones: only the key distinguishes them.
type Mint struct {
	Bootstrap *Authority // C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM Bootstrap CA
	LwM2M     *Authority // the same with CN=ARM LwM2M CA
	Web       *Authority // stands for the public web authorities
	Inspector *Authority // CN=SSLInspect: a company's TLS inspection
	// Now is the moment that leaf certificates are valid around.
	Now time.Time
}

// Authority is a self-signed certificate authority on P-256, as both real ones are.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	now         time.Time
}

// Leaf describes a certificate to issue; the zero value is a valid one without names.
type Leaf struct {
	CommonName          string
	DNSNames            []string
	Addresses           []netip.Addr
	NotBefore, NotAfter time.Time // zero: a day before and 90 days after the mint's moment
	RSA                 bool      // an RSA 2048 key instead of P-256
	ClientOnly          bool      // extended key usage for TLS clients only
	Padding             int       // bytes of a private extension that makes the certificate larger
	NegativeSerial      bool      // a negative serial number, against RFC 5280 §4.1.2.2
	Chain               int       // further certificates sent after the leaf, about 1,100 bytes each
}

// lifetime of an authority to either side of the mint's moment.
const lifetime = 20 * 365 * 24 * time.Hour

// paddingID is an object identifier of the documentation arc (RFC 5612's enterprise number for examples, 32473).
var paddingID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}

// rsaKey is generated once per process, since that takes a noticeable part of a second.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// NewMint creates all authorities, valid around now.
func NewMint(now time.Time) (*Mint, error) {
	m := &Mint{Now: now}
	for _, a := range []struct {
		into **Authority
		name pkix.Name
	}{
		{&m.Bootstrap, armName("ARM Bootstrap CA")},
		{&m.LwM2M, armName("ARM LwM2M CA")},
		{&m.Web, pkix.Name{Country: []string{"US"}, Organization: []string{"Lab Web Trust"}, CommonName: "Lab Web CA"}},
		{&m.Inspector, pkix.Name{Organization: []string{"Corporate Security"}, CommonName: "SSLInspect"}},
	} {
		authority, err := newAuthority(a.name, nil, now)
		if err != nil {
			return nil, fmt.Errorf("mint authority: %w", err)
		}
		*a.into = authority
	}
	return m, nil
}

// armName is the name of one of the real authorities. ExtraNames keeps the order of its attributes; [pkix.Name] would
// put the organization before the locality.
func armName(commonName string) pkix.Name {
	return pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "GB"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Cambridgeshire"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 7}, Value: "Cambridge"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "ARM Ltd"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: commonName},
	}}
}

func newAuthority(subject pkix.Name, keyID []byte, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               subject,
		SubjectKeyId:          keyID, // nil: that of the key
		NotBefore:             now.Add(-lifetime),
		NotAfter:              now.Add(lifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: certificate, key: key, now: now}, nil
}

// Forge creates an authority with the same name and key identifier and another key, as a careful interceptor would.
func (a *Authority) Forge() (*Authority, error) {
	return newAuthority(a.Certificate.Subject, a.Certificate.SubjectKeyId, a.now)
}

// Issue signs a leaf and returns it with its key and chain, ready for a server.
func (a *Authority) Issue(leaf Leaf) (tls.Certificate, error) {
	key, err := newKey(leaf.RSA)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key of %q: %w", leaf.CommonName, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: leaf.CommonName},
		DNSNames:     leaf.DNSNames,
		NotBefore:    cmp.Or(leaf.NotBefore, a.now.Add(-24*time.Hour)),
		NotAfter:     cmp.Or(leaf.NotAfter, a.now.Add(90*24*time.Hour)),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, address := range leaf.Addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	if leaf.ClientOnly {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	pad(template, leaf.Padding)
	certificate, err := sign(template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue %q: %w", leaf.CommonName, err)
	}
	out := tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}
	if leaf.NegativeSerial {
		negative, err := a.negateSerial(certificate)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("serial number of %q: %w", leaf.CommonName, err)
		}
		out.Certificate[0], out.Leaf = negative, nil // crypto/x509 cannot parse it
	}
	for i := range leaf.Chain {
		filler := *template
		filler.SerialNumber = serial()
		filler.Subject.CommonName = fmt.Sprintf("Filler %d", i+1)
		pad(&filler, 700)
		extra, err := sign(&filler, a.Certificate, key.Public(), a.key)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("chain of %q: %w", leaf.CommonName, err)
		}
		out.Certificate = append(out.Certificate, extra.Raw)
	}
	return out, nil
}

// SelfSigned returns a certificate that is signed with its own key.
func (m *Mint) SelfSigned(commonName string) (tls.Certificate, error) {
	own, err := newAuthority(pkix.Name{CommonName: commonName}, nil, m.Now)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{own.Certificate.Raw}, PrivateKey: own.key, Leaf: own.Certificate}, nil
}

// negateSerial signs a certificate of the authority again, with a negative serial number.
func (a *Authority) negateSerial(certificate *x509.Certificate) ([]byte, error) {
	var signed struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(certificate.Raw, &signed); err != nil {
		return nil, err
	}
	serial := certificate.SerialNumber.Bytes()
	at := bytes.Index(signed.TBS.FullBytes, serial)
	if serial[0]&0x80 != 0 {
		at-- // the encoding begins with a zero octet
	}
	signed.TBS.FullBytes[at] |= 0x80 // the first octet has the sign
	sum := sha256.Sum256(signed.TBS.FullBytes)
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		return nil, err
	}
	signed.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return asn1.Marshal(signed)
}

// WithoutKey returns the certificate with another key: a replay by a server that has recorded it.
func WithoutKey(certificate tls.Certificate) (tls.Certificate, error) {
	key, err := newKey(false)
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate.PrivateKey = key
	return certificate, nil
}

// PublicKey is the authority's SubjectPublicKeyInfo in base64, as the exporter's configuration has it.
func (a *Authority) PublicKey() string {
	return base64.StdEncoding.EncodeToString(a.Certificate.RawSubjectPublicKeyInfo)
}

// PublicKeySHA256 is the SHA-256 of the SubjectPublicKeyInfo in hexadecimal.
func (a *Authority) PublicKeySHA256() string {
	sum := sha256.Sum256(a.Certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// PEMWithKey is the certificate and its key, for a program that issues certificates with it, such as an intercepting
// proxy.
func (a *Authority) PEMWithKey() ([]byte, error) {
	chain, key, err := PEM(tls.Certificate{Certificate: [][]byte{a.Certificate.Raw}, PrivateKey: a.key})
	return append(chain, key...), err
}

// Pool returns a pool that contains only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// PEM encodes a chain and its key (PKCS #8) for programs that read files.
func PEM(certificate tls.Certificate) (chain, key []byte, err error) {
	for _, der := range certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("encode private key: %w", err)
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func newKey(useRSA bool) (crypto.Signer, error) {
	if useRSA {
		return rsaKey()
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	template.SignatureAlgorithm = x509.ECDSAWithSHA256
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func pad(template *x509.Certificate, bytes int) {
	if bytes > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: paddingID, Value: make([]byte, bytes)}}
	}
}

// serial is 119 random bits: positive in any encoding and never the same twice.
func serial() *big.Int {
	b := make([]byte, 15)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}
