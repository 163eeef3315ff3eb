package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestServiceOverSockets resolves the hosts of the lab over real sockets.
func TestServiceOverSockets(t *testing.T) {
	l := labtest.Start(t, lab.Options{Addresses: 3})
	c, err := config.Parse([]byte(l.Config()), "")
	if err != nil {
		t.Fatal(err)
	}
	var later time.Duration
	s := New(Options{Config: c, Resolvers: []netip.AddrPort{l.ResolverAddress}, Now: func() time.Time { return time.Now().Add(later) }})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range c.Endpoints {
		r := s.Host(c.Endpoints[i].Host).Begin(ctx, patience)
		<-r.Arrivals()
		lookups := r.Lookups()
		if len(lookups) != 1 || len(lookups[0].Addresses) != 3 || lookups[0].TTL != time.Minute {
			t.Errorf("%+v", lookups)
		}
		resolvers, authority := r.Finish()
		if !authority.Known || authority.TTL != time.Minute || len(authority.Addresses) != 3 || authority.Failure != "" {
			t.Errorf("%+v", authority)
		}
		if a := resolvers[0].Staleness; a.Verdict != staleness.Unknown || a.Why.Kind != staleness.WhyLearning || len(a.Counts) != len(staleness.Kinds) {
			t.Errorf("%+v", a)
		}
	}
	if s.Port53State() != measurement.Port53OK {
		t.Errorf("path %q", s.Port53State())
	}
	// The first round of each host also searches the zone's servers, to compare them with the configured ones.
	before := s.Queries()
	later = 2 * time.Second
	for i := range c.Endpoints {
		s.Host(c.Endpoints[i].Host).Begin(ctx, patience).Finish()
	}
	for i, q := range s.Queries() {
		want := uint64(0)
		if q.Rcode == "noerror" {
			want = 2 * uint64(len(c.Endpoints))
		}
		if got := q.Count - before[i].Count; got != want {
			t.Errorf("%s %s: %d questions, want %d: one per type and host", q.Leg, q.Rcode, got, want)
		}
	}
}

// TestRoundThatEnds has a round end while servers are silent: the answers that have arrived are reported.
func TestRoundThatEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		silent []netip.AddrPort
		within time.Duration
		took   time.Duration
		lookup measurement.DNSFailure
	}{
		{"the authoritative servers are silent: the answer is reported", []netip.AddrPort{ns1, ns2}, time.Second, time.Second, measurement.DNSOK},
		{"the resolver is silent: out of time", []netip.AddrPort{resolver1}, 400 * time.Millisecond, 400 * time.Millisecond, measurement.DNSOutOfTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSite(moving(time.Hour), lab.Habits{}).start()
				s.round(10*time.Second, s.names(0))
				pass(time.Minute)
				for _, at := range test.silent {
					s.put(at, silence{})
				}
				r := s.round(test.within, s.names(0))
				if r.took != test.took || r.lookups[0].Failure != test.lookup || r.resolvers[0].Lookup.Failure != test.lookup {
					t.Errorf("%q after %v", r.lookups[0].Failure, r.took)
				}
			})
		})
	}
}

func TestPreliminary(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start()
		last := s.round(10*time.Second, s.names(0))
		pass(time.Minute)
		s.put(ns1, silence{})
		s.put(ns2, silence{})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		r := s.names(0).Begin(ctx, patience)
		if resolvers, zone, complete := r.Preliminary(time.Second); len(resolvers) != 0 || complete || !zone.Known {
			t.Errorf("before the look-ups: %+v, %+v", resolvers, zone)
		}
		<-r.Arrivals()
		resolvers, zone, complete := r.Preliminary(time.Second)
		if len(resolvers) != 1 || !complete || len(resolvers[0].Lookup.Addresses) == 0 || !reflect.DeepEqual(resolvers[0].Staleness, last.resolvers[0].Staleness) {
			t.Errorf("after the look-ups: %+v", resolvers)
		}
		if !zone.Known || !slices.Equal(zone.Addresses, last.authority.Addresses) {
			t.Errorf("after the look-ups: %+v", zone)
		}
		if final, _ := r.Finish(); len(final) != 1 {
			t.Errorf("at the end: %+v", final)
		}
	})
}

// TestNAT64 has a resolver synthesise IPv6 addresses with a unique local prefix, and leave out IPv4 addresses.
func TestNAT64(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("fd64::c633:6401"))}, lab.Habits{})
		s.resolver = lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{s.zone, {Origin: "arpa.", Names: map[string]lab.RecordSet{
			"ipv4only.arpa.": {TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("fd64::c000:aa"))},
		}}}}, lab.Habits{}, 1)
		s.put(resolver1, s.resolver)
		s.start()
		defer s.service.Close()
		r := s.names(0).Begin(context.Background(), patience)
		for range r.Arrivals() {
		}
		got := r.NAT64()
		if fmt.Sprint(got.Prefixes) != "[fd64::/96]" || len(got.IPv4) != 0 {
			t.Errorf("%+v", got)
		}
		r.Finish()
	})
}

func TestRoundWithSilentServers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start(resolver1, resolver2)
		s.round(10*time.Second, s.names(0))
		for _, test := range []struct {
			name         string
			silent       []netip.AddrPort
			looked, took time.Duration // at most
		}{
			{"no server is silent", nil, 50 * time.Millisecond, 50 * time.Millisecond},
			{"a silent resolver", []netip.AddrPort{resolver2}, patience, patience + 100*time.Millisecond},
			{"silent name servers", []netip.AddrPort{ns1, ns2, root}, 50 * time.Millisecond, 2600 * time.Millisecond},
			{"all servers are silent", []netip.AddrPort{resolver1, resolver2, ns1, ns2, root}, patience, patience + 100*time.Millisecond},
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

func TestRoundAsksResolversFirst(t *testing.T) {
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

// TestRoundUnknownName has a host whose name is misspelt, and no other: that the zone itself does not have it is found
// out, since an answer that there is no such name is an answer of the resolver.
func TestRoundUnknownName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(lab.RecordSet{}, lab.Habits{})
		clear(s.zone.Names)
		s.start()
		defer s.service.Close()
		if r := s.round(10*time.Second, s.names(0)); r.authority.Failure != report.ZoneNoAddress {
			t.Errorf("look-up %q, zone %+v", r.lookups[0].Failure, r.authority)
		}
	})
}

func TestRoundAuthorityOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{})
		s.config.Authority.Mode = config.AuthorityOff
		s.start()
		for range 5 {
			r := s.round(10*time.Second, s.names(0))
			if r.authority.Failure != report.ZoneNotAsked || r.resolvers[0].Staleness.Why.Kind != staleness.WhyAuthorityOff {
				t.Errorf("%+v", r)
			}
			pass(time.Minute)
		}
		if s.toZone()+s.count(root) != 0 || s.count(resolver1) != 10 || s.service.Port53State() != "" {
			t.Errorf("asked the zone %d times, the resolver %d times, path %q", s.toZone(), s.count(resolver1), s.service.Port53State())
		}
	})
}

func TestRoundUnconfiguredHost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(time.Hour), lab.Habits{}).start()
		for i := range 50 {
			r := s.round(10*time.Second, s.service.Host(fmt.Sprintf("h%d.example", i)))
			if len(r.lookups[0].Addresses) == 0 || r.resolvers[0].Staleness.Verdict != staleness.Unknown || r.authority.Failure != report.ZoneUnconfigured {
				t.Fatalf("%+v", r)
			}
		}
		if s.toZone()+s.count(root) != 0 {
			t.Error("the zone of an unconfigured host was asked")
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

		// A reload that changes only another host keeps the state.
		next := *s.config
		next.Endpoints = []config.Endpoint{{Service: "renamed", Host: "host.example", SingleView: true}, {Service: "other", Host: "other.example"}}
		s.config = &next
		s.start()
		if s.service.Queries()[0].Count != counted {
			t.Error("the counts are lost")
		}
		after := watch(1)
		if after.resolvers[0].Staleness.Verdict != staleness.OK || after.resolvers[0].Changes < before.resolvers[0].Changes {
			t.Errorf("what was known is lost: %+v", after.resolvers[0])
		}
		if r := s.round(10*time.Second, s.names(1)); r.resolvers[0].Staleness.Why.Kind != staleness.WhyLearning {
			t.Errorf("single_view has changed, and so must what rests on it: %+v", r.resolvers[0])
		}

		// A reload with another resolver begins a new address history.
		s.put(resolver2, s.resolver)
		s.start(resolver2)
		if r := s.round(10*time.Second, s.names(0)); r.resolvers[0].Changes != 0 || len(s.service.hosts["host.example"].histories) != 1 {
			t.Errorf("the history of another resolver is used: %+v", r.resolvers[0])
		}

		// A reload with other constants of the proof begins new state.
		again := next
		again.Freshness.Learning = time.Hour
		s.config = &again
		s.start()
		if r := watch(1); r.resolvers[0].Staleness.Why.Kind != staleness.WhyLearning {
			t.Errorf("%+v", r.resolvers[0])
		}
	})
}

// TestRoundManyResolvers has the site's resolver change its address many times (DHCP, a rotating IPv6 prefix).
func TestRoundManyResolvers(t *testing.T) {
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

func TestReloadDuringRound(t *testing.T) {
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

func TestRoundConcurrently(t *testing.T) {
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

func TestRoundCountsChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSite(moving(10*time.Minute), lab.Habits{}).start()
		var r result
		for range 60 {
			r = s.round(10*time.Second, s.names(0))
			pass(30 * time.Second)
		}
		// The address moves after 10 and 20 minutes; the last round is before 30 minutes.
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
