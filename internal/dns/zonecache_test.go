package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestZoneCacheAmplification has a hostile zone that names many servers without addresses: one search costs the
// site's resolver a bounded number of questions, and failed searches become rare.
func TestZoneCacheAmplification(t *testing.T) {
	for _, test := range []struct {
		name   string
		names  int
		silent bool // the resolver does not answer questions for the addresses of the servers
		most   int  // questions of one search; the NS records of 100 names need TCP
	}{
		{"100 names that do not exist", 100, false, 4 + 2*maxFailedNames},
		{"100 names that time out", 100, true, 4 + 2*2*maxFailedNames},
		{"3 names that do not exist", 3, false, 2 + 2*3},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				n.put(resolver, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					m := reply(q)
					switch {
					case q.Question[0].Qtype == dns.TypeNS && q.Question[0].Name == "hostile.example.":
						for i := range test.names {
							m.Answer = append(m.Answer, &dns.NS{
								Hdr: dns.RR_Header{Name: "hostile.example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60},
								Ns:  fmt.Sprintf("ns%d.nowhere.", i),
							})
						}
					case test.silent:
						return nil
					default:
						m.Rcode = dns.RcodeNameError
					}
					return m
				}))
				search := func() int {
					since := time.Now()
					if _, ok := n.sample("hostile.example.", 0); ok {
						t.Error("a sample of a zone without servers")
					}
					pass(searchBudget) // until a search that outlives the sample has ended
					return len(n.log.to(resolver, since))
				}
				if asked := search(); asked == 0 || asked > test.most {
					t.Errorf("%d questions, want at most %d", asked, test.most)
				}
				began, searches := time.Now(), 0
				for time.Since(began) < time.Hour {
					if search() > 0 {
						searches++
					}
					pass(15 * time.Second)
				}
				if searches < 4 || searches > 9 {
					t.Errorf("%d further searches in an hour", searches)
				}
			})
		})
	}
}

// TestZoneCacheServersRefuse has a zone move while the resolver still follows the old delegation: once all known
// servers decline to serve the zone, its delegation is walked in the same sample.
func TestZoneCacheServersRefuse(t *testing.T) {
	const moved = "203.0.113.9:53"
	refuse := func(s *lab.NameServer) { s.Rcode = dns.RcodeRefused }
	for name, test := range map[string]struct {
		ns1, ns2 func(*lab.NameServer) // nil: silent
		moves    bool                  // the parent zone has the new delegation
		failure  measurement.SampleFailure
		walks    int // in two hours; the resolver repeats the old delegation in each hourly search
	}{
		"both refuse, and the zone has moved: sampled at the new server": {refuse, refuse, true, "", 3},
		"both fail, and the zone has moved: sampled at the new server": {
			func(s *lab.NameServer) { s.Rcode = dns.RcodeServerFailure }, refuse, true, "", 3,
		},
		"one is silent, and the zone has moved: sampled at the new server": {nil, refuse, true, "", 3},
		"both refuse, and the zone has not moved: walked with a backoff":   {refuse, refuse, false, measurement.SampleRefused, 14},
		"one serves the zone: not walked":                                  {refuse, func(*lab.NameServer) {}, true, "", 0},
		"both are silent: not walked":                                      {nil, nil, true, measurement.SampleSilent, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				if _, ok := n.sample("plain.example.", 0); !ok {
					t.Fatal("no sample")
				}
				if test.moves {
					n.server(moved, n.zones["example."])
					n.root.Below["example."] = []lab.Server{{Name: "ns9.example.", Address: addr(moved)}}
				}
				for at, change := range map[string]func(*lab.NameServer){ns1: test.ns1, ns2: test.ns2} {
					if change == nil {
						n.silence(at)
					} else {
						change(n.servers[at])
					}
				}
				began := time.Now()
				for turn := 0; time.Since(began) < 2*time.Hour; turn++ {
					pass(20 * time.Second)
					s, ok := n.sample("plain.example.", turn)
					if ok && test.failure == measurement.SampleSilent && s.Failure == measurement.SampleBlocked {
						s.Failure = test.failure
					}
					if !ok || s.Failure != test.failure {
						t.Fatalf("after %v: %v %+v", time.Since(began), ok, s)
					}
				}
				if walks := len(n.log.to(root, began)); walks != test.walks {
					t.Errorf("the delegation was walked %d times, want %d", walks, test.walks)
				}
			})
		})
	}
}

// TestZoneCacheIncompleteZone has a zone with more servers than are looked up: the first ones are asked, and the sample
// tells that there are more.
func TestZoneCacheIncompleteZone(t *testing.T) {
	for _, test := range []struct {
		name       string
		servers    int
		incomplete bool
	}{
		{"10 servers: all are asked", maxServerNames, false},
		{"11 servers: 10 are asked", maxServerNames + 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				z := n.zones["example."]
				z.Servers = nil
				for i := range test.servers {
					at := fmt.Sprintf("203.0.113.%d:53", 10+i)
					n.server(at, z)
					z.Servers = append(z.Servers, lab.Server{Name: fmt.Sprintf("ns%d.example.", i), Address: addr(at)})
				}
				n.root.Below["example."] = z.Servers // all with glue: a walk finds all
				s, ok := n.sample("plain.example.", 0)
				if !ok || s.Failure != "" || len(s.Steps[0].Servers) != maxServerNames || s.Steps[0].Incomplete != test.incomplete {
					t.Errorf("%v %+v", ok, s)
				}
				for _, s := range n.zoneClient.Confirm(context.Background(), resolvers, "plain.example.", dns.TypeA, 1, time.Now()) {
					if !s.Walked || len(s.Steps[0].Servers) != test.servers || s.Steps[0].Incomplete != test.incomplete {
						t.Errorf("after a walk: %+v", s)
					}
				}
			})
		})
	}
}

// TestZoneCacheAsksEveryResolver has two resolvers follow different delegations: the zone's servers are those of both.
func TestZoneCacheAsksEveryResolver(t *testing.T) {
	const resolver2, moved = "192.0.2.11:53", "203.0.113.9:53"
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		after := *n.zones["example."]
		after.Servers = []lab.Server{{Name: "ns9.example.", Address: addr(moved)}}
		n.put(resolver2, lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{&after, {Origin: ".", Servers: n.root.Servers}}}, lab.Habits{}, 1))
		n.server(moved, &after)
		both := []netip.AddrPort{netip.MustParseAddrPort(resolver), netip.MustParseAddrPort(resolver2)}
		s, ok := n.sampleOf(context.Background(), both, "plain.example.", dns.TypeA, 0)
		if want := "203.0.113.1 of 203.0.113.1 203.0.113.2 203.0.113.9"; !ok || !strings.HasPrefix(steps(s), want) {
			t.Errorf("%v %s, want %s", ok, steps(s), want)
		}
	})
}

// TestZoneCacheBehindNAT64 has a site without IPv4, whose resolver synthesises IPv6 addresses: servers that have IPv4
// addresses only are asked through these, after the delegation was walked too, whose glue is IPv4 only.
func TestZoneCacheBehindNAT64(t *testing.T) {
	const synthesised = "[64:ff9b::cb00:7101]:53" // of ns1
	inBubble(t, Options{Usable: netip.Addr.Is6}, func(t *testing.T, n *internet) {
		through := func(at string) string { // the address of a server behind NAT64
			v4 := addr(at).As4()
			v6 := [16]byte{0, 0x64, 0xff, 0x9b, 12: v4[0], v4[1], v4[2], v4[3]}
			return netip.AddrPortFrom(netip.AddrFrom16(v6), dnsPort).String()
		}
		upstream := lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{n.zones["example."], {Origin: ".", Servers: n.root.Servers}}}, lab.Habits{}, 1)
		n.put(resolver, answers(func(q *dns.Msg, now time.Time) *dns.Msg {
			if q.Question[0].Qtype != dns.TypeAAAA {
				return upstream.Answer(q, now)
			}
			a := q.Copy()
			a.Question[0].Qtype = dns.TypeA
			m := reply(q)
			for _, rr := range upstream.Answer(a, now).Answer {
				if v, ok := rr.(*dns.A); ok {
					at := through(net.JoinHostPort(v.A.String(), "53"))
					m.Answer = append(m.Answer, reply(q, rr.Header().Name+" 60 IN AAAA "+addr(at).String()).Answer...)
				}
			}
			return m
		}))
		for _, at := range []string{root, ns1, ns2} {
			n.put(through(at), n.servers[at])
		}
		if s, ok := n.sample("plain.example.", 0); !ok || s.Failure != "" || s.Steps[0].Server.String() != synthesised {
			t.Errorf("%v %+v", ok, s)
		}
		samples := n.zoneClient.Confirm(context.Background(), resolvers, "plain.example.", dns.TypeA, 1, time.Now())
		if len(samples) < 2 || !samples[0].Walked || samples[0].Failure != "" {
			t.Errorf("%+v", samples)
		}
	})
}
