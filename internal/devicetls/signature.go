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

// maxRSA is the longest RSA key, in bits, that a signature is checked with. crypto/tls has the same limit: with a
// longer key a check can take seconds.
const maxRSA = 8192

// scheme is a SignatureScheme taken apart.
type scheme struct {
	hash crypto.Hash
	kind uint8 // 1 RSA PKCS #1 v1.5, 3 ECDSA, 8 RSA-PSS
}

// parseScheme parses a SignatureScheme (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3); ok is false if it is not supported.
func parseScheme(id uint16) (s scheme, ok bool) {
	switch id {
	case 0x0804, 0x0809:
		return scheme{crypto.SHA256, 8}, true
	case 0x0805, 0x080a:
		return scheme{crypto.SHA384, 8}, true
	case 0x0806, 0x080b:
		return scheme{crypto.SHA512, 8}, true
	}
	kind := uint8(id)
	var hash crypto.Hash
	switch id >> 8 {
	case 2:
		hash = crypto.SHA1
	case 3:
		hash = crypto.SHA224
	case 4:
		hash = crypto.SHA256
	case 5:
		hash = crypto.SHA384
	case 6:
		hash = crypto.SHA512
	}
	return scheme{hash, kind}, hash != 0 && (kind == 1 || kind == 3)
}

// verify checks the signature over both randoms and the key exchange parameters (RFC 8422 §5.4). It supports more
// algorithms than a device offers, because whether the server has the key and whether a device accepts the signature
// are separate findings. checked is false if the signature cannot be checked.
func (f *Flight) verify(leafKey crypto.PublicKey, id uint16, parameters, signature []byte) (checked, good bool) {
	s, ok := parseScheme(id)
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
		case key.N.BitLen() > maxRSA:
			return false, false
		case s.kind == 1:
			return true, rsa.VerifyPKCS1v15(key, s.hash, digest, signature) == nil
		case s.kind == 8:
			return true, rsa.VerifyPSS(key, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
	default:
		return false, false // a kind of key that is not supported here
	}
	return false, false // the scheme is for another kind of key than the leaf's, which a device does not accept anyway
}
