package devicetls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // a server may sign with it, and then has proved its key all the same
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
)

// maxRSA bounds the RSA keys that signatures are checked with, in bits, as crypto/tls does: a hostile key can be made to
// cost seconds.
const maxRSA = 8192

type scheme struct {
	hash crypto.Hash
	kind uint8 // 1 RSA PKCS #1 v1.5, 3 ECDSA, 8 RSA-PSS
}

// readScheme takes a SignatureScheme apart (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3); ok is false if it is not known here.
func readScheme(id uint16) (s scheme, ok bool) {
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

// verify checks the signature over both randoms and the parameters (RFC 8422 §5.4). It knows more algorithms than a
// device offers: whether the holder has the key and whether a device can take the proof are two findings. checked is
// false if nothing can be said.
func (f *Flight) verify(leaf *x509.Certificate, id uint16, parameters, signature []byte) (checked, good bool) {
	s, ok := readScheme(id)
	if !ok {
		return false, false
	}
	h := s.hash.New()
	h.Write(f.clientRandom[:])
	h.Write(f.Random[:])
	h.Write(parameters)
	digest := h.Sum(nil)
	switch key := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if s.kind == 3 {
			return true, ecdsa.VerifyASN1(key, digest, signature)
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
		return false, false // a kind of key that proves nothing we could check
	}
	return true, false // signed for another kind of key than the leaf's
}
