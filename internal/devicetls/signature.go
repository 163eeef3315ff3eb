package devicetls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // a signature with SHA-1 still proves the key, although a device does not accept it
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
)

// scheme holds the two parts of a SignatureScheme.
type scheme struct {
	hash crypto.Hash
	kind signatureKind
}

// signatureKind is the signature algorithm of a scheme.
type signatureKind uint8

const (
	kindPKCS1 signatureKind = iota // RSA, PKCS #1 v1.5
	kindPSS                        // RSA, PSS
	kindECDSA
)

// schemes are the supported values of SignatureScheme (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3).
var schemes = map[uint16]scheme{
	0x0201: {crypto.SHA1, kindPKCS1}, 0x0203: {crypto.SHA1, kindECDSA},
	0x0301: {crypto.SHA224, kindPKCS1}, 0x0303: {crypto.SHA224, kindECDSA},
	0x0401: {crypto.SHA256, kindPKCS1}, 0x0403: {crypto.SHA256, kindECDSA}, 0x0804: {crypto.SHA256, kindPSS}, 0x0809: {crypto.SHA256, kindPSS},
	0x0501: {crypto.SHA384, kindPKCS1}, 0x0503: {crypto.SHA384, kindECDSA}, 0x0805: {crypto.SHA384, kindPSS}, 0x080a: {crypto.SHA384, kindPSS},
	0x0601: {crypto.SHA512, kindPKCS1}, 0x0603: {crypto.SHA512, kindECDSA}, 0x0806: {crypto.SHA512, kindPSS}, 0x080b: {crypto.SHA512, kindPSS},
}

// verify checks the signature over both randoms and the key exchange parameters (RFC 8422 §5.4). It supports more
// algorithms than a device offers, because whether the server has the key and whether a device accepts the signature
// are separate findings. checked is false if the signature cannot be checked.
func (f *Flight) verify(leafKey crypto.PublicKey, id uint16, parameters, signature []byte) (checked, good bool) {
	s, ok := schemes[id]
	if !ok {
		return false, false
	}
	h := s.hash.New()
	h.Write(f.clientRandom[:])
	h.Write(f.Random[:])
	h.Write(parameters)
	digest := h.Sum(nil)
	switch key := leafKey.(type) {
	case *ecdsa.PublicKey:
		if s.kind == kindECDSA {
			return true, devicecert.VerifyECDSA(key, digest, signature)
		}
	case *rsa.PublicKey:
		switch {
		case key.N.BitLen() > devicecert.MaxRSABits:
			return false, false
		case s.kind == kindPKCS1:
			return true, rsa.VerifyPKCS1v15(key, s.hash, digest, signature) == nil
		case s.kind == kindPSS:
			return true, rsa.VerifyPSS(key, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	}
	// The key is of a kind that is not supported here, or the scheme is for another kind of key than the leaf's, which a
	// device does not accept anyway.
	return false, false
}
