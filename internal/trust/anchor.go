package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Limits of the work that a hostile chain can cause.
const (
	// maxRSABits is the largest RSA key that a signature is checked with: the time grows with the square of the size.
	maxRSABits = 8192
	// maxSent is how many certificates of a chain are looked at; real chains have two to four. The search for a path through
	// them can grow with their factorial.
	maxSent = 5
)

// Anchor says who may have signed. What it says never changes, and it is safe for concurrent use; make one with [NewKey],
// [NewCAs] or [NewRoots].
type Anchor struct {
	issuer   Name                // the leaf's issuer must have this name; nil: any
	key      *x509.Certificate   // carries nothing but the authority's public key; nil: judged by cas or roots
	verified verified            // leaves that key has signed
	cas      []*x509.Certificate // of a CA file
	roots    *x509.CertPool      // the same CAs, or the system's
	expected string
}

var errNoKey = errors.New("not the SubjectPublicKeyInfo of an ECDSA, RSA or Ed25519 key")

// NewKey makes an anchor of an authority's public key: base64-decoded SubjectPublicKeyInfo (RFC 5280 §4.1). The leaf must
// be signed by that very key; no certificate of the authority is needed, nor sent by the servers that devices talk to.
func NewKey(issuer Name, spki []byte) (*Anchor, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, errNoKey // the parser's own words speak of its structures, not of the file
	}
	holder := &x509.Certificate{PublicKey: key}
	switch key.(type) {
	case *ecdsa.PublicKey:
		holder.PublicKeyAlgorithm = x509.ECDSA
	case *rsa.PublicKey:
		holder.PublicKeyAlgorithm = x509.RSA
	case ed25519.PublicKey:
		holder.PublicKeyAlgorithm = x509.Ed25519
	default:
		return nil, errNoKey
	}
	if !bounded(holder) {
		return nil, fmt.Errorf("the RSA key is larger than %d bits", maxRSABits)
	}
	sum := sha256.Sum256(spki)
	expected := "the key with SHA-256 " + hex.EncodeToString(sum[:])
	if issuer != nil {
		expected = issuer.String()
	}
	return &Anchor{issuer: issuer, key: holder, expected: expected}, nil
}

// NewCAs makes an anchor of CA certificates in PEM. Certificates that the server sends are used as intermediates.
func NewCAs(issuer Name, pemBytes []byte) (*Anchor, error) {
	a := &Anchor{issuer: issuer, roots: x509.NewCertPool()}
	var names []string
	for {
		var block *pem.Block
		block, pemBytes = pem.Decode(pemBytes)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate %d: %w", len(a.cas)+1, err)
		}
		if !bounded(cert) {
			return nil, fmt.Errorf("certificate %d: the RSA key is larger than %d bits", len(a.cas)+1, maxRSABits)
		}
		a.cas = append(a.cas, cert)
		a.roots.AddCert(cert)
		names = append(names, subjectOf(cert).String())
	}
	if len(a.cas) == 0 {
		return nil, errors.New("no certificate in PEM")
	}
	a.expected = measurement.Text(strings.Join(names, " or "))
	if issuer != nil {
		a.expected = issuer.String()
	}
	return a, nil
}

// NewRoots makes an anchor of a pool of roots, the system's in production.
func NewRoots(roots *x509.CertPool) *Anchor {
	return &Anchor{roots: roots, expected: "a public web authority"}
}

// Web reports whether the anchor is that of the web: any authority of a pool of roots.
func (a *Anchor) Web() bool { return a.key == nil && len(a.cas) == 0 }

// bounded reports whether a signature can be checked with a certificate's key at a bounded cost.
func bounded(cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return !ok || key.N.BitLen() <= maxRSABits
}

// signs reports whether a key signed a certificate. Nothing but the signature is looked at. Devices take ecdsa-with-SHA224
// (RFC 5758 §3.2) too, which package x509 does not know.
func signs(signer, cert *x509.Certificate) error {
	if !bounded(signer) {
		return fmt.Errorf("the RSA key is larger than %d bits", maxRSABits)
	}
	if key, ok := signer.PublicKey.(*ecdsa.PublicKey); ok && cert.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		if sum := sha256.Sum224(cert.RawTBSCertificate); ecdsa.VerifyASN1(key, sum[:], cert.Signature) {
			return nil
		}
	}
	return signer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
}

func issuerOf(cert *x509.Certificate) Name { return nameOf(cert.RawIssuer) }

func subjectOf(cert *x509.Certificate) Name { return nameOf(cert.RawSubject) }

// nameOf reads a certificate's name. One that cannot be read is shown as such, and equals no name that can be configured.
func nameOf(der []byte) Name {
	name, err := parseDER(der)
	if err != nil {
		sum := sha256.Sum256(der)
		return Name{{{Type: "unreadable", Value: hex.EncodeToString(sum[:8])}}}
	}
	return name
}

// sameName compares the names of two certificates, by their bytes first, as nearly all agree there.
func sameName(a, b []byte) bool {
	return bytes.Equal(a, b) || nameOf(a).Equal(nameOf(b))
}
