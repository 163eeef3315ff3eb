package path

import (
	"bytes"
	"crypto/tls"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestWebRawChain has a server send a certificate that package x509 parses only if it is told to accept negative serial
// numbers. In TLS 1.2 the flight is in the clear, so that the certificate is seen in any case.
func TestWebRawChain(t *testing.T) {
	tests := []struct {
		name     string
		version  uint16
		negative string // GODEBUG
		failure  measurement.Failure
		seen     bool
	}{
		{"TLS 1.2", tls.VersionTLS12, "0", measurement.Malformed, true},
		{"TLS 1.2, accepted", tls.VersionTLS12, "1", measurement.Completed, true},
		{"TLS 1.3", tls.VersionTLS13, "0", measurement.Malformed, false},
		{"TLS 1.3, accepted", tls.VersionTLS13, "1", measurement.Completed, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := leafOf(t, lab.Leaf{CommonName: "a.test"}) // one for each: crypto/tls caches what it parsed
			odd := tls.Certificate{PrivateKey: server.PrivateKey, Certificate: [][]byte{bytes.Clone(server.Certificate[0])}}
			serial := bytes.Index(odd.Certificate[0], []byte{0xa0, 3, 2, 1, 2, 2}) + 7 // after the version, a tag and a length
			odd.Certificate[0][serial] = 0x80
			t.Setenv("GODEBUG", "x509negativeserial="+test.negative)
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				o := w.walkWebServer(t, "a.test", &tls.Config{Certificates: []tls.Certificate{odd}, MinVersion: test.version, MaxVersion: test.version})
				if o.Failure != test.failure {
					t.Errorf("%q (%+v)", o.Failure, o.Detail)
				}
				seen := o.TLS != nil && len(o.TLS.RawChain) == 1 && bytes.Equal(o.TLS.RawChain[0], odd.Certificate[0]) && o.TLS.KeyProved
				if seen != test.seen {
					t.Errorf("seen: %v (%+v)", seen, o.TLS)
				}
			})
		})
	}
}
