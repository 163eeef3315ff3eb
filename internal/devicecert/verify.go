package devicecert

import (
	"bytes"
	"slices"
	"time"
)

// NewRoot reads a certificate for use as a device's stored root. The finding is empty if a device can load the
// certificate and accepts certificates that it signs, or if it is the self-issued certificate of a server, which a
// device accepts from that server.
func NewRoot(der []byte) (*Certificate, Finding) {
	c := Parse(der)
	switch {
	case len(der) > MaxRoot:
		return c, Finding{Problem: RootTooLong}
	case c.Problem.Problem != NoProblem:
		return c, c.Problem
	case c.agreementOnly:
		return c, Finding{Problem: KeyAgreementOnly}
	case c.version < 3: // a device accepts a stored certificate of these versions as a CA
	case !c.CA && c.SelfIssued() && c.forServer(): // a device accepts it from the server itself
	case !c.CA:
		return c, Finding{Problem: NotCA}
	case !c.allows(usageCertSign):
		return c, Finding{Problem: NoSigning}
	}
	return c, Finding{}
}

// forServer reports whether a certificate is marked as a server's.
func (c *Certificate) forServer() bool { return c.serverAuth || len(c.DNSNames) > 0 }

// NewKeyRoot returns a root of which only the SubjectPublicKeyInfo and the subject are known. It is valid at all
// times and allows chains of any length. Without a subject, issuer names are not compared with it. The finding is
// empty if a device can read the key.
func NewKeyRoot(subject Name, spki []byte) (*Certificate, Finding) {
	c := &Certificate{
		Subject: subject, anySubject: len(subject) == 0, CA: true, version: 3, RawSubjectPublicKeyInfo: spki,
		NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	var content reader
	if !reader(spki).only(tagSequence, &content) {
		c.reject(MalformedKey, "")
		return c, c.Problem
	}
	if c.readKey(content); c.agreementOnly {
		c.reject(KeyAgreementOnly, c.Key)
	}
	return c, c.Problem
}

// Result is what a device finds in a list of certificates.
type Result struct {
	// Problem is what ends the handshake, if anything does. At is the index in the list of the certificate that has the
	// problem, or -1 for a problem of the list. If a certificate cannot be read, or without a leaf, the other fields
	// are not set.
	Problem Finding
	At      int
	// Flags are those of the whole path, LeafFlags those of the leaf.
	Flags, LeafFlags Flags
	// Path are the certificates that the device puts together, the leaf first.
	Path []*Certificate
	// Trusted reports whether Path ends with a root and all signatures on it are good. A handshake that a problem
	// ends may have a trusted path too.
	Trusted bool
}

// Signed reports whether the key of parent signed child, see [Certificate.SignedBy]. The caller may cache good
// signatures.
type Signed func(child, parent *Certificate) bool

// Verify judges the list of a server, leaf first, as a device does that stores roots and whose clock shows now.
// The work is bounded by the pairs of certificates in the list.
func Verify(list, roots []*Certificate, now time.Time, signed Signed) Result {
	kept := make([]*Certificate, 0, len(list))
	for i, c := range list {
		if c.Fatal() {
			return Result{Problem: c.Problem, At: i}
		}
		if !c.Skipped() {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return Result{Problem: Finding{Problem: NoCertificate}, At: -1}
	}
	v := verification{roots: roots, now: now.UTC().Truncate(time.Second), signed: signed}
	result := v.build(kept)
	leaf := kept[0]
	if !leaf.allows(usageDigitalSignature) {
		result.LeafFlags |= KeyUsage
	}
	if leaf.hasExtendedKeyUsage && !leaf.serverAuth {
		result.LeafFlags |= ExtendedKeyUsage
	}
	result.Flags |= result.LeafFlags
	if result.Problem.Problem == NoProblem && leaf.agreementOnly {
		result.Problem, result.At = Finding{Problem: KeyAgreementOnly, Text: leaf.Key}, slices.Index(list, leaf)
	}
	return result
}

// Aborts reports whether a device aborts the handshake at a list because of a certificate, whatever roots it stores.
func Aborts(list []*Certificate) bool {
	leaf := slices.IndexFunc(list, func(c *Certificate) bool { return !c.Skipped() })
	return leaf < 0 || list[leaf].agreementOnly || slices.ContainsFunc(list, (*Certificate).Fatal)
}

// verification is one walk from a leaf to a root.
type verification struct {
	roots  []*Certificate
	now    time.Time // whole seconds, as a device compares them
	signed Signed
}

// build finds the path. It looks for the parent of a certificate among the roots, and then among the certificates that
// follow it in the list.
func (v *verification) build(list []*Certificate) Result {
	result := Result{At: -1}
	selfIssued := 0 // intermediates
	child, trusted := list[0], false
	for {
		result.Path = append(result.Path, child)
		flags := v.dates(child)
		if trusted || len(result.Path) == 1 && v.stored(child) {
			result.add(flags)
			result.Trusted = result.Flags&NotTrusted == 0
			return result
		}
		depth := len(result.Path) - 1
		parent, good := v.parent(child, v.roots, true, depth-selfIssued)
		trusted = parent != nil
		if !trusted {
			list = list[slices.Index(list, child)+1:]
			parent, good = v.parent(child, list, false, depth-selfIssued)
		}
		if parent == nil || !good {
			flags |= NotTrusted
		}
		result.add(flags)
		if parent == nil {
			return result
		}
		if depth > 0 && child.SelfIssued() {
			selfIssued++
		}
		if !trusted && len(result.Path) > MaxIntermediates {
			result.Problem = Finding{Problem: ChainTooLong}
			return result
		}
		child = parent
	}
}

// add notes the flags of the last certificate of the path.
func (r *Result) add(flags Flags) {
	if len(r.Path) == 1 {
		r.LeafFlags = flags
	}
	r.Flags |= flags
}

func (v *verification) dates(c *Certificate) (flags Flags) {
	if v.now.After(c.NotAfter) {
		flags |= Expired
	}
	if v.now.Before(c.NotBefore) {
		flags |= Future
	}
	return flags
}

// stored reports whether a leaf is itself one of the roots.
func (v *verification) stored(leaf *Certificate) bool {
	return leaf.SelfIssued() && slices.ContainsFunc(v.roots, func(root *Certificate) bool { return bytes.Equal(leaf.Raw, root.Raw) })
}

// parent finds the issuer of child among candidates: the first one that is valid now, or else the first one, or nil.
// A root must have signed child; for an intermediate, good reports whether it did. below is the number of
// intermediates below the candidate that are not self-issued.
func (v *verification) parent(child *Certificate, candidates []*Certificate, roots bool, below int) (found *Certificate, good bool) {
	for _, candidate := range candidates {
		if !candidate.mayIssue(child, roots) || candidate.maxIntermediates > 0 && candidate.maxIntermediates < 1+below {
			continue
		}
		signed := !candidate.agreementOnly && v.signed(child, candidate)
		if roots && !signed {
			continue
		}
		if v.dates(candidate) == 0 {
			return candidate, signed
		}
		if found == nil {
			found, good = candidate, signed
		}
	}
	return found, good
}

// mayIssue reports whether a certificate can be the issuer of child by its name and its extensions.
func (c *Certificate) mayIssue(child *Certificate, root bool) bool {
	if !c.anySubject && !child.Issuer.Matches(c.Subject) {
		return false
	}
	return root && c.version < 3 || c.CA && c.allows(usageCertSign)
}
