package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Anchor is the authority whose signature is expected. It does not change and is safe for concurrent use; make one with
// [NewKey], [NewCAs], [NewRoots] or [NewPublicRoots], and see [Anchor.Check] for which clients can use it.
type Anchor struct {
	// roots are the key or the CA certificates. An anchor of a pool has none.
	roots      []root
	pool       *x509.CertPool // the CA certificates or the roots; nil for a key
	machine    func() *x509.CertPool
	signatures signatureCache
	judgements judgementCache
	expected   string
	none       bool // nothing is expected
}

// root is one key or CA certificate of an anchor.
type root struct {
	certificate *devicecert.Certificate // a key is a certificate with a key and perhaps a subject only
	name        Name                    // empty for a key without an issuer
	device      devicecert.Finding      // why a device cannot use it
	web         error                   // why package x509 cannot use it
}

var errNoKey = errors.New("not the SubjectPublicKeyInfo of an ECDSA, RSA or Ed25519 key")

// NewKey returns the anchor of an authority's public key, given as SubjectPublicKeyInfo in DER (RFC 5280 §4.1). The
// leaf must be signed with that key, or with the key of an issuing CA that the server sends and that this key signed.
// issuer is the authority's own name, in the order of its certificate; nil if it does not matter.
func NewKey(issuer Name, spki []byte) (*Anchor, error) {
	key, finding := devicecert.NewKeyRoot(issuer.encode(), spki)
	if key.PublicKey() == nil {
		return nil, errNoKey // the error of package x509 describes its own structures
	}
	if err := checkSize(key); err != nil {
		return nil, err
	}
	a := &Anchor{roots: []root{{certificate: key, name: issuer, device: finding}}, expected: issuer.String()}
	if issuer == nil {
		sum := sha256.Sum256(spki)
		a.expected = "the key with SHA-256 " + hex.EncodeToString(sum[:])
	}
	return a, nil
}

// NewCAs returns the anchor of CA certificates in PEM. Certificates that the server sends are used as intermediates. If
// issuer is not nil, only the certificates with that subject count.
func NewCAs(issuer Name, pemBytes []byte) (*Anchor, error) {
	a := &Anchor{pool: x509.NewCertPool()}
	var expected, others []string
	for n := 1; ; {
		var block *pem.Block
		block, pemBytes = pem.Decode(pemBytes)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one := root{}
		one.certificate, one.device = devicecert.NewRoot(block.Bytes)
		one.name = nameOf(one.certificate.Subject, one.certificate.RawSubject)
		var parsed *x509.Certificate
		parsed, one.web = x509.ParseCertificate(block.Bytes)
		if one.web != nil && one.device.Problem != devicecert.NoProblem {
			return nil, fmt.Errorf("parse certificate %d: %w", n, one.web)
		}
		if err := checkSize(one.certificate); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n, err)
		}
		n++
		if issuer != nil && !one.name.Equal(issuer) {
			others = append(others, one.name.String())
			continue
		}
		a.roots = append(a.roots, one)
		expected = append(expected, one.name.String())
		if parsed != nil {
			a.pool.AddCert(parsed)
		}
	}
	switch {
	case len(a.roots) > 0:
	case len(others) > 0:
		return nil, fmt.Errorf("no certificate has the subject %s; found %s", issuer, measurement.Text(strings.Join(others, " and ")))
	default:
		return nil, errors.New("no certificate in PEM")
	}
	a.expected = measurement.Text(strings.Join(expected, " or "))
	return a, nil
}

// NewRoots returns the anchor of a pool of roots.
func NewRoots(roots *x509.CertPool) *Anchor {
	return &Anchor{pool: roots, expected: "a public web authority"}
}

// NewPublicRoots returns the anchor of the public web's roots. machine returns the roots of this machine, or nil; it is
// called only for a chain that leads to no public root, to tell whether it leads to a root of this machine, see
// [Judgement.MachineRoot].
func NewPublicRoots(public *x509.CertPool, machine func() *x509.CertPool) *Anchor {
	a := NewRoots(public)
	a.machine = machine
	return a
}

// NoAnchor returns the anchor of a server of which nothing is known: any authority may have signed, see
// [Judgement.Unjudged].
func NoAnchor() *Anchor { return &Anchor{none: true} }

// Web reports whether the anchor is a pool of roots, any of which may have signed.
func (a *Anchor) Web() bool { return len(a.roots) == 0 }

// Check returns an error if clients of that kind cannot use the anchor: a device must be able to load each
// certificate or key as the CA that it stores. The error says what is wrong and how to fix it.
func (a *Anchor) Check(client measurement.Client) error {
	if client == measurement.Device && a.Web() {
		return errors.New("a device has no list of roots; set public_key or ca_file to the CA that it stores")
	}
	for i, one := range a.roots {
		what := "the key"
		if a.pool != nil {
			what = fmt.Sprintf("certificate %d (%s)", i+1, one.name)
		}
		switch {
		case client == measurement.Device && one.device.Problem != devicecert.NoProblem:
			return fmt.Errorf("a device cannot use %s: %s; use a CA that devices store, with an ECDSA key on P-256, "+
				"signed with SHA-256, with basicConstraints CA:TRUE", what, rootProblem(one.device))
		case client == measurement.Web && one.web != nil:
			return fmt.Errorf("%s: %w", what, one.web)
		}
	}
	return nil
}

// rootProblem says in an error message why a device cannot use a root.
func rootProblem(f devicecert.Finding) string {
	extension := "a device rejects its extension " + f.Text
	return map[devicecert.Problem]string{
		devicecert.UnreadableKey:      "its key is " + f.Text + ", not ECDSA on P-256",
		devicecert.MalformedKey:       "its key is not an uncompressed point of P-256",
		devicecert.KeyAgreementOnly:   "its key is for key agreement (ECDH) and signs nothing",
		devicecert.UnknownSignature:   "it is signed with " + f.Text,
		devicecert.SignatureForm:      "its signature is malformed, or its two signature algorithms differ",
		devicecert.TooShort:           fmt.Sprintf("it has fewer than %d bytes", devicecert.MinSize),
		devicecert.RootTooLong:        fmt.Sprintf("it has more than %d bytes", devicecert.MaxRoot),
		devicecert.Malformed:          "it is not an X.509 certificate",
		devicecert.UnknownVersion:     "its version is not 1, 2 or 3",
		devicecert.MalformedName:      "a device cannot read its issuer or subject",
		devicecert.MalformedDate:      "a device cannot read its dates",
		devicecert.NotCA:              "its basicConstraints do not mark it as a CA",
		devicecert.NoSigning:          "its keyUsage lacks keyCertSign",
		devicecert.CriticalExtension:  extension,
		devicecert.CriticalPolicy:     extension,
		devicecert.RepeatedExtension:  extension,
		devicecert.MalformedExtension: extension,
	}[f.Problem]
}

// checkSize returns an error for a key that signatures cannot be checked with at a bounded cost.
func checkSize(c *devicecert.Certificate) error {
	if !hasBoundedCost(c.PublicKey()) {
		return fmt.Errorf("the RSA key is larger than %d bits", devicecert.MaxRSABits)
	}
	return nil
}
