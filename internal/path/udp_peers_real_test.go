//go:build realpeers

package path

import (
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestWalkUDPOfRealServers(t *testing.T) {
	t.Parallel()
	openssl := func(more ...string) []string {
		return append([]string{"openssl", "s_server", "-dtls1_2", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-quiet"}, more...)
	}
	gnutls := func(more ...string) []string {
		return append([]string{"gnutls-serv", "--udp", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}",
			"--priority", "NORMAL:+AES-128-CCM-8"}, more...)
	}
	for name, test := range map[string]struct {
		program []string
		failure measurement.Failure
		in      measurement.Phase
		phases  []measurement.Phase
		asked   bool
		detail  measurement.DetailKind
	}{
		"OpenSSL with only 0xC0AE, client certificate required": {
			program: openssl("-cipher", ccm8, "-Verify", "1"), phases: upToFinUDP, asked: true,
		},
		"OpenSSL that listens without state": {
			program: openssl("-cipher", ccm8, "-Verify", "1", "-listen"), phases: upToFinUDP, asked: true,
		},
		"OpenSSL in datagrams of 256 bytes": {
			program: openssl("-cipher", ccm8, "-Verify", "1", "-mtu", "256"), phases: upToFinUDP, asked: true,
		},
		"OpenSSL without session tickets, no client certificate": {
			program: openssl("-cipher", ccm8, "-no_ticket"), phases: upToFinUDP,
		},
		"OpenSSL, client certificate refused": {
			program: openssl("-cipher", ccm8, "-CAfile", "{CA}", "-Verify", "1", "-verify_return_error"),
			failure: measurement.CertificateNeeded, in: measurement.Finish, phases: upToHelloUDP, asked: true, detail: measurement.DetailAlertAfterCert,
		},
		"OpenSSL without the device's suite": {
			program: openssl("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
			failure: measurement.Alert, in: measurement.Hello, detail: measurement.DetailAlert,
		},
		"GnuTLS with client certificate required": {
			program: gnutls("--require-client-cert"), phases: upToFinUDP, asked: true,
		},
		"GnuTLS no client certificate": {
			program: gnutls("--disable-client-cert"), phases: upToFinUDP,
		},
		"libcoap with GnuTLS": {
			program: libcoap("gnutls", "-n"), phases: allUDP,
		},
		"libcoap with OpenSSL": {
			program: libcoap("openssl", "-n"), phases: allUDP,
		},
		"libcoap with GnuTLS and client certificate required": {
			program: libcoap("gnutls", "-C", "{CLIENT_CA}"), phases: allUDP, asked: true,
		},
		"libcoap with OpenSSL and client certificate required": {
			program: libcoap("openssl", "-C", "{CLIENT_CA}"), phases: allUDP, asked: true,
		},
		"libcoap with OpenSSL, client certificate refused": {
			program: libcoap("openssl", "-C", "{CA}"),
			failure: measurement.CertificateNeeded, in: measurement.Finish, phases: upToHelloUDP, asked: true, detail: measurement.DetailAlertAfterCert,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mint := newMint(t)
			p := startPeer(t, mint, measurement.UDP, nil, test.program[0], test.program[1:]...)
			w := &Walker{Patience: patient, Credential: clientOf(t, mint), retransmission: time.Minute}
			o := w.Walk(t.Context(), Target{
				Address: p.at, Transport: measurement.UDP, Client: measurement.Device, Host: "server.test", Finish: true,
				Ping: slices.Contains(test.phases, measurement.Ping),
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) || o.Detail.Kind != test.detail {
				t.Fatal(describe(o))
			}
			if o.FirstReply <= 0 || resentEarly(o) {
				t.Errorf("first reply after %v, flights sent again: %d", o.FirstReply, o.Retransmissions)
			}
			if test.failure == measurement.Alert {
				return
			}
			if seen := o.TLS; serverCertificate(seen) == nil || serverCertificate(seen).Subject.CommonName != "server.test" || !seen.KeyProved || seen.CertificateRequested != test.asked ||
				seen.Version != 0xfefd || seen.Cipher != 0xc0ae {
				t.Errorf("saw %+v", seen)
			}
		})
	}
}

// resentEarly reports whether a flight was sent again within the first second. A server repeats its own flight after
// a second (RFC 6347 §4.2.4.1), which asks for the client's: that is not a fault on a machine that is busy for so
// long.
func resentEarly(o measurement.Outcome) bool {
	var took time.Duration
	for _, p := range o.Times {
		took += p.Took
	}
	return o.Retransmissions > 0 && took < time.Second
}
