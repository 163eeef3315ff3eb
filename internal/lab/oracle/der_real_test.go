//go:build realpeers

package oracle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // some servers' certificates are signed with it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The DER here is put together byte by byte, since package x509 makes no certificate that breaks a rule.

// tlv encodes one element.
func tlv(tag byte, contents ...[]byte) []byte {
	body := slices.Concat(contents...)
	n := len(body)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	case n < 0x10000:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
	return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagUTF8        = 0x0c
	tagSequence    = 0x30
	tagSet         = 0x31
	tagNumeric     = 0x12
	tagPrintable   = 0x13
	tagTeletex     = 0x14
	tagVideotex    = 0x15
	tagIA5         = 0x16
	tagUTCTime     = 0x17
	tagGeneralized = 0x18
	tagVisible     = 0x1a
	tagUniversal   = 0x1c
	tagBMP         = 0x1e
)

func seq(contents ...[]byte) []byte { return tlv(tagSequence, contents...) }

// oid encodes an object identifier in dotted form.
func oid(dotted string) []byte {
	var id asn1.ObjectIdentifier
	for part := range strings.SplitSeq(dotted, ".") {
		n := 0
		if _, err := fmt.Sscan(part, &n); err != nil {
			panic(err)
		}
		id = append(id, n)
	}
	der, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return der
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	oidCommonName   = "2.5.4.3"
	oidSerialNumber = "2.5.4.5"
	oidCountry      = "2.5.4.6"
	oidLocality     = "2.5.4.7"
	oidProvince     = "2.5.4.8"
	oidOrganization = "2.5.4.10"
	oidUnit         = "2.5.4.11"
	oidEmail        = "1.2.840.113549.1.9.1"
	oidDomain       = "0.9.2342.19200300.100.1.25"
)

// part is one AttributeTypeAndValue.
func part(id string, tag byte, value string) []byte { return seq(oid(id), tlv(tag, []byte(value))) }

// rdn is one RelativeDistinguishedName, name a Name of several.
func rdn(parts ...[]byte) []byte { return tlv(tagSet, parts...) }
func name(rdns ...[]byte) []byte { return seq(rdns...) }

// common is the name CN=text as a UTF8String.
func common(text string) []byte { return name(rdn(part(oidCommonName, tagUTF8, text))) }

// rootName is the authority's name, of several parts as the cloud's is.
var rootName = name(rdn(part(oidCountry, tagPrintable, "GB")), rdn(part(oidOrganization, tagUTF8, "ARM Ltd")), rdn(part(oidCommonName, tagUTF8, "Oracle Root CA")))

// rootNameText is the same in the form of the exporter's configuration.
const rootNameText = "C=GB, O=ARM Ltd, CN=Oracle Root CA"

// algorithm is a signature algorithm, with what signs by it.
type algorithm struct {
	id   []byte // AlgorithmIdentifier
	hash crypto.Hash
}

func ecdsaWith(id string, hash crypto.Hash) algorithm {
	return algorithm{seq(oid("1.2.840.10045.4." + id)), hash}
}

var (
	ecdsaSHA1   = ecdsaWith("1", crypto.SHA1)
	ecdsaSHA224 = ecdsaWith("3.1", crypto.SHA224)
	ecdsaSHA256 = ecdsaWith("3.2", crypto.SHA256)
	ecdsaSHA384 = ecdsaWith("3.3", crypto.SHA384)
	ecdsaSHA512 = ecdsaWith("3.4", crypto.SHA512)
	rsaSHA256   = algorithm{seq(oid("1.2.840.113549.1.1.11"), tlv(5)), crypto.SHA256}
	ed25519Sign = algorithm{seq(oid("1.3.101.112")), 0}
)

// algorithmFor is the usual algorithm of a key.
func algorithmFor(key crypto.Signer) algorithm {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return rsaSHA256
	case ed25519.PublicKey:
		return ed25519Sign
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P384():
			return ecdsaSHA384
		case elliptic.P521():
			return ecdsaSHA512
		}
	}
	return ecdsaSHA256
}

func spki(key crypto.Signer) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return der
}

// extension is one Extension.
func extension(id string, critical bool, value []byte) []byte {
	contents := [][]byte{oid(id)}
	if critical {
		contents = append(contents, tlv(tagBoolean, []byte{0xff}))
	}
	return seq(append(contents, tlv(tagOctetString, value))...)
}

const (
	oidSubjectKeyID        = "2.5.29.14"
	oidKeyUsage            = "2.5.29.15"
	oidSAN                 = "2.5.29.17"
	oidBasicConstraints    = "2.5.29.19"
	oidNameConstraints     = "2.5.29.30"
	oidCRLPoints           = "2.5.29.31"
	oidPolicies            = "2.5.29.32"
	oidAuthorityKeyID      = "2.5.29.35"
	oidExtendedKeyUsage    = "2.5.29.37"
	oidAuthorityInfo       = "1.3.6.1.5.5.7.1.1"
	oidNetscapeType        = "2.16.840.1.113730.1.1"
	oidPrivate             = "1.3.6.1.4.1.32473.1"
	oidServerAuth          = "1.3.6.1.5.5.7.3.1"
	oidClientAuth          = "1.3.6.1.5.5.7.3.2"
	oidAnyExtendedKeyUsage = "2.5.29.37.0"
)

func basicConstraints(ca bool, pathLen int) []byte {
	var contents [][]byte
	if ca {
		contents = append(contents, tlv(tagBoolean, []byte{0xff}))
	}
	if pathLen >= 0 {
		contents = append(contents, tlv(tagInteger, []byte{byte(pathLen)}))
	}
	return extension(oidBasicConstraints, true, seq(contents...))
}

// keyUsage takes the bits of the first byte, digitalSignature being 0x80 and keyCertSign 0x04.
func keyUsage(bits byte) []byte {
	unused := byte(0)
	for b := bits; b != 0 && b&1 == 0; b >>= 1 {
		unused++
	}
	return extension(oidKeyUsage, true, tlv(tagBitString, []byte{unused, bits}))
}

const (
	digitalSignature = 0x80
	keyEncipherment  = 0x20
	keyAgreement     = 0x08
	keyCertSign      = 0x04
	crlSign          = 0x02
)

func extendedKeyUsage(critical bool, ids ...string) []byte {
	var contents [][]byte
	for _, id := range ids {
		contents = append(contents, oid(id))
	}
	return extension(oidExtendedKeyUsage, critical, seq(contents...))
}

// san is a subjectAltName of raw general names.
func san(names ...[]byte) []byte { return extension(oidSAN, false, seq(names...)) }

// padding is an extension of n bytes that a device does not know.
func padding(n int) []byte { return extension(oidPrivate, false, make([]byte, n)) }

// at encodes a moment as a certificate does: UTCTime until 2049.
func at(t time.Time) []byte {
	if t = t.UTC(); t.Year() >= 2050 {
		return tlv(tagGeneralized, []byte(t.Format("20060102150405Z")))
	}
	return tlv(tagUTCTime, []byte(t.Format("060102150405Z")))
}

// certificate is what a certificate holds, each field in DER and with its tag.
type certificate struct {
	version    []byte // nil: [0] 2, which is version 3
	serial     []byte
	algorithm  algorithm
	inner      []byte // AlgorithmIdentifier within the signed part; nil: that of algorithm
	issuer     []byte
	notBefore  []byte
	notAfter   []byte
	subject    []byte
	spki       []byte
	unique     []byte   // issuerUniqueID and subjectUniqueID
	extensions [][]byte // nil: no extensions at all
	wrap       func(list []byte) []byte
	edits      []func(tbs []byte) []byte // change the signed part before it is signed
	signer     crypto.Signer
	signature  func([]byte) []byte // changes the signature
	after      []byte              // bytes behind the certificate
}

// encode signs and encodes the certificate.
func (c *certificate) encode() []byte {
	version := c.version
	if version == nil {
		version = tlv(0xa0, tlv(tagInteger, []byte{2}))
	}
	inner := c.inner
	if inner == nil {
		inner = c.algorithm.id
	}
	fields := [][]byte{version, c.serial, inner, c.issuer, seq(c.notBefore, c.notAfter), c.subject, c.spki, c.unique}
	if c.extensions != nil {
		list := seq(c.extensions...)
		if c.wrap != nil {
			list = c.wrap(list)
		}
		fields = append(fields, tlv(0xa3, list))
	}
	tbs := seq(fields...)
	for _, edit := range c.edits {
		tbs = edit(tbs)
	}
	digest := tbs
	if c.algorithm.hash != 0 {
		h := c.algorithm.hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	signature, err := c.signer.Sign(rand.Reader, digest, c.algorithm.hash)
	if err != nil {
		panic(err)
	}
	if c.signature != nil {
		signature = c.signature(signature)
	}
	return append(seq(tbs, c.algorithm.id, tlv(tagBitString, []byte{0}, signature)), c.after...)
}

// ofSize pads the certificate until it is encoded in exactly size bytes. The length of a signature varies by a few
// bytes, so it takes some attempts.
func (c *certificate) ofSize(size int) []byte {
	plain := c.extensions
	defer func() { c.extensions = plain }()
	c.extensions = append(slices.Clip(plain), padding(300))
	pad := 300 + size - len(c.encode())
	for attempt := range 1000 {
		c.extensions = append(slices.Clip(plain), padding(pad))
		der := c.encode()
		if len(der) == size {
			return der
		}
		// The signature that pad was taken from may have been shorter than almost all others are.
		if d := size - len(der); d > 3 || d < -3 || attempt%50 == 49 {
			pad += d
		}
	}
	panic(fmt.Sprintf("no certificate of %d bytes was found", size))
}

// keys are made once for a run: what a verdict depends on is their kind.
type keys struct {
	root, otherRoot, issuing, issuing2, issuing3, leaf, other *ecdsa.PrivateKey // P-256
	p224, p384, p521                                          *ecdsa.PrivateKey
	rsa                                                       *rsa.PrivateKey
	ed25519                                                   ed25519.PrivateKey
}

func newKeys() *keys {
	ec := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	}
	k := &keys{
		root: ec(elliptic.P256()), otherRoot: ec(elliptic.P256()), issuing: ec(elliptic.P256()), issuing2: ec(elliptic.P256()),
		issuing3: ec(elliptic.P256()), leaf: ec(elliptic.P256()), other: ec(elliptic.P256()),
		p224: ec(elliptic.P224()), p384: ec(elliptic.P384()), p521: ec(elliptic.P521()),
	}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if _, k.ed25519, err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return k
}

// ecPoint is a SubjectPublicKeyInfo of an elliptic curve with these parameters and this point.
func ecPoint(parameters, point []byte) []byte {
	return seq(seq(oid("1.2.840.10045.2.1"), parameters), tlv(tagBitString, []byte{0}, point))
}

// secp256k1 is the curve's generator as a public key.
func secp256k1() []byte {
	return ecPoint(oid("1.3.132.0.10"), unhex("0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"+
		"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"))
}

// pointOf is the uncompressed point of a P-256 key.
func pointOf(key *ecdsa.PrivateKey) []byte {
	public, err := key.ECDH()
	if err != nil {
		panic(err)
	}
	return public.PublicKey().Bytes()
}

// compressed is the same in its compressed form.
func compressed(key *ecdsa.PrivateKey) []byte {
	return elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y) //nolint:staticcheck // the form is what is tested
}
