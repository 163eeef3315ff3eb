//go:build realpeers && linux

package path

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// inNamespace runs f on a thread in a new network namespace with the rules of nft, whose loopback interface
// has segments of at most 1280 bytes. Sockets
// that f opens stay in the namespace, which ends with them.
func inNamespace(ctx context.Context, rules string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in the namespace, and ends with this goroutine
		result <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := errors.Join(run(ctx, "", "ip", "link", "set", "lo", "mtu", "1280", "gso_max_segs", "1", "up"), run(ctx, rules, "nft", "-f", "-")); err != nil {
				return err
			}
			if err := os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_acct", []byte("1"), 0); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-result
}

// TestFinishBehindRealFirewall cuts the connection after the server's certificate, as a box that judges certificates
// does: the hello has no server name.
func TestFinishBehindRealFirewall(t *testing.T) {
	t.Parallel()
	mint := newMint(t)
	for name, test := range map[string]struct {
		rule   string
		want   measurement.Failure
		in     measurement.Phase
		detail measurement.DetailKind
		large  int // bytes by which the certificate is longer
	}{
		"no rule: completed":    {"tcp dport 5684 accept", measurement.Completed, "", "", 0},
		"reset: reset":          {"tcp dport 5684 ct reply bytes > 500 reject with tcp reset", measurement.Reset, measurement.Finish, measurement.DetailFinishCut, 0},
		"drop: silent":          {"tcp dport 5684 ct reply bytes > 500 drop", measurement.Silent, measurement.Finish, measurement.DetailFinishLost, 0},
		"hello dropped: silent": {"tcp dport 5684 tcp flags & (fin | syn | rst) == 0 @ih,0,8 22 drop", measurement.Silent, measurement.Hello, measurement.DetailHelloNotDelivered, 0},
		"first segments of the flight dropped: silent": {"tcp sport 5684 meta length > 1000 drop", measurement.Silent, measurement.Hello, measurement.DetailSegmentsLost, 2000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificate, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test", Padding: test.large})
			if err != nil {
				t.Fatal(err)
			}
			to := netip.MustParseAddrPort("127.0.0.1:5684")
			var listener net.Listener
			var conn net.Conn
			rules := "table ip t { chain c { type filter hook input priority 0; ct state invalid accept; " + test.rule + "; }; }"
			if err := inNamespace(t.Context(), rules, func() (err error) {
				if listener, err = net.Listen("tcp", to.String()); err != nil {
					return err
				}
				conn, err = net.Dial("tcp", to.String())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				if conn, err := listener.Accept(); err == nil {
					_ = (&lab.DeviceServer{Certificate: certificate, IdleLimit: time.Second}).Serve(t.Context(), conn)
				}
			}()
			t.Cleanup(func() { _ = listener.Close(); <-served })
			w := &Walker{Credential: clientOf(t, newMint(t)), Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
			o := w.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, Finish: true})
			if o.Failure != test.want || o.FailedIn != test.in || o.Detail.Kind != test.detail || o.Unproven {
				t.Errorf("%s, unproven %v; want %q in %q (%s)", describe(o), o.Unproven, test.want, test.in, test.detail)
			}
		})
	}
}
