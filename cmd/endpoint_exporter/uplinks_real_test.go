//go:build realpeers && linux

package main

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
)

// senders collects from which addresses a server was asked, by protocol.
type senders struct {
	mu   sync.Mutex
	seen map[string][]netip.Addr
}

func (s *senders) add(protocol string, from net.Addr) {
	addr := netip.MustParseAddrPort(from.String()).Addr().Unmap()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.seen[protocol], addr) {
		s.seen[protocol] = append(s.seen[protocol], addr)
	}
}

// take returns what was collected since the last call.
func (s *senders) take() map[string][]netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = make(map[string][]netip.Addr)
	return seen
}

// serveUplinks runs DNS, a device server over TCP, and a UDP socket that never answers, in the namespace of a router.
func serveUplinks(t *testing.T, router string, mint *lab.Mint) *senders {
	t.Helper()
	s := &senders{seen: make(map[string][]netip.Addr)}
	certificate, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test"})
	if err != nil {
		t.Fatal(err)
	}
	var tcp net.Listener
	var udp, names net.PacketConn
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		opened <- func() error {
			fd, err := unix.Open("/run/netns/"+router, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return err
			}
			config := &net.ListenConfig{}
			if tcp, err = config.Listen(t.Context(), "tcp", "10.77.1.1:5684"); err != nil {
				return err
			}
			if udp, err = config.ListenPacket(t.Context(), "udp", "10.77.1.1:5684"); err != nil {
				return err
			}
			names, err = config.ListenPacket(t.Context(), "udp", "10.77.1.1:53")
			return err
		}()
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_, _, _ = tcp.Close(), udp.Close(), names.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			s.add("tcp", conn.RemoteAddr())
			running.Go(func() { _ = (&lab.DeviceServer{Certificate: certificate}).Serve(t.Context(), conn) })
		}
	})
	running.Go(func() {
		for {
			_, from, err := udp.ReadFrom(make([]byte, 2048))
			if err != nil {
				return
			}
			s.add("udp", from)
		}
	})
	running.Go(func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := names.ReadFrom(buffer)
			if err != nil {
				return
			}
			s.add("dns", from)
			question := new(dns.Msg)
			if question.Unpack(buffer[:n]) != nil {
				continue
			}
			answer := new(dns.Msg).SetReply(question)
			if question.Question[0].Qtype == dns.TypeA {
				answer.Answer = []dns.RR{&dns.A{
					Hdr: dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.ParseIP("10.77.1.1"),
				}}
			}
			if packet, err := answer.Pack(); err == nil {
				_, _ = names.WriteTo(packet, from)
			}
		}
	})
	return s
}

// TestSourceWithTwoUplinks has a site with two uplinks, of which the routing table prefers the first.
func TestSourceWithTwoUplinks(t *testing.T) {
	t.Parallel()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	site, router := twoNamespaces(t)
	for _, command := range []string{
		"ip link add up1 netns SITE type veth peer name down1 netns ROUTER",
		"ip -n SITE address add 10.78.0.2/24 dev up1", "ip -n SITE link set up1 up",
		"ip -n ROUTER address add 10.78.0.1/24 dev down1", "ip -n ROUTER link set down1 up",
		"ip -n SITE route add default via 10.78.0.1 dev up1 metric 200",
		"ip -n SITE route add default via 10.78.0.1 dev up1 table 101", "ip -n SITE rule add from 10.78.0.2 lookup 101",
		"ip netns exec SITE sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.up0.rp_filter=0 net.ipv4.conf.up1.rp_filter=0",
	} {
		fields := strings.Fields(strings.NewReplacer("SITE", site, "ROUTER", router).Replace(command))
		if out, err := exec.Command(fields[0], fields[1:]...).CombinedOutput(); err != nil { //nolint:gosec // the commands above
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	asked, exporter := serveUplinks(t, router, mint), buildExporter(t)
	for name, test := range map[string]struct {
		source, from string
		unreachable  bool
	}{
		"none":                       {"", "10.77.0.2", false},
		"the second interface":       {"source: up1\n", "10.78.0.2", false},
		"the second address":         {"source: 10.78.0.2\n", "10.78.0.2", false},
		"an interface that is not":   {"source: up7\n", "", true},
		"an address of the other IP": {"source: '2001:db8::1'\n", "", true},
	} {
		config := test.source + strings.Replace(watching(mint, "server.test", "5684", "tcp", "device"), "[127.0.0.1]", "[10.77.1.1]", 1) +
			"  - {service: udp, host: server.test, client: device, trust: cloud, addresses: any, paths: [{transport: udp, port: 5684}]}\n" +
			"survey: {timeout: 3s}\n" // which ends what waits over UDP
		config = configFile(t, strings.Replace(config, "trust: cloud, coap_ping", "trust: cloud, addresses: any, coap_ping", 1))
		run := func(args ...string) ([]byte, int) {
			command := exec.Command("ip", append([]string{"netns", "exec", site, exporter, "--config.file=" + config}, args...)...)
			command.Stderr = os.Stderr
			out, _ := command.Output()
			return out, command.ProcessState.ExitCode()
		}
		out, _ := run("check", "--output=json")
		var view present.View
		if err := json.Unmarshal(out, &view); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		seen, tcp := asked.take(), view.Hosts[0].Paths[0]
		if test.unreachable {
			if len(seen) > 0 || tcp.State != "down" {
				t.Errorf("%s: asked from %v, %s: %s", name, seen, tcp.State, tcp.Seen)
			}
			continue
		}
		want := []netip.Addr{netip.MustParseAddr(test.from)}
		for _, protocol := range []string{"dns", "tcp", "udp"} {
			if !slices.Equal(seen[protocol], want) {
				t.Errorf("%s: %s from %v, want %v", name, protocol, seen[protocol], want)
			}
		}
		if tcp.State != "up" || tcp.Addresses[0].Local != test.from {
			t.Errorf("%s: %s from %+v", name, tcp.State, tcp.Addresses)
		}
		if test.source != "source: up1\n" {
			continue
		}
		if out, _ := run("idle", "--steps=1s", "server.test:5684/tcp"); !slices.Equal(asked.take()["tcp"], want) {
			t.Errorf("%s: silent connections from elsewhere: %s", name, out)
		}
	}
}
