package devicecert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of [Certificate.SignedBy]
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"
)

// MaxRSABits is the largest RSA key that a signature is checked with. The time grows with the square of the size.
const MaxRSABits = 8192

// Object identifiers, as the content of their encodings.
const (
	idECPublicKey = "\x2a\x86\x48\xce\x3d\x02\x01"         // 1.2.840.10045.2.1
	idECDH        = "\x2b\x81\x04\x01\x0c"                 // 1.3.132.1.12
	idP256        = "\x2a\x86\x48\xce\x3d\x03\x01\x07"     // 1.2.840.10045.3.1.7
	idRSA         = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // 1.2.840.113549.1.1.1
	idEd25519     = "\x2b\x65\x70"                         // 1.3.101.112
	idPSS         = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" // 1.2.840.113549.1.1.10
)

const nameP256 = "P-256" // the curve that a device reads

// keyAlgorithms and curves name the algorithms and curves of public keys.
var (
	keyAlgorithms = map[string]string{idRSA: "RSA", idEd25519: "Ed25519", "\x2b\x65\x71": "Ed448", "\x2a\x86\x48\xce\x38\x04\x01": "DSA"}
	curves        = map[string]string{
		idP256:                 nameP256,
		"\x2b\x81\x04\x00\x21": "P-224", "\x2b\x81\x04\x00\x22": "P-384", "\x2b\x81\x04\x00\x23": "P-521",
		"\x2b\x81\x04\x00\x0a": "secp256k1", "\x2b\x24\x03\x03\x02\x08\x01\x01\x07": "brainpoolP256r1",
		"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b": "brainpoolP384r1", "\x2b\x24\x03\x03\x02\x08\x01\x01\x0d": "brainpoolP512r1",
	}
)

// signatureAlgorithm is how a certificate may be signed (RFC 5280 §4.1.1.2).
type signatureAlgorithm struct {
	name   string
	hash   crypto.Hash
	device bool // a device knows it
}

// signatureAlgorithms lists those that [Certificate.SignedBy] can check. Devices know two of them.
var signatureAlgorithms = map[string]signatureAlgorithm{
	"\x2a\x86\x48\xce\x3d\x04\x03\x01":     {"ecdsa-with-SHA224", crypto.SHA224, true},
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     {"ecdsa-with-SHA256", crypto.SHA256, true},
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     {"ecdsa-with-SHA384", crypto.SHA384, false},
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     {"ecdsa-with-SHA512", crypto.SHA512, false},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": {"sha256WithRSAEncryption", crypto.SHA256, false},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": {"sha384WithRSAEncryption", crypto.SHA384, false},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": {"sha512WithRSAEncryption", crypto.SHA512, false},
	idPSS:                                  {"RSASSA-PSS", crypto.SHA256, false},
	idEd25519:                              {"Ed25519", 0, false},
}

// otherSignatures names further algorithms, which are not checked.
var otherSignatures = map[string]string{
	"\x2a\x86\x48\xce\x3d\x04\x01":         "ecdsa-with-SHA1",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": "sha1WithRSAEncryption",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04": "md5WithRSAEncryption",
}

func signatureName(id []byte) string {
	if known, ok := signatureAlgorithms[string(id)]; ok {
		return known.name
	}
	return nameOr(otherSignatures, id)
}

// IdentifierText is the dotted form of an object identifier, or its first octets in hexadecimal, at most that many, if
// it has none.
func IdentifierText(id []byte, most int) string {
	var oid x509.OID
	if len(id) <= 32 && oid.UnmarshalBinary(id) == nil {
		return oid.String()
	}
	return "#" + hex.EncodeToString(id[:min(len(id), most)])
}

// readKey reads the content of a SubjectPublicKeyInfo (RFC 5480 §2) as a device does. It sets Key also if a device
// cannot read the key.
func (c *Certificate) readKey(content reader) {
	var identifier algorithm
	var point []byte
	if !content.takeAlgorithm(&identifier) || !content.onlyBits(0, &point) {
		c.reject(MalformedKey, "")
		return
	}
	switch {
	case string(identifier.id) != idECPublicKey && string(identifier.id) != idECDH:
		c.Key = nameOr(keyAlgorithms, identifier.id)
	case identifier.parameterTag != tagObjectIdentifier:
		c.Key = "EC"
	default:
		c.Key = nameOr(curves, identifier.parameters)
	}
	if c.Key != nameP256 {
		c.reject(UnreadableKey, c.Key)
		return
	}
	var err error
	if c.key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil {
		c.reject(MalformedKey, c.Key)
		return
	}
	c.agreementOnly = string(identifier.id) == idECDH
}

// maxOctets bounds the octets of an unreadable identifier in the text of a [Finding].
const maxOctets = 16

func nameOr(names map[string]string, id []byte) string {
	if name, ok := names[string(id)]; ok {
		return name
	}
	return IdentifierText(id, maxOctets)
}

// PublicKey returns the certificate's public key, of any kind that package x509 knows, or nil.
func (c *Certificate) PublicKey() crypto.PublicKey {
	if c.key != nil {
		return c.key
	}
	if len(c.RawSubjectPublicKeyInfo) == 0 {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil
	}
	return key
}

// SignedBy reports whether a key signed the certificate. It knows more algorithms than a device, with which see
// [Certificate.Problem]. RSA keys over [MaxRSABits] sign nothing.
func (c *Certificate) SignedBy(key crypto.PublicKey) bool {
	algorithm, known := signatureAlgorithms[c.signatureID]
	if !known || len(c.RawTBSCertificate) == 0 {
		return false
	}
	if algorithm.hash == 0 {
		key, ok := key.(ed25519.PublicKey)
		return ok && ed25519.Verify(key, c.RawTBSCertificate, c.SignatureValue)
	}
	h := algorithm.hash.New()
	h.Write(c.RawTBSCertificate)
	digest := h.Sum(nil)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return strings.HasPrefix(c.signatureID, ecdsaSignatures) && VerifyECDSA(key, digest, c.SignatureValue)
	case *rsa.PublicKey:
		if c.signatureID == idPSS {
			return key.N.BitLen() <= MaxRSABits && c.signedPSS(key)
		}
		return !strings.HasPrefix(c.signatureID, ecdsaSignatures) && key.N.BitLen() <= MaxRSABits &&
			rsa.VerifyPKCS1v15(key, algorithm.hash, digest, c.SignatureValue) == nil
	}
	return false
}

// Checkable reports whether [Certificate.SignedBy] knows the algorithm of the signature. Without it nothing is known
// about who signed.
func (c *Certificate) Checkable() bool {
	_, known := signatureAlgorithms[c.signatureID]
	return known
}

// signedPSS leaves the parameters of RSASSA-PSS (RFC 4055 §3.1) to package x509.
func (c *Certificate) signedPSS(key *rsa.PublicKey) bool {
	parsed, err := x509.ParseCertificate(c.Raw)
	signer := x509.Certificate{PublicKeyAlgorithm: x509.RSA, PublicKey: key}
	return err == nil && signer.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature) == nil
}

// ecdsaSignatures begins the identifiers of ECDSA signatures.
const ecdsaSignatures = "\x2a\x86\x48\xce\x3d\x04"

// VerifyECDSA verifies an ECDSA signature as a device does: the encoding of its two numbers need not be DER.
func VerifyECDSA(key *ecdsa.PublicKey, digest, signature []byte) bool {
	var content, r, s reader
	return reader(signature).only(tagSequence, &content) && content.take(tagInteger, &r) && content.only(tagInteger, &s) &&
		ecdsa.Verify(key, digest, new(big.Int).SetBytes(r), new(big.Int).SetBytes(s))
}
