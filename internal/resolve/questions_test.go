package resolve

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	endpointdns "github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// addressQuestions counts the questions for addresses.
type addressQuestions struct {
	lab.Answerer
	mu sync.Mutex
	n  int
}

func (q *addressQuestions) Answer(m *dns.Msg, now time.Time) *dns.Msg {
	if typ := m.Question[0].Qtype; typ == dns.TypeA || typ == dns.TypeAAAA {
		if name := m.Question[0].Name; !strings.HasPrefix(name, "ns") && name != "root." { // those are looked up once an hour
			q.mu.Lock()
			q.n++
			q.mu.Unlock()
		}
	}
	return q.Answerer.Answer(m, now)
}

// taken returns the number of questions since the last call.
func (q *addressQuestions) taken() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.n
	q.n = 0
	return n
}

// answerFunc is an [lab.Answerer].
type answerFunc func(q *dns.Msg, now time.Time) *dns.Msg

func (f answerFunc) Answer(q *dns.Msg, now time.Time) *dns.Msg { return f(q, now) }

// TestRoundQuestions counts the questions of one host and round: at most 4 to a resolver, and 2 to each zone of the
// chain.
func TestRoundQuestions(t *testing.T) {
	both := lab.Fixed(netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7"))
	ofType := func(typ uint16) func(q *dns.Msg) bool {
		return func(q *dns.Msg) bool { return q.Question[0].Qtype == typ }
	}
	names := func(records lab.RecordSet) map[string]lab.RecordSet {
		return map[string]lab.RecordSet{"host.example.": {TTL: lab.TTL(60), CNAME: "edge.other."}, "edge.other.": records}
	}
	four := lab.Fixed(netip.MustParseAddr("198.51.100.7"))
	alias := func(addresses lab.Script) map[string]lab.RecordSet {
		return names(lab.RecordSet{TTL: lab.TTL(60), Addresses: addresses})
	}
	for name, test := range map[string]struct {
		names map[string]lab.RecordSet
		// After ten rounds, the resolver answers SERVFAIL to some questions, or the zone removes a name.
		fails   func(q *dns.Msg) bool
		removed string
		most    int // questions to the resolver in one round
	}{
		"one name":                               {names: map[string]lab.RecordSet{"host.example.": {TTL: lab.TTL(60), Addresses: both}}, most: 2},
		"a CNAME to another zone, both families": {names: alias(both), most: 4},
		"the same, IPv4 only":                    {names: alias(four), most: 3},
		"no such name":                           {most: 4},
		"no address":                             {names: map[string]lab.RecordSet{"host.example.": {TTL: lab.TTL(60), Addresses: lab.Fixed()}}, most: 4},
		"the target of the CNAME is removed":     {names: alias(both), removed: "edge.other.", most: 4},
		"AAAA begins to fail":                    {names: alias(both), fails: ofType(dns.TypeAAAA), most: 4},
		"everything begins to fail":              {names: alias(both), fails: func(*dns.Msg) bool { return true }, most: 4},
		"A begins to fail, there is no AAAA":     {names: alias(four), fails: ofType(dns.TypeA), most: 4},
		"questions with EDNS begin to fail":      {names: alias(both), fails: func(q *dns.Msg) bool { return q.IsEdns0() != nil }, most: 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(lab.RecordSet{}, lab.Habits{})
				zone := func(origin, ns string) *lab.Zone {
					z := &lab.Zone{Origin: origin, Servers: []lab.Server{{Name: "ns." + origin, Address: netip.MustParseAddr(ns)}}, Names: map[string]lab.RecordSet{}}
					for name, records := range test.names {
						if dns.IsSubDomain(origin, name) {
							z.Names[name] = records
						}
					}
					return z
				}
				example, other := zone("example.", ns1.Addr().String()), zone("other.", ns2.Addr().String())
				s.resolver = lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{example, other, {Origin: ".", Servers: []lab.Server{{Name: "root.", Address: root.Addr()}}}}}, lab.Habits{}, 1)
				counted := make(map[string]*addressQuestions)
				count := func(at netip.AddrPort, a lab.Answerer) {
					counted[at.String()] = &addressQuestions{Answerer: a}
					s.put(at, counted[at.String()])
				}
				failing := func(*dns.Msg) bool { return false }
				count(resolver1, answerFunc(func(q *dns.Msg, now time.Time) *dns.Msg {
					m := s.resolver.Answer(q, now)
					if failing(q) {
						m.Rcode, m.Answer, m.Ns = dns.RcodeServerFailure, nil, nil
					}
					return m
				}))
				count(ns1, &lab.NameServer{Zones: []*lab.Zone{example}})
				count(ns2, &lab.NameServer{Zones: []*lab.Zone{other}})
				s.start()
				defer s.service.Close()
				reached := 0
				for i := range 20 {
					if i == 10 {
						delete(other.Names, test.removed)
						if test.fails != nil {
							failing = test.fails
						}
					}
					s.round(10*time.Second, s.names(0))
					n := counted[resolver1.String()].taken()
					reached = max(reached, n)
					if n > test.most {
						t.Errorf("round %d: %d questions to the resolver, want at most %d", i, n, test.most)
					}
					for _, at := range []netip.AddrPort{ns1, ns2} {
						if n := counted[at.String()].taken(); n > 2 {
							t.Errorf("round %d: %d questions to the zone's server %s, want at most 2", i, n, at)
						}
					}
					pass(15 * time.Second)
				}
				if reached != test.most {
					t.Errorf("at most %d questions, want %d", reached, test.most)
				}
			})
		})
	}
}

// TestRoundsInQuickSuccession makes rounds without a pause. They take only the time of their own questions, and after
// the first ten the zone is sampled once a second.
func TestRoundsInQuickSuccession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.7"))}, lab.Habits{}).start()
		defer s.service.Close()
		s.round(10*time.Second, s.names(0))                             // which finds the zone's servers
		const quick, longest = 20 * time.Second, 100 * time.Millisecond // a round has at most a few questions one after the other
		began, before := time.Now(), s.toZone()
		for i := 0; time.Since(began) < quick; i++ {
			r := s.round(10*time.Second, s.names(0))
			if r.took > longest {
				t.Fatalf("round %d, %v after the first, took %v, want at most %v", i, time.Since(began), r.took, longest)
			}
			if !r.authority.Known || time.Since(r.authority.LastValid) > 2*time.Second {
				t.Fatalf("round %d: the zone is %+v, want one sampled within 2 s", i, r.authority)
			}
		}
		most := len(endpointdns.Types) * (roundBurst + int(quick/time.Second))
		if n := int(s.toZone() - before); n > most {
			t.Errorf("%d questions to the zone's servers in %v, want at most %d", n, quick, most)
		}
	})
}

// TestRoundWithoutSamples has a resolver keep a CNAME that has moved to another name of the same address. The samples
// of a round show that the address is published; a round without samples must not take it for withdrawn.
func TestRoundWithoutSamples(t *testing.T) {
	addresses := lab.Fixed(netip.MustParseAddr("198.51.100.7"))
	for name, test := range map[string]struct {
		without   func(s *site)
		questions bool // to the zone's servers
	}{
		"it does not count":      {func(s *site) { s.names(0).state.counting = rate.NewLimiter(0, 0) }, false},
		"the servers are silent": {func(s *site) { s.put(ns1, silence{}); s.put(ns2, silence{}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(lab.RecordSet{TTL: lab.TTL(5), CNAME: "a.example."}, lab.Habits{MinTTL: 3600, MaxTTL: 5})
				for _, name := range []string{"a.example.", "b.example."} {
					s.zone.Names[name] = lab.RecordSet{TTL: lab.TTL(5), Addresses: addresses}
				}
				s.start()
				defer s.service.Close()
				rounds := func(d time.Duration) (last result) {
					for began := time.Now(); time.Since(began) < d; pass(15 * time.Second) {
						last = s.round(10*time.Second, s.names(0))
					}
					return last
				}
				rounds(s.config.Freshness.Learning + time.Minute)
				s.zone.Names["host.example."] = lab.RecordSet{TTL: lab.TTL(5), CNAME: "b.example."}
				last := rounds(2 * s.config.Freshness.AuthorityLag)
				if a := last.resolvers[0].Staleness; a.Verdict != staleness.Suspect || len(a.Withdrawn) > 0 {
					t.Fatalf("%+v, want the CNAME to be suspect and no address", a)
				}
				test.without(s)
				asked := s.toZone()
				r := s.round(10*time.Second, s.names(0))
				if n := s.toZone() - asked; n > 0 != test.questions {
					t.Errorf("%d questions to the zone's servers", n)
				}
				if a := r.resolvers[0].Staleness; len(a.Withdrawn) > 0 {
					t.Errorf("%v is withdrawn, but published by the newest sample: %+v", a.Withdrawn, a)
				}
			})
		})
	}
}

// TestReloadCountsTheNextRound changes the authoritative servers between two rounds that follow each other at once: the
// new ones are asked all the same.
func TestReloadCountsTheNextRound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.7"))}, lab.Habits{})
		s.config.Authority = config.AuthorityQueries{Mode: config.AuthorityServers, Servers: []netip.AddrPort{ns1}}
		s.start()
		s.round(10*time.Second, s.names(0))
		reloaded := *s.config
		reloaded.Authority.Servers = []netip.AddrPort{ns2}
		s.config = &reloaded
		s.start()
		defer s.service.Close()
		before := s.count(ns2)
		s.round(10*time.Second, s.names(0))
		if s.count(ns2) == before {
			t.Error("the new server was not asked")
		}
	})
}
