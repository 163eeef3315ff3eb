package present

import (
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestTrustDetailText(t *testing.T) {
	seen := make(map[string]measurement.DetailKind)
	for _, kind := range detailKinds(t, "trust_", "certificate_") {
		t.Run(string(kind), func(t *testing.T) {
			for n := range 3 {
				got := trustDetailText(measurement.Detail{Kind: kind, N: n, Text: "X\x1b"})
				if got == "" || strings.HasSuffix(got, ".") || strings.ContainsAny(got, "\x1b{}") {
					t.Errorf("%q", got)
				}
				if before, known := seen[got]; known && before != kind {
					t.Errorf("%q is also the text of %s", got, before)
				}
				seen[got] = kind
			}
		})
	}
	if got := trustDetailText(measurement.Detail{Kind: "another", Text: "x"}); got != "" {
		t.Errorf("another kind: %q", got)
	}
}

func TestTrustDetailTextNamesTheCertificate(t *testing.T) {
	for n, want := range map[int]string{
		1: "the server's certificate has a key of type P-384; devices accept only ECDSA on P-256",
		2: "certificate 2 of the server's list has a key of type P-384; devices accept only ECDSA on P-256",
	} {
		if got := trustDetailText(measurement.Detail{Kind: measurement.DetailCertificateKey, N: n, Text: "P-384"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
