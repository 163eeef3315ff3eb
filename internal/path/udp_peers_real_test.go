//go:build realpeers

package path

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestUDPWalkOfRealServers(t *testing.T) {
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
		detail  string
	}{
		"OpenSSL with 0xC0AE alone and a client certificate demanded": {
			program: openssl("-cipher", ccm8, "-Verify", "1"), phases: finishedUDP, asked: true,
		},
		"OpenSSL that listens without state": {
			program: openssl("-cipher", ccm8, "-Verify", "1", "-listen"), phases: finishedUDP, asked: true,
		},
		"OpenSSL in datagrams of 256 bytes": {
			program: openssl("-cipher", ccm8, "-Verify", "1", "-mtu", "256"), phases: finishedUDP, asked: true,
		},
		"OpenSSL without session tickets, asking for no certificate": {
			program: openssl("-cipher", ccm8, "-no_ticket"), phases: finishedUDP,
		},
		"OpenSSL that refuses strangers": {
			program: openssl("-cipher", ccm8, "-CAfile", "{CA}", "-Verify", "1", "-verify_return_error"),
			failure: measurement.CertificateNeeded, in: measurement.Finish, phases: greetedUDP, asked: true, detail: "after our certificate",
		},
		"OpenSSL without the device's suite": {
			program: openssl("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
			failure: measurement.Alert, in: measurement.Hello, detail: "handshake_failure (40)",
		},
		"GnuTLS with a client certificate demanded": {
			program: gnutls("--require-client-cert"), phases: finishedUDP, asked: true,
		},
		"GnuTLS asking for no certificate": {
			program: gnutls("--disable-client-cert"), phases: finishedUDP,
		},
		"libcoap with GnuTLS": {
			program: libcoap("gnutls", "-n"), phases: pingedUDP,
		},
		"libcoap with OpenSSL": {
			program: libcoap("openssl", "-n"), phases: pingedUDP,
		},
		"libcoap with GnuTLS and a client certificate demanded": {
			program: libcoap("gnutls", "-C", "{STRANGERS}"), phases: pingedUDP, asked: true,
		},
		"libcoap with OpenSSL and a client certificate demanded": {
			program: libcoap("openssl", "-C", "{STRANGERS}"), phases: pingedUDP, asked: true,
		},
		"libcoap with OpenSSL that refuses strangers": {
			program: libcoap("openssl", "-C", "{CA}"),
			failure: measurement.CertificateNeeded, in: measurement.Finish, phases: greetedUDP, asked: true, detail: "after our certificate",
		},
	} {
		t.Run(name, func(t *testing.T) {
			mint := newMint(t)
			p := startPeer(t, mint, measurement.UDP, nil, test.program[0], test.program[1:]...)
			w := &Walker{Patience: patient, Credential: strangerOf(t, mint), retransmission: time.Minute}
			o := w.Walk(t.Context(), Target{
				Address: p.at, Transport: measurement.UDP, Client: measurement.Device, Host: "server.test", Finish: true,
				Ping: slices.Contains(test.phases, measurement.Ping),
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) || !strings.Contains(o.Detail.Text, test.detail) {
				t.Fatalf("%q in %q after %v (%s)", o.Failure, o.FailedIn, phasesOf(o), o.Detail.Text)
			}
			if o.FirstReply <= 0 || repeatedEarly(o) {
				t.Errorf("first reply after %v, flights sent again: %d", o.FirstReply, o.Retransmissions)
			}
			if test.failure == measurement.Alert {
				return
			}
			if seen := o.TLS; seen.Leaf() == nil || seen.Leaf().Subject.CommonName != "server.test" || !seen.KeyProved || seen.CertificateRequested != test.asked ||
				seen.Version != 0xfefd || seen.Cipher != 0xc0ae {
				t.Errorf("saw %+v", seen)
			}
		})
	}
}
