package devicedtls

import (
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
)

// What the wide hello offers: every cipher suite, group and signature algorithm that a TLS-inspecting proxy may be
// limited to.
var (
	wideSuites = []uint16{
		0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, // ECDHE with AES-GCM and ChaCha20
		0xc0ae, 0xc0ac, // ECDHE_ECDSA with AES-CCM
		0xc009, 0xc013, 0xc00a, 0xc014, // ECDHE with AES-CBC
		0x009c, 0x009d, 0x002f, 0x0035, 0x000a, // RSA key exchange
		0x00ff, // secure renegotiation (RFC 5746 §3.3)
	}
	wideGroups     = []uint16{29, 23, 24, 25} // x25519, secp256r1, secp384r1, secp521r1
	wideSignatures = []uint16{
		0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
	}
)

// wideHello returns the body of a ClientHello that any DTLS server can answer. It is below 300 bytes for a usual host.
func wideHello(random [32]byte, cookie []byte, host string) []byte {
	list := func(values []uint16) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			for _, v := range values {
				b.AddUint16(v)
			}
		}
	}
	extension := func(b *cryptobyte.Builder, id uint16, body func(*cryptobyte.Builder)) {
		b.AddUint16(id)
		b.AddUint16LengthPrefixed(body)
	}
	var b cryptobyte.Builder
	b.AddUint16(Version)
	b.AddBytes(random[:])
	b.AddUint8(0) // no session to resume
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(cookie) })
	b.AddUint16LengthPrefixed(list(wideSuites))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		if _, err := netip.ParseAddr(host); err != nil && host != "" {
			extension(b, 0, func(b *cryptobyte.Builder) { // server_name (RFC 6066 §3)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					b.AddUint8(0)
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(host)) })
				})
			})
		}
		extension(b, 10, func(b *cryptobyte.Builder) { b.AddUint16LengthPrefixed(list(wideGroups)) })
		extension(b, 11, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })
		extension(b, 13, func(b *cryptobyte.Builder) { b.AddUint16LengthPrefixed(list(wideSignatures)) })
		extension(b, 23, func(*cryptobyte.Builder) {})
	})
	return b.BytesOrPanic() // the configuration bounds hosts
}
