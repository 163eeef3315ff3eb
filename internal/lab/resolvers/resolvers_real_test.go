//go:build realpeers

package resolvers

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// lasting is a TTL that is long enough for two questions on a loaded machine, and below every minimum TTL under test.
const lasting = 6

// authority serves host with one address and counts the questions for it.
func authority(t *testing.T) (netip.AddrPort, *atomic.Uint32) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint32
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg)
		r.SetReply(q)
		r.Authoritative = true
		if q.Question[0].Qtype == dns.TypeA && dns.CanonicalName(q.Question[0].Name) == host {
			n.Add(1)
			r.Answer = append(r.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: lasting},
				A: net.IPv4(203, 0, 113, byte(n.Load()))})
		}
		_ = w.WriteMsg(r)
	})}
	started := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(started) }
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = srv.Shutdown(); <-done })
	return pc.LocalAddr().(*net.UDPAddr).AddrPort(), &n
}

func ask(t *testing.T, at netip.AddrPort) (left uint32, address string) {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(host, dns.TypeA)
	q.SetEdns0(1232, false)
	client := dns.Client{Timeout: 30 * time.Second}
	r, _, err := client.Exchange(q, at.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Answer) != 1 {
		t.Fatalf("answer %v", r)
	}
	return r.Answer[0].Header().Ttl, r.Answer[0].(*dns.A).A.String()
}

// TestStart starts every configuration and checks that it caches: asked again within the TTL it gives the same
// address, and its TTL exceeds that of the zone only where the configuration says so.
func TestStart(t *testing.T) {
	t.Parallel()
	inflated := map[string]bool{
		"unbound cache-min-ttl": true, "bind min-cache-ttl": true, "powerdns minimum-ttl-override": true,
	}
	for name, c := range Configurations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Zone = zone
			at, asked := authority(t)
			c.Authority = at
			resolver := Start(t, c)
			left, first := ask(t, resolver)
			if _, again := ask(t, resolver); again != first || asked.Load() != 1 {
				t.Errorf("asked twice at once: %s, then %s, and the authority %d times: it does not cache", first, again, asked.Load())
			}
			if (left > lasting) != inflated[name] {
				t.Errorf("TTL %d of %d", left, lasting)
			}
		})
	}
}
