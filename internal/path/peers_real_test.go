//go:build realpeers

package path

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// patient gives real programs time on a busy machine.
var patient = Patience{Connect: 30 * time.Second, Hello: 30 * time.Second, Flight: 30 * time.Second, Finish: 30 * time.Second, Ping: 30 * time.Second}

// peer is a real TLS server on loopback.
type peer struct {
	at     netip.AddrPort
	stdin  io.WriteCloser
	stdout io.Reader
}

// startPeer runs a server program and waits until it listens. It replaces {PORT}, {PORT-1}, {CERT}, {KEY},
// {CLIENT_CA} (the authority of the client certificate) and {CA} (another one) in the arguments.
func startPeer(t *testing.T, mint *lab.Mint, transport measurement.Transport, env []string, name string, args ...string) *peer {
	t.Helper()
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test", DNSNames: []string{"server.test"}})
	if err != nil {
		t.Fatal(err)
	}
	return startPeerShowing(t, leaf, mint, transport, env, name, args...)
}

// startPeerShowing is startPeer with another certificate.
func startPeerShowing(t *testing.T, leaf tls.Certificate, mint *lab.Mint, transport measurement.Transport, env []string, name string, args ...string) *peer {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("this test needs Debian's %s: %v", name, err)
	}
	chain, key, err := lab.PEM(leaf)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"cert": chain, "key": key, "ca": mint.LwM2M.PEM(), "clientca": mint.Inspector.PEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := program.FreePort(t)
	fill := strings.NewReplacer("{PORT}", fmt.Sprint(at.Port()), "{PORT-1}", fmt.Sprint(at.Port()-1), "{CERT}", filepath.Join(dir, "cert"),
		"{KEY}", filepath.Join(dir, "key"), "{CA}", filepath.Join(dir, "ca"), "{CLIENT_CA}", filepath.Join(dir, "clientca"))
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), env...)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
	})
	for end := time.Now().Add(time.Minute); ; {
		if listens(t, transport, at) {
			return &peer{at, stdin, stdout}
		}
		if time.Now().After(end) {
			cancel()
			_ = command.Wait()
			t.Fatalf("%s does not listen\n%s", name, complaints.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// listens reports whether a program listens on a port of this machine. For UDP it reads the kernel's table, because a
// datagram would begin a session.
func listens(t *testing.T, transport measurement.Transport, at netip.AddrPort) bool {
	t.Helper()
	if transport == measurement.TCP {
		conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(at))
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	table, err := os.ReadFile("/proc/thread-self/net/udp") // the first thread may be in another namespace by now
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(table), fmt.Sprintf(":%04X 00000000:0000", at.Port()))
}

func newMint(t *testing.T) *lab.Mint {
	t.Helper()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return mint
}

func clientOf(t *testing.T, mint *lab.Mint) func() *Credential {
	t.Helper()
	certificate, err := mint.Inspector.Issue(lab.Leaf{CommonName: "client"})
	if err != nil {
		t.Fatal(err)
	}
	return func() *Credential { return &Credential{Certificate: certificate} }
}

const ccm8 = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"

func TestWalkTCPOfRealServers(t *testing.T) {
	noEMS := filepath.Join(t.TempDir(), "openssl.cnf")
	if err := os.WriteFile(noEMS, []byte("openssl_conf = init\n[init]\nssl_conf = modules\n[modules]\nsystem_default = server\n[server]\nOptions = -ExtendedMasterSecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env     []string
		program []string
		failure measurement.Failure
		in      measurement.Phase
		phases  []measurement.Phase
		web     measurement.Failure
		asked   bool
	}{
		"OpenSSL with only 0xC0AE, client certificate required": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-cipher", ccm8, "-Verify", "1", "-tls1_2", "-quiet"},
			phases:  upToFinish, asked: true,
		},
		"OpenSSL without extended master secret": {
			env:     []string{"OPENSSL_CONF=" + noEMS},
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-cipher", ccm8, "-Verify", "1", "-tls1_2", "-quiet"},
			phases:  upToFinish, asked: true,
		},
		"OpenSSL without session tickets, no client certificate": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-cipher", ccm8, "-tls1_2", "-no_ticket", "-quiet"},
			phases:  upToFinish,
		},
		"OpenSSL, client certificate refused": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-CAfile", "{CA}", "-cipher", ccm8, "-Verify", "1", "-verify_return_error", "-tls1_2", "-quiet"},
			failure: measurement.CertificateNeeded, in: measurement.Finish, phases: upToHello, asked: true,
		},
		"OpenSSL without the device's suite": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-tls1_2", "-quiet"},
			failure: measurement.Alert, in: measurement.Hello, phases: connectOnly, web: measurement.Completed,
		},
		"OpenSSL with only TLS 1.3": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-tls1_3", "-quiet"},
			failure: measurement.Alert, in: measurement.Hello, phases: connectOnly, web: measurement.Completed,
		},
		"GnuTLS with client certificate required": {
			program: []string{"gnutls-serv", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}", "--priority", "NORMAL:+AES-128-CCM-8", "--require-client-cert"},
			phases:  upToFinish, asked: true,
		},
		"GnuTLS no client certificate": {
			program: []string{"gnutls-serv", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}", "--priority", "NORMAL:+AES-128-CCM-8", "--disable-client-cert"},
			phases:  upToFinish,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mint := newMint(t)
			p := startPeer(t, mint, measurement.TCP, test.env, test.program[0], test.program[1:]...)
			w := &Walker{Patience: patient, Credential: clientOf(t, mint)}
			o := w.Walk(t.Context(), Target{
				Address: p.at, Transport: measurement.TCP, Client: measurement.Device, Host: "server.test", Finish: true, WebRetry: true,
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) {
				t.Fatal(describe(o))
			}
			seen, by := o.SawTLS().TLS, o.SawTLS().Client
			if serverCertificate(seen) == nil || serverCertificate(seen).Subject.CommonName != "server.test" || !seen.KeyProved || seen.CertificateRequested != test.asked {
				t.Errorf("saw %+v", seen)
			}
			if test.failure == measurement.Alert && (by != measurement.Web || o.Web.Failure != test.web) {
				t.Errorf("web hello: %+v", o.Web)
			}
		})
	}
}

// TestPingOfOpenSSL answers the ping itself: s_server has no CoAP, but prints what it receives and sends its standard
// input.
func TestPingOfOpenSSL(t *testing.T) {
	mint := newMint(t)
	p := startPeer(t, mint, measurement.TCP, nil, "openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}",
		"-cipher", ccm8, "-Verify", "1", "-tls1_2", "-quiet")
	answered := make(chan error, 1)
	go func() {
		ping := make([]byte, 4)
		_, err := io.ReadFull(bufio.NewReader(p.stdout), ping)
		if err == nil && !bytes.Equal(ping[:2], []byte{0x40, 0}) {
			err = fmt.Errorf("the server got % x, want an empty confirmable message", ping)
		}
		if err == nil {
			_, err = p.stdin.Write(coap.Reset(uint16(ping[2])<<8 | uint16(ping[3])))
		}
		answered <- err
	}()
	w := &Walker{Patience: patient, Credential: clientOf(t, mint)}
	o := w.Walk(t.Context(), Target{Address: p.at, Transport: measurement.TCP, Client: measurement.Device, Finish: true, Ping: true})
	if o.Failure != measurement.Completed {
		t.Fatal(describe(o))
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if !o.Ponged {
		t.Error("the reset did not come back")
	}
}

// libcoap is a CoAP server with DTLS on {PORT} over UDP, and with TLS there over TCP.
func libcoap(library string, more ...string) []string {
	return append([]string{"coap-server-" + library, "-A", "127.0.0.1", "-p", "{PORT-1}", "-c", "{CERT}", "-j", "{KEY}"}, more...)
}

// TestPingOfLibcoap pings a server with the standard framing of CoAP over TCP.
func TestPingOfLibcoap(t *testing.T) {
	for _, library := range []string{"openssl", "gnutls"} {
		t.Run(library, func(t *testing.T) {
			mint := newMint(t)
			server := libcoap(library, "-C", "{CLIENT_CA}")
			p := startPeer(t, mint, measurement.TCP, nil, server[0], server[1:]...)
			w := &Walker{Patience: patient, Credential: clientOf(t, mint)}
			o := w.Walk(t.Context(), Target{
				Address: p.at, Transport: measurement.TCP, Client: measurement.Device, Finish: true, Ping: true, Framing: measurement.RFC8323,
			})
			if o.Failure != measurement.Completed || !slices.Equal(phasesOf(o), measurement.Phases) || !o.TLS.CertificateRequested {
				t.Error(describe(o))
			}
		})
	}
}

func TestWalkWebOfRealServers(t *testing.T) {
	for name, test := range map[string]struct {
		program []string
		failure measurement.Failure
		version uint16
		asked   bool
	}{
		"OpenSSL, TLS 1.2": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-tls1_2", "-quiet"},
			version: tls.VersionTLS12,
		},
		"OpenSSL, TLS 1.3": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-tls1_3", "-quiet"},
			version: tls.VersionTLS13,
		},
		"OpenSSL, TLS 1.2, client certificate refused": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-CAfile", "{CA}", "-Verify", "1", "-verify_return_error", "-tls1_2", "-quiet"},
			version: tls.VersionTLS12, asked: true, failure: measurement.CertificateNeeded,
		},
		"OpenSSL, TLS 1.3, client certificate refused": {
			program: []string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-CAfile", "{CA}", "-Verify", "1", "-verify_return_error", "-tls1_3", "-quiet"},
			version: tls.VersionTLS13, asked: true, failure: measurement.CertificateNeeded,
		},
		"GnuTLS, any client certificate accepted": {
			program: []string{"gnutls-serv", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}", "--require-client-cert"},
			version: tls.VersionTLS13, asked: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mint := newMint(t)
			p := startPeer(t, mint, measurement.TCP, nil, test.program[0], test.program[1:]...)
			w := &Walker{Patience: patient, Credential: clientOf(t, mint)}
			o := w.Walk(t.Context(), Target{Address: p.at, Transport: measurement.TCP, Client: measurement.Web, Host: "server.test"})
			if o.Failure != test.failure {
				t.Fatal(describe(o))
			}
			if o.TLS == nil || o.TLS.Version != test.version || !o.TLS.KeyProved || o.TLS.CertificateRequested != test.asked || serverCertificate(o.TLS) == nil {
				t.Errorf("saw %+v", o.TLS)
			}
			if test.failure == measurement.CertificateNeeded && (o.FailedIn != measurement.Finish || !slices.Equal(phasesOf(o), upToHello)) {
				t.Error(describe(o))
			}
		})
	}
}
