//go:build realpeers && linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// namespace is a network namespace and the thread that is in it. It ends with the test and its sockets.
type namespace struct{ work chan func() }

// newNamespace returns a namespace with the rules of nft, which count bytes. Its loopback interface has segments of at
// most 1280 bytes.
func newNamespace(t *testing.T, rules string) *namespace {
	t.Helper()
	n, ready := &namespace{make(chan func())}, make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in the namespace, and ends with this goroutine
		ready <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			nft := exec.CommandContext(t.Context(), "nft", "-f", "-")
			nft.Stdin = strings.NewReader(rules)
			for _, command := range []*exec.Cmd{exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "mtu", "1280", "gso_max_segs", "1", "up"), nft} {
				if out, err := command.CombinedOutput(); err != nil {
					return fmt.Errorf("%v: %w: %s", command, err, out)
				}
			}
			return os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_acct", []byte("1"), 0)
		}()
		for f := range n.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(n.work) })
	return n
}

// do runs f in the namespace. Sockets that f opens stay in it.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// dial opens a connection from the namespace.
func (n *namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, address) })
	return conn, err
}

// serve runs a device server in the namespace until the test ends.
func (n *namespace) serve(t *testing.T, port int, server *lab.DeviceServer) {
	t.Helper()
	var listener net.Listener
	var err error
	n.do(func() {
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	})
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { _ = server.Serve(t.Context(), conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); sessions.Wait() })
}

// TestExporterBehindFirewallThatInspectsCertificates has a firewall cut connections after the server's certificate, and
// servers that end sessions after the client's. The kernel tells the two apart (TCP_INFO).
func TestExporterBehindFirewallThatInspectsCertificates(t *testing.T) {
	t.Parallel()
	cut := func(ports, verdict string) string {
		return "tcp dport {" + ports + "} ct reply bytes > 500 " + verdict + ";"
	}
	const tcpReset = "reject with tcp reset"
	for name, test := range map[string]struct {
		rule          string
		endUnfinished bool // port 5684 ends sessions after the client certificate
		configured    bool
		framed        bool              // port 5684 frames CoAP by RFC 8323
		padding       int               // bytes by which the server's certificate is longer
		want          map[string]string // reason by port, "" if the path is up
		unproven      bool              // port 5684
		code          int               // of check
		pattern       string
	}{
		"no rule: both paths carry a device": {want: map[string]string{"5684": "", "443": ""}, code: exitOK, pattern: `\. All is well: all 2 paths carry a device`},
		"reset on both ports: reset": {
			rule: cut("5684,443", tcpReset), want: map[string]string{"5684": "reset", "443": "reset"}, code: exitUnhealthy,
			pattern: `Handshake stopped: the server answers the hello .* whether a firewall, for example one that inspects certificates`,
		},
		"reset on both ports, with a configured certificate: reset": {
			rule: cut("5684,443", tcpReset), configured: true, want: map[string]string{"5684": "reset", "443": "reset"}, code: exitUnhealthy,
			pattern: `reset: the connection ended before the client's flight was acknowledged`,
		},
		"drop on both ports: silent": {
			rule: cut("5684,443", "drop"), want: map[string]string{"5684": "silent", "443": "silent"}, code: exitUnhealthy,
			pattern: `silent: the client's flight was not acknowledged`,
		},
		"reset on one port: reset there": {
			rule: cut("5684", tcpReset), want: map[string]string{"5684": "reset", "443": ""}, code: exitUnhealthy, pattern: `1 of 2 paths carries a device`,
		},
		"RFC 8323 under the default framing: up, with a hint": {
			framed: true, want: map[string]string{"5684": "", "443": ""}, code: exitOK,
			pattern: `tcp 5684 .*ping unanswered \(the server frames CoAP by RFC 8323: .* set framing: rfc8323`,
		},
		"large segments dropped on one port: silent, for its MTU": {
			rule: "tcp sport 5684 meta length > 1000 drop;", padding: 2000, want: map[string]string{"5684": "silent", "443": ""}, code: exitUnhealthy,
			pattern: `Large packets are lost on TCP 5684 .* check the MTU of tunnels`,
		},
		"the server ends sessions, the other port finishes them: closed": {
			endUnfinished: true, want: map[string]string{"5684": "closed", "443": ""}, code: exitUnhealthy, pattern: `closed: the connection ended after the client certificate`,
		},
		"the server ends sessions, the other port is cut: not proved": {
			rule: cut("443", tcpReset), endUnfinished: true, want: map[string]string{"5684": "", "443": "reset"}, unproven: true, code: exitUnhealthy,
			pattern: `\? tcp 5684 .*not proved: the connection ended after the client certificate`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mint, err := lab.NewMint(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			certificate, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test", Padding: test.padding})
			if err != nil {
				t.Fatal(err)
			}
			n := newNamespace(t, "table ip t { chain c { type filter hook input priority 0; ct state invalid accept; "+test.rule+" }; }")
			n.serve(t, 5684, &lab.DeviceServer{Certificate: certificate, EndUnfinished: test.endUnfinished, CoAP: lab.CoAP{Framed: test.framed}})
			n.serve(t, 443, &lab.DeviceServer{Certificate: certificate})
			config := strings.Replace(watching(mint, "127.0.0.1", "5684", "tcp", "device"), "port: 5684}]", "port: 5684}, {transport: tcp, port: 443}]", 1)
			if test.configured {
				certFile, keyFile := clientPairOf(t, mint)
				config += fmt.Sprintf("client_certificate: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
			}
			x := scrapeOnTime(t, startExporter(t, config, func(s *serve) { s.dial = n.dial }))
			for port, reason := range test.want {
				labels := []string{`host="127.0.0.1"`, `transport="tcp"`, fmt.Sprintf("port=%q", port)}
				if up, ok := x.one("endpoint_path_up", labels...); !ok || (up == 1) != (reason == "") {
					t.Errorf("%v: path_up %v (%v)", labels, up, ok)
				}
				failures := x.of("endpoint_path_failure", labels...)
				if _, ok := x.one("endpoint_path_failure", append(labels, fmt.Sprintf("reason=%q", reason), `class="blocked"`)...); ok != (reason != "") || len(failures) > 1 {
					t.Errorf("%v: %v, want %q", labels, failures, reason)
				}
				unproven := map[bool]float64{true: 1}[test.unproven && port == "5684"]
				if got, _ := x.one("endpoint_path_unproven", labels...); got != unproven {
					t.Errorf("%v: path_unproven %v, want %v", labels, got, unproven)
				}
			}
			checkCommand(t, n.dial, config, check{}, test.code, []string{test.pattern}, nil)
		})
	}
}
