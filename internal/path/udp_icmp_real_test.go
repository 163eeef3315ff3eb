//go:build realpeers && linux

package path

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestAFirewallsWordIsUnderstood puts a real packet filter before the port, in a network namespace of its own.
func TestAFirewallsWordIsUnderstood(t *testing.T) {
	for name, test := range map[string]struct {
		verdict string // in nft's words
		want    measurement.Failure
		detail  string
	}{
		"port unreachable":  {"reject with icmp type port-unreachable", measurement.Refused, "ICMP: port unreachable"},
		"host unreachable":  {"reject with icmp type host-unreachable", measurement.Unreachable, "no route to host"},
		"net unreachable":   {"reject with icmp type net-unreachable", measurement.Unreachable, "network is unreachable"},
		"admin prohibited":  {"reject with icmp type admin-prohibited", measurement.Unreachable, "no route to host"},
		"dropped":           {"drop", measurement.Silent, "no answer to the hello"},
		"nobody there":      {"accept", measurement.Refused, "ICMP: port unreachable"},
		"no route, no link": {"", measurement.Unreachable, "network is unreachable"},
		"dropped here":      {hereToo + "drop", measurement.Unreachable, "a packet filter of this machine"},
		"refused here":      {hereToo + "reject with icmp type port-unreachable", measurement.Refused, "ICMP: port unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &Walker{Patience: Patience{Flight: 3 * time.Second}, Dial: dialInNamespace(test.verdict), retransmission: soon}
			o := w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("127.0.0.1:5684"), Transport: measurement.UDP})
			if o.Failure != test.want || !strings.Contains(o.Detail.Text, test.detail) {
				t.Errorf("%q (%s), want %q (%s)", o.Failure, o.Detail.Text, test.want, test.detail)
			}
		})
	}
}

// hereToo before a verdict puts the filter where packets leave.
const hereToo = "out: "

// dialInNamespace makes a socket in a new network namespace whose loopback interface treats UDP so; without a verdict
// the interface is down. The namespace ends with the socket.
func dialInNamespace(verdict string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine, for it is in the namespace
			if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return
			}
			if verdict != "" {
				hook := "input"
				if rest, out := strings.CutPrefix(verdict, hereToo); out {
					hook, verdict = "output", rest
				}
				if err = errors.Join(
					run(ctx, "", "ip", "link", "set", "lo", "up"),
					run(ctx, "table ip t { chain c { type filter hook "+hook+" priority 0; meta l4proto udp "+verdict+"; }; }", "nft", "-f", "-"),
				); err != nil {
					return
				}
			}
			conn, err = (&net.Dialer{ControlContext: controlUDP}).DialContext(ctx, network, address)
		}()
		<-done
		return conn, err
	}
}

func run(ctx context.Context, stdin, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
