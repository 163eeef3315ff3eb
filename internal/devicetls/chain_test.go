package devicetls

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestFlightRawChain(t *testing.T) {
	negative := func(der []byte) []byte { return bytes.Replace(der, []byte{2, 1, 1}, []byte{2, 1, 0xff}, 1) }
	junk := func([]byte) []byte { return make([]byte, 200) }
	tests := []struct {
		name            string
		server          testServer
		raw             int // certificates
		rejected        bool
		checked, proved bool
	}{
		{"one certificate", testServer{}, 1, false, true, true},
		{"two certificates", testServer{second: func(*x509.Certificate) {}}, 2, false, true, true},
		{"a negative serial number", testServer{leafDER: negative}, 1, false, true, true},
		{"a negative serial number and another key", testServer{leafDER: negative, wrongKey: true}, 1, false, true, false},
		{"a negative serial number before another certificate", testServer{leafDER: negative, second: func(*x509.Certificate) {}}, 2, false, true, true},
		{"a leaf that is not a certificate", testServer{leafDER: junk}, 1, true, false, false},
		{"a leaf that a device skips", testServer{leaf: signedWith(x509.ECDSAWithSHA384)}, 1, true, true, true},
		{"a certificate that a device skips before the leaf", testServer{leaf: signedWith(x509.ECDSAWithSHA384), second: func(*x509.Certificate) {}}, 1, false, true, true},
		{"the same for a browser", testServer{suite: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, leaf: signedWith(x509.ECDSAWithSHA384), second: func(*x509.Certificate) {}}, 2, false, true, true},
		{"an RSA key", testServer{signer: rsaKey(t), scheme: 0x0401}, 1, true, true, true},
		{"a key on P-384", testServer{signer: ecdsaKey(t, elliptic.P384()), leaf: signedWith(x509.ECDSAWithSHA256)}, 1, true, true, true},
		{"an unknown critical extension", testServer{leaf: with(extension(true, 1, 2, 3, 4)(5, 0))}, 1, true, true, true},
		{"an unknown critical extension in the second certificate", testServer{second: with(extension(true, 1, 2, 3, 4)(5, 0))}, 2, true, true, true},
		{"a key usage that a device sees after the handshake", testServer{leaf: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }}, 1, false, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := New([32]byte{1, 2, 3})
			step, err := c.Take(test.server.flight(t, c.random))
			if err != nil || step != FlightComplete {
				t.Fatalf("step %d, error %v", step, err)
			}
			seen := c.Flight().Seen()
			if len(seen.RawChain) != test.raw || c.Flight().Rejected != test.rejected || seen.SignatureChecked != test.checked || seen.KeyProved != test.proved {
				t.Errorf("%d certificates, rejected %v, signature checked %v, key proved %v", len(seen.RawChain), c.Flight().Rejected, seen.SignatureChecked, seen.KeyProved)
			}
		})
	}
}

func TestFlightRawChainIsBounded(t *testing.T) {
	f := NewFlight([32]byte{}, Version)
	s := new(testServer)
	hello := s.messages(t, [32]byte{})[0]
	if err := f.Take(TypeServerHello, hello[4:]); err != nil {
		t.Fatal(err)
	}
	list := slices.Repeat([]byte{0, 0, 2, 0x30, 0}, measurement.MaxChain+8)
	if err := f.Take(TypeCertificate, certificateList(t, list)); err != nil {
		t.Fatal(err)
	}
	if len(f.RawChain) != measurement.MaxChain {
		t.Errorf("%d certificates are kept", len(f.RawChain))
	}
}

func certificateList(t *testing.T, list []byte) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(list) })
	return b.BytesOrPanic()
}
