package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
)

// silence is what is tested: longer than the NAT remembers, which is longer than a handshake takes on a busy machine.
const silence = 2500 * time.Millisecond

// TestNATForgetsTCP speaks, stays silent for longer than the NAT remembers, and speaks again. The web host's page shows
// what still passes: it needs no handshake of the lab's own.
func TestNATForgetsTCP(t *testing.T) {
	l := startLab(t, Options{})
	place := l.place(t, "gateways", "tcp", NominalWeb)
	for _, test := range []struct {
		fault string
		err   error
	}{
		{"nat_forgets:1h", nil},
		{"nat_forgets:2s", os.ErrDeadlineExceeded},
		{"nat_resets:2s", syscall.ECONNRESET},
	} {
		t.Run(test.fault, func(t *testing.T) {
			if err := l.Set("gateways", test.fault); err != nil {
				t.Fatal(err)
			}
			raw, err := net.Dial("tcp", place.Address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn := tls.Client(raw, &tls.Config{ServerName: place.Host.Name, RootCAs: l.Mint.Web.Pool()})
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			<-time.After(silence)
			if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: lab\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			within := soon
			if errors.Is(test.err, os.ErrDeadlineExceeded) {
				within = brief
			}
			_ = conn.SetReadDeadline(time.Now().Add(within))
			page := make([]byte, 12)
			_, err = conn.Read(page)
			if !errors.Is(err, test.err) || (test.err == nil && string(page) != "HTTP/1.1 200") {
				t.Errorf("read %q, %v; want %v", page, err, test.err)
			}
		})
	}
}

func TestNATForgetsUDP(t *testing.T) {
	l := startLab(t, Options{})
	to := l.place(t, "bootstrap", "udp", NominalDevice).Address
	client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any stranger"})
	if err != nil {
		t.Fatal(err)
	}
	for fault, survives := range map[string]bool{"nat_forgets:1h": true, "nat_forgets:2s": false} {
		t.Run(fault, func(t *testing.T) {
			if err := l.Set("bootstrap/udp", fault); err != nil {
				t.Fatal(err)
			}
			socket, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			conn, err := dtls.ClientWithOptions(pionSocket{socket}, socket.RemoteAddr(), dtls.WithCertificates(client),
				dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8), dtls.WithInsecureSkipVerify(true))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			if err := conn.HandshakeContext(ctx); err != nil {
				t.Fatal(err)
			}
			<-time.After(silence)
			if _, err := conn.Write([]byte{0x40, 0, 1, 2}); err != nil {
				t.Fatal(err)
			}
			within := soon
			if !survives {
				within = brief
			}
			_ = conn.SetReadDeadline(time.Now().Add(within))
			answer := make([]byte, 16)
			n, err := conn.Read(answer)
			if pong := bytes.Equal(answer[:n], []byte{0x70, 0, 1, 2}); pong != survives {
				t.Errorf("pong %v (%v), want %v", pong, err, survives)
			}
		})
	}
}

// A flow holds a socket: it ends with its session, long before a NAT would forget it.
func TestFlowsEndWithTheirSessions(t *testing.T) {
	l := startLab(t, Options{})
	client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any stranger"})
	if err != nil {
		t.Fatal(err)
	}
	fronts, err := l.find("bootstrap/udp")
	if err != nil {
		t.Fatal(err)
	}
	front := fronts[0].front.(*udpFront)
	flows := func() int {
		front.mu.Lock()
		defer front.mu.Unlock()
		return len(front.flows)
	}
	for range 3 {
		if _, pong, err := dtlsClient(t, front.at(), client, soon, soon); !pong {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(soon); flows() > 0; <-time.After(closeGrace / 10) {
		if time.Now().After(end) {
			t.Fatalf("flows are left: %d", flows())
		}
	}
}
