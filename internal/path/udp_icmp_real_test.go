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

// TestICMPOfRealFirewall puts a real packet filter in front of the port, in a network namespace.
func TestICMPOfRealFirewall(t *testing.T) {
	t.Parallel()
	const soon = 50 * time.Millisecond
	for name, test := range map[string]struct {
		rule   string // of nft
		want   measurement.Failure
		detail measurement.DetailKind
		text   string
	}{
		"port unreachable: refused":            {"reject with icmp type port-unreachable", measurement.Refused, measurement.DetailPortUnreachable, ""},
		"host unreachable: unreachable":        {"reject with icmp type host-unreachable", measurement.Unreachable, measurement.DetailICMP, "no route to host"},
		"net unreachable: unreachable":         {"reject with icmp type net-unreachable", measurement.Unreachable, measurement.DetailICMP, "network is unreachable"},
		"admin prohibited: unreachable":        {"reject with icmp type admin-prohibited", measurement.Unreachable, measurement.DetailICMP, "no route to host"},
		"dropped: silent":                      {"drop", measurement.Silent, measurement.DetailHelloUnanswered, ""},
		"nothing listens: refused":             {"accept", measurement.Refused, measurement.DetailPortUnreachable, ""},
		"no route: unreachable":                {"", measurement.Unreachable, measurement.DetailNoRoute, "network is unreachable"},
		"dropped by this machine: unreachable": {onOutput + "drop", measurement.Unreachable, measurement.DetailPacketFilter, "operation not permitted"},
		"rejected by this machine: refused":    {onOutput + "reject with icmp type port-unreachable", measurement.Refused, measurement.DetailPortUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &Walker{Patience: Patience{Flight: 3 * time.Second}, Dial: dialInNamespace(test.rule), retransmission: soon}
			o := w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("127.0.0.1:5684"), Transport: measurement.UDP})
			if o.Failure != test.want || o.Detail.Kind != test.detail || !strings.Contains(o.Detail.Text, test.text) {
				t.Errorf("%s, want %q (%s %s)", describe(o), test.want, test.detail, test.text)
			}
		})
	}
}

// onOutput before a rule puts the filter where packets leave.
const onOutput = "out: "

// dialInNamespace opens a socket in a new network namespace that applies the rule to UDP; without a rule its loopback
// interface is down. The namespace ends with the socket.
func dialInNamespace(rule string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // never unlocked: the thread is in the namespace, and ends with this goroutine
			if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return
			}
			if rule != "" {
				hook := "input"
				if rest, out := strings.CutPrefix(rule, onOutput); out {
					hook, rule = "output", rest
				}
				if err = errors.Join(
					run(ctx, "", "ip", "link", "set", "lo", "up"),
					run(ctx, "table ip t { chain c { type filter hook "+hook+" priority 0; meta l4proto udp "+rule+"; }; }", "nft", "-f", "-"),
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
