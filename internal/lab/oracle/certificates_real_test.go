//go:build realpeers

package oracle

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"fmt"
	"math/big"
	"slices"
)

// shown is a server's certificates, odd in one way.
type shown struct {
	set, name string
	key       crypto.Signer // nil: the leaf's
	chain     [][]byte
	// overUDP runs the row over DTLS too.
	overUDP bool
}

// replaceExtension puts another extension in the place of the one with this identifier, or adds it.
func (c *certificate) replaceExtension(id string, with ...[]byte) {
	kept := slices.DeleteFunc(slices.Clone(c.extensions), func(e []byte) bool { return bytes.Contains(e[:min(len(e), 16)], oid(id)) })
	c.extensions = append(kept, with...)
}

// leaves are leaf certificates by the stored authority.
func (m *minter) leaves() []shown {
	var rows []shown
	leaf := func(set, name string, change func(c *certificate)) *shown {
		c := m.leafCert()
		change(c)
		rows = append(rows, shown{set: set, name: name, chain: [][]byte{c.encode()}})
		return &rows[len(rows)-1]
	}
	leaf("leaf", "plain", func(*certificate) {}).overUDP = true
	leaf("leaf", "no extensions", func(c *certificate) { c.extensions = nil }).overUDP = true
	leaf("leaf", "an empty list of extensions", func(c *certificate) { c.extensions = [][]byte{} })
	m.keyRows(&rows)
	m.signatureRows(leaf)
	m.fieldRows(leaf)
	m.dateRows(leaf)
	m.extensionRows(leaf)
	m.alternativeNameRows(leaf)
	m.nameRows(leaf)
	m.sizeRows(&rows)
	return rows
}

type leafRow = func(set, name string, change func(c *certificate)) *shown

// keyRows have keys other than P-256 in its usual form.
func (m *minter) keyRows(rows *[]shown) {
	key := func(name string, signer crypto.Signer, info []byte) *shown {
		c := m.leafCert()
		c.spki = info
		*rows = append(*rows, shown{set: "key", name: name, key: signer, chain: [][]byte{c.encode()}})
		return &(*rows)[len(*rows)-1]
	}
	p256 := oid("1.2.840.10045.3.1.7")
	key("P-384", m.p384, spki(m.p384)).overUDP = true
	key("P-521", m.p521, spki(m.p521))
	key("P-224", m.p224, spki(m.p224))
	key("RSA", m.rsa, spki(m.rsa)).overUDP = true
	key("Ed25519", m.ed25519, spki(m.ed25519)).overUDP = true
	key("secp256k1", m.leaf, secp256k1())
	key("P-256, point compressed", m.leaf, ecPoint(p256, compressed(m.leaf)))
	key("P-256, point not on the curve", m.leaf, ecPoint(p256, append([]byte{4}, bytes.Repeat([]byte{1}, 64)...)))
	key("P-256, point at infinity", m.leaf, ecPoint(p256, []byte{0}))
	key("P-256, point a byte short", m.leaf, ecPoint(p256, pointOf(m.leaf)[:64]))
	key("P-256, point a byte long", m.leaf, ecPoint(p256, append(pointOf(m.leaf), 0)))
	key("P-256, hybrid point", m.leaf, ecPoint(p256, append([]byte{6 | pointOf(m.leaf)[64]&1}, pointOf(m.leaf)[1:]...)))
	key("P-256, no parameters", m.leaf, ecPoint(nil, pointOf(m.leaf)))
	key("P-256, parameters NULL", m.leaf, ecPoint(tlv(5), pointOf(m.leaf)))
	key("P-256, explicit parameters", m.leaf, ecPoint(explicitP256(), pointOf(m.leaf)))
	key("P-256 as id-ecDH", m.leaf, seq(seq(oid("1.3.132.1.12"), p256), tlv(tagBitString, []byte{0}, pointOf(m.leaf))))
	key("of another leaf", m.other, spki(m.leaf))
	key("bytes after the point's BIT STRING", m.leaf, seq(seq(oid("1.2.840.10045.2.1"), p256), tlv(tagBitString, []byte{0}, pointOf(m.leaf)), tlv(5)))
	key("seven unused bits", m.leaf, seq(seq(oid("1.2.840.10045.2.1"), p256), tlv(tagBitString, []byte{7}, pointOf(m.leaf))))
	key("empty", m.leaf, seq())
}

// explicitP256 are the parameters of P-256 written out (RFC 3279 §2.3.5), which RFC 5480 forbids.
func explicitP256() []byte {
	p := elliptic.P256().Params()
	a := new(big.Int).Sub(p.P, big.NewInt(3))
	positive := func(n *big.Int) []byte { return tlv(tagInteger, append([]byte{0}, n.Bytes()...)) }
	field := seq(oid("1.2.840.10045.1.1"), positive(p.P))
	curve := seq(tlv(tagOctetString, a.FillBytes(make([]byte, 32))), tlv(tagOctetString, p.B.FillBytes(make([]byte, 32))))
	base := slices.Concat([]byte{4}, p.Gx.FillBytes(make([]byte, 32)), p.Gy.FillBytes(make([]byte, 32)))
	return seq(tlv(tagInteger, []byte{1}), field, curve, tlv(tagOctetString, base), positive(p.N), tlv(tagInteger, []byte{1}))
}

// signatureRows are signed by the authority in another way than the usual.
func (m *minter) signatureRows(leaf leafRow) {
	signed := func(name string, change func(c *certificate)) *shown { return leaf("signature", name, change) }
	signed("SHA-224", func(c *certificate) { c.algorithm = ecdsaSHA224 }).overUDP = true
	signed("SHA-1", func(c *certificate) { c.algorithm = ecdsaSHA1 }).overUDP = true
	signed("SHA-384", func(c *certificate) { c.algorithm = ecdsaSHA384 }).overUDP = true
	signed("SHA-512", func(c *certificate) { c.algorithm = ecdsaSHA512 })
	signed("wrong", func(c *certificate) { c.signer = m.otherRoot }).overUDP = true
	signed("a bit flipped", func(c *certificate) {
		c.signature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
	})
	signed("empty", func(c *certificate) { c.signature = func([]byte) []byte { return nil } })
	signed("not DER", func(c *certificate) { c.signature = func(s []byte) []byte { return make([]byte, len(s)) } })
	signed("bytes behind it", func(c *certificate) { c.signature = func(s []byte) []byte { return append(s, 0) } })
	signed("algorithms differ", func(c *certificate) { c.inner = ecdsaSHA224.id })
	signed("algorithms differ, unknown within", func(c *certificate) { c.inner = ecdsaSHA384.id })
	null := seq(oid("1.2.840.10045.4.3.2"), tlv(5))
	signed("algorithm with NULL parameters", func(c *certificate) { c.algorithm.id = null })
	signed("algorithm with NULL parameters outside only", func(c *certificate) { c.algorithm.id, c.inner = null, ecdsaSHA256.id })
	signed("algorithm with other parameters", func(c *certificate) {
		c.algorithm.id = seq(oid("1.2.840.10045.4.3.2"), tlv(tagInteger, []byte{1}))
	})
	signed("algorithm unknown", func(c *certificate) { c.algorithm.id = seq(oid("1.3.6.1.4.1.32473.9")) })
	signed("algorithm of SHA3-256", func(c *certificate) { c.algorithm.id = seq(oid("2.16.840.1.101.3.4.3.10")) })
	signed("algorithm id-ecPublicKey", func(c *certificate) { c.algorithm.id = seq(oid("1.2.840.10045.2.1")) })
	signed("algorithm sha256WithRSAEncryption, signed by ECDSA", func(c *certificate) { c.algorithm.id = rsaSHA256.id })
	signed("high S", func(c *certificate) { c.signature = highS })
	signed("integers padded", func(c *certificate) { c.signature = paddedIntegers })
}

// highS replaces s by n-s, which verifies as well.
func highS(signature []byte) []byte {
	r, s := integersOf(signature)
	return seq(r.der(), integer{new(big.Int).Sub(elliptic.P256().Params().N, s.Int)}.der())
}

// paddedIntegers puts a byte of zero before both integers, which BER allows.
func paddedIntegers(signature []byte) []byte {
	r, s := integersOf(signature)
	return seq(tlv(tagInteger, []byte{0, 0}, r.Bytes()), tlv(tagInteger, []byte{0, 0}, s.Bytes()))
}

type integer struct{ *big.Int }

// der puts a zero before a first byte that has its high bit set, as a positive INTEGER must.
func (i integer) der() []byte {
	b := i.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return tlv(tagInteger, b)
}

// integersOf takes an ECDSA signature apart.
func integersOf(signature []byte) (r, s integer) {
	n := int(signature[3])
	r = integer{new(big.Int).SetBytes(signature[4 : 4+n])}
	return r, integer{new(big.Int).SetBytes(signature[6+n:])}
}

// fieldRows are odd in version, serial number or structure.
func (m *minter) fieldRows(leaf leafRow) {
	serial := func(name string, contents ...byte) *shown {
		return leaf("serial", name, func(c *certificate) { c.serial = tlv(tagInteger, contents) })
	}
	serial("negative", 0x80, 1).overUDP = true
	serial("minus one", 0xff)
	serial("zero", 0)
	serial("20 bytes", append([]byte{0x7f}, bytes.Repeat([]byte{1}, 19)...)...)
	serial("21 bytes", append([]byte{0x7f}, bytes.Repeat([]byte{1}, 20)...)...)
	serial("33 bytes", append([]byte{0x7f}, bytes.Repeat([]byte{1}, 32)...)...)
	serial("200 bytes", append([]byte{0x7f}, bytes.Repeat([]byte{1}, 199)...)...)
	serial("padded with zero", 0, 0, 1)
	serial("padded with ones", 0xff, 0xff)
	serial("empty")
	leaf("serial", "not an INTEGER", func(c *certificate) { c.serial = tlv(tagOctetString, []byte{1}) })
	leaf("serial", "with the context tag that Mbed TLS knows", func(c *certificate) { c.serial = tlv(0x82, []byte{1}) })

	version := func(name string, v []byte) *shown {
		return leaf("version", name, func(c *certificate) { c.version = v })
	}
	version("3, encoded in two bytes", tlv(0xa0, tlv(tagInteger, []byte{0, 2})))
	version("4", tlv(0xa0, tlv(tagInteger, []byte{3})))
	version("2, with extensions", tlv(0xa0, tlv(tagInteger, []byte{1})))
	version("1, explicit, with extensions", tlv(0xa0, tlv(tagInteger, []byte{0})))
	version("1, by default, with extensions", []byte{})
	version("negative", tlv(0xa0, tlv(tagInteger, []byte{0xff})))
	version("bytes behind it", tlv(0xa0, tlv(tagInteger, []byte{2}), tlv(5)))
	leaf("version", "1, by default, without extensions", func(c *certificate) { c.version, c.extensions = []byte{}, nil })
	leaf("version", "2, without extensions", func(c *certificate) { c.version, c.extensions = tlv(0xa0, tlv(tagInteger, []byte{1})), nil })

	structure := func(name string, change func(c *certificate)) *shown { return leaf("structure", name, change) }
	structure("bytes behind the certificate", func(c *certificate) { c.after = []byte{0, 0} })
	structure("issuerUniqueID", func(c *certificate) { c.unique = tlv(0x81, []byte{0, 1, 2}) })
	structure("subjectUniqueID", func(c *certificate) { c.unique = tlv(0x82, []byte{0, 1, 2}) })
	structure("both unique identifiers", func(c *certificate) { c.unique = slices.Concat(tlv(0x81, []byte{0, 1}), tlv(0x82, []byte{0, 1})) })
	structure("unique identifiers constructed", func(c *certificate) { c.unique = tlv(0xa1, tlv(tagBitString, []byte{0, 1})) })
	structure("unknown field before the extensions", func(c *certificate) { c.unique = tlv(0x84, []byte{1}) })
	structure("bytes behind the list of extensions", func(c *certificate) { c.wrap = func(list []byte) []byte { return append(list, 5, 0) } })
	structure("length of the extensions not minimal", func(c *certificate) {
		c.wrap = func(list []byte) []byte {
			return slices.Concat([]byte{tagSequence, 0x82, 0, byte(len(list) - 2)}, list[2:])
		}
		c.extensions = [][]byte{keyUsage(digitalSignature)}
	})
}

// dateRows have odd dates.
func (m *minter) dateRows(leaf leafRow) {
	dates := func(name string, notBefore, notAfter []byte) *shown {
		return leaf("dates", name, func(c *certificate) {
			if notBefore != nil {
				c.notBefore = notBefore
			}
			if notAfter != nil {
				c.notAfter = notAfter
			}
		})
	}
	utc := func(text string) []byte { return tlv(tagUTCTime, []byte(text)) }
	general := func(text string) []byte { return tlv(tagGeneralized, []byte(text)) }
	dates("expired", nil, at(m.now.Add(-day/2))).overUDP = true
	dates("not yet valid", at(m.now.Add(day)), nil).overUDP = true
	dates("begins after its end", at(m.now.Add(30*day)), at(m.now.Add(-30*day)))
	dates("GeneralizedTime before 2050", general("20260101000000Z"), general("20300101000000Z")).overUDP = true
	dates("end in 2050, GeneralizedTime", nil, general("20500101000000Z"))
	dates("end in 9999", nil, general("99991231235959Z")).overUDP = true
	dates("end in 1950 by the rule for UTCTime", nil, utc("500101000000Z"))
	dates("end in 2049, UTCTime", nil, utc("491231235959Z"))
	dates("UTCTime without seconds", nil, utc("3001010000Z"))
	dates("UTCTime without seconds, without zone", nil, utc("3001010000"))
	dates("UTCTime without Z", nil, utc("300101000000"))
	dates("UTCTime with an offset", nil, utc("300101000000+0100"))
	dates("UTCTime with an offset, without seconds", nil, utc("3001010000+0100"))
	dates("GeneralizedTime without seconds", nil, general("203001010000Z"))
	dates("GeneralizedTime without Z", nil, general("20300101000000"))
	dates("GeneralizedTime with a fraction", nil, general("20300101000000.5Z"))
	dates("GeneralizedTime with an offset", nil, general("20300101000000+0100"))
	dates("a month 13", nil, utc("301301000000Z"))
	dates("a day 0", nil, utc("300100000000Z"))
	dates("30 February", nil, utc("300230000000Z"))
	dates("29 February of no leap year", nil, utc("300229000000Z"))
	dates("31 April", nil, utc("300431000000Z"))
	dates("29 February of a leap year", nil, utc("320229000000Z"))
	dates("an hour 24", nil, utc("300101240000Z"))
	dates("a minute 60", nil, utc("300101006000Z"))
	dates("a second 60", nil, utc("300101000060Z"))
	dates("a letter in it", nil, utc("3001010000A0Z"))
	dates("a blank in it", nil, utc("30010100 000Z"))
	dates("year 0", general("00000101000000Z"), nil)
	dates("begins in 1949", general("19490101000000Z"), nil)
	dates("not a time", nil, tlv(tagIA5, []byte("300101000000Z")))
	dates("empty", nil, utc(""))
	dates("lower-case z", nil, utc("300101000000z"))
	leaf("dates", "bytes behind them", func(c *certificate) { c.notAfter = append(c.notAfter, 5, 0) })
	leaf("dates", "end the same as the beginning", func(c *certificate) { c.notAfter = c.notBefore })
}

// extensionRows have odd extensions, critical or not.
func (m *minter) extensionRows(leaf leafRow) {
	with := func(name, id string, extensions ...[]byte) *shown {
		return leaf("extension", name, func(c *certificate) { c.replaceExtension(id, extensions...) })
	}
	usage := func(name string, critical bool, value []byte) *shown {
		return with(name, oidKeyUsage, extension(oidKeyUsage, critical, value))
	}
	bits := func(unused byte, value ...byte) []byte { return tlv(tagBitString, append([]byte{unused}, value...)) }
	usage("keyUsage without digitalSignature", true, bits(3, keyAgreement)).overUDP = true
	usage("keyUsage without digitalSignature, not critical", false, bits(3, keyAgreement))
	usage("keyUsage keyEncipherment only", true, bits(5, keyEncipherment))
	usage("keyUsage digitalSignature only", true, bits(7, digitalSignature))
	usage("keyUsage digitalSignature and keyCertSign", true, bits(2, digitalSignature|keyCertSign))
	usage("keyUsage decipherOnly too", true, bits(7, digitalSignature|keyAgreement, 0x80))
	usage("keyUsage decipherOnly only", true, bits(7, 0, 0x80))
	usage("keyUsage empty", true, bits(0))
	usage("keyUsage with no byte at all", true, tlv(tagBitString))
	usage("keyUsage all zero", true, bits(0, 0))
	usage("keyUsage with unused bits set", true, bits(7, 0xff))
	usage("keyUsage of nine bytes", true, bits(0, digitalSignature, 0, 0, 0, 0, 0, 0, 0, 0))
	usage("keyUsage not a BIT STRING", true, tlv(tagOctetString, []byte{0, digitalSignature}))
	usage("keyUsage with bytes behind it", true, append(bits(7, digitalSignature), 5, 0))
	with("keyUsage twice", oidKeyUsage, keyUsage(digitalSignature), keyUsage(digitalSignature)).overUDP = true
	with("no keyUsage", oidKeyUsage)

	extended := func(name string, ids ...string) *shown {
		return with("extendedKeyUsage "+name, oidExtendedKeyUsage, extendedKeyUsage(false, ids...))
	}
	extended("clientAuth only", oidClientAuth).overUDP = true
	extended("serverAuth only", oidServerAuth)
	extended("anyExtendedKeyUsage", oidAnyExtendedKeyUsage)
	extended("unknown only", "1.3.6.1.4.1.32473.5")
	extended("unknown and serverAuth", "1.3.6.1.4.1.32473.5", oidServerAuth)
	extended("empty")
	with("extendedKeyUsage critical, serverAuth", oidExtendedKeyUsage, extendedKeyUsage(true, oidServerAuth))
	with("extendedKeyUsage critical, clientAuth", oidExtendedKeyUsage, extendedKeyUsage(true, oidClientAuth))
	with("extendedKeyUsage twice", oidExtendedKeyUsage, extendedKeyUsage(false, oidServerAuth), extendedKeyUsage(false, oidServerAuth))
	with("extendedKeyUsage not a SEQUENCE", oidExtendedKeyUsage, extension(oidExtendedKeyUsage, false, oid(oidServerAuth)))
	with("extendedKeyUsage of something else than identifiers", oidExtendedKeyUsage, extension(oidExtendedKeyUsage, false, seq(tlv(tagInteger, []byte{1}))))
	with("no extendedKeyUsage", oidExtendedKeyUsage)

	basic := func(name string, extensions ...[]byte) *shown {
		return with("basicConstraints "+name, oidBasicConstraints, extensions...)
	}
	basic("CA", basicConstraints(true, -1)).overUDP = true
	basic("CA, pathlen 0", basicConstraints(true, 0))
	basic("not a CA, pathlen 0", basicConstraints(false, 0))
	basic("absent")
	basic("not critical", extension(oidBasicConstraints, false, seq()))
	basic("CA as an INTEGER", extension(oidBasicConstraints, true, seq(tlv(tagInteger, []byte{1}))))
	basic("CA false written out", extension(oidBasicConstraints, true, seq(tlv(tagBoolean, []byte{0}))))
	basic("CA true as 1", extension(oidBasicConstraints, true, seq(tlv(tagBoolean, []byte{1}))))
	basic("pathlen negative", extension(oidBasicConstraints, true, seq(tlv(tagBoolean, []byte{0xff}), tlv(tagInteger, []byte{0xff}))))
	basic("pathlen large", extension(oidBasicConstraints, true, seq(tlv(tagBoolean, []byte{0xff}), tlv(tagInteger, []byte{0x7f, 0xff, 0xff, 0xff}))))
	basic("pathlen of nine bytes", extension(oidBasicConstraints, true, seq(tlv(tagBoolean, []byte{0xff}), tlv(tagInteger, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}))))
	basic("bytes behind it", extension(oidBasicConstraints, true, append(seq(), 5, 0)))
	basic("not a SEQUENCE", extension(oidBasicConstraints, true, tlv(5)))
	basic("twice", basicConstraints(false, -1), basicConstraints(false, -1))

	more := func(name string, extensions ...[]byte) *shown {
		return leaf("extension", name, func(c *certificate) { c.extensions = append(c.extensions, extensions...) })
	}
	more("unknown", extension(oidPrivate, false, []byte{1}))
	more("unknown, critical", extension(oidPrivate, true, []byte{1})).overUDP = true
	more("unknown, critical FALSE written out", seq(oid(oidPrivate), tlv(tagBoolean, []byte{0}), tlv(tagOctetString, []byte{5, 0})))
	more("unknown, critical as 1", seq(oid(oidPrivate), tlv(tagBoolean, []byte{1}), tlv(tagOctetString, []byte{5, 0})))
	more("unknown, value not DER", extension(oidPrivate, false, []byte{0xff, 0xff}))
	more("unknown, value empty", extension(oidPrivate, false, nil))
	more("unknown twice", extension(oidPrivate, false, []byte{5, 0}), extension(oidPrivate, false, []byte{5, 0}))
	more("unknown, value not an OCTET STRING", seq(oid(oidPrivate), tlv(tagBitString, []byte{0})))
	more("unknown, without a value", seq(oid(oidPrivate)))
	more("unknown, bytes behind the value", seq(oid(oidPrivate), tlv(tagOctetString, []byte{5, 0}), tlv(5)))
	more("empty", seq())
	more("subjectKeyIdentifier", extension(oidSubjectKeyID, false, tlv(tagOctetString, []byte("0123456789abcdefghij"))))
	more("subjectKeyIdentifier, critical", extension(oidSubjectKeyID, true, tlv(tagOctetString, []byte("0123456789abcdefghij"))))
	more("subjectKeyIdentifier not DER", extension(oidSubjectKeyID, false, []byte{1}))
	more("authorityKeyIdentifier of another key", extension(oidAuthorityKeyID, false, seq(tlv(0x80, []byte("another")))))
	more("authorityKeyIdentifier, critical", extension(oidAuthorityKeyID, true, seq(tlv(0x80, []byte("another")))))
	more("authorityKeyIdentifier not DER", extension(oidAuthorityKeyID, false, []byte{0x30, 5, 1}))
	more("authorityKeyIdentifier empty", extension(oidAuthorityKeyID, false, nil))
	more("CRL distribution points not DER", extension(oidCRLPoints, false, []byte{1, 2, 3}))
	more("CRL distribution points, critical", extension(oidCRLPoints, true, seq()))
	more("authority information access not DER", extension(oidAuthorityInfo, false, []byte{1, 2, 3}))
	more("authority information access, an odd address", extension(oidAuthorityInfo, false,
		seq(seq(oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, []byte("http://a b\x00c\xff"))))))
	more("authority information access, critical", extension(oidAuthorityInfo, true, seq()))
	policies := func(ids ...string) []byte {
		var list [][]byte
		for _, id := range ids {
			list = append(list, seq(oid(id)))
		}
		return seq(list...)
	}
	more("policies", extension(oidPolicies, false, policies("1.3.6.1.4.1.32473.7")))
	more("policies, critical, unknown", extension(oidPolicies, true, policies("1.3.6.1.4.1.32473.7"))).overUDP = true
	more("policies, critical, anyPolicy", extension(oidPolicies, true, policies("2.5.29.32.0")))
	more("policies, critical, both", extension(oidPolicies, true, policies("2.5.29.32.0", "1.3.6.1.4.1.32473.7")))
	more("policies, not DER", extension(oidPolicies, false, []byte{1, 2}))
	more("policies empty", extension(oidPolicies, false, seq()))
	more("policies with a qualifier", extension(oidPolicies, false, seq(seq(oid("1.3.6.1.4.1.32473.7"), seq(seq(oid("1.3.6.1.5.5.7.2.1"), tlv(tagIA5, []byte("x"))))))))
	more("policies twice the same", extension(oidPolicies, false, policies("1.3.6.1.4.1.32473.7", "1.3.6.1.4.1.32473.7")))
	more("Netscape type, server", extension(oidNetscapeType, false, tlv(tagBitString, []byte{6, 0x40})))
	more("Netscape type, client only", extension(oidNetscapeType, false, tlv(tagBitString, []byte{7, 0x80})))
	more("Netscape type, critical", extension(oidNetscapeType, true, tlv(tagBitString, []byte{6, 0x40})))
	more("Netscape type of two bytes", extension(oidNetscapeType, false, tlv(tagBitString, []byte{0, 0x40, 0})))
	more("name constraints", extension(oidNameConstraints, false, seq(tlv(0xa0, seq(tlv(0x82, []byte("other.test")))))))
	more("name constraints, critical", extension(oidNameConstraints, true, seq(tlv(0xa0, seq(tlv(0x82, []byte("other.test")))))))
	more("OCSP must-staple", extension("1.3.6.1.5.5.7.1.24", false, seq(tlv(tagInteger, []byte{5}))))
	more("CT poison, critical", extension("1.3.6.1.4.1.11129.2.4.3", true, tlv(5)))
	more("inhibitAnyPolicy, critical", extension("2.5.29.54", true, tlv(tagInteger, []byte{0})))
	more("policyConstraints, critical", extension("2.5.29.36", true, seq(tlv(0x80, []byte{0}))))
	for n := 20; n <= 80; n += 60 {
		var many [][]byte
		for i := range n {
			many = append(many, extension(fmt.Sprintf("%s.%d", oidPrivate, i), false, []byte{5, 0}))
		}
		more(fmt.Sprintf("%d unknown ones", n), many...)
	}
}

// alternativeNameRows have odd subjectAltNames, none of which a device compares.
func (m *minter) alternativeNameRows(leaf leafRow) {
	names := func(name string, general ...[]byte) *shown {
		return leaf("alternative name", name, func(c *certificate) { c.replaceExtension(oidSAN, san(general...)) })
	}
	names("of another host", tlv(0x82, []byte("other.test")))
	names("empty list")
	names("empty name", tlv(0x82))
	names("not ASCII", tlv(0x82, []byte("sérver.test")))
	names("with a NUL", tlv(0x82, []byte("server\x00.test")))
	names("with a blank", tlv(0x82, []byte("server .test")))
	names("with an underscore", tlv(0x82, []byte("ser_ver.test")))
	names("wildcard", tlv(0x82, []byte("*.*.test")))
	names("ends in a dot", tlv(0x82, []byte("server.test.")))
	names("IPv4 address", tlv(0x87, []byte{127, 0, 0, 1}))
	names("address of three bytes", tlv(0x87, []byte{127, 0, 0}))
	names("address of no bytes", tlv(0x87))
	names("address of 17 bytes", tlv(0x87, make([]byte, 17)))
	names("URI that does not parse", tlv(0x86, []byte("http://[::1")))
	names("URI not ASCII", tlv(0x86, []byte("http://sérver/")))
	names("e-mail address", tlv(0x81, []byte("not an address")))
	names("e-mail not ASCII", tlv(0x81, []byte("é@server.test")))
	names("otherName", tlv(0xa0, oid(oidPrivate), tlv(0xa0, tlv(tagUTF8, []byte("x")))))
	names("otherName cut short", tlv(0xa0, []byte{6, 9}))
	names("otherName of a hardware module", tlv(0xa0, oid("1.3.6.1.5.5.7.8.4"), tlv(0xa0, seq(oid(oidPrivate), tlv(tagOctetString, []byte{1})))))
	names("otherName of a hardware module, malformed", tlv(0xa0, oid("1.3.6.1.5.5.7.8.4"), tlv(0xa0, seq(oid(oidPrivate)))))
	names("directoryName", tlv(0xa4, common("x")))
	names("directoryName malformed", tlv(0xa4, []byte{0x30, 0x40}))
	names("registeredID", tlv(0x88, []byte{0x2a, 3}))
	names("x400Address", tlv(0xa3, []byte{0x30, 0}))
	names("unknown kind", tlv(0x89, []byte{1}))
	names("universal tag", tlv(tagIA5, []byte("server.test")))
	names("kinds constructed", tlv(0xa2, []byte("server.test")))
	names("100 names", slices.Repeat([][]byte{tlv(0x82, []byte("a.test"))}, 100)...)
	whole := func(name string, extensions ...[]byte) *shown {
		return leaf("alternative name", name, func(c *certificate) { c.replaceExtension(oidSAN, extensions...) })
	}
	whole("twice", san(tlv(0x82, []byte("a.test"))), san(tlv(0x82, []byte("b.test")))).overUDP = true
	whole("critical", extension(oidSAN, true, seq(tlv(0x82, []byte("a.test")))))
	whole("not a SEQUENCE", extension(oidSAN, false, tlv(tagIA5, []byte("a.test"))))
	whole("bytes behind the SEQUENCE", extension(oidSAN, false, append(seq(tlv(0x82, []byte("a.test"))), 5, 0)))
	whole("cut short", extension(oidSAN, false, []byte{0x30, 9, 0x82}))
	whole("no bytes", extension(oidSAN, false, nil))
}

// nameRows have odd subjects, and issuers in another form than the authority's own name.
func (m *minter) nameRows(leaf leafRow) {
	subject := func(name string, der []byte) *shown {
		return leaf("subject", name, func(c *certificate) { c.subject = der })
	}
	one := func(id string, tag byte, value string) []byte { return name(rdn(part(id, tag, value))) }
	subject("empty", seq())
	subject("PrintableString with _", one(oidCommonName, tagPrintable, "server_1")).overUDP = true
	subject("PrintableString with @", one(oidCommonName, tagPrintable, "a@b"))
	subject("PrintableString with *", one(oidCommonName, tagPrintable, "*.server.test"))
	subject("PrintableString not ASCII", one(oidCommonName, tagPrintable, "s\xe9rver"))
	subject("PrintableString with a NUL", one(oidCommonName, tagPrintable, "a\x00b"))
	subject("UTF8String that is not UTF-8", one(oidCommonName, tagUTF8, "\xff\xfe"))
	subject("IA5String not ASCII", one(oidCommonName, tagIA5, "s\xe9rver"))
	subject("TeletexString", one(oidCommonName, tagTeletex, "s\xe9rver"))
	subject("BMPString", one(oidCommonName, tagBMP, "\x00a\x00b"))
	subject("BMPString of an odd length", one(oidCommonName, tagBMP, "\x00a\x00"))
	subject("UniversalString", one(oidCommonName, tagUniversal, "\x00\x00\x00a"))
	subject("NumericString", one(oidSerialNumber, tagNumeric, "12 34"))
	subject("NumericString with letters", one(oidSerialNumber, tagNumeric, "abc"))
	subject("BIT STRING", one(oidCommonName, tagBitString, "\x00ab"))
	subject("OCTET STRING", one(oidCommonName, tagOctetString, "ab"))
	subject("VisibleString", one(oidCommonName, tagVisible, "ab"))
	subject("VideotexString", one(oidCommonName, tagVideotex, "ab"))
	subject("INTEGER", one(oidCommonName, tagInteger, "\x01"))
	subject("BOOLEAN", one(oidCommonName, tagBoolean, "\xff"))
	subject("SEQUENCE as a value", name(rdn(seq(oid(oidCommonName), seq(tlv(tagUTF8, []byte("a")))))))
	subject("value empty", one(oidCommonName, tagUTF8, ""))
	subject("value of 300 bytes", one(oidCommonName, tagUTF8, string(bytes.Repeat([]byte("a"), 300))))
	subject("unknown attribute", one("1.3.6.1.4.1.32473.3", tagUTF8, "a"))
	subject("e-mail address", one(oidEmail, tagIA5, "a@b.test"))
	subject("domainComponent", one(oidDomain, tagIA5, "test"))
	subject("several values in one RDN", name(rdn(part(oidCommonName, tagUTF8, "a"), part(oidUnit, tagUTF8, "b"))))
	subject("several values in one RDN, not sorted", name(rdn(part(oidUnit, tagUTF8, "b"), part(oidCommonName, tagUTF8, "a"))))
	subject("an RDN without values", name(rdn()))
	subject("RDN as a SEQUENCE", seq(seq(part(oidCommonName, tagUTF8, "a"))))
	subject("bytes behind a value", name(rdn(seq(oid(oidCommonName), tlv(tagUTF8, []byte("a")), tlv(5)))))
	subject("without a value", name(rdn(seq(oid(oidCommonName)))))
	subject("the root's own name", rootName)
	var many [][]byte
	for i := range 60 {
		many = append(many, rdn(part(oidUnit, tagUTF8, fmt.Sprint(i))))
	}
	subject("60 RDNs", name(many...))

	issuer := func(name string, der []byte) *shown {
		return leaf("issuer", name, func(c *certificate) { c.issuer = der })
	}
	three := func(c, o, cn []byte) []byte { return name(rdn(c), rdn(o), rdn(cn)) }
	country, organization := part(oidCountry, tagPrintable, "GB"), part(oidOrganization, tagUTF8, "ARM Ltd")
	cn := part(oidCommonName, tagUTF8, "Oracle Root CA")
	issuer("another name", common("Someone Else")).overUDP = true
	issuer("empty", seq())
	issuer("other case", three(country, organization, part(oidCommonName, tagUTF8, "ORACLE ROOT ca"))).overUDP = true
	issuer("other case of the country", three(part(oidCountry, tagPrintable, "gb"), organization, cn))
	issuer("PrintableString instead of UTF8String", three(country, part(oidOrganization, tagPrintable, "ARM Ltd"), part(oidCommonName, tagPrintable, "Oracle Root CA"))).overUDP = true
	issuer("UTF8String instead of PrintableString", three(part(oidCountry, tagUTF8, "GB"), organization, cn))
	issuer("PrintableString, other case", three(country, organization, part(oidCommonName, tagPrintable, "oracle root ca")))
	issuer("IA5String", three(country, organization, part(oidCommonName, tagIA5, "Oracle Root CA"))).overUDP = true
	issuer("TeletexString", three(country, organization, part(oidCommonName, tagTeletex, "Oracle Root CA")))
	issuer("BMPString", three(country, organization, part(oidCommonName, tagBMP, wide("Oracle Root CA"))))
	issuer("VisibleString", three(country, organization, part(oidCommonName, tagVisible, "Oracle Root CA")))
	issuer("doubled spaces", three(country, organization, part(oidCommonName, tagUTF8, "Oracle  Root CA"))).overUDP = true
	issuer("space before", three(country, organization, part(oidCommonName, tagUTF8, " Oracle Root CA")))
	issuer("space after", three(country, organization, part(oidCommonName, tagUTF8, "Oracle Root CA ")))
	issuer("another order", name(rdn(cn), rdn(organization), rdn(country))).overUDP = true
	issuer("all in one RDN", name(rdn(country, organization, cn)))
	issuer("two in one RDN", name(rdn(country), rdn(organization, cn)))
	issuer("without the country", name(rdn(organization), rdn(cn)))
	issuer("one more part", name(rdn(country), rdn(organization), rdn(cn), rdn(part(oidUnit, tagUTF8, "x"))))
	issuer("another attribute's type", name(rdn(country), rdn(organization), rdn(part(oidUnit, tagUTF8, "Oracle Root CA"))))
	issuer("a letter that folds outside ASCII", three(country, organization, part(oidCommonName, tagUTF8, "Oracle Root ſA")))
	issuer("not a SEQUENCE", tlv(tagSet))
}

// wide is text in UTF-16, as a BMPString has it.
func wide(text string) string {
	var b []byte
	for _, c := range []byte(text) {
		b = append(b, 0, c)
	}
	return string(b)
}

// sizeRows have leaves and lists of a size around a limit.
func (m *minter) sizeRows(rows *[]shown) {
	const header, lists, entry = 4, 3, 3
	for _, size := range []int{1023, 1024, 1025, 1026, 2048, 3501, 4095 - header - lists - entry, 4096 - header - lists - entry, 4097 - header - lists - entry, 4200, 8000, 16370} {
		*rows = append(*rows, shown{
			set: "size", name: fmt.Sprintf("leaf of %d bytes", size), chain: [][]byte{m.leafCert().ofSize(size)},
			overUDP: size == 1025 || size == 1026 || size > 4000 && size < 4200,
		})
	}
	leaf := m.leafCert().encode()
	for _, size := range []int{4095, 4096, 4097, 6000} {
		second := m.leafCert().ofSize(size - header - lists - entry - len(leaf) - entry)
		*rows = append(*rows, shown{
			set: "size", name: fmt.Sprintf("Certificate message of %d bytes with two certificates", size), chain: [][]byte{leaf, second},
			overUDP: size > 4095 && size < 5000,
		})
	}
}
