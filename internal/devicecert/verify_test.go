package devicecert

import (
	"crypto"
	"slices"
	"testing"
	"time"
)

// signedByKey checks the signature each time.
func signedByKey(child, parent *Certificate) bool { return child.SignedBy(parent.key) }

// Accepted reports whether a device uses the session.
func (r *Result) Accepted() bool { return r.Problem.Problem == NoProblem && r.Flags == 0 }

// chainCase is what a server sends to a device that stores roots, and what the device finds.
type chainCase struct {
	name    string
	roots   [][]byte
	list    [][]byte
	at      time.Time
	problem Problem
	index   int // of the certificate with the problem
	flags   Flags
	length  int // of the path
}

var chainCases = func() []chainCase {
	p384, rsaKey, _ := otherKeys()
	roots := list(rootCert)
	middle, third := newSigner(3, "Middle CA"), newSigner(4, "Third CA")
	forger := signer{keys[5], root.name}
	issued := func(issuer, subject signer, extensions ...[]byte) []byte {
		return mint(issuer, subject, template{extensions: extensions})
	}
	authority := func(issuer, subject signer, t template) []byte {
		if t.extensions == nil {
			t.extensions = ca
		}
		return mint(issuer, subject, t)
	}
	dated := func(from, to time.Duration) template { return template{validity: validity(now.Add(from), now.Add(to))} }
	named3 := func(issuer []byte) []byte { return mint(root, leaf, template{issuer: issuer}) }
	subject := func(name []byte) [][]byte { // root under another spelling of its name
		return list(mint(root, signer{root.key, name}, template{issuer: name, extensions: ca}))
	}
	pathLen := func(n byte) [][]byte {
		return list(mint(root, root, template{extensions: [][]byte{basicConstraints(true, n)}}))
	}
	middleCert, middleLower := authority(root, middle, template{}), authority(middle, lower, template{})
	middleNone := mint(root, middle, template{extensions: [][]byte{basicConstraints(true, 0)}})
	selfIssued := mint(root, signer{keys[6], root.name}, template{extensions: ca}) // of a new key under the old name
	newKey := signer{keys[6], root.name}

	// ladder is a chain of n intermediates below root, the leaf first.
	ladder := func(n int) (out [][]byte) {
		issuer := root
		for i := range n {
			subject := signer{keys[i%len(keys)], cn("CA " + string(rune('a'+i)))}
			out = append(out, authority(issuer, subject, template{}))
			issuer = subject
		}
		out = append(out, mint(issuer, leaf, template{}))
		slices.Reverse(out)
		return out
	}
	last, selfSigned := now.Add(90*day), issued(leaf, leaf)
	return []chainCase{
		{name: "leaf", roots: roots, list: list(leafCert), length: 2},
		{name: "leaf and root", roots: roots, list: list(leafCert, rootCert), length: 2},
		{name: "leaf and issuing CA", roots: roots, list: list(subLeafCert, lowerCert), length: 3},
		{name: "leaf, root and issuing CA", roots: roots, list: list(subLeafCert, rootCert, lowerCert), length: 3},
		{name: "leaf, its issuing CA missing", roots: roots, list: list(subLeafCert), flags: NotTrusted, length: 1},
		{name: "two intermediates in order", roots: roots, list: list(subLeafCert, middleLower, middleCert), length: 4},
		{name: "two intermediates out of order", roots: roots, list: list(subLeafCert, middleCert, middleLower), flags: NotTrusted, length: 2},
		{name: "an unrelated certificate between", roots: roots, list: list(subLeafCert, issued(third, third), lowerCert), length: 3},
		{name: "the issuing CA in place of the leaf", roots: roots, list: list(lowerCert, subLeafCert), flags: KeyUsage, length: 2},
		{name: "a cross-signed new authority", roots: roots, list: list(issued(third, leaf), authority(root, third, template{})), length: 3},
		{name: "a cross-signed new authority after its own root", roots: roots, list: list(issued(third, leaf), authority(third, third, template{}), authority(root, third, template{})), length: 4},
		{name: "another authority", roots: roots, list: list(issued(third, leaf), authority(third, third, template{})), flags: NotTrusted, length: 2},
		{name: "the authority's name, another key", roots: roots, list: list(issued(forger, leaf)), flags: NotTrusted, length: 1},
		{name: "the authority's name, another key, with its root", roots: roots, list: list(issued(forger, leaf), authority(forger, forger, template{})), flags: NotTrusted, length: 2},
		{name: "a forged issuing CA", roots: roots, list: list(subLeafCert, authority(forger, lower, template{})), flags: NotTrusted, length: 2},
		{name: "the issuing CA's name, another key", roots: roots, list: list(issued(signer{keys[5], lower.name}, leaf), lowerCert), flags: NotTrusted, length: 3},
		{name: "two issuing CAs of one name, the other one first", roots: roots,
			list: list(subLeafCert, authority(root, signer{keys[5], lower.name}, template{}), lowerCert), flags: NotTrusted, length: 3},
		{name: "two issuing CAs of one name, the other one first and expired", roots: roots,
			list: list(subLeafCert, authority(root, signer{keys[5], lower.name}, dated(-9*day, -day)), lowerCert), length: 3},
		{name: "two roots of one name", roots: list(authority(forger, forger, template{}), rootCert), list: list(leafCert), length: 2},
		{name: "a root under a new key, signed with the old one", roots: roots, list: list(issued(newKey, leaf), selfIssued), length: 3},
		{name: "the root itself as leaf", roots: roots, list: list(rootCert), flags: KeyUsage, length: 1},
		{name: "a stored server certificate", roots: list(selfSigned), list: list(selfSigned), length: 1},
		{name: "another certificate of a stored server key", roots: list(selfSigned), list: list(issued(leaf, leaf)), flags: NotTrusted, length: 1},

		{name: "no certificates", roots: roots, problem: NoCertificate, index: -1},
		{name: "nothing that a device does not skip", roots: roots, list: list(mint(root, leaf, template{algorithm: algorithmID(idRSASHA256), key: rsaKey})), problem: NoCertificate, index: -1},
		{name: "a certificate signed with SHA-384 after the leaf", roots: roots, list: list(leafCert, mint(root, third, template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384})), length: 2},
		{name: "a certificate signed with SHA-384 before the leaf", roots: roots, list: list(mint(root, third, template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384}), leafCert), length: 2},
		{name: "an issuing CA signed with SHA-384", roots: roots, list: list(subLeafCert, authority(root, lower, template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384})), flags: NotTrusted, length: 1},
		{name: "an issuing CA on P-384", roots: roots, list: list(subLeafCert, authority(root, lower, template{key: p384})), problem: UnreadableKey, index: 1},
		{name: "an unrelated key on P-384", roots: roots, list: list(leafCert, authority(third, third, template{key: p384})), problem: UnreadableKey, index: 1},
		{name: "an unrelated certificate with an RSA key", roots: roots, list: list(leafCert, authority(third, third, template{key: rsaKey})), problem: UnreadableKey, index: 1},
		{name: "something else after the leaf", roots: roots, list: list(leafCert, make([]byte, 200)), problem: Malformed, index: 1},
		{name: "a short one after the leaf", roots: roots, list: list(leafCert, make([]byte, 20)), problem: TooShort, index: 1},
		{name: "the first of two problems", roots: roots, list: list(leafCert, make([]byte, 20), make([]byte, 200)), problem: TooShort, index: 1},
		{name: "a leaf for ECDH", roots: roots, list: list(mint(root, leaf, template{key: ecKey(idECDH, oid(idP256), point)})), problem: KeyAgreementOnly, flags: 0, length: 2},
		{name: "an issuing CA for ECDH", roots: roots,
			list: list(subLeafCert, authority(root, lower, template{key: ecKey(idECDH, oid(idP256), spkiOf(&lower.key.PublicKey)[26:])})), flags: NotTrusted, length: 3},

		{name: "at the last second", roots: roots, list: list(leafCert), at: last.Add(time.Second - 1), length: 2},
		{name: "a second later", roots: list(mint(root, root, template{extensions: ca, validity: validity(now, now.Add(900*day))})), list: list(leafCert), at: last.Add(time.Second), flags: Expired, length: 2},
		{name: "at the first second", roots: roots, list: list(leafCert), at: now.Add(-day), length: 2},
		{name: "a second before", roots: list(mint(root, root, template{extensions: ca, validity: validity(now.Add(-900*day), now.Add(900*day))})), list: list(leafCert), at: now.Add(-day - time.Second), flags: Future, length: 2},
		{name: "an expired issuing CA", roots: roots, list: list(subLeafCert, authority(root, lower, dated(-9*day, -day))), flags: Expired, length: 3},
		{name: "an issuing CA of the future", roots: roots, list: list(subLeafCert, authority(root, lower, dated(day, 9*day))), flags: Future, length: 3},
		{name: "an expired root", roots: list(mint(root, root, template{extensions: ca, validity: validity(now.Add(-9*day), now.Add(-day))})), list: list(leafCert), flags: Expired, length: 2},
		{name: "an expired root and its renewal", roots: list(mint(root, root, template{extensions: ca, validity: validity(now.Add(-9*day), now.Add(-day))}), rootCert), list: list(leafCert), length: 2},

		{name: "keyUsage digitalSignature", roots: roots, list: list(issued(root, leaf, keyUsage(0x80))), length: 2},
		{name: "keyUsage keyAgreement", roots: roots, list: list(issued(root, leaf, keyUsage(0x08))), flags: KeyUsage, length: 2},
		{name: "keyUsage digitalSignature and encipherOnly", roots: roots, list: list(issued(root, leaf, keyUsage(0x81))), flags: KeyUsage, length: 2},
		{name: "keyUsage digitalSignature and decipherOnly", roots: roots, list: list(issued(root, leaf, keyUsage(0x80, 0x80))), flags: KeyUsage, length: 2},
		{name: "extendedKeyUsage serverAuth", roots: roots, list: list(issued(root, leaf, extendedKeyUsage(idUnknown, idServerAuth))), length: 2},
		{name: "extendedKeyUsage any", roots: roots, list: list(issued(root, leaf, extendedKeyUsage(idAnyUsage))), length: 2},
		{name: "extendedKeyUsage of another purpose", roots: roots, list: list(issued(root, leaf, extendedKeyUsage(idUnknown))), flags: ExtendedKeyUsage, length: 2},
		{name: "extendedKeyUsage of an issuing CA counts for nothing", roots: roots,
			list: list(subLeafCert, mint(root, lower, template{extensions: append(slices.Clone(ca), extendedKeyUsage(idUnknown))})), length: 3},

		{name: "an issuing CA without basicConstraints", roots: roots, list: list(subLeafCert, issued(root, lower, keyUsage(0x06))), flags: NotTrusted, length: 1},
		{name: "an issuing CA with cA false", roots: roots, list: list(subLeafCert, issued(root, lower, basicConstraints(false))), flags: NotTrusted, length: 1},
		{name: "an issuing CA without keyUsage", roots: roots, list: list(subLeafCert, issued(root, lower, basicConstraints(true))), length: 3},
		{name: "an issuing CA without keyCertSign", roots: roots, list: list(subLeafCert, issued(root, lower, basicConstraints(true), keyUsage(0x02))), flags: NotTrusted, length: 1},
		{name: "an issuing CA of version 1", roots: roots, list: list(subLeafCert, mint(root, lower, template{version: []byte{}})), flags: NotTrusted, length: 1},
		{name: "a root of version 1", roots: list(mint(root, root, template{version: []byte{}})), list: list(leafCert), length: 2},
		{name: "a leaf that issues", roots: roots, list: list(issued(leaf, third), leafCert), flags: NotTrusted, length: 1},

		{name: "pathLen 0 of the root, leaf", roots: pathLen(0), list: list(leafCert), length: 2},
		{name: "pathLen 0 of the root, issuing CA", roots: pathLen(0), list: list(subLeafCert, lowerCert), flags: NotTrusted, length: 2},
		{name: "pathLen 1 of the root, issuing CA", roots: pathLen(1), list: list(subLeafCert, lowerCert), length: 3},
		{name: "pathLen 0 of an upper CA", roots: roots, list: list(subLeafCert, middleLower, middleNone), flags: NotTrusted, length: 2},
		{name: "pathLen 0 of the root, a self-issued CA is counted while it is the child", roots: pathLen(0), list: list(issued(newKey, leaf), selfIssued), flags: NotTrusted, length: 2},

		{name: "8 intermediates", roots: roots, list: ladder(8), length: 10},
		{name: "9 intermediates", roots: roots, list: ladder(9), problem: ChainTooLong, index: -1, length: 9},

		{name: "issuer in UTF8String, lower case", roots: roots, list: list(named3(named(rdn(attribute(idC, UTF8String, "gb")), rdn(attribute(idCN, PrintableString, "rOOT"))))), length: 2},
		{name: "issuer in another order", roots: roots, list: list(named3(named(rdn(attribute(idCN, UTF8String, "Root")), rdn(attribute(idC, PrintableString, "GB"))))), flags: NotTrusted, length: 1},
		{name: "issuer with a space more", roots: roots, list: list(named3(cn("Root "))), flags: NotTrusted, length: 1},
		{name: "issuer in T61String", roots: roots, list: list(named3(named(rdn(attribute(idC, PrintableString, "GB")), rdn(attribute(idCN, T61String, "Root"))))), flags: NotTrusted, length: 1},
		{name: "issuer in T61String, like the root's", roots: subject(named(rdn(attribute(idCN, T61String, "Root")))), list: list(named3(named(rdn(attribute(idCN, T61String, "Root"))))), length: 2},
		{name: "a root without a name", roots: list(mint(root, signer{root.key, named()}, template{extensions: ca})), list: list(leafCert), flags: NotTrusted, length: 1},
	}
}()

func TestVerify(t *testing.T) {
	for _, test := range chainCases {
		t.Run(test.name, func(t *testing.T) {
			var roots []*Certificate
			for _, der := range test.roots {
				roots = append(roots, Parse(der))
			}
			at := test.at
			if at.IsZero() {
				at = now
			}
			got := Verify(ParseList(test.list), roots, at, signedByKey)
			if got.Problem.Problem != test.problem || test.problem != NoProblem && got.At != test.index {
				t.Errorf("problem %+v of certificate %d, want %q of %d", got.Problem, got.At, test.problem, test.index)
			}
			if got.Flags != test.flags || len(got.Path) != test.length {
				t.Errorf("flags %05b, path of %d; want %05b, %d", got.Flags, len(got.Path), test.flags, test.length)
			}
			trusted := test.flags&NotTrusted == 0 && (test.problem == NoProblem || test.problem == KeyAgreementOnly)
			if got.Trusted != trusted {
				t.Errorf("trusted: %v", got.Trusted)
			}
			if got := Aborts(ParseList(test.list)); got != (test.problem != NoProblem && test.problem != ChainTooLong) {
				t.Errorf("aborts: %v", got)
			}
			if got.Accepted() != (test.problem == NoProblem && test.flags == 0) {
				t.Errorf("accepted: %v", got.Accepted())
			}
		})
	}
}

func TestVerifyTellsTheLeafsFlagsApart(t *testing.T) {
	old := template{extensions: ca, validity: validity(now.Add(-9*day), now.Add(-day))}
	got := Verify(ParseList(list(mint(lower, leaf, template{extensions: [][]byte{keyUsage(0x08)}}), mint(root, lower, old))), []*Certificate{mustRoot(t, rootCert)}, now, signedByKey)
	if got.Flags != Expired|KeyUsage || got.LeafFlags != KeyUsage {
		t.Errorf("flags %05b, of the leaf %05b", got.Flags, got.LeafFlags)
	}
}

func TestNewRoot(t *testing.T) {
	p384, rsaKey, _ := otherKeys()
	sized := func(size int) []byte { // signatures differ in length
		for {
			for padding := size - 500; padding < size-300; padding++ {
				if der := mint(root, root, template{extensions: append(slices.Clone(ca), extension(idUnknown, false, make([]byte, padding)))}); len(der) == size {
					return der
				}
			}
		}
	}
	with := func(extensions ...[]byte) []byte { return mint(root, root, template{extensions: extensions}) }
	tests := []struct {
		name string
		der  []byte
		want Finding
	}{
		{"a CA", rootCert, Finding{}},
		{"a CA without keyUsage", with(basicConstraints(true)), Finding{}},
		{"version 1", mint(root, root, template{version: []byte{}}), Finding{}},
		{"P-384", mint(root, root, template{key: p384, extensions: ca}), Finding{UnreadableKey, "P-384"}},
		{"RSA", mint(root, root, template{key: rsaKey, extensions: ca}), Finding{UnreadableKey, "RSA"}},
		{"signed with SHA-384", mint(root, root, template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384, extensions: ca}), Finding{UnknownSignature, "ecdsa-with-SHA384"}},
		{"no basicConstraints", with(keyUsage(0x06)), Finding{Problem: NotCA}},
		{"a self-issued server certificate with a host name", with(altName(dnsName("a.example"))), Finding{}},
		{"a self-issued server certificate with serverAuth", with(extendedKeyUsage(idServerAuth)), Finding{}},
		{"a server certificate of a CA", leafCert, Finding{Problem: NotCA}},
		{"cA false", with(basicConstraints(false)), Finding{Problem: NotCA}},
		{"keyUsage without keyCertSign", with(basicConstraints(true), keyUsage(0x82)), Finding{Problem: NoSigning}},
		{"a key for ECDH", mint(root, root, template{key: ecKey(idECDH, oid(idP256), spkiOf(&root.key.PublicKey)[26:]), extensions: ca}), Finding{Problem: KeyAgreementOnly}},
		{"no certificate", []byte("x"), Finding{Problem: Malformed}},
		{"1024 octets", sized(1024), Finding{}},
		{"1025 octets", sized(1025), Finding{Problem: RootTooLong}},
		{"shorter than a server may send", mint(signer{root.key, cn("")}, signer{root.key, cn("")}, template{extensions: ca}), Finding{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, got := NewRoot(test.der); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestNewKeyRoot(t *testing.T) {
	name, _ := parseName(root.name[2:])
	other, _ := parseName(cn("Other")[2:])
	far := mint(root, leaf, template{validity: el(tagSequence, generalized("00010101000000Z"), generalized("99991231235959Z"))})
	tests := []struct {
		name    string
		subject Name
		list    [][]byte
		at      time.Time
		flags   Flags
	}{
		{"its leaf", name, list(leafCert), now, 0},
		{"its leaf, without a name to compare", nil, list(leafCert), now, 0},
		{"its leaf under another name", other, list(leafCert), now, NotTrusted},
		{"an issuing CA", name, list(subLeafCert, lowerCert), now, 0},
		{"an issuing CA, without a name to compare", nil, list(subLeafCert, lowerCert), now, 0},
		{"another authority's leaf", nil, list(subLeafCert), now, NotTrusted},
		{"always valid", name, list(far), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key, finding := NewKeyRoot(test.subject, spkiOf(&root.key.PublicKey))
			if finding != (Finding{}) {
				t.Fatalf("root: %+v", finding)
			}
			got := Verify(ParseList(test.list), []*Certificate{key}, test.at, signedByKey)
			if got.Problem != (Finding{}) || got.Flags != test.flags {
				t.Errorf("%+v, flags %05b, want %05b", got.Problem, got.Flags, test.flags)
			}
		})
	}
}

func TestNewKeyRootOfKeysThatDevicesCannotRead(t *testing.T) {
	p384, rsaKey, edKey := otherKeys()
	for want, spki := range map[Finding][]byte{
		{UnreadableKey, "P-384"}:    p384,
		{UnreadableKey, "RSA"}:      rsaKey,
		{UnreadableKey, "Ed25519"}:  edKey,
		{KeyAgreementOnly, "P-256"}: ecKey(idECDH, oid(idP256), point),
		{MalformedKey, ""}:          append(slices.Clone(spkiOf(&root.key.PublicKey)), 0),
	} {
		if c, got := NewKeyRoot(nil, spki); got != want || c == nil {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestVerifyIsBounded sends a list of look-alikes, each of which may be the issuer of each other.
func TestVerifyIsBounded(t *testing.T) {
	same := signer{keys[7], cn("Look-alike")}
	var sent [][]byte
	for range 31 {
		sent = append(sent, mint(same, same, template{extensions: ca, validity: validity(now.Add(-9*day), now.Add(-day))}))
	}
	checks := 0
	result := Verify(ParseList(sent), []*Certificate{mustRoot(t, rootCert)}, now, func(child, parent *Certificate) bool {
		checks++
		return child.SignedBy(parent.PublicKey())
	})
	if result.Trusted || result.Problem.Problem != ChainTooLong || checks > 31*31/2 {
		t.Errorf("%+v after %d signatures", result.Problem, checks)
	}
}
