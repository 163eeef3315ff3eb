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
	raw, certificate, ok := in.takeSequence()
	if !ok {
		c.reject(Malformed, "")
		return c
	}
	c.Raw = raw
	tbsRaw, tbs, ok := certificate.takeSequence()
	if !ok {
		c.reject(Malformed, "")
		return c
	}
	c.RawTBSCertificate = tbsRaw
	inner, ok := c.readTBS(tbs)
	if !ok {
		c.reject(Malformed, "")
	}
	outer, ok := certificate.takeAlgorithm()
	if !ok || outer.id != inner.id || outer.parameterTag != inner.parameterTag || string(outer.parameters) != string(inner.parameters) {
		c.reject(SignatureForm, "")
	}
	if ok {
		c.signatureID = outer.id
	}
	bits, ok := certificate.only(tagBitString)
	signature, whole := wholeBits(bits)
	if !ok || !whole {
		c.reject(SignatureForm, "")
	}
	c.SignatureValue = signature
	return c
}

// reject notes what a device rejects first.
func (c *Certificate) reject(problem Problem, text string) {
	if c.Problem.Problem == NoProblem {
		c.Problem = Finding{problem, text}
	}
}

// readTBS reads the content of a TBSCertificate (RFC 5280 §4.1). ok is false if its structure ends the reading. It
// returns the signature algorithm named inside.
func (c *Certificate) readTBS(in reader) (signature algorithm, ok bool) {
	version := 0
	if in.at(contextual | constructed) {
		content, ok := in.take(contextual | constructed)
		if !ok {
			return algorithm{}, false
		}
		if version, ok = content.takeInt(); !ok || len(content) > 0 {
			c.reject(Malformed, "")
		}
	}
	c.version = version + 1
	if tag, _, ok := in.any(); !ok || tag != tagInteger && tag != contextual|2 { // serialNumber
		return algorithm{}, false
	}
	if signature, ok = in.takeAlgorithm(); !ok {
		c.reject(SignatureForm, "")
		return algorithm{}, false
	}
	c.signatureID, c.Signature = signature.id, signatureName(signature.id)
	if version > 2 {
		c.reject(UnknownVersion, "")
	}
	switch known := signatureAlgorithms[signature.id]; {
	case !known.device:
		c.reject(UnknownSignature, c.Signature)
	case !signature.plain():
		c.reject(SignatureForm, "")
	}
	return signature, c.readNamesAndKey(&in) && c.readRest(in)
}

// readNamesAndKey reads issuer, validity, subject and subjectPublicKeyInfo.
func (c *Certificate) readNamesAndKey(in *reader) (ok bool) {
	var readable bool
	raw, content, ok := in.takeSequence()
	if !ok {
		return false
	}
	c.RawIssuer = raw
	if c.Issuer, readable, _ = parseName(content); !readable || len(c.Issuer) == 0 {
		c.reject(MalformedName, "")
	}

	validity, ok := in.take(tagSequence)
	if !ok {
		c.reject(MalformedDate, "")
		return false
	}
	var begin, end bool
	c.NotBefore, begin, ok = validity.takeTime()
	if ok {
		c.NotAfter, end, ok = validity.takeTime()
	}
	if !ok || !begin || !end || len(validity) > 0 {
		c.reject(MalformedDate, "")
	}

	raw, content, ok = in.takeSequence()
	if !ok {
		return false
	}
	c.RawSubject = raw
	if c.Subject, readable, _ = parseName(content); !readable {
		c.reject(MalformedName, "")
	}

	raw, content, ok = in.takeSequence()
	if !ok {
		c.reject(MalformedKey, "")
		return false
	}
	c.RawSubjectPublicKeyInfo = raw
	var problem Problem
	if c.key, c.agreementOnly, c.Key, problem = readKey(content); problem != NoProblem {
		c.reject(problem, c.Key)
	}
	return true
}

// readRest reads the unique identifiers, which a device expects in a constructed encoding, and the extensions.
func (c *Certificate) readRest(in reader) (ok bool) {
	if c.version >= 2 {
		for _, tag := range []byte{contextual | constructed | 1, contextual | constructed | 2} {
			if in.at(tag) {
				if _, ok := in.take(tag); !ok {
					return false
				}
			}
		}
	}
	if c.version >= 3 && len(in) > 0 {
		content, ok := in.take(contextual | constructed | 3)
		if !ok {
			return false
		}
		extensions, ok := content.only(tagSequence)
		if !ok {
			return false
		}
		if !c.readExtensions(extensions) {
			return false
		}
	}
	return len(in) == 0
}
