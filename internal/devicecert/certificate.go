package devicecert

import (
	"crypto/ecdsa"
	"time"
)

// Certificate is what can be read of a certificate. The fields are set as far as its structure allows, also if a device
// rejects it. It is not changed after [Parse], and safe for concurrent use.
type Certificate struct {
	// Raw is the certificate without octets that follow it.
	Raw                     []byte
	RawTBSCertificate       []byte
	RawIssuer, RawSubject   []byte
	RawSubjectPublicKeyInfo []byte

	Issuer, Subject     Name
	NotBefore, NotAfter time.Time

	// Key and Signature are the names of the key's algorithm or curve and of the signature algorithm: safe to show.
	Key, Signature string
	// SignatureValue is the content of signatureValue.
	SignatureValue []byte
	// CA is set by basicConstraints.
	CA bool
	// DNSNames are the dNSNames of subjectAltName.
	DNSNames []string

	// Problem is the first thing in the order of reading that a device rejects. A certificate with UnknownSignature is
	// skipped; any other problem ends the handshake.
	Problem Finding

	version       int // 1, 2 or 3
	signatureID   string
	key           *ecdsa.PublicKey
	agreementOnly bool
	anySubject    bool // a root whose name is not known, see NewKeyRoot

	hasKeyUsage         bool
	keyUsage            uint32
	hasExtendedKeyUsage bool
	serverAuth          bool
	// maxIntermediates is pathLenConstraint plus one, or 0 without a constraint.
	maxIntermediates int
}

// Skipped reports whether a device goes on without the certificate.
func (c *Certificate) Skipped() bool { return c.Problem.Problem == UnknownSignature }

// Fatal reports whether the certificate ends the handshake.
func (c *Certificate) Fatal() bool { return c.Problem.Problem != NoProblem && !c.Skipped() }

// SelfIssued reports whether issuer and subject are the same name.
func (c *Certificate) SelfIssued() bool { return c.Issuer.Matches(c.Subject) }

// SelfSigned reports whether the certificate is self-issued and signed with its own key.
func (c *Certificate) SelfSigned() bool { return c.SelfIssued() && c.SignedBy(c.PublicKey()) }

// ParseList reads the certificates of a Certificate message in order.
func ParseList(list [][]byte) []*Certificate {
	out := make([]*Certificate, 0, len(list))
	for _, der := range list {
		c := Parse(der)
		if len(der) < MinSize {
			c.Problem = Finding{Problem: TooShort}
		}
		out = append(out, c)
	}
	return out
}

// Parse reads a certificate. It keeps references to der, which must not change.
func Parse(der []byte) *Certificate {
	c := &Certificate{}
	in := reader(der)
	var certificate, tbs reader
	if !in.takeSequence(&c.Raw, &certificate) || !certificate.takeSequence(&c.RawTBSCertificate, &tbs) {
		c.reject(Malformed, "")
		return c
	}
	var inner, outer algorithm
	if !c.readTBS(tbs, &inner) {
		c.reject(Malformed, "")
	}
	ok := certificate.takeAlgorithm(&outer)
	if ok {
		c.signatureID = string(outer.id)
	}
	if !certificate.onlyBits(0, &c.SignatureValue) || !ok || !outer.equal(inner) {
		c.reject(SignatureForm, "")
	}
	return c
}

// reject notes what a device rejects first.
func (c *Certificate) reject(problem Problem, text string) {
	if c.Problem.Problem == NoProblem {
		c.Problem = Finding{problem, text}
	}
}

// readTBS reads the content of a TBSCertificate (RFC 5280 §4.1) and the signature algorithm named inside. It returns
// false if the structure is broken, so that nothing after it can be read.
func (c *Certificate) readTBS(in reader, signature *algorithm) bool {
	var content reader
	version := 0
	if in.at(contextual | constructed) {
		if !in.take(contextual|constructed, &content) {
			return false
		}
		var ok bool
		if version, ok = content.takeInt(); !ok || len(content) > 0 {
			c.reject(Malformed, "")
		}
	}
	c.version = version + 1
	if !in.take(tagInteger, &content) && !in.take(contextual|2, &content) { // serialNumber
		return false
	}
	if !in.takeAlgorithm(signature) {
		c.reject(SignatureForm, "")
		return false
	}
	c.signatureID, c.Signature = string(signature.id), signatureName(signature.id)
	if version > 2 {
		c.reject(UnknownVersion, "")
	}
	switch known := signatureAlgorithms[c.signatureID]; {
	case !known.device:
		c.reject(UnknownSignature, c.Signature)
	case !signature.plain():
		c.reject(SignatureForm, "")
	}
	return c.readNamesAndKey(&in) && c.readOptional(in)
}

// readNamesAndKey reads issuer, validity, subject and subjectPublicKeyInfo. It returns false as readTBS does.
func (c *Certificate) readNamesAndKey(in *reader) bool {
	var content reader
	var readable bool
	if !in.takeSequence(&c.RawIssuer, &content) {
		return false
	}
	if c.Issuer, readable = parseName(content); !readable || len(c.Issuer) == 0 {
		c.reject(MalformedName, "")
	}
	if !in.take(tagSequence, &content) {
		c.reject(MalformedDate, "")
		return false
	}
	beginReadable, ok := content.takeTime(&c.NotBefore)
	endReadable := false
	if ok {
		endReadable, _ = content.takeTime(&c.NotAfter)
	}
	if !beginReadable || !endReadable || len(content) > 0 {
		c.reject(MalformedDate, "")
	}
	if !in.takeSequence(&c.RawSubject, &content) {
		return false
	}
	if c.Subject, readable = parseName(content); !readable {
		c.reject(MalformedName, "")
	}
	if !in.takeSequence(&c.RawSubjectPublicKeyInfo, &content) {
		c.reject(MalformedKey, "")
		return false
	}
	c.readKey(content)
	return true
}

// readOptional reads the optional fields: the unique identifiers, which a device expects in a constructed encoding,
// and the extensions.
func (c *Certificate) readOptional(in reader) bool {
	var content, extensions reader
	if c.version >= 2 {
		for _, tag := range []byte{contextual | constructed | 1, contextual | constructed | 2} {
			if in.at(tag) && !in.take(tag, &content) {
				return false
			}
		}
	}
	if c.version < 3 || len(in) == 0 {
		return len(in) == 0
	}
	return in.take(contextual|constructed|3, &content) && content.only(tagSequence, &extensions) &&
		c.readExtensions(extensions) && len(in) == 0
}
