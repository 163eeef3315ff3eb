//go:build realpeers

package oracle

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

const day = 24 * time.Hour

// minter makes the certificates of all rows with one set of keys.
type minter struct {
	*keys
	now    time.Time
	serial atomic.Uint32
	root   []byte // the authority's certificate, which a device stores
}

func newMinter(now time.Time) *minter {
	m := &minter{keys: newKeys(), now: now}
	m.root = m.rootCert().encode()
	return m
}

func (m *minter) nextSerial() []byte {
	return tlv(tagInteger, []byte{0x10, byte(m.serial.Add(1))})
}

// base is a certificate by the root, valid from a day ago, for 90 days.
func (m *minter) base(subject []byte, key crypto.Signer) *certificate {
	return &certificate{
		serial: m.nextSerial(), algorithm: ecdsaSHA256, issuer: rootName, subject: subject, spki: spki(key),
		notBefore: at(m.now.Add(-day)), notAfter: at(m.now.Add(90 * day)), signer: m.keys.root,
	}
}

// rootCert is the self-signed authority.
func (m *minter) rootCert() *certificate {
	c := m.base(rootName, m.keys.root)
	c.notBefore, c.notAfter = at(m.now.Add(-365*day)), at(m.now.Add(20*365*day))
	c.extensions = [][]byte{basicConstraints(true, -1), keyUsage(keyCertSign | crlSign)}
	return c
}

// leafCert is a server's certificate as the cloud's are: keyUsage, extendedKeyUsage, a name.
func (m *minter) leafCert() *certificate {
	c := m.base(common("server.test"), m.leaf)
	c.extensions = [][]byte{
		extension(oidBasicConstraints, true, seq()),
		keyUsage(digitalSignature | keyAgreement),
		extendedKeyUsage(false, oidServerAuth, oidClientAuth),
		san(tlv(0x82, []byte("server.test"))),
	}
	return c
}

// authorityCert is an issuing CA by the root.
func (m *minter) authorityCert(subject string, key crypto.Signer) *certificate {
	c := m.base(common(subject), key)
	c.extensions = [][]byte{basicConstraints(true, -1), keyUsage(keyCertSign | crlSign)}
	return c
}

// under makes a certificate one of another authority.
func (c *certificate) under(issuer *certificate, key crypto.Signer) *certificate {
	c.issuer, c.signer = issuer.subject, key
	c.algorithm = algorithmFor(key)
	return c
}

// chains are lists of certificates of which not only the leaf is odd, or whose leaf is not by the stored authority.
func (m *minter) chains() []shown {
	var rows []shown
	row := func(name string, chain ...[]byte) *shown {
		rows = append(rows, shown{set: "chain", name: name, chain: chain})
		return &rows[len(rows)-1]
	}
	leaf := m.leafCert().encode()
	issuing := m.authorityCert("Issuing CA", m.issuing)
	issuingDER := issuing.encode()
	under := m.leafCert().under(issuing, m.issuing).encode()
	second := m.authorityCert("Issuing CA 2", m.issuing2).under(issuing, m.issuing)
	third := m.authorityCert("Issuing CA 3", m.issuing3).under(second, m.issuing2)
	underSecond := m.leafCert().under(second, m.issuing2).encode()
	underThird := m.leafCert().under(third, m.issuing3).encode()
	secondDER, thirdDER := second.encode(), third.encode()

	row("leaf and root", leaf, m.root).overUDP = true
	row("root and leaf", m.root, leaf)
	row("the root as the leaf", m.root)
	row("none").chain = [][]byte{}
	row("leaf twice", leaf, leaf)
	row("leaf three times", leaf, leaf, leaf)
	row("leaf, issuing CA", under, issuingDER).overUDP = true
	row("leaf, issuing CA, root", under, issuingDER, m.root).overUDP = true
	row("leaf, root, issuing CA", under, m.root, issuingDER)
	row("leaf without its issuing CA", under).overUDP = true
	row("leaf, root, no issuing CA", under, m.root)
	row("issuing CA, leaf", issuingDER, under)
	row("leaf, issuing CA twice", under, issuingDER, issuingDER)
	row("leaf, leaf, issuing CA", under, under, issuingDER)
	row("leaf, two issuing CAs", underSecond, secondDER, issuingDER).overUDP = true
	row("leaf, two issuing CAs, the other order", underSecond, issuingDER, secondDER).overUDP = true
	row("leaf, three issuing CAs", underThird, thirdDER, secondDER, issuingDER).overUDP = true
	row("leaf, three issuing CAs, the other order", underThird, issuingDER, secondDER, thirdDER)
	row("leaf, three issuing CAs, mixed, root", underThird, secondDER, m.root, issuingDER, thirdDER)
	row("leaf, the last of three issuing CAs is missing", underThird, thirdDER, secondDER)
	row("leaf, the second of three issuing CAs is missing", underThird, thirdDER, issuingDER)

	// Certificates in addition to a good chain.
	extra := func(name string, der []byte) *shown { return row("leaf and "+name, leaf, der) }
	unrelated := func(change func(c *certificate)) []byte {
		c := m.authorityCert("Unrelated CA", m.other)
		c.issuer, c.signer = c.subject, m.other
		change(c)
		return c.encode()
	}
	extra("an unrelated root", unrelated(func(*certificate) {}))
	extra("a P-384 root", unrelated(func(c *certificate) { c.spki, c.signer, c.algorithm = spki(m.p384), m.p384, ecdsaSHA384 })).overUDP = true
	extra("a P-384 key signed with SHA-256", unrelated(func(c *certificate) { c.spki = spki(m.p384) }))
	extra("a P-521 key signed with SHA-256", unrelated(func(c *certificate) { c.spki = spki(m.p521) }))
	extra("a secp256k1 key signed with SHA-256", unrelated(func(c *certificate) { c.spki = secp256k1() }))
	extra("an RSA root", unrelated(func(c *certificate) { c.spki, c.signer, c.algorithm = spki(m.rsa), m.rsa, rsaSHA256 })).overUDP = true
	extra("an RSA key signed with SHA-256", unrelated(func(c *certificate) { c.spki = spki(m.rsa) }))
	extra("an Ed25519 root", unrelated(func(c *certificate) { c.spki, c.signer, c.algorithm = spki(m.ed25519), m.ed25519, ed25519Sign }))
	extra("an Ed25519 key signed with SHA-256", unrelated(func(c *certificate) { c.spki = spki(m.ed25519) }))
	extra("a P-256 key signed with SHA-384", unrelated(func(c *certificate) { c.algorithm = ecdsaSHA384 }))
	extra("a P-256 key signed with SHA-1", unrelated(func(c *certificate) { c.algorithm = ecdsaSHA1 }))
	extra("a P-256 key signed with RSA", unrelated(func(c *certificate) { c.signer, c.algorithm = m.rsa, rsaSHA256 }))
	extra("one with a wrong signature", unrelated(func(c *certificate) { c.signer = m.otherRoot }))
	extra("an expired one", unrelated(func(c *certificate) { c.notAfter = at(m.now.Add(-day / 2)) }))
	extra("one with an unknown critical extension", unrelated(func(c *certificate) { c.extensions = append(c.extensions, extension(oidPrivate, true, nil)) })).overUDP = true
	extra("one with a negative serial number", unrelated(func(c *certificate) { c.serial = tlv(tagInteger, []byte{0x80, 1}) }))
	extra("one with its dates broken", unrelated(func(c *certificate) { c.notAfter = tlv(tagUTCTime, []byte("x")) }))
	extra("one with an unknown signature algorithm and broken dates", unrelated(func(c *certificate) {
		c.notAfter, c.algorithm.id = tlv(tagUTCTime, []byte("x")), ecdsaSHA384.id
	}))
	extra("one with a subjectAltName twice", unrelated(func(c *certificate) { c.extensions = append(c.extensions, san(), san()) }))
	extra("one of version 1", unrelated(func(c *certificate) { c.version, c.extensions = []byte{}, nil }))
	extra("one with bytes behind it", append(bytes.Clone(m.root), 0, 0))
	extra("bytes that are not a certificate", []byte("no certificate")).overUDP = true
	extra("an empty SEQUENCE", seq())
	extra("an entry of no bytes", []byte{})
	extra("half a certificate", m.root[:len(m.root)/2])
	extra("one byte", []byte{0x30})
	row("leaf, a P-384 root, root", leaf, unrelated(func(c *certificate) { c.spki, c.signer, c.algorithm = spki(m.p384), m.p384, ecdsaSHA384 }), m.root)
	row("leaf, issuing CA, an RSA root", under, issuingDER, unrelated(func(c *certificate) { c.spki, c.signer, c.algorithm = spki(m.rsa), m.rsa, rsaSHA256 }))

	// Odd issuing CAs.
	via := func(name string, key crypto.Signer, change func(c *certificate)) *shown {
		ca := m.authorityCert("Issuing CA", key)
		change(ca)
		return row("issuing CA "+name, m.leafCert().under(ca, key).encode(), ca.encode())
	}
	plain := func(*certificate) {}
	via("with a P-384 key", m.p384, plain).overUDP = true
	via("with an RSA key", m.rsa, plain)
	via("with an Ed25519 key", m.ed25519, plain)
	via("signed with SHA-384", m.issuing, func(c *certificate) { c.algorithm = ecdsaSHA384 }).overUDP = true
	via("signed with SHA-224", m.issuing, func(c *certificate) { c.algorithm = ecdsaSHA224 })
	via("expired", m.issuing, func(c *certificate) { c.notAfter = at(m.now.Add(-day / 2)) }).overUDP = true
	via("not yet valid", m.issuing, func(c *certificate) { c.notBefore = at(m.now.Add(day)) })
	via("that is not a CA", m.issuing, func(c *certificate) { c.replaceExtension(oidBasicConstraints, basicConstraints(false, -1)) }).overUDP = true
	via("without basicConstraints", m.issuing, func(c *certificate) { c.replaceExtension(oidBasicConstraints) })
	via("with pathlen 0", m.issuing, func(c *certificate) { c.replaceExtension(oidBasicConstraints, basicConstraints(true, 0)) })
	via("without keyUsage", m.issuing, func(c *certificate) { c.replaceExtension(oidKeyUsage) })
	via("with keyUsage without keyCertSign", m.issuing, func(c *certificate) { c.replaceExtension(oidKeyUsage, keyUsage(digitalSignature|crlSign)) }).overUDP = true
	via("with extendedKeyUsage clientAuth", m.issuing, func(c *certificate) { c.extensions = append(c.extensions, extendedKeyUsage(false, oidClientAuth)) })
	via("with name constraints for others, not critical", m.issuing, func(c *certificate) {
		c.extensions = append(c.extensions, extension(oidNameConstraints, false, seq(tlv(0xa0, seq(tlv(0x82, []byte("other.test")))))))
	})
	via("with name constraints, critical", m.issuing, func(c *certificate) {
		c.extensions = append(c.extensions, extension(oidNameConstraints, true, seq(tlv(0xa0, seq(tlv(0x82, []byte("test")))))))
	})
	via("of version 1", m.issuing, func(c *certificate) { c.version, c.extensions = []byte{}, nil })
	via("with a wrong signature", m.issuing, func(c *certificate) { c.signer = m.otherRoot }).overUDP = true
	via("with a negative serial number", m.issuing, func(c *certificate) { c.serial = tlv(tagInteger, []byte{0x80, 1}) })
	via("named in other case as issuer", m.issuing, func(c *certificate) { c.subject = common("Issuing CA") })
	via("with the root's name", m.issuing, func(c *certificate) { c.subject = rootName })
	via("with an empty name", m.issuing, func(c *certificate) { c.subject = seq() })
	via("with _ in a PrintableString", m.issuing, func(c *certificate) { c.subject = name(rdn(part(oidCommonName, tagPrintable, "Issuing_CA"))) })
	folded := m.leafCert().under(issuing, m.issuing)
	folded.issuer = common("ISSUING ca")
	row("leaf names its issuing CA in other case", folded.encode(), issuingDER)
	spaced := m.leafCert().under(issuing, m.issuing)
	spaced.issuer = common("Issuing  CA")
	row("leaf names its issuing CA with doubled spaces", spaced.encode(), issuingDER)
	typed := m.leafCert().under(issuing, m.issuing)
	typed.issuer = name(rdn(part(oidCommonName, tagIA5, "Issuing CA")))
	row("leaf names its issuing CA as an IA5String", typed.encode(), issuingDER)
	short := m.authorityCert("Issuing CA", m.issuing)
	short.replaceExtension(oidBasicConstraints, basicConstraints(true, 0))
	row("pathlen 0 with another issuing CA below", m.leafCert().under(second, m.issuing2).encode(), secondDER, short.encode())
	one := m.authorityCert("Issuing CA", m.issuing)
	one.replaceExtension(oidBasicConstraints, basicConstraints(true, 1))
	row("pathlen 1 with another issuing CA below", m.leafCert().under(second, m.issuing2).encode(), secondDER, one.encode())
	row("pathlen 1 with two issuing CAs below", underThird, thirdDER, secondDER, one.encode())

	// Two of one name.
	impostor := m.authorityCert("Issuing CA", m.other).encode()
	row("two issuing CAs of one name, the wrong one first", under, impostor, issuingDER).overUDP = true
	row("two issuing CAs of one name, the right one first", under, issuingDER, impostor)
	old := m.authorityCert("Issuing CA", m.issuing)
	old.notAfter = at(m.now.Add(-day / 2))
	row("two issuing CAs of one key, the expired one first", under, old.encode(), issuingDER)
	row("two issuing CAs of one key, the expired one last", under, issuingDER, old.encode())

	// Another authority.
	foreign := m.authorityCert("Another Root", m.otherRoot)
	foreign.issuer, foreign.signer = foreign.subject, m.otherRoot
	byForeign := m.leafCert().under(foreign, m.otherRoot).encode()
	cross := m.authorityCert("Another Root", m.otherRoot)
	row("by another authority", byForeign).overUDP = true
	row("by another authority, which is sent", byForeign, foreign.encode())
	row("by another authority, cross-signed by the root", byForeign, cross.encode()).overUDP = true
	row("by another authority, cross-signed by the root, self-signed first", byForeign, foreign.encode(), cross.encode())
	row("by another authority, cross-signed by the root, self-signed last", byForeign, cross.encode(), foreign.encode())
	row("by another authority, with the root sent", byForeign, m.root)
	forged := m.rootCert()
	forged.spki, forged.signer = spki(m.otherRoot), m.otherRoot
	byForged := m.leafCert()
	byForged.signer = m.otherRoot
	row("by a forged root", byForged.encode()).overUDP = true
	row("by a forged root, which is sent", byForged.encode(), forged.encode())
	row("by a forged root, the root sent", byForged.encode(), m.root)
	self := m.leafCert()
	self.issuer, self.signer = self.subject, m.leaf
	row("self-signed leaf", self.encode()).overUDP = true
	renamed := m.rootCert()
	renamed.subject, renamed.issuer = common("Renamed Root"), common("Renamed Root")
	byRenamed := m.leafCert()
	byRenamed.issuer = renamed.subject
	row("by the root's key under another name", byRenamed.encode())
	row("by the root's key under another name, which is sent", byRenamed.encode(), renamed.encode())
	link := m.rootCert()
	link.subject = common("Renamed Root")
	row("by the root's key under another name, signed by the root", byRenamed.encode(), link.encode())

	// Long lists.
	for _, n := range []int{3, 4, 7, 8, 9} {
		var list [][]byte
		issuer, key := m.base(rootName, m.keys.root), crypto.Signer(m.keys.root)
		pair := []crypto.Signer{m.issuing, m.issuing2}
		for i := range n {
			ca := m.authorityCert(fmt.Sprintf("CA %d", i+1), pair[i%2]).under(issuer, key)
			issuer, key = ca, pair[i%2]
			list = append(list, ca.encode())
		}
		slices.Reverse(list)
		row(fmt.Sprintf("leaf, %d issuing CAs in a row", n), append([][]byte{m.leafCert().under(issuer, key).encode()}, list...)...)
	}
	row("leaf and eight unrelated roots", append([][]byte{leaf}, slices.Repeat([][]byte{unrelated(plain)}, 8)...)...)
	return rows
}

// stored is an authority that a device has stored, and the chain that a server sends.
type stored struct {
	name  string
	ca    []byte
	chain [][]byte
	// byKey: the anchor can be told by its key as well.
	byKey bool
}

// anchors are odd authorities that a device has stored.
func (m *minter) anchors() []stored {
	var rows []stored
	row := func(name string, change func(c *certificate)) *stored {
		root := m.rootCert()
		change(root)
		leaf := m.leafCert()
		leaf.issuer = root.subject
		rows = append(rows, stored{name: name, ca: root.encode(), chain: [][]byte{leaf.encode()}})
		return &rows[len(rows)-1]
	}
	// keyed is an authority with another key.
	keyed := func(name string, key crypto.Signer, algorithm algorithm) {
		root := m.rootCert()
		root.spki, root.signer, root.algorithm = spki(key), key, algorithm
		rows = append(rows, stored{name: name, ca: root.encode(), chain: [][]byte{m.leafCert().under(root, key).encode()}})
	}
	row("plain", func(*certificate) {}).byKey = true
	keyed("P-384", m.p384, ecdsaSHA384)
	keyed("P-384, signed with SHA-256", m.p384, ecdsaSHA256)
	keyed("P-521", m.p521, ecdsaSHA512)
	keyed("RSA", m.rsa, rsaSHA256)
	keyed("Ed25519", m.ed25519, ed25519Sign)
	row("signed with SHA-384", func(c *certificate) { c.algorithm = ecdsaSHA384 })
	row("signed with SHA-224", func(c *certificate) { c.algorithm = ecdsaSHA224 })
	row("signed with SHA-1", func(c *certificate) { c.algorithm = ecdsaSHA1 })
	row("with a wrong signature", func(c *certificate) { c.signer = m.otherRoot })
	row("without basicConstraints", func(c *certificate) { c.replaceExtension(oidBasicConstraints) })
	row("that is not a CA", func(c *certificate) { c.replaceExtension(oidBasicConstraints, basicConstraints(false, -1)) })
	row("with basicConstraints not critical", func(c *certificate) {
		c.replaceExtension(oidBasicConstraints, extension(oidBasicConstraints, false, seq(tlv(tagBoolean, []byte{0xff}))))
	})
	row("with pathlen 0", func(c *certificate) { c.replaceExtension(oidBasicConstraints, basicConstraints(true, 0)) })
	row("without keyUsage", func(c *certificate) { c.replaceExtension(oidKeyUsage) })
	row("with keyUsage without keyCertSign", func(c *certificate) { c.replaceExtension(oidKeyUsage, keyUsage(digitalSignature|crlSign)) })
	row("without extensions", func(c *certificate) { c.extensions = nil })
	row("of version 1", func(c *certificate) { c.version, c.extensions = []byte{}, nil })
	row("expired", func(c *certificate) { c.notAfter = at(m.now.Add(-day / 2)) })
	row("not yet valid", func(c *certificate) { c.notBefore = at(m.now.Add(day)) })
	row("with a negative serial number", func(c *certificate) { c.serial = tlv(tagInteger, []byte{0x80, 1}) })
	row("with an unknown critical extension", func(c *certificate) { c.extensions = append(c.extensions, extension(oidPrivate, true, nil)) })
	row("with extendedKeyUsage clientAuth", func(c *certificate) { c.extensions = append(c.extensions, extendedKeyUsage(false, oidClientAuth)) })
	row("with name constraints for others", func(c *certificate) {
		c.extensions = append(c.extensions, extension(oidNameConstraints, false, seq(tlv(0xa0, seq(tlv(0x82, []byte("other.test")))))))
	})
	row("with _ in a PrintableString", func(c *certificate) {
		c.subject = name(rdn(part(oidCommonName, tagPrintable, "Root_CA")))
		c.issuer = c.subject
	})
	row("with a TeletexString", func(c *certificate) {
		c.subject = name(rdn(part(oidCommonName, tagTeletex, "Root CA")))
		c.issuer = c.subject
	})
	row("with an empty name", func(c *certificate) { c.subject, c.issuer = seq(), seq() })
	row("that another authority signed", func(c *certificate) { c.issuer, c.signer = common("Another Root"), m.otherRoot })
	row("with GeneralizedTime before 2050", func(c *certificate) {
		c.notBefore, c.notAfter = tlv(tagGeneralized, []byte("20200101000000Z")), tlv(tagGeneralized, []byte("20400101000000Z"))
	})
	for _, size := range []int{1024, 1025} {
		root := m.rootCert()
		rows = append(rows, stored{name: fmt.Sprintf("of %d bytes", size), ca: root.ofSize(size), chain: [][]byte{m.leafCert().encode()}})
	}
	// A leaf under issuing CAs, of which the device has stored a lower one.
	issuing := m.authorityCert("Issuing CA", m.issuing)
	second := m.authorityCert("Issuing CA 2", m.issuing2).under(issuing, m.issuing)
	under, underSecond := m.leafCert().under(issuing, m.issuing).encode(), m.leafCert().under(second, m.issuing2).encode()
	rows = append(rows,
		stored{name: "is the issuing CA, leaf", ca: issuing.encode(), chain: [][]byte{under}},
		stored{name: "is the issuing CA, leaf and root", ca: issuing.encode(), chain: [][]byte{under, m.root}},
		stored{name: "is the issuing CA, leaf, issuing CA, root", ca: issuing.encode(), chain: [][]byte{under, issuing.encode(), m.root}},
		stored{name: "is the upper of two issuing CAs", ca: issuing.encode(), chain: [][]byte{underSecond, second.encode()}},
		stored{name: "is the upper of two issuing CAs, all sent", ca: issuing.encode(), chain: [][]byte{underSecond, second.encode(), issuing.encode(), m.root}},
	)
	short := m.rootCert()
	short.replaceExtension(oidBasicConstraints, basicConstraints(true, 0))
	rows = append(rows, stored{name: "with pathlen 0, leaf and issuing CA", ca: short.encode(), chain: [][]byte{under, issuing.encode()}})
	// The stored certificate is the server's own.
	self := m.leafCert()
	self.issuer, self.signer = self.subject, m.leaf
	own := self.encode()
	rows = append(rows,
		stored{name: "is the leaf, self-signed", ca: own, chain: [][]byte{own}},
		stored{name: "is the leaf, by the root", ca: m.leafCert().encode()},
	)
	last := &rows[len(rows)-1]
	last.chain = [][]byte{last.ca}
	return rows
}
