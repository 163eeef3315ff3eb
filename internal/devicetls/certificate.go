package devicetls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
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

// knownExtensions are the certificate extensions that Mbed TLS 2.28 accepts when they are critical: basicConstraints,
// keyUsage, extendedKeyUsage, subjectAltName (RFC 5280 §4.2.1) and Netscape's certificate type. It accepts
// certificatePolicies only with anyPolicy.
var knownExtensions = []asn1.ObjectIdentifier{
	{2, 5, 29, 19}, extensionKeyUsage, extensionExtendedKeyUsage, {2, 5, 29, 17}, {2, 16, 840, 1, 113730, 1, 1},
}

// checkCritical reports the first critical extension that a device does not know (RFC 5280 §4.2). The device cannot parse
// such a certificate and aborts the handshake, wherever in the list the certificate is.
func (f *Flight) checkCritical(c *x509.Certificate) {
	for _, e := range c.Extensions {
		switch {
		case !e.Critical || slices.ContainsFunc(knownExtensions, e.Id.Equal):
			continue
		case e.Id.Equal(extensionPolicies):
			if !slices.ContainsFunc(c.Policies, func(policy x509.OID) bool { return !policy.EqualASN1OID(anyPolicy) }) {
				continue
			}
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitCriticalPolicy})
		default:
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitCriticalExtension, Text: measurement.Text(e.Id.String())})
		}
		return
	}
}

// checkLeaf applies the device's requirements on the server's own certificate. keyUsage and extendedKeyUsage may be
// absent, but if present must allow the use.
func (f *Flight) checkLeaf(leaf *x509.Certificate) {
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			f.unfit(measurement.UnfitReason{Kind: measurement.UnfitLeafCurve, Text: key.Curve.Params().Name})
		}
	case *rsa.PublicKey:
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitLeafKey, Text: "RSA"})
	default:
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitLeafKey, Text: leaf.PublicKeyAlgorithm.String()})
	}
	if id := signatureAlgorithm(leaf); !id.Equal(ecdsaWithSHA256) && !id.Equal(ecdsaWithSHA224) {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitLeafSignature, Text: algorithmName(leaf, id)})
	}
	if hasExtension(leaf, extensionKeyUsage) && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitKeyUsage})
	}
	if hasExtension(leaf, extensionExtendedKeyUsage) && !slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny
	}) {
		f.unfit(measurement.UnfitReason{Kind: measurement.UnfitExtendedKeyUsage})
	}
}

func hasExtension(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

// signatureAlgorithm returns the identifier of the algorithm that the issuer signed with (RFC 5280 §4.1.1.2). Package x509
// does not know ecdsa-with-SHA224, which a device accepts.
func signatureAlgorithm(c *x509.Certificate) (id asn1.ObjectIdentifier) {
	s := cryptobyte.String(c.Raw)
	var certificate, algorithm cryptobyte.String
	_ = s.ReadASN1(&certificate, cryptobyteasn1.SEQUENCE) && certificate.SkipASN1(cryptobyteasn1.SEQUENCE) &&
		certificate.ReadASN1(&algorithm, cryptobyteasn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&id)
	return id // package x509 has already parsed these bytes
}

// algorithmName returns the name of a certificate's signature algorithm, or its identifier if package x509 has no name.
func algorithmName(c *x509.Certificate, id asn1.ObjectIdentifier) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		return measurement.Text(id.String())
	}
	return c.SignatureAlgorithm.String()
}
