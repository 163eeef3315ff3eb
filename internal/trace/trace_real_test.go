//go:build realpeers && linux

package trace

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// thread runs functions on a thread that is in a network namespace. Sockets that they open stay in the namespace.
type thread chan func()

func threadIn(t *testing.T, namespace string) thread {
	t.Helper()
	work, ready := make(thread), make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		fd, err := unix.Open("/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
		}
		ready <- err
		for f := range work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(work) })
	return work
}

// socket is unix.Socket in the namespace.
func (w thread) socket(domain, kind, protocol int) (fd int, err error) {
	done := make(chan struct{})
	w <- func() { defer close(done); fd, err = unix.Socket(domain, kind, protocol) }
	<-done
	return fd, err
}

// newChain creates the namespaces of a client, two routers and a server in a row, and returns their names. The
// addresses exist in these namespaces only.
func newChain(t *testing.T) (client, near, far, server string) {
	t.Helper()
	name := "trace-" + strings.ToLower(rand.Text()[:8])
	all := []string{name + "-client", name + "-near", name + "-far", name + "-server"}
	for _, ns := range all {
		command(t, "", "ip", "netns", "add", ns)
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
				t.Errorf("remove a namespace: %v: %s", err, out)
			}
		})
	}
	set := func(ns, file string, value int) {
		command(t, fmt.Sprint(value), "ip", "netns", "exec", ns, "tee", "/proc/sys/net/"+file)
	}
	for _, ns := range all { // no detection of duplicate addresses, which delays the first packets
		set(ns, "ipv6/conf/default/dad_transmits", 0)
	}
	ip := func(ns, line string) { command(t, "", "ip", append([]string{"-n", ns}, strings.Fields(line)...)...) }
	for i, left := range all[:3] {
		ip(left, fmt.Sprintf("link add right type veth peer name left netns %s", all[i+1]))
		ip(left, fmt.Sprintf("address add 10.77.%d.1/24 dev right", i+1))
		ip(left, fmt.Sprintf("address add fd77:%d::1/64 dev right nodad", i+1))
		ip(all[i+1], fmt.Sprintf("address add 10.77.%d.2/24 dev left", i+1))
		ip(all[i+1], fmt.Sprintf("address add fd77:%d::2/64 dev left nodad", i+1))
	}
	for i, ns := range all {
		if i < 3 {
			ip(ns, "link set right up")
		}
		if i > 0 {
			ip(ns, "link set left up")
		}
		for file, value := range map[string]int{"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0} {
			set(ns, file, value)
		}
	}
	ip(all[0], "route add default via 10.77.1.2")
	ip(all[0], "route add default via fd77:1::2")
	ip(all[1], "route add default via 10.77.2.2")
	ip(all[1], "route add default via fd77:2::2")
	ip(all[2], "route add 10.77.1.0/24 via 10.77.2.1")
	ip(all[2], "route add fd77:1::/64 via fd77:2::1")
	ip(all[3], "route add default via 10.77.3.1")
	ip(all[3], "route add default via fd77:3::1")
	return all[0], all[1], all[2], all[3]
}

func command(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// Ports, by what happens to packets to them. To the others the routers let everything pass.
const (
	nearDrops = iota + 1
	farDrops
	farRejects
	farDropsLarge
	listening
	refusing
)

// TestTraceThroughRouters traces through two routers that filter.
func TestTraceThroughRouters(t *testing.T) {
	client, near, far, server := newChain(t)
	for ns, rules := range map[string]string{
		near: fmt.Sprintf("tcp dport %d drop", nearDrops),
		far: fmt.Sprintf("meta l4proto { tcp, udp } th dport %d drop\ntcp dport %d reject with icmpx type admin-prohibited\ntcp dport %d meta length > 100 drop",
			farDrops, farRejects, farDropsLarge),
	} {
		command(t, "table inet filter {\nchain forward {\ntype filter hook forward priority filter; policy accept;\n"+rules+"\n}\n}\n",
			"ip", "netns", "exec", ns, "nft", "-f", "-")
	}
	in, serving := threadIn(t, client), threadIn(t, server)
	for _, port := range []int{farDropsLarge, listening} {
		fd, err := serving.socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err := errors.Join(unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 0), unix.Bind(fd, &unix.SockaddrInet6{Port: port}), unix.Listen(fd, 100)); err != nil {
			t.Fatal(err)
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	for _, of := range []struct {
		near, far, server netip.Addr
		prohibited        int // code of ICMP
	}{
		{netip.MustParseAddr("10.77.1.2"), netip.MustParseAddr("10.77.2.2"), netip.MustParseAddr("10.77.3.2"), 13},
		{netip.MustParseAddr("fd77:1::2"), netip.MustParseAddr("fd77:2::2"), netip.MustParseAddr("fd77:3::2"), 1},
	} {
		for name, test := range map[string]struct {
			packet report.TracePacket
			port   uint16
			ending report.TraceEnding
			hops   []netip.Addr
		}{
			"SYN dropped by the near router":     {report.TraceSYN, nearDrops, report.TraceLost, []netip.Addr{of.near}},
			"SYN dropped by the far router":      {report.TraceSYN, farDrops, report.TraceLost, []netip.Addr{of.near, of.far}},
			"SYN rejected by the far router":     {report.TraceSYN, farRejects, report.TraceStopped, []netip.Addr{of.near, of.far, of.far}},
			"SYN answered":                       {report.TraceSYN, listening, report.TraceArrived, []netip.Addr{of.near, of.far, of.server}},
			"SYN refused by the server":          {report.TraceSYN, refusing, report.TraceTurnedDown, []netip.Addr{of.near, of.far, of.server}},
			"hello dropped by the far router":    {report.TraceHello, farDropsLarge, report.TraceLost, []netip.Addr{of.near, of.far}},
			"hello acknowledged":                 {report.TraceHello, listening, report.TraceArrived, []netip.Addr{of.near, of.far, of.server}},
			"datagram dropped by the far router": {report.TraceDatagram, farDrops, report.TraceLost, []netip.Addr{of.near, of.far}},
			"datagram refused by the server":     {report.TraceDatagram, refusing, report.TraceTurnedDown, []netip.Addr{of.near, of.far, of.server}},
		} {
			running.Go(func() { // all at once: what is lost is waited for
				target := target{Trace: report.Trace{Path: measurement.Path{Port: test.port}, Address: of.server, Packet: test.packet}}
				switch test.packet {
				case report.TraceHello:
					target.hello = devicetls.Hello([32]byte{})
				case report.TraceDatagram:
					target.hello = devicedtls.Hello([32]byte{}, nil, true)
				case report.TraceSYN:
				}
				got := run(t.Context(), target, sockets{in.socket}.probe)
				var hops []netip.Addr
				for _, hop := range got.Hops {
					hops = append(hops, hop.Address)
				}
				if got.Ending != test.ending || !slices.Equal(hops, test.hops) {
					t.Errorf("%s to %s: %+v", name, of.server, got)
					return
				}
				if last := got.Hops[len(got.Hops)-1]; test.ending == report.TraceStopped && last.Code != of.prohibited {
					t.Errorf("%s to %s: code %d, want %d", name, of.server, last.Code, of.prohibited)
				}
			})
		}
	}
}
