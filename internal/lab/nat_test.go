package lab

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
)

// silence is longer than the NAT's idle timeout and shorter than the servers' limits.
const silence = 15 * time.Second

// TestNATOverTCP speaks, stays silent for longer than the NAT's timeout, and speaks again to a web host.
func TestNATOverTCP(t *testing.T) {
	for name, test := range map[string]struct {
		fault string
		err   error
	}{
		"timeout not reached: answered": {"nat_forgets:1h", nil},
		"drops: silence":                {"nat_forgets:10s", os.ErrDeadlineExceeded},
		"resets: RST":                   {"nat_resets:10s", syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
				place := l.place(t, "gateways", "tcp", NominalWeb)
				if err := l.Set("gateways", test.fault); err != nil {
					t.Fatal(err)
				}
				raw, err := dial(t.Context(), "tcp", place.Address.String())
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				conn := tls.Client(raw, &tls.Config{ServerName: place.Host.Name, RootCAs: l.Mint.Web.Pool()})
				if err := conn.Handshake(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(silence) //nolint:forbidigo // virtual time
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				page := make([]byte, 12)
				_, err = conn.Read(page)
				if !errors.Is(err, test.err) || (test.err == nil && string(page) != "HTTP/1.1 200") {
					t.Errorf("read %q, %v; want %v", page, err, test.err)
				}
			})
		})
	}
}

func TestNATOverUDP(t *testing.T) {
	for name, test := range map[string]struct {
		fault string
		pong  bool
	}{
		"timeout not reached: answered": {"nat_forgets:1h", true},
		"drops: silence":                {"nat_forgets:10s", false},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
				client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any client"})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Set("bootstrap/udp", test.fault); err != nil {
					t.Fatal(err)
				}
				socket, err := dial(t.Context(), "udp", l.place(t, "bootstrap", "udp", NominalDevice).Address.String())
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				conn, err := dtls.ClientWithOptions(packetConn{socket}, socket.RemoteAddr(), dtls.WithCertificates(client),
					dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8), dtls.WithInsecureSkipVerify(true))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if err := conn.HandshakeContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(silence) //nolint:forbidigo // virtual time
				if _, err := conn.Write([]byte{0x40, 0, 1, 2}); err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				answer := make([]byte, 16)
				n, err := conn.Read(answer)
				if pong := bytes.Equal(answer[:n], []byte{0x70, 0, 1, 2}); pong != test.pong {
					t.Errorf("pong %v (%v), want %v", pong, err, test.pong)
				}
			})
		})
	}
}

// TestFlowsEndWithTheirSessions: a flow ends soon after the server's close_notify, long before its idle timeout.
func TestFlowsEndWithTheirSessions(t *testing.T) {
	inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
		client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any client"})
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
			if _, pong, err := dtlsClient(t, dial, front.at(), client); !pong {
				t.Fatal(err)
			}
		}
		if n := flows(); n != 3 {
			t.Errorf("%d flows, want 3", n)
		}
		time.Sleep(2 * closeGrace) //nolint:forbidigo // virtual time
		if n := flows(); n != 0 {
			t.Errorf("%d flows are left", n)
		}
	})
}
