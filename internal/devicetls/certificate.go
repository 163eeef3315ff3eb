package devicetls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

var (
	extensionKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	extensionExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	extensionPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}

	ecdsaWithSHA224 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1} // RFC 5758 §3.2
	ecdsaWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	anyPolicy       = asn1.ObjectIdentifier{2, 5, 29, 32, 0}
)

// knownExtensions are those that Mbed TLS 2.28 reads, critical or not: basicConstraints, keyUsage, extendedKeyUsage,
// subjectAltName (RFC 5280 §4.2.1) and Netscape's certificate type. Of certificatePolicies it knows anyPolicy alone.
var knownExtensions = []asn1.ObjectIdentifier{
	{2, 5, 29, 19}, extensionKeyUsage, extensionExtendedKeyUsage, {2, 5, 29, 17}, {2, 16, 840, 1, 113730, 1, 1},
}

// checkCritical looks for a critical extension that a device does not know. It makes the certificate unreadable for the
// device, and ends the handshake wherever in the list the certificate stands (RFC 5280 §4.2).
func (f *Flight) checkCritical(c *x509.Certificate) {
	for _, e := range c.Extensions {
		switch {
		case !e.Critical || slices.ContainsFunc(knownExtensions, e.Id.Equal):
			continue
		case e.Id.Equal(extensionPolicies):
			if !slices.ContainsFunc(c.Policies, func(policy x509.OID) bool { return !policy.EqualASN1OID(anyPolicy) }) {
				continue
			}
			f.unfit("critical certificatePolicies, of which a device knows anyPolicy alone")
		default:
			f.unfit("critical certificate extension %s, which a device does not know", measurement.Text(e.Id.String()))
		}
		return // one is enough to say
	}
}

// checkLeaf applies what a device demands of the server's own certificate. An extension that is there must allow the use.
func (f *Flight) checkLeaf(leaf *x509.Certificate) {
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			f.unfit("leaf key on %s, a device knows secp256r1 alone", key.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		f.unfit("RSA leaf key, a device knows ECDSA alone")
	default:
		f.unfit("%s leaf key, a device knows ECDSA alone", leaf.PublicKeyAlgorithm)
	}
	if id := signatureAlgorithm(leaf); !id.Equal(ecdsaWithSHA256) && !id.Equal(ecdsaWithSHA224) {
		f.unfit("leaf signed with %s, a device knows ecdsa-with-SHA256 and ecdsa-with-SHA224 alone", algorithmName(leaf, id))
	}
	if has(leaf, extensionKeyUsage) && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		f.unfit("the leaf's keyUsage lacks digitalSignature")
	}
	if has(leaf, extensionExtendedKeyUsage) && !slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny
	}) {
		f.unfit("the leaf's extendedKeyUsage lacks serverAuth")
	}
}

func has(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return true
		}
	}
	return false
}

// signatureAlgorithm is how the issuer signed (RFC 5280 §4.1.1.2). Package x509 knows no ecdsa-with-SHA224, a device does.
func signatureAlgorithm(c *x509.Certificate) (id asn1.ObjectIdentifier) {
	s := cryptobyte.String(c.Raw)
	var certificate, algorithm cryptobyte.String
	_ = s.ReadASN1(&certificate, cryptobyteasn1.SEQUENCE) && certificate.SkipASN1(cryptobyteasn1.SEQUENCE) &&
		certificate.ReadASN1(&algorithm, cryptobyteasn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&id)
	return id // package x509 has read it before
}

func algorithmName(c *x509.Certificate, id asn1.ObjectIdentifier) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return measurement.Text(id.String())
	}
	return c.SignatureAlgorithm.String()
}
