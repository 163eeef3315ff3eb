//go:build realpeers && linux

package idle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// The router's timeout is 4 s, between the two steps.
const (
	remembered  = 1 * time.Second
	forgotten   = 8 * time.Second
	routerKeeps = 4 // seconds
)

// network is three namespaces in a row: a client's with a private address, a router's that translates, and a server's.
type network struct{ client, router, server string }

var serverAddress = netip.MustParseAddr("203.0.113.2") // exists in the test's namespaces only

// newNetwork creates the namespaces and their links.
func newNetwork(t *testing.T) *network {
	t.Helper()
	name := "idle-" + strings.ToLower(rand.Text()[:8])
	n := &network{name + "-client", name + "-router", name + "-server"}
	for _, ns := range []string{n.client, n.router, n.server} {
		if err := command(t, "", "ip", "netns", "add", ns); err != nil {
			t.Fatalf("this test needs root, to create network namespaces: %v", err)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
				t.Errorf("remove a namespace: %v: %s", err, out)
			}
		})
	}
	var errs []error
	ip := func(ns, line string) {
		errs = append(errs, command(t, "", "ip", append([]string{"-n", ns}, strings.Fields(line)...)...))
	}
	ip(n.router, "link add in type veth peer name eth0 netns "+n.client)
	ip(n.router, "link add out type veth peer name eth0 netns "+n.server)
	ip(n.router, "address add 192.168.77.1/24 dev in")
	ip(n.router, "address add 203.0.113.1/24 dev out")
	ip(n.client, "address add 192.168.77.2/24 dev eth0")
	ip(n.server, "address add 203.0.113.2/24 dev eth0")
	for _, link := range [][2]string{{n.router, "in"}, {n.router, "out"}, {n.client, "eth0"}, {n.server, "eth0"}} {
		ip(link[0], "link set "+link[1]+" up")
	}
	ip(n.client, "route add default via 192.168.77.1")
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return n
}

// route makes the router forward, with short timeouts. masquerade and invalid are nft statements: how addresses are
// translated, and what happens to packets of unknown connections.
func (n *network) route(t *testing.T, masquerade, invalid string, loose int) error {
	t.Helper()
	var errs []error
	for setting, value := range map[string]int{
		"ipv4/ip_forward": 1,
		"netfilter/nf_conntrack_tcp_timeout_established":    routerKeeps,
		"netfilter/nf_conntrack_tcp_timeout_unacknowledged": routerKeeps,
		"netfilter/nf_conntrack_udp_timeout":                routerKeeps,
		"netfilter/nf_conntrack_udp_timeout_stream":         routerKeeps,
		"netfilter/nf_conntrack_tcp_loose":                  loose,
	} {
		errs = append(errs, command(t, fmt.Sprint(value), "ip", "netns", "exec", n.router, "tee", "/proc/sys/net/"+setting))
	}
	return errors.Join(append(errs, command(t, fmt.Sprintf(`
		table ip nat {
			chain postrouting {
				type nat hook postrouting priority srcnat; policy accept;
				oifname "out" %s
			}
		}
		table ip filter {
			chain forward {
				type filter hook forward priority filter; policy accept;
				ct state invalid %s
			}
		}`, masquerade, invalid), "ip", "netns", "exec", n.router, "nft", "-f", "-"))...)
}

func command(t *testing.T, stdin, name string, args ...string) error {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// inside runs do in a namespace. Its sockets stay there. The thread is not used again, since it remains in the
// namespace.
func inside(namespace string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open("/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// serve runs a device's server on the transport in the server's namespace.
func (n *network) serve(t *testing.T, mint *lab.Mint, transport measurement.Transport) (netip.AddrPort, error) {
	t.Helper()
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test"})
	if err != nil {
		return netip.AddrPort{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	at := netip.AddrPortFrom(serverAddress, 5684)
	if transport == measurement.UDP {
		server := &lab.DTLSServer{Certificate: leaf}
		t.Cleanup(func() {
			cancel()
			server.Close()
		})
		return at, inside(n.server, func() error { return server.Listen(ctx, at) })
	}
	var listener net.Listener
	err = inside(n.server, func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
		return err
	})
	if err != nil {
		cancel()
		return at, err
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = (&lab.DeviceServer{Certificate: leaf}).Serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		serving.Wait()
	})
	return at, nil
}

// TestConntrack measures through the NAT of the Linux kernel, in network namespaces. It needs root.
func TestConntrack(t *testing.T) {
	const drops, resets = "drop", "meta l4proto tcp reject with tcp reset"
	for name, test := range map[string]struct {
		transport           measurement.Transport
		masquerade, invalid string
		loose               int
		reason              report.IdleReason
	}{
		"TCP, invalid packets dropped: dropped":        {measurement.TCP, "masquerade", drops, 0, report.IdleReasonDropped},
		"TCP, invalid packets rejected: reset":         {measurement.TCP, "masquerade", resets, 0, report.IdleReasonReset},
		"TCP, loose tracking: survived":                {measurement.TCP, "masquerade", drops, 1, report.IdleReasonSurvived},
		"UDP, another port after the silence: dropped": {measurement.UDP, "masquerade fully-random", drops, 0, report.IdleReasonDropped},
		"UDP, same port after the silence: survived":   {measurement.UDP, "masquerade", drops, 0, report.IdleReasonSurvived},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mint, err := lab.NewMint(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			w := walker(t, mint, nil)
			w.Patience.Ping = 3 * time.Second
			n := newNetwork(t)
			if err := n.route(t, test.masquerade, test.invalid, test.loose); err != nil {
				t.Fatal(err)
			}
			at, err := n.serve(t, mint, test.transport)
			if err != nil {
				t.Fatal(err)
			}
			w.Dial = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
				err = inside(n.client, func() (err error) {
					conn, err = (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
					return err
				})
				return conn, err
			}
			without := judgeConntrack(t, w.Session, at, test.transport, test.reason)
			if nat := measurement.NATBetween(without.Local.Addr(), at.Addr()); nat != measurement.SiteNAT {
				t.Errorf("NAT %q from %v to %v", nat, without.Local, at)
			}
		})
	}
}

func judgeConntrack(t *testing.T, open Open, at netip.AddrPort, transport measurement.Transport, reason report.IdleReason) measurement.Outcome {
	t.Helper()
	target := targetTo(at.String(), transport)
	r := (&Round{Open: open, Target: target, Steps: []time.Duration{remembered, forgotten}, Parallel: 2}).Run(t.Context())
	want := report.IdleBounds{Survived: remembered, Lost: forgotten}
	if reason == report.IdleReasonSurvived {
		want = report.IdleBounds{Survived: forgotten}
	}
	if b := r.Bounds; b.Reason != reason || b.Survived != want.Survived || b.Lost != want.Lost || b.Unsteady.Kind != "" || r.Proof != report.IdleByPing {
		t.Errorf("by %q: %+v; want %q, survived %v, lost %v", r.Proof, b, reason, want.Survived, want.Lost)
	}
	return r.Without
}
