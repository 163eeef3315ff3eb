package devicecert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"
	"time"
)

// certificateCase is a certificate signed by root and what a device rejects in it.
type certificateCase struct {
	name string
	der  []byte
	want Finding
}

func otherKeys() (p384, rsaKey, edKey []byte) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return spkiOf(&ec.PublicKey), spkiOf(&rs.PublicKey), spkiOf(ed)
}

// point is the public key of leaf as an uncompressed point.
var point = spkiOf(&leaf.key.PublicKey)[26:]

// ecKey encodes a SubjectPublicKeyInfo of the point given.
func ecKey(algorithm string, parameters, point []byte) []byte {
	return el(tagSequence, algorithmID(algorithm, parameters), el(tagBitString, []byte{0}, point))
}

func dates(from, to []byte) []byte { return el(tagSequence, from, to) }

func utc(s string) []byte         { return el(tagUTCTime, []byte(s)) }
func generalized(s string) []byte { return el(tagGeneralizedTime, []byte(s)) }

var certificateCases = func() []certificateCase {
	p384, rsaKey, edKey := otherKeys()
	const soon, late = "261120000000Z", "270120000000Z"
	with := func(extensions ...[]byte) []byte { return mint(root, leaf, template{extensions: extensions}) }
	other := func(t template) []byte { return mint(root, leaf, t) }
	subject := func(tag byte, value string) []byte {
		return other(template{subject: named(rdn(attribute(idCN, tag, value)))})
	}
	san := func(names ...[]byte) []byte { return with(altName(names...)) }
	hardware := func(parts ...[]byte) []byte {
		return el(contextual|constructed, append([][]byte{oid(idHardwareModule)}, parts...)...)
	}
	module := el(tagSequence, oid(idUnknown), el(tagOctetString, []byte{1}))
	policies := func(critical bool, policies ...[]byte) []byte {
		return with(extension(idPolicies, critical, el(tagSequence, policies...)))
	}
	anyPolicy := el(tagSequence, oid(idAnyPolicy))
	otherPolicy := el(tagSequence, oid(idUnknown))
	bad := func(problem Problem, text ...string) Finding { return Finding{problem, strings.Join(text, "")} }
	const ku, bc, eku, sanID, pol, ns = "2.5.29.15", "2.5.29.19", "2.5.29.37", "2.5.29.17", "2.5.29.32", "2.16.840.1.113730.1.1"
	const unknownText = "1.3.6.1.4.1.32472.2"
	return []certificateCase{
		{"plain", leafCert, Finding{}},
		{"a negative serial number", other(template{serial: []byte{tagInteger, 1, 0x80}}), Finding{}},
		{"an empty serial number", other(template{serial: []byte{tagInteger, 0}}), Finding{}},
		{"a serial number with a context tag", other(template{serial: []byte{contextual | 2, 1, 1}}), Finding{}},
		{"a serial number that is a string", other(template{serial: el(tagUTF8String, []byte("1"))}), bad(Malformed)},
		{"a serial number of 100 octets", other(template{serial: el(tagInteger, bytes.Repeat([]byte{7}, 100))}), Finding{}},
		{"version 1", other(template{version: []byte{}}), Finding{}},
		{"version 2", other(template{version: el(0xa0, []byte{tagInteger, 1, 1})}), Finding{}},
		{"version 4", other(template{version: el(0xa0, []byte{tagInteger, 1, 3})}), bad(UnknownVersion)},
		{"version 4 with an unknown signature algorithm", other(template{version: el(0xa0, []byte{tagInteger, 1, 3}), algorithm: algorithmID(idRSASHA256)}), bad(UnknownVersion)},
		{"version 1 with extensions", other(template{version: []byte{}, extensions: ca}), bad(Malformed)},
		{"version 2 with extensions", other(template{version: el(0xa0, []byte{tagInteger, 1, 1}), extensions: ca}), bad(Malformed)},
		{"a version of two integers", other(template{version: el(0xa0, []byte{tagInteger, 1, 2, tagInteger, 1, 2})}), bad(Malformed)},
		{"a negative version", other(template{version: el(0xa0, []byte{tagInteger, 1, 0xff})}), bad(Malformed)},
		{"a version with leading zeros", other(template{version: el(0xa0, []byte{tagInteger, 3, 0, 0, 2})}), Finding{}},
		{"lengths longer than needed", other(template{version: wide(0xa0, []byte{tagInteger, 1, 2}), subject: wide(tagSequence, cn("x")[2:])}), Finding{}},
		{"an indefinite length", other(template{subject: append([]byte{tagSequence, 0x80}, cn("x")[2:]...)}), bad(Malformed)},
		{"octets after the certificate", append(slices.Clone(leafCert), 1, 2, 3), Finding{}},
		{"octets after the signature", other(template{end: []byte{tagNull, 0}}), bad(SignatureForm)},
		{"octets after the extensions", other(template{extensions: ca, after: []byte{tagNull, 0}}), bad(Malformed)},
		{"an element between the key and the extensions", other(template{extra: []byte{tagNull, 0}, extensions: ca}), bad(Malformed)},
		{"a unique identifier, constructed", other(template{extra: el(0xa1, []byte{0, 1}), extensions: ca}), Finding{}},
		{"a unique identifier, as RFC 5280 has it", other(template{extra: el(0x81, []byte{0, 1}), extensions: ca}), bad(Malformed)},
		{"no certificate", bytes.Repeat([]byte("not a certificate "), 10), bad(Malformed)},
		{"cut short", leafCert[:len(leafCert)-1], bad(Malformed)},
		{"shorter than 128 octets", el(tagSequence, bytes.Repeat([]byte{0}, 100)), bad(TooShort)},

		{"signed with SHA-224", other(template{algorithm: algorithmID(idECDSASHA224), hash: crypto.SHA224}), Finding{}},
		{"signed with SHA-384", other(template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384}), bad(UnknownSignature, "ecdsa-with-SHA384")},
		{"signed with RSA", other(template{algorithm: algorithmID(idRSASHA256)}), bad(UnknownSignature, "sha256WithRSAEncryption")},
		{"signed with RSA and an RSA key", other(template{algorithm: algorithmID(idRSASHA256), key: rsaKey}), bad(UnknownSignature, "sha256WithRSAEncryption")},
		{"signed with an unknown algorithm, the rest broken", other(template{algorithm: algorithmID(idUnknown), subject: []byte{1, 1, 1}}), bad(UnknownSignature, unknownText)},
		{"signature algorithm with NULL", other(template{algorithm: algorithmID(idECDSASHA256, []byte{tagNull, 0})}), Finding{}},
		{"signature algorithm with parameters", other(template{algorithm: algorithmID(idECDSASHA256, oid(idP256))}), bad(SignatureForm)},
		{"signature algorithm with two parameters", other(template{algorithm: algorithmID(idECDSASHA256, []byte{tagNull, 0}, []byte{tagNull, 0})}), bad(SignatureForm)},
		{"the algorithm differs outside", other(template{outerAlgorithm: algorithmID(idECDSASHA224)}), bad(SignatureForm)},
		{"NULL stands outside only", other(template{outerAlgorithm: algorithmID(idECDSASHA256, []byte{tagNull, 0})}), bad(SignatureForm)},
		{"a signature with unused bits", other(template{signature: el(tagBitString, []byte{1}, bytes.Repeat([]byte{2}, 70))}), bad(SignatureForm)},
		{"a signature that is an OCTET STRING", other(template{signature: el(tagOctetString, bytes.Repeat([]byte{2}, 70))}), bad(SignatureForm)},
		{"a signature of no octets", other(template{signature: []byte{tagBitString, 1, 0}}), Finding{}},

		{"PrintableString with _ and @", subject(PrintableString, "a_b@c"), Finding{}},
		{"UTF8String that is not UTF-8", subject(UTF8String, "\xff\xfe"), Finding{}},
		{"T61String", subject(T61String, "\xe4"), Finding{}},
		{"BMPString of three octets", subject(BMPString, "\x00A\x00"), Finding{}},
		{"UniversalString", subject(UniversalString, "\x00\x00\x00A"), Finding{}},
		{"BIT STRING", subject(BitString, "\x00A"), Finding{}},
		{"NumericString", subject(0x12, "12"), bad(MalformedName)},
		{"VisibleString", subject(0x1a, "ab"), bad(MalformedName)},
		{"an empty subject", other(template{subject: named()}), Finding{}},
		{"an empty issuer", other(template{issuer: named()}), bad(MalformedName)},
		{"an empty set in a subject", other(template{subject: named(rdn())}), bad(MalformedName)},
		{"an attribute of three elements", other(template{subject: named(rdn(el(tagSequence, oid(idCN), el(UTF8String, []byte("a")), []byte{tagNull, 0})))}), bad(MalformedName)},
		{"an attribute without a value", other(template{subject: named(rdn(el(tagSequence, oid(idCN))))}), bad(MalformedName)},

		{"GeneralizedTime before 2050", other(template{validity: dates(generalized("20261120000000Z"), generalized("20270120000000Z"))}), Finding{}},
		{"no Z", other(template{validity: dates(utc("261120000000"), utc("270120000000"))}), Finding{}},
		{"no seconds", other(template{validity: dates(utc("2611200000Z"), utc(late))}), bad(MalformedDate)},
		{"a time zone", other(template{validity: dates(utc("261120000000+0100"), utc(late))}), bad(MalformedDate)},
		{"fractions of a second", other(template{validity: dates(generalized("20261120000000.5Z"), utc(late))}), bad(MalformedDate)},
		{"30 February", other(template{validity: dates(utc("260230000000Z"), utc(late))}), bad(MalformedDate)},
		{"29 February 2100", other(template{validity: dates(utc(soon), generalized("21000229000000Z"))}), bad(MalformedDate)},
		{"29 February 2000", other(template{validity: dates(utc("000229000000Z"), utc(late))}), Finding{}},
		{"month 0", other(template{validity: dates(utc("260020000000Z"), utc(late))}), bad(MalformedDate)},
		{"hour 24", other(template{validity: dates(utc("261120240000Z"), utc(late))}), bad(MalformedDate)},
		{"a leap second", other(template{validity: dates(utc("261120235960Z"), utc(late))}), bad(MalformedDate)},
		{"letters in a date", other(template{validity: dates(utc("2611200000xxZ"), utc(late))}), bad(MalformedDate)},
		{"a third date", other(template{validity: el(tagSequence, utc(soon), utc(late), utc(late))}), bad(MalformedDate)},
		{"a date that is a string", other(template{validity: dates(el(tagUTF8String, []byte(soon)), utc(late))}), bad(MalformedDate)},

		{"key on P-384", other(template{key: p384}), bad(UnreadableKey, "P-384")},
		{"key on secp256k1", other(template{key: ecKey(idECPublicKey, oid("\x2b\x81\x04\x00\x0a"), point)}), bad(UnreadableKey, "secp256k1")},
		{"RSA key", other(template{key: rsaKey}), bad(UnreadableKey, "RSA")},
		{"Ed25519 key", other(template{key: edKey}), bad(UnreadableKey, "Ed25519")},
		{"key of an unknown algorithm", other(template{key: ecKey(idUnknown, oid(idP256), point)}), bad(UnreadableKey, unknownText)},
		{"key on an unknown curve", other(template{key: ecKey(idECPublicKey, oid(idUnknown), point)}), bad(UnreadableKey, unknownText)},
		{"key on a curve with its parameters spelled out", other(template{key: ecKey(idECPublicKey, el(tagSequence, []byte{tagInteger, 1, 1}), point)}), bad(UnreadableKey, "EC")},
		{"key without a curve", other(template{key: el(tagSequence, algorithmID(idECPublicKey), el(tagBitString, []byte{0}, point))}), bad(UnreadableKey, "EC")},
		{"key for ECDH", other(template{key: ecKey(idECDH, oid(idP256), point)}), Finding{}},
		{"a compressed point", other(template{key: ecKey(idECPublicKey, oid(idP256), elliptic.MarshalCompressed(elliptic.P256(), leaf.key.X, leaf.key.Y))}), bad(MalformedKey, "P-256")},
		{"the point at infinity", other(template{key: ecKey(idECPublicKey, oid(idP256), []byte{0})}), bad(MalformedKey, "P-256")},
		{"a point that is not on the curve", other(template{key: ecKey(idECPublicKey, oid(idP256), append(slices.Clone(point[:64]), point[64]^1))}), bad(MalformedKey, "P-256")},
		{"a point of 64 octets", other(template{key: ecKey(idECPublicKey, oid(idP256), point[:64])}), bad(MalformedKey, "P-256")},
		{"a key that is an OCTET STRING", other(template{key: el(tagSequence, algorithmID(idECPublicKey, oid(idP256)), el(tagOctetString, []byte{0}, point))}), bad(MalformedKey)},

		{"no extensions in their element", other(template{rawExtensions: el(0xa3, el(tagSequence))}), Finding{}},
		{"extensions of two sequences", other(template{rawExtensions: el(0xa3, el(tagSequence), el(tagSequence))}), bad(Malformed)},
		{"an unknown extension", with(extension(idUnknown, false, []byte("x"))), Finding{}},
		{"an unknown extension twice", with(extension(idUnknown, false, []byte("x")), extension(idUnknown, false, []byte("x"))), Finding{}},
		{"an unknown critical extension", with(extension(idUnknown, true, []byte{tagNull, 0})), bad(CriticalExtension, unknownText)},
		{"nameConstraints, critical", with(extension("\x55\x1d\x1e", true, el(tagSequence))), bad(CriticalExtension, "2.5.29.30")},
		{"critical as 0x01", with(el(tagSequence, oid(idUnknown), []byte{tagBoolean, 1, 1}, el(tagOctetString))), bad(CriticalExtension, unknownText)},
		{"critical of two octets", with(el(tagSequence, oid(idUnknown), []byte{tagBoolean, 2, 0, 0}, el(tagOctetString))), bad(Malformed)},
		{"an extension with something after its value", with(el(tagSequence, oid(idUnknown), el(tagOctetString), []byte{tagNull, 0})), bad(Malformed)},
		{"authorityInfoAccess with other content", with(extension(idAuthorityInfo, false, []byte("junk"))), Finding{}},

		{"basicConstraints twice", with(basicConstraints(true), basicConstraints(true)), bad(RepeatedExtension, bc)},
		{"keyUsage twice", with(keyUsage(0x80), keyUsage(0x80)), bad(RepeatedExtension, ku)},
		{"extendedKeyUsage twice", with(extendedKeyUsage(idServerAuth), extendedKeyUsage(idServerAuth)), bad(RepeatedExtension, eku)},
		{"subjectAltName twice", with(altName(dnsName("a")), altName(dnsName("b"))), bad(RepeatedExtension, sanID)},
		{"certificatePolicies twice", with(extension(idPolicies, false, el(tagSequence, anyPolicy)), extension(idPolicies, false, el(tagSequence, anyPolicy))), bad(RepeatedExtension, pol)},

		{"basicConstraints with cA as an INTEGER", with(extension(idBasicConstraints, false, el(tagSequence, []byte{tagInteger, 1, 1}))), Finding{}},
		{"basicConstraints that continue after their sequence", with(extension(idBasicConstraints, false, el(tagSequence), []byte{tagBoolean, 1, 0xff})), Finding{}},
		{"basicConstraints with pathLen of 2^31-1", with(extension(idBasicConstraints, false, el(tagSequence, []byte{tagBoolean, 1, 0xff, tagInteger, 4, 0x7f, 0xff, 0xff, 0xff}))), bad(MalformedExtension, bc)},
		{"basicConstraints with a negative pathLen", with(basicConstraints(true, 0x80)), bad(MalformedExtension, bc)},
		{"basicConstraints of three", with(basicConstraints(true, 1, 1)), bad(MalformedExtension, bc)},
		{"basicConstraints that are not a sequence", with(extension(idBasicConstraints, false, []byte{tagBoolean, 1, 0xff})), bad(MalformedExtension, bc)},
		{"keyUsage of no octets", with(keyUsage()), bad(MalformedExtension, ku)},
		{"keyUsage of five octets", with(keyUsage(0x80, 0, 1, 2, 3)), Finding{}},
		{"keyUsage with 8 unused bits", with(extension(idKeyUsage, false, el(tagBitString, []byte{8, 0x80}))), bad(MalformedExtension, ku)},
		{"extendedKeyUsage of no purposes", with(extendedKeyUsage()), bad(MalformedExtension, eku)},
		{"extendedKeyUsage with a string", with(extension(idExtendedKeyUsage, false, el(tagSequence, el(tagUTF8String, []byte("x"))))), bad(MalformedExtension, eku)},
		{"subjectAltName of no names", san(), Finding{}},
		{"subjectAltName with a name that is not UTF-8", san(dnsName("\xff")), Finding{}},
		{"subjectAltName with an address of three octets", san(el(0x87, []byte{1, 2, 3})), Finding{}},
		{"subjectAltName with an unknown kind", san(el(0x9e, []byte{1})), Finding{}},
		{"subjectAltName with an element of another class", san(el(tagUTF8String, []byte("a"))), bad(MalformedExtension, sanID)},
		{"subjectAltName that is a string", with(extension(idSubjectAltName, false, el(tagUTF8String, []byte("a")))), bad(MalformedExtension, sanID)},
		{"subjectAltName with otherName of another type", san(el(0xa0, oid(idUnknown), []byte("junk"))), Finding{}},
		{"subjectAltName with otherName of no type", san(el(0xa0, []byte{tagNull, 0})), bad(MalformedExtension, sanID)},
		{"subjectAltName with a hardware module", san(hardware(el(0xa0, module))), Finding{}},
		{"subjectAltName with a hardware module that has more", san(hardware(el(0xa0, module), []byte{tagNull, 0})), bad(MalformedExtension, sanID)},
		{"subjectAltName with a hardware module without a serial number", san(hardware(el(0xa0, el(tagSequence, oid(idUnknown))))), bad(MalformedExtension, sanID)},
		{"certificatePolicies of no policies", policies(false), bad(MalformedExtension, pol)},
		{"certificatePolicies with anyPolicy, critical", policies(true, anyPolicy), Finding{}},
		{"certificatePolicies with another policy", policies(false, otherPolicy), Finding{}},
		{"certificatePolicies with another policy, critical", policies(true, anyPolicy, otherPolicy), bad(CriticalPolicy, unknownText)},
		{"certificatePolicies with malformed qualifiers", policies(false, el(tagSequence, oid(idUnknown), el(tagSequence, []byte("junk")))), Finding{}},
		{"certificatePolicies with a qualifier out of its sequence", policies(false, el(tagSequence, oid(idUnknown), []byte{tagNull, 0})), bad(MalformedExtension, pol)},
		{"Netscape's certificate type", with(extension(idNetscapeType, true, el(tagBitString, []byte{6, 0x40}))), Finding{}},
		{"Netscape's certificate type of two octets", with(extension(idNetscapeType, false, el(tagBitString, []byte{0, 0x40, 0}))), bad(MalformedExtension, ns)},
		{"the first problem counts", with(keyUsage(), extension(idUnknown, true)), bad(MalformedExtension, ku)},
	}
}()

func TestParse(t *testing.T) {
	for _, test := range certificateCases {
		t.Run(test.name, func(t *testing.T) {
			got := ParseList([][]byte{test.der})[0]
			if got.Problem != test.want {
				t.Errorf("%+v, want %+v", got.Problem, test.want)
			}
			if got.Fatal() != (test.want.Problem != NoProblem && test.want.Problem != UnknownSignature) {
				t.Errorf("fatal: %v", got.Fatal())
			}
		})
	}
}

func TestParseFacts(t *testing.T) {
	p384, rsaKey, _ := otherKeys()
	from, to := now.Add(-day), now.Add(90*day)
	tests := []struct {
		name           string
		der            []byte
		key, signature string
		publicKey      bool
		selfSigned     bool
		spki           []byte
	}{
		{"a device's certificate", leafCert, "P-256", "ecdsa-with-SHA256", true, false, spkiOf(&leaf.key.PublicKey)},
		{"a root", rootCert, "P-256", "ecdsa-with-SHA256", true, true, spkiOf(&root.key.PublicKey)},
		{"an RSA key that a device cannot read", mint(root, leaf, template{key: rsaKey}), "RSA", "ecdsa-with-SHA256", true, false, rsaKey},
		{"a P-384 key in a certificate that a device skips", mint(root, leaf, template{key: p384, algorithm: algorithmID(idECDSASHA384)}), "P-384", "ecdsa-with-SHA384", true, false, p384},
		{"a point that is not on the curve", mint(root, leaf, template{key: ecKey(idECPublicKey, oid(idP256), append(slices.Clone(point[:64]), point[64]^1))}),
			"P-256", "ecdsa-with-SHA256", false, false, ecKey(idECPublicKey, oid(idP256), append(slices.Clone(point[:64]), point[64]^1))},
		{"an unknown critical extension", mint(root, leaf, template{extensions: [][]byte{extension(idUnknown, true)}}), "P-256", "ecdsa-with-SHA256", true, false, spkiOf(&leaf.key.PublicKey)},
		{"dates without seconds", mint(root, leaf, template{validity: dates(utc("2611231200Z"), utc("2702221200Z"))}), "P-256", "ecdsa-with-SHA256", true, false, spkiOf(&leaf.key.PublicKey)},
		{"a self-issued certificate of another key", mint(signer{keys[5], leaf.name}, leaf, template{}), "P-256", "ecdsa-with-SHA256", true, false, spkiOf(&leaf.key.PublicKey)},
		{"a self-signed certificate", mint(leaf, leaf, template{}), "P-256", "ecdsa-with-SHA256", true, true, spkiOf(&leaf.key.PublicKey)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := Parse(test.der)
			if c.Key != test.key || c.Signature != test.signature || (c.PublicKey() != nil) != test.publicKey || c.SelfSigned() != test.selfSigned {
				t.Errorf("key %q, signature %q, public key %v, self-signed %v", c.Key, c.Signature, c.PublicKey(), c.SelfSigned())
			}
			if !bytes.Equal(c.RawSubjectPublicKeyInfo, test.spki) {
				t.Errorf("SubjectPublicKeyInfo %x", c.RawSubjectPublicKeyInfo)
			}
			if !c.NotBefore.Equal(from) || !c.NotAfter.Equal(to) {
				t.Errorf("valid from %v to %v", c.NotBefore, c.NotAfter)
			}
			if len(c.Issuer) != 2 || len(c.Subject) != 2 || !bytes.Equal(c.RawSubject[:2], []byte{tagSequence, byte(len(c.RawSubject) - 2)}) {
				t.Errorf("issuer %v, subject %v", c.Issuer, c.Subject)
			}
		})
	}
}

func TestParseReadsNamesOfRejectedCertificates(t *testing.T) {
	c := Parse(mint(root, leaf, template{
		serial:  []byte{tagInteger, 1, 0xff},
		subject: named(rdn(attribute(idO, 0x12, "42"), attribute(idCN, PrintableString, "a@b"))),
	}))
	if c.Problem.Problem != MalformedName {
		t.Fatalf("problem %+v", c.Problem)
	}
	if len(c.Subject) != 2 || string(c.Subject[0].Value) != "42" || !c.Subject[0].Joined || string(c.Subject[1].Value) != "a@b" || c.Subject[1].Joined {
		t.Errorf("subject %+v", c.Subject)
	}
}

func TestSignedBy(t *testing.T) {
	p384Key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(sequence ...[]byte) []byte { return el(tagBitString, []byte{0}, el(tagSequence, sequence...)) }
	good := Parse(leafCert)
	var content, r, s reader
	if !reader(good.SignatureValue).only(tagSequence, &content) || !content.take(tagInteger, &r) || !content.take(tagInteger, &s) {
		t.Fatal("malformed signature in a test")
	}
	// resigned is leafCert with another encoding of the same signature.
	resigned := func(signature []byte) *Certificate {
		return Parse(el(tagSequence, good.RawTBSCertificate, algorithmID(idECDSASHA256), signature))
	}
	padded := append([]byte{0, 0, 0}, r...)
	tests := []struct {
		name string
		c    *Certificate
		key  crypto.PublicKey
		want bool
	}{
		{"its issuer's key", good, &root.key.PublicKey, true},
		{"another key", good, &lower.key.PublicKey, false},
		{"no key", good, nil, false},
		{"a key on another curve", good, &p384Key.PublicKey, false},
		{"another kind of key", good, ed25519.PublicKey(make([]byte, 32)), false},
		{"SHA-224", Parse(mint(root, leaf, template{algorithm: algorithmID(idECDSASHA224), hash: crypto.SHA224})), &root.key.PublicKey, true},
		{"SHA-384", Parse(mint(root, leaf, template{algorithm: algorithmID(idECDSASHA384), hash: crypto.SHA384})), &root.key.PublicKey, true},
		{"SHA-256 under the name of SHA-224", Parse(mint(root, leaf, template{algorithm: algorithmID(idECDSASHA224)})), &root.key.PublicKey, false},
		{"an unknown algorithm", Parse(mint(root, leaf, template{algorithm: algorithmID(idUnknown)})), &root.key.PublicKey, false},
		{"leading zeros in the signature", resigned(raw(el(tagInteger, padded), el(tagInteger, s))), &root.key.PublicKey, true},
		{"long lengths in the signature", resigned(raw(wide(tagInteger, r), wide(tagInteger, s))), &root.key.PublicKey, true},
		{"more than two numbers in the signature", resigned(raw(el(tagInteger, r), el(tagInteger, s), []byte{tagNull, 0})), &root.key.PublicKey, false},
		{"zero in the signature", resigned(raw(el(tagInteger), el(tagInteger, s))), &root.key.PublicKey, false},
		{"no certificate", Parse(nil), &root.key.PublicKey, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.c.SignedBy(test.key); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestSignedByRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := Parse(mint(root, leaf, template{algorithm: algorithmID(idRSASHA256), key: spkiOf(&key.PublicKey)}))
	h := crypto.SHA256.New()
	h.Write(c.RawTBSCertificate)
	c.SignatureValue, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !c.SignedBy(c.PublicKey()) {
		t.Error("the RSA key that signed")
	}
	huge := key.PublicKey
	huge.N = huge.N.Lsh(huge.N, MaxRSABits)
	if c.SignedBy(&huge) || c.SignedBy(&root.key.PublicKey) {
		t.Error("another key")
	}
}

func TestProblemsIsComplete(t *testing.T) {
	met := map[Problem]bool{NoCertificate: true, KeyAgreementOnly: true, ChainTooLong: true, RootTooLong: true, NotCA: true, NoSigning: true} // in verify_test.go
	for _, test := range certificateCases {
		if p := test.want.Problem; p != NoProblem {
			met[p] = true
			if !slices.Contains(Problems, p) {
				t.Errorf("%s is not listed", p)
			}
		}
	}
	for _, p := range Problems {
		if !met[p] {
			t.Errorf("%s has no case", p)
		}
	}
}

func TestNameMatches(t *testing.T) {
	name := func(rdns ...[]byte) Name {
		n, ok := parseName(named(rdns...)[2:])
		if !ok {
			t.Fatal("malformed name in a test")
		}
		return n
	}
	c := rdn(attribute(idC, PrintableString, "GB"))
	arm := name(c, rdn(attribute(idO, PrintableString, "ARM Ltd")))
	tests := []struct {
		name  string
		other Name
		want  bool
	}{
		{"the same", name(c, rdn(attribute(idO, PrintableString, "ARM Ltd"))), true},
		{"UTF8String for PrintableString, in another case", name(c, rdn(attribute(idO, UTF8String, "arm lTD"))), true},
		{"IA5String for PrintableString", name(c, rdn(attribute(idO, IA5String, "ARM Ltd"))), false},
		{"T61String for PrintableString", name(c, rdn(attribute(idO, T61String, "ARM Ltd"))), false},
		{"BMPString for PrintableString", name(c, rdn(attribute(idO, BMPString, "\x00A\x00R\x00M"))), false},
		{"two spaces for one", name(c, rdn(attribute(idO, PrintableString, "ARM  Ltd"))), false},
		{"a space at the end", name(c, rdn(attribute(idO, PrintableString, "ARM Ltd "))), false},
		{"another attribute type", name(c, rdn(attribute(idCN, PrintableString, "ARM Ltd"))), false},
		{"another order", name(rdn(attribute(idO, PrintableString, "ARM Ltd")), c), false},
		{"both in one set", name(rdn(attribute(idC, PrintableString, "GB"), attribute(idO, PrintableString, "ARM Ltd"))), false},
		{"one attribute less", name(c), false},
		{"nothing", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if arm.Matches(test.other) != test.want || test.other.Matches(arm) != test.want {
				t.Errorf("want %v", test.want)
			}
		})
	}
	if ia5 := name(rdn(attribute(idO, IA5String, "Abc"))); ia5.Matches(name(rdn(attribute(idO, IA5String, "abc")))) || !ia5.Matches(ia5) {
		t.Error("the case of an IA5String counts")
	}
	if !Name(nil).Matches(Name{}) {
		t.Error("two empty names differ")
	}
}

// FuzzParse reads whatever comes, and judges it as leaf and as intermediate.
func FuzzParse(f *testing.F) {
	for _, test := range certificateCases {
		f.Add(test.der)
	}
	stored, _ := NewRoot(rootCert)
	f.Fuzz(func(t *testing.T, der []byte) {
		c := Parse(der)
		if c.Problem.Problem != NoProblem && !slices.Contains(Problems, c.Problem.Problem) {
			t.Fatalf("unlisted problem %q", c.Problem.Problem)
		}
		for _, text := range []string{c.Problem.Text, c.Key, c.Signature} {
			if len(text) > 120 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("unsafe text %q", text)
			}
		}
		if len(c.Raw) > len(der) || c.NotBefore.Location() != time.UTC {
			t.Fatal("more was read than there is")
		}
		again := Parse(c.Raw)
		if len(c.Raw) > 0 && again.Problem != c.Problem {
			t.Fatalf("%+v, and %+v without what follows", c.Problem, again.Problem)
		}
		result := Verify(ParseList([][]byte{der, leafCert}), []*Certificate{stored}, now, signedByKey)
		if result.Accepted() && len(result.Path) == 0 {
			t.Fatal("accepted without a path")
		}
		result = Verify(ParseList([][]byte{subLeafCert, der}), []*Certificate{stored}, now, signedByKey)
		if result.Accepted() && !c.SignedBy(&root.key.PublicKey) {
			t.Fatal("accepted an intermediate that the root did not sign")
		}
	})
}
