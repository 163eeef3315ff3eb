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

// scheme is a SignatureScheme taken apart.
type scheme struct {
	hash crypto.Hash
	kind uint8 // 1 RSA PKCS #1 v1.5, 3 ECDSA, 8 RSA-PSS
}

// schemes are the supported values of SignatureScheme (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3).
var schemes = map[uint16]scheme{
	0x0201: {crypto.SHA1, 1}, 0x0203: {crypto.SHA1, 3},
	0x0301: {crypto.SHA224, 1}, 0x0303: {crypto.SHA224, 3},
	0x0401: {crypto.SHA256, 1}, 0x0403: {crypto.SHA256, 3}, 0x0804: {crypto.SHA256, 8}, 0x0809: {crypto.SHA256, 8},
	0x0501: {crypto.SHA384, 1}, 0x0503: {crypto.SHA384, 3}, 0x0805: {crypto.SHA384, 8}, 0x080a: {crypto.SHA384, 8},
	0x0601: {crypto.SHA512, 1}, 0x0603: {crypto.SHA512, 3}, 0x0806: {crypto.SHA512, 8}, 0x080b: {crypto.SHA512, 8},
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
		if s.kind == 3 {
			return true, devicecert.VerifyECDSA(key, digest, signature)
		}
	case *rsa.PublicKey:
		switch {
		case key.N.BitLen() > devicecert.MaxRSABits:
			return false, false
		case s.kind == 1:
			return true, rsa.VerifyPKCS1v15(key, s.hash, digest, signature) == nil
		case s.kind == 8:
			return true, rsa.VerifyPSS(key, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	}
	// The key is of a kind that is not supported here, or the scheme is for another kind of key than the leaf's, which a
	// device does not accept anyway.
	return false, false
}
