package resolve

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// story is a resolver and a zone, watched in virtual time with the default constants.
type story struct {
	name     string
	habits   lab.Habits
	records  *lab.RecordSet // nil: an address that moves every 20 minutes
	set      func(s *site, now time.Time)
	minutes  int // 0: 60
	interval time.Duration
	// by is the evidence of the proof that the resolver is stale; "": it is never stale. ok: the last verdict is ok.
	by staleness.Evidence
	ok bool
}

func stories() []story {
	var pool []netip.Addr
	for i := range 40 {
		pool = append(pool, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	rotating := lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Rotating(8, pool...)}
	zero := moving(20 * time.Minute)
	zero.TTL = lab.TTL(0)
	lowered := moving(20 * time.Minute)
	lowered.TTL = lab.TTLChange(3600, 60, time.Date(2000, 1, 1, 0, 25, 0, 0, time.UTC))
	six := lab.RecordSet{TTL: lab.TTL(60), Addresses: func(at time.Time, draw uint64) []netip.Addr {
		return moving(20*time.Minute).Addresses(at, draw)[1:]
	}}
	// down makes the zone's servers silent for a while.
	down := func(s *site, from, until int) {
		s.servers.Down = func(at time.Time) bool {
			since := at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
			return since >= time.Duration(from)*time.Minute && since < time.Duration(until)*time.Minute
		}
	}
	return []story{
		{name: "honest", ok: true},
		{name: "honest, scrapes every 60 s on a TTL of 60 s", interval: time.Minute, ok: true},
		{name: "honest, scrapes every 30 s", interval: 30 * time.Second, ok: true},
		{name: "minimum TTL 300", habits: lab.Habits{MinTTL: 300}, by: staleness.TTLInflated},
		// A constant TTL may be that of an entry from before the start: proved after a day only.
		{name: "minimum TTL 3600, shown as 60, two hours", habits: lab.Habits{MinTTL: 3600, MaxTTL: 60}, minutes: 120},
		{name: "minimum TTL 3600, shown as 60, a day", habits: lab.Habits{MinTTL: 3600, MaxTTL: 60}, minutes: 25 * 60,
			interval: time.Minute, by: staleness.WithdrawnAddress},
		{name: "minimum TTL 300 over a CNAME of 300", habits: lab.Habits{MinTTL: 300}, set: alias(300), by: staleness.TTLInflated},
		{name: "honest, over a CNAME of 300", set: alias(300), ok: true},
		{name: "stale first, says so", habits: lab.Habits{StaleFirst: true, StaleTTL: 30, EDE: true}, by: staleness.EDEStale},
		{name: "a local entry for the name, TTL 3600", set: pin(3600), minutes: 130},
		{name: "a local entry for the name, the zone's TTL", set: pin(60), minutes: 120},
		{name: "frozen TTL", habits: lab.Habits{FrozenTTL: true}, ok: true},
		{name: "stale while the zone is down, says so", habits: lab.Habits{ServeStale: true, StaleTTL: 30, EDE: true},
			set: func(s *site, _ time.Time) { down(s, 25, 40) }, ok: true},
		{name: "minimum TTL 300, and the resolver does not reach the zone", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			s.put(resolver1, cutOff{s.resolver})
		}},
		{name: "10 % of all questions are lost", set: func(s *site, _ time.Time) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(1, 1))
			s.network.Lose(func(netip.AddrPort) bool {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(10) == 0
			})
		}},
		{name: "rotating 8 of 40", records: &rotating, ok: true},
		{name: "TTL 0", records: &zero, ok: true},
		{name: "the TTL is lowered while we watch", records: &lowered, minutes: 120, ok: true},
		{name: "IPv6 only", records: &six, ok: true},
		{name: "one of the zone's servers lags 50 s", set: func(s *site, _ time.Time) {
			s.put(ns2, &lab.NameServer{Zones: []*lab.Zone{s.zone}, Lag: 50 * time.Second})
		}, ok: true},
		{name: "minimum TTL 300, expected_ttl given, the zone not asked", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			s.config.Authority.Mode = config.AuthorityOff
			s.config.Endpoints[0].ExpectedTTL = time.Minute
		}, by: staleness.TTLInflated},
		{name: "minimum TTL 300, and the parent's servers do not answer", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			s.put(root, silence{})
		}},
		{name: "minimum TTL 300, and port 53 is blocked", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			for _, at := range []netip.AddrPort{ns1, ns2, root} {
				s.put(at, silence{})
			}
		}},
		{name: "minimum TTL 300, and port 53 is intercepted", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			s.put(noServer, s.servers)
		}},
		{name: "port 53 is intercepted for ten minutes", set: func(s *site, now time.Time) {
			s.put(noServer, &lab.NameServer{Zones: []*lab.Zone{s.zone}, Down: func(at time.Time) bool { return at.Sub(now) >= 10*time.Minute }})
		}, minutes: 40, ok: true},
		{name: "minimum TTL 300, and a proxy answers for the zone's servers", habits: lab.Habits{MinTTL: 300}, set: func(s *site, _ time.Time) {
			for _, at := range []netip.AddrPort{ns1, ns2, root} {
				s.put(at, s.resolver)
			}
		}},
	}
}

// pinned answers host.example. from a local entry (Unbound local-data, a hosts file, a response policy) with an old
// address.
type pinned struct {
	lab.Answerer
	ttl  uint32
	addr netip.Addr
}

func (p pinned) Answer(q *mdns.Msg, now time.Time) *mdns.Msg {
	m := p.Answerer.Answer(q, now)
	if q.Question[0].Name == "host.example." && q.Question[0].Qtype == mdns.TypeA {
		m.Answer = []mdns.RR{&mdns.A{Hdr: mdns.RR_Header{Name: "host.example.", Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: p.ttl}, A: p.addr.AsSlice()}}
	}
	return m
}

func pin(ttl uint32) func(*site, time.Time) {
	return func(s *site, now time.Time) {
		s.put(resolver1, pinned{s.resolver, ttl, s.zone.Names["host.example."].Addresses(now, 0)[0]})
	}
}

// alias makes host.example. a CNAME with the given TTL, which leads to its records.
func alias(ttl uint32) func(*site, time.Time) {
	return func(s *site, _ time.Time) {
		s.zone.Names["edge.example."] = s.zone.Names["host.example."]
		s.zone.Names["host.example."] = lab.RecordSet{TTL: lab.TTL(ttl), CNAME: "edge.example."}
	}
}

// cutOff is a resolver that answers from its cache only: names that it has never been asked for fail.
type cutOff struct{ lab.Answerer }

func (c cutOff) Answer(q *mdns.Msg, now time.Time) *mdns.Msg {
	m := c.Answerer.Answer(q, now)
	if label, _, _ := strings.Cut(q.Question[0].Name, "."); len(label) > 20 && m != nil {
		m.Answer, m.Rcode = nil, mdns.RcodeServerFailure
	}
	return m
}

// TestVerdicts watches each story for an hour or two of virtual time.
func TestVerdicts(t *testing.T) {
	for _, story := range stories() {
		t.Run(story.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				records := moving(20 * time.Minute)
				if story.records != nil {
					records = *story.records
				}
				s := newSite(records, story.habits)
				if story.set != nil {
					story.set(s, time.Now())
				}
				s.start()
				interval, minutes := story.interval, story.minutes
				if interval == 0 {
					interval = 15 * time.Second
				}
				if minutes == 0 {
					minutes = 60
				}
				tell(t, s, story, interval, time.Duration(minutes)*time.Minute)
			})
		})
	}
}

func tell(t *testing.T, s *site, story story, interval, length time.Duration) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var a staleness.Assessment
	for time.Since(began) < length {
		r := s.round(9500*time.Millisecond, s.names(0))
		a = r.resolvers[0].Staleness
		if a.Verdict == staleness.Stale {
			break
		}
		<-tick.C
	}
	t.Logf("%s after %v, path %q: %+v", a.Verdict, time.Since(began).Round(time.Second), s.service.Port53State(), a.Why)
	if (a.Verdict == staleness.Stale) != (story.by != "") || story.by != "" && a.Counts[story.by] < 2 {
		t.Errorf("%s with %v, want stale by %q", a.Verdict, a.Counts, story.by)
	}
	if story.ok && a.Verdict != staleness.OK {
		t.Errorf("%s in the end, want ok", a.Verdict)
	}
	if told := strings.Count(s.log.String(), "resolver keeps records past their TTL"); told > 1 || (told == 1) != (story.by != "") {
		t.Errorf("logged %d times", told)
	}
}

// TestFirstRoundIntercepted has port 53 intercepted from the start: even the samples of the first round are not
// believed.
func TestFirstRoundIntercepted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start()
		s.put(noServer, s.servers)
		r := s.round(9*time.Second, s.names(0))
		if r.authority.Known || r.authority.Failure != report.ZoneIntercepted || s.service.Port53State() != measurement.Port53Intercepted {
			t.Errorf("%+v, path %q", r.authority, s.service.Port53State())
		}
	})
}

// TestRoundRefused has a router redirect port 53 to a resolver that refuses questions without recursion (the default
// of Unbound).
func TestRoundRefused(t *testing.T) {
	refuses := &lab.NameServer{Rcode: mdns.RcodeRefused}
	for _, test := range []struct {
		name    string
		anyone  bool // answers for any address
		path    measurement.Port53State
		failure report.ZoneFailure
		why     measurement.SampleFailure
	}{
		{"for the zone's servers only: refused", false, measurement.Port53NotAuthoritative, report.ZoneRefused, measurement.SampleRefused},
		{"for any address: intercepted", true, measurement.Port53Intercepted, report.ZoneIntercepted, measurement.SampleIntercepted},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(moving(time.Hour), lab.Habits{}).start()
				for _, at := range []netip.AddrPort{ns1, ns2, root} {
					s.put(at, refuses)
				}
				s.put(noServer, silence{})
				if test.anyone {
					s.put(noServer, refuses)
				}
				for range 100 {
					r := s.round(9*time.Second, s.names(0))
					a := r.resolvers[0].Staleness
					if s.service.Port53State() != test.path || r.authority.Failure != test.failure || a.Verdict != staleness.Unknown || a.Why.Failure != test.why {
						t.Fatalf("path %q, %q, %s: %+v", s.service.Port53State(), r.authority.Failure, a.Verdict, a.Why)
					}
					pass(15 * time.Second)
				}
				if s.count(noServer) == 0 {
					t.Error("no test was made")
				}
			})
		})
	}
}

// TestInterceptionOfManyHosts resolves seven hosts at once. One of them makes the interception test, the others wait
// for it, and all drop the samples of the interceptor.
func TestInterceptionOfManyHosts(t *testing.T) {
	const hosts = 7
	for _, test := range []struct {
		name  string
		after time.Duration // when interception begins
		found time.Duration // by when it is found out, at the latest
	}{
		{"from the start", 0, 0},
		{"found out by the hourly test", 30 * time.Minute, 61 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(moving(time.Hour), lab.Habits{})
				s.config.Endpoints = nil
				for i := range hosts {
					s.config.Endpoints = append(s.config.Endpoints, config.Endpoint{Service: "one", Host: fmt.Sprintf("h%d.example", i), SingleView: true})
				}
				s.start()
				began := time.Now()
				short := *s.zone
				brief := moving(time.Hour)
				brief.TTL = lab.TTL(5)
				short.Names = map[string]lab.RecordSet{"*.example.": brief}
				interceptor := &lab.NameServer{Zones: []*lab.Zone{&short}}
				for time.Since(began) < 100*time.Minute {
					if time.Since(began) == test.after {
						for _, at := range []netip.AddrPort{ns1, ns2, noServer} {
							s.put(at, interceptor)
						}
					}
					at := time.Since(began)
					var all sync.WaitGroup
					for i := range hosts {
						all.Go(func() {
							r := s.round(9*time.Second, s.names(i))
							a := r.resolvers[0].Staleness
							switch {
							case at < test.found: // at most suspect by then
							case r.authority.Known, len(r.authority.Addresses) > 0, r.authority.Failure != report.ZoneIntercepted, a.Verdict != staleness.Unknown:
								t.Errorf("host %d after %v: %+v, %s: %+v", i, at, r.authority, a.Verdict, a.Why)
							}
							if a.Verdict == staleness.Stale {
								t.Errorf("host %d after %v: %+v", i, at, a.Why)
							}
						})
					}
					all.Wait()
					pass(15*time.Second - time.Since(began)%(15*time.Second))
				}
			})
		})
	}
}

// TestWhoami has no single_view: an inflated TTL is only suspect, unless the resolver's queries leave from this
// machine's address.
func TestWhoami(t *testing.T) {
	here := netip.MustParseAddr("198.51.100.44")
	for _, test := range []struct {
		name   string
		theirs netip.Addr
		stale  bool
	}{{"the same egress", here, true}, {"another egress", here.Next(), false}} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(moving(20*time.Minute), lab.Habits{MinTTL: 300})
				s.config.Endpoints[0].SingleView = false
				s.config.Authority.Whoami = "whoami.example"
				// The zone's servers answer with the address of the asker.
				s.zone.Names["whoami.example."] = lab.RecordSet{TTL: lab.TTL(0), Addresses: lab.Fixed(test.theirs)}
				ours := *s.zone
				ours.Names = map[string]lab.RecordSet{"whoami.example.": {TTL: lab.TTL(0), Addresses: lab.Fixed(here)}, "host.example.": s.zone.Names["host.example."]}
				for _, at := range []netip.AddrPort{ns1, ns2} {
					s.put(at, &lab.NameServer{Zones: []*lab.Zone{&ours}})
				}
				s.start()
				st := story{by: staleness.TTLInflated}
				if !test.stale {
					st.by = ""
				}
				tell(t, s, st, 15*time.Second, 100*time.Minute)
			})
		})
	}
}

// TestVerdictHoldsAndEnds repairs a stale resolver: the verdict holds until then, with few confirmations, and ends
// after hold.
func TestVerdictHoldsAndEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(20*time.Minute), lab.Habits{MinTTL: 300}).start()
		verdict := func() staleness.Verdict {
			defer pass(15 * time.Second)
			return s.round(9500*time.Millisecond, s.names(0)).resolvers[0].Staleness.Verdict
		}
		for range 100 {
			if verdict() == staleness.Stale {
				break
			}
		}
		asked := s.toZone()
		const rounds = 480 // two hours
		for n := range rounds {
			if v := verdict(); v != staleness.Stale {
				t.Fatalf("%s after %d rounds more", v, n)
			}
		}
		if perRound := float64(s.toZone()-asked) / rounds; perRound > 6 {
			t.Errorf("the zone's servers were asked %.1f times a round to keep a verdict that stands", perRound)
		}
		s.resolver.Behave(lab.Habits{})
		s.resolver.Flush()
		for range 62 {
			verdict()
		}
		for range 60 {
			if v := verdict(); v != staleness.OK && v != staleness.Suspect {
				t.Fatalf("%s although it is repaired", v)
			}
		}
		if v := verdict(); v != staleness.OK {
			t.Errorf("%s in the end", v)
		}
		if told := strings.Count(s.log.String(), "resolver no longer keeps"); told != 1 {
			t.Errorf("logged %d times:\n%s", told, s.log)
		}
	})
}

// TestVerdictWithIrregularScrapes has several scrapers, a page view and a scraper that restarts: the verdict stays.
func TestVerdictWithIrregularScrapes(t *testing.T) {
	every := func(interval time.Duration, offsets ...time.Duration) (at []time.Duration) {
		for now := time.Duration(0); now < 80*time.Minute; now += interval {
			for _, offset := range append([]time.Duration{0}, offsets...) {
				at = append(at, now+offset)
			}
		}
		return at
	}
	without := func(at []time.Duration, from, to time.Duration) []time.Duration {
		return slices.DeleteFunc(at, func(d time.Duration) bool { return d > from && d < to })
	}
	visited := every(time.Minute)
	for n := range 6 {
		visited = append(visited, 40*time.Minute+time.Duration(n+1)*11*time.Second)
	}
	slices.Sort(visited)
	for _, test := range []struct {
		name   string
		rounds []time.Duration
	}{
		{"three scrapers", every(time.Minute, 11*time.Second, 22*time.Second)},
		{"a person reloads the page", visited},
		{"a pause of 40 s between scrapes every 15 s", without(every(15*time.Second), 40*time.Minute, 40*time.Minute+40*time.Second)},
		{"a pause of 2 min between scrapes every 30 s", without(every(30*time.Second), 40*time.Minute, 42*time.Minute)},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(moving(20*time.Minute), lab.Habits{}).start()
				began := time.Now()
				for _, at := range test.rounds {
					pass(time.Until(began.Add(at)))
					a := s.round(9*time.Second, s.names(0)).resolvers[0].Staleness
					if at > 16*time.Minute && a.Verdict != staleness.OK {
						t.Fatalf("%s after %v: %+v", a.Verdict, at, a.Why)
					}
				}
			})
		})
	}
}

// slow delays its answers.
type slow struct {
	lab.Answerer
	after time.Duration
}

func (s slow) Answer(q *mdns.Msg, now time.Time) *mdns.Msg {
	pass(s.after)
	return s.Answerer.Answer(q, now)
}

// TestInterceptionTestAddsNoDelay checks that the test runs at the same time as the samples.
func TestInterceptionTestAddsNoDelay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(24*time.Hour), lab.Habits{})
		for _, at := range []netip.AddrPort{ns1, ns2} {
			s.put(at, slow{s.servers, 500 * time.Millisecond})
		}
		s.put(noServer, silence{})
		s.start()
		s.round(9*time.Second, s.names(0))
		asked := s.count(noServer)
		for range 60 {
			pass(time.Minute)
			if r := s.round(9*time.Second, s.names(0)); r.took > dns.AuthorityTimers.Patience+10*time.Millisecond {
				t.Errorf("a round took %v", r.took)
			}
		}
		if s.count(noServer) == asked {
			t.Error("no test was made")
		}
	})
}
