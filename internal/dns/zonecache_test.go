package dns

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// TestZoneCacheAmplification has a hostile zone that names many servers without addresses: one search costs the site's resolver
// a bounded number of questions, and failed searches become rare.
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

// TestZoneCacheIncompleteZone has a zone with more servers than are looked up: it is not sampled, since the other servers may
// publish other records.
func TestZoneCacheIncompleteZone(t *testing.T) {
	for _, test := range []struct {
		name    string
		servers int
		sampled bool
	}{
		{"10 servers: sampled", maxServerNames, true},
		{"11 servers: not sampled", maxServerNames + 1, false},
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
				if _, ok := n.sample("plain.example.", 0); ok != test.sampled {
					t.Errorf("sampled: %v", ok)
				}
			})
		})
	}
}
