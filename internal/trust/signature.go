package trust

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
)

// maxCached bounds the signatures that an anchor remembers. A cloud shows a handful of certificates.
const maxCached = 1024

// maxChecks returns how many signatures one search for a signer checks: all that a list of a leaf and as many CAs as a
// device accepts can need, if every CA may have signed every certificate. The list is composed by the server.
func maxChecks(roots int) int {
	const n = devicecert.MaxIntermediates
	return n*n + (n+1)*roots
}

// signatureCache remembers good signatures. Checking one takes a quarter of the time of a whole walk, and the result
// never changes. Whether the server has the leaf's key is not remembered. The zero value is empty.
type signatureCache struct {
	mu   sync.Mutex
	good map[[sha256.Size]byte]struct{}
}

// signed reports whether the key of parent signed child.
func (s *signatureCache) signed(child, parent *devicecert.Certificate) bool {
	h := sha256.New()
	h.Write(parent.RawSubjectPublicKeyInfo) // an ASN.1 element, which holds its own length
	h.Write(child.Raw)
	sum := [sha256.Size]byte(h.Sum(nil))
	s.mu.Lock()
	_, known := s.good[sum]
	s.mu.Unlock()
	if known {
		return true
	}
	if !child.SignedBy(parent.PublicKey()) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.good == nil || len(s.good) >= maxCached {
		s.good = make(map[[sha256.Size]byte]struct{})
	}
	s.good[sum] = struct{}{}
	return true
}

// hasBoundedCost reports whether a signature can be checked with a key at a bounded cost.
func hasBoundedCost(key crypto.PublicKey) bool {
	r, ok := key.(*rsa.PublicKey)
	return !ok || r.N.BitLen() <= devicecert.MaxRSABits
}

// search looks for the signers of the certificates in one list. It is less strict than a client: it ignores the order
// of the list, validity, key usage, path lengths and algorithms that a device does not know, and compares names as
// RFC 5280 §7.1 does. An intermediate must be marked as a CA, though: without that, each holder of a certificate of
// the authority, such as a device, could sign.
type search struct {
	anchor     *Anchor
	list       []*devicecert.Certificate
	names      []certificateNames               // of list
	checksLeft int                              // signatures that may still be checked
	incomplete bool                             // a signature was left unchecked: false from authentic proves nothing
	searched   map[*devicecert.Certificate]bool // the certificates whose search has begun, and the result
}

type certificateNames struct{ issuer, subject Name }

func (a *Anchor) newSearch(list []*devicecert.Certificate) *search {
	s := &search{anchor: a, list: list, checksLeft: maxChecks(len(a.roots)), searched: make(map[*devicecert.Certificate]bool)}
	for _, c := range list {
		s.names = append(s.names, certificateNames{nameOf(c.Issuer, c.RawIssuer), nameOf(c.Subject, c.RawSubject)})
	}
	return s
}

func (s *search) signed(child, parent *devicecert.Certificate) bool {
	if s.checksLeft == 0 {
		s.incomplete = true
		return false
	}
	s.checksLeft--
	return s.anchor.signatures.signed(child, parent)
}

// authentic reports whether the anchor signed a certificate of the list, itself or through other certificates of the
// list.
func (s *search) authentic(i int) bool {
	c := s.list[i]
	if known, begun := s.searched[c]; begun {
		return known
	}
	s.searched[c] = false
	found := s.byAnchor(c) || slices.ContainsFunc(s.issuers(i), func(k int) bool {
		return s.signed(c, s.list[k]) && s.authentic(k)
	})
	s.searched[c] = found
	return found
}

func (s *search) byAnchor(c *devicecert.Certificate) bool {
	return slices.ContainsFunc(s.anchor.roots, func(one root) bool { return s.signed(c, one.certificate) })
}

// issuers are the CAs of the list with the name that a certificate gives as its issuer.
func (s *search) issuers(i int) (out []int) {
	for k, c := range s.list {
		if k != i && c.CA && s.names[k].subject.Equal(s.names[i].issuer) {
			out = append(out, k)
		}
	}
	return out
}

// unchecked returns the index of the certificate that keeps a signature from being checked, by the anchor or by a CA
// that the anchor signed: its own algorithm is not known here, or its key, with which the signature would be checked,
// cannot be read or is too large. ok is false if no certificate does. An anchor without a name may be the issuer of any
// certificate that does not name itself.
func (s *search) unchecked() (i int, ok bool) {
	unnamed := slices.ContainsFunc(s.anchor.roots, func(one root) bool { return len(one.name) == 0 })
	for i, c := range s.list {
		if len(c.RawIssuer) == 0 || s.authentic(i) {
			continue
		}
		for _, k := range s.issuers(i) {
			if key := s.list[k].PublicKey(); s.authentic(k) && (key == nil || !hasBoundedCost(key)) {
				return k, true
			}
		}
		if c.Checkable() {
			continue
		}
		if s.namesAnchor(i) || unnamed && !s.names[i].issuer.Equal(s.names[i].subject) {
			return i, true
		}
	}
	return 0, false
}

// namesAnchor reports whether a certificate names the anchor as its issuer, or a CA that the anchor signed.
func (s *search) namesAnchor(i int) bool {
	return slices.ContainsFunc(s.anchor.roots, func(one root) bool { return len(one.name) > 0 && one.name.Equal(s.names[i].issuer) }) ||
		slices.ContainsFunc(s.issuers(i), s.authentic)
}

// forged reports whether a certificate of the list names the anchor as its issuer, or a CA that the anchor signed,
// and is signed by neither.
func (s *search) forged() bool {
	for i := range s.list {
		if !s.authentic(i) && s.namesAnchor(i) {
			return true
		}
	}
	return false
}
