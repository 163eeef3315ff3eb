package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestHostsOfTheLabResolve asks over real sockets.
func TestHostsOfTheLabResolve(t *testing.T) {
	l, err := lab.Start(context.Background(), lab.Options{Addresses: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := config.Parse([]byte(l.Config()), "")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Config: c, Resolvers: []netip.AddrPort{l.ResolverAddress}})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range c.Endpoints {
		r := s.Host(&c.Endpoints[i]).Begin(ctx)
		lookups := r.Lookups()
		if len(lookups) != 1 || len(lookups[0].Addresses) != 3 || lookups[0].TTL != time.Minute {
			t.Errorf("%+v", lookups)
		}
		resolvers, authority := r.Finish()
		if !authority.Known || authority.TTL != time.Minute || len(authority.Addresses) != 3 || authority.Why != "" {
			t.Errorf("%+v", authority)
		}
		if a := resolvers[0].Staleness; a.Verdict != staleness.Unknown || a.Why.Kind != staleness.WhyLearning || len(a.Counts) != len(staleness.Kinds) {
			t.Errorf("%+v", a)
		}
	}
	if s.Path() != measurement.AuthorityPathOK {
		t.Errorf("path %q", s.Path())
	}
	for _, q := range s.Queries() {
		if due := q.Rcode == "noerror"; due != (q.Count == 2*uint64(len(c.Endpoints))) || !due && q.Count != 0 {
			t.Errorf("%+v: two types of each host and leg are due, no more", q)
		}
	}
}

func TestRoundsCloseTogetherShareOneExchange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{})
		s.config.Endpoints = append(s.config.Endpoints, config.Endpoint{Service: "two", Host: "host.example"})
		s.start()
		// Two endpoints of one host in one round, and another scraper a second later.
		var all sync.WaitGroup
		results := make([]result, 3)
		for i := range results {
			all.Go(func() {
				pass(time.Duration(i) * time.Second / 2)
				results[i] = s.round(10*time.Second, s.names(i%2))
			})
		}
		all.Wait()
		for _, r := range results {
			if len(r.resolvers) != 1 || len(r.resolvers[0].Lookup.Addresses) != 2 || !r.authority.Known {
				t.Errorf("%+v", r)
			}
		}
		first := s.toZone()
		asked := s.count(resolver1)
		if first != 2 {
			t.Errorf("the zone's servers were asked %d times, two types are due once", first)
		}
		pass(5 * time.Second)
		s.round(10*time.Second, s.names(0))
		if s.toZone() != first || s.count(resolver1) != asked {
			t.Error("asked again within the interval")
		}
		pass(5 * time.Second)
		s.round(10*time.Second, s.names(1))
		if s.toZone() != 2*first || s.count(resolver1) != asked+2 {
			t.Errorf("after the interval: %d questions to the zone, %d to the resolver", s.toZone(), s.count(resolver1))
		}
	})
}

func TestRoundThatEndsEarlyDoesNotEndTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start(resolver1, resolver2)
		s.put(resolver2, silence{})
		var all sync.WaitGroup
		var short, whole result
		all.Go(func() { short = s.round(time.Second, s.names(0)) })
		all.Go(func() { pass(100 * time.Millisecond); whole = s.round(10*time.Second, s.names(0)) })
		all.Wait()
		if short.took != time.Second || short.lookups[0].Failure != measurement.DNSOutOfTime || len(short.resolvers) != 2 {
			t.Errorf("the short one: %v, %+v", short.took, short.lookups)
		}
		if len(whole.lookups[0].Addresses) == 0 || whole.lookups[1].Failure != measurement.DNSTimeout || whole.looked > 2500*time.Millisecond {
			t.Errorf("the whole one: %v, %+v", whole.looked, whole.lookups)
		}
		if s.count(resolver1) != 2+7 { // both types; the zone, its servers and their addresses once
			t.Errorf("asked %d times", s.count(resolver1))
		}
	})
}

// TestAnAnswerThatCameIsToldHoweverTheRoundEnds has the zone's servers fall silent: the exchange goes on for others when
// this caller's time is up, and what the resolver said is known. Which of the two is seen first is chance: hence many rounds.
func TestAnAnswerThatCameIsToldHoweverTheRoundEnds(t *testing.T) {
	for range 40 {
		inBubble(t, func(t *testing.T) {
			s := newSite(moving(time.Hour), lab.Habits{}).start()
			s.round(10*time.Second, s.names(0))
			pass(time.Minute)
			s.put(ns1, silence{})
			s.put(ns2, silence{})
			var others sync.WaitGroup
			defer others.Wait()
			others.Go(func() { s.round(10*time.Second, s.names(0)) })
			pass(10 * time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			r := s.names(0).Begin(ctx)
			if looked := r.Lookups(); len(looked[0].Addresses) == 0 {
				t.Fatal("no answer came")
			}
			if resolvers, _ := r.Finish(); resolvers[0].Lookup.Failure != measurement.DNSOK {
				t.Fatalf("%s, though the answer had come", resolvers[0].Lookup.Failure)
			}
		})
	}
}

func TestRoundThatWasCutIsNotShared(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start()
		s.put(resolver1, silence{})
		cut := s.round(400*time.Millisecond, s.names(0))
		if cut.took != 400*time.Millisecond || cut.lookups[0].Failure != measurement.DNSOutOfTime {
			t.Errorf("%v %+v", cut.took, cut.lookups)
		}
		s.put(resolver1, s.resolver)
		if whole := s.round(10*time.Second, s.names(0)); len(whole.lookups[0].Addresses) == 0 {
			t.Errorf("%+v", whole.lookups)
		}
	})
}

func TestSilenceCostsItsOwnPatience(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start(resolver1, resolver2)
		s.round(10*time.Second, s.names(0))
		for _, test := range []struct {
			name         string
			silent       []netip.AddrPort
			looked, took time.Duration // at most
		}{
			{"nobody is silent", nil, 50 * time.Millisecond, 50 * time.Millisecond},
			{"a silent resolver", []netip.AddrPort{resolver2}, 2500 * time.Millisecond, 2600 * time.Millisecond},
			{"silent name servers", []netip.AddrPort{ns1, ns2, root}, 50 * time.Millisecond, 2600 * time.Millisecond},
			{"everybody is silent", []netip.AddrPort{resolver1, resolver2, ns1, ns2, root}, 2500 * time.Millisecond, 2600 * time.Millisecond},
		} {
			s.put(resolver1, s.resolver)
			s.put(resolver2, s.resolver)
			s.put(ns1, s.servers)
			s.put(ns2, s.servers)
			for _, at := range test.silent {
				s.put(at, silence{})
			}
			pass(20 * time.Second)
			r := s.round(10*time.Second, s.names(0))
			if r.looked > test.looked || r.took > test.took {
				t.Errorf("%s: look-ups after %v, all after %v", test.name, r.looked, r.took)
			}
			if stale := r.resolvers[0].Staleness.Verdict; stale != staleness.Unknown {
				t.Errorf("%s: %s", test.name, stale)
			}
		}
	})
}

func TestNothingIsSentToAZoneBeforeAResolverAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{})
		s.config.Authority.Mode, s.config.Authority.Servers = config.AuthorityServers, []netip.AddrPort{ns1}
		s.start()
		s.resolver.Behave(lab.Habits{Rcode: dns.RcodeServerFailure})
		for range 3 {
			s.round(10*time.Second, s.names(0))
			pass(15 * time.Second)
		}
		if s.toZone() != 0 {
			t.Error("the zone's servers were asked before the resolver had answered")
		}
		s.resolver.Behave(lab.Habits{})
		s.round(10*time.Second, s.names(0))
		s.resolver.Behave(lab.Habits{Rcode: dns.RcodeServerFailure})
		pass(15 * time.Second)
		s.round(10*time.Second, s.names(0))
		if s.toZone() != 4 {
			t.Errorf("once it has answered they are asked in every round: %d questions", s.toZone())
		}
	})
}

func TestModeOffAsksNoZone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{})
		s.config.Authority.Mode = config.AuthorityOff
		s.start()
		for range 5 {
			r := s.round(10*time.Second, s.names(0))
			if !strings.Contains(r.authority.Why, "authority.mode: off") || r.resolvers[0].Staleness.Why.Kind != staleness.WhyAuthorityOff {
				t.Errorf("%+v", r)
			}
			pass(time.Minute)
		}
		if s.toZone()+s.count(root) != 0 || s.count(resolver1) != 10 || s.service.Path() != "" {
			t.Errorf("asked the zone %d times, the resolver %d times, path %q", s.toZone(), s.count(resolver1), s.service.Path())
		}
	})
}

func TestStrangersLeaveNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start()
		for i := range 50 {
			r := s.round(10*time.Second, s.service.Host(config.Stranger(fmt.Sprintf("h%d.example", i))))
			if len(r.lookups[0].Addresses) == 0 || r.resolvers[0].Staleness.Verdict != staleness.Unknown || !strings.Contains(r.authority.Why, "not configured") {
				t.Fatalf("%+v", r)
			}
		}
		if s.toZone()+s.count(root) != 0 {
			t.Error("a stranger's zone was asked")
		}
		if len(s.service.hosts) != 1 {
			t.Errorf("%d hosts are remembered", len(s.service.hosts))
		}
	})
}

func TestReload(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(10*time.Minute), lab.Habits{})
		s.config.Endpoints = append(s.config.Endpoints, config.Endpoint{Service: "other", Host: "other.example", SingleView: true})
		s.start()
		watch := func(rounds int) (r result) {
			for range rounds {
				s.round(10*time.Second, s.names(1))
				r = s.round(10*time.Second, s.names(0))
				pass(15 * time.Second)
			}
			return r
		}
		before := watch(70)
		if before.resolvers[0].Staleness.Verdict != staleness.OK || before.resolvers[0].Changes == 0 {
			t.Fatalf("%+v", before.resolvers[0])
		}
		counted := s.service.Queries()[0].Count

		// A reload that changes another host only.
		next := *s.config
		next.Endpoints = []config.Endpoint{{Service: "renamed", Host: "host.example", SingleView: true}, {Service: "other", Host: "other.example"}}
		s.config = &next
		s.start()
		if s.service.Queries()[0].Count != counted {
			t.Error("the counts began anew")
		}
		after := watch(1)
		if after.resolvers[0].Staleness.Verdict != staleness.OK || after.resolvers[0].Changes < before.resolvers[0].Changes {
			t.Errorf("what was known is lost: %+v", after.resolvers[0])
		}
		if r := s.round(10*time.Second, s.names(1)); r.resolvers[0].Staleness.Why.Kind != staleness.WhyLearning {
			t.Errorf("single_view has changed, and so must what rests on it: %+v", r.resolvers[0])
		}

		// One that asks another resolver.
		s.put(resolver2, s.resolver)
		s.start(resolver2)
		if r := s.round(10*time.Second, s.names(0)); r.resolvers[0].Changes != 0 || len(s.service.hosts["host.example"].views) != 1 {
			t.Errorf("what the other resolver gave is held against this one: %+v", r.resolvers[0])
		}

		// One that changes the constants of the proof.
		again := next
		again.Freshness.Learning = time.Hour
		s.config = &again
		s.start()
		if r := watch(1); r.resolvers[0].Staleness.Why.Kind != staleness.WhyLearning {
			t.Errorf("%+v", r.resolvers[0])
		}
	})
}

// TestEveryResolverIsJudged: a site's DNS server may change its address again and again (DHCP, an IPv6 prefix that turns).
func TestEveryResolverIsJudged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(20*time.Minute), lab.Habits{})
		for i := range 70 {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), 53)
			s.put(at, s.resolver)
			s.start(at)
			var a staleness.Assessment
			for range 18 {
				a = s.round(9*time.Second, s.names(0)).resolvers[0].Staleness
				pass(time.Minute)
			}
			if a.Verdict != staleness.OK {
				t.Fatalf("the %d. resolver: %s %+v", i+1, a.Verdict, a.Why)
			}
		}
	})
}

func TestReloadWhileARoundRuns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start(resolver2)
		s.put(resolver2, silence{})
		var all sync.WaitGroup
		all.Go(func() { s.round(10*time.Second, s.names(0)) })
		pass(time.Second)
		s.start(resolver1)
		if r := s.round(10*time.Second, s.names(0)); r.lookups[0].Resolver != resolver1 || len(r.lookups[0].Addresses) == 0 {
			t.Errorf("the new configuration's round shares the old one's: %+v", r.lookups)
		}
		all.Wait()
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Minute), lab.Habits{DropShare: 0.2}).start()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for range 20 {
					r := s.round(time.Duration(1+i%5)*time.Second, s.names(0))
					if len(r.resolvers) != 1 || len(r.lookups) != 1 {
						t.Errorf("%+v", r)
					}
					pass(time.Duration(i) * time.Second)
				}
			})
		}
		all.Wait()
	})
}

func TestChangesAreCountedAndLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(10*time.Minute), lab.Habits{}).start()
		var r result
		for range 60 {
			r = s.round(10*time.Second, s.names(0))
			pass(30 * time.Second)
		}
		// The address moves at 10 and 20 minutes, and at 30 the last round has been.
		if got := r.resolvers[0].Changes; got != 2 {
			t.Errorf("%d changes", got)
		}
		if ago := time.Since(r.resolvers[0].LastChange); ago < 9*time.Minute || ago > 11*time.Minute {
			t.Errorf("changed %v ago", ago)
		}
		if got := strings.Count(s.log.String(), "host has new addresses"); got != 2 {
			t.Errorf("logged %d times:\n%s", got, s.log)
		}
	})
}

func TestViewsOfResolvers(t *testing.T) {
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }
	set := func(from, to int) (out []netip.Addr) {
		for i := from; i < to; i++ {
			out = append(out, address(i))
		}
		return out
	}
	start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		answers [][]netip.Addr
		every   time.Duration
		changes uint64
	}{
		{"always the same", [][]netip.Addr{set(0, 3), set(0, 3), set(0, 3)}, time.Minute, 0},
		{"another order", [][]netip.Addr{{address(1), address(2)}, {address(2), address(1)}}, time.Minute, 0},
		{"it moves, twice", [][]netip.Addr{set(0, 2), set(2, 4), set(2, 4), set(4, 6)}, time.Minute, 2},
		{"a failure between is no change", [][]netip.Addr{set(0, 2), nil, set(0, 2)}, time.Minute, 0},
		{"some of a pool known by now", [][]netip.Addr{set(0, 8), set(4, 12), set(0, 8), set(2, 10), set(4, 12)}, time.Minute, 1},
		{"an address that comes back after more than a day", [][]netip.Addr{set(0, 1), set(1, 2), set(0, 1)}, 13 * time.Hour, 2},
		{"one that comes back sooner", [][]netip.Addr{set(0, 1), set(1, 2), set(0, 1)}, time.Hour, 1},
	} {
		var v view
		for i, answer := range test.answers {
			v.take(answer, start.Add(time.Duration(i)*test.every))
		}
		if v.changes != test.changes || v.changed.IsZero() != (test.changes == 0) {
			t.Errorf("%s: %d changes, %d are due", test.name, v.changes, test.changes)
		}
	}
	var v view
	for i := range 100 {
		var many []netip.Addr
		for j := range 64 {
			many = append(many, netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}))
		}
		v.take(many, start.Add(time.Duration(i)*time.Minute))
	}
	if len(v.last) > maxViewed {
		t.Errorf("%d addresses are remembered", len(v.last))
	}
}
