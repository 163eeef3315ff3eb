package staleness

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// steadyWorld is an honest cache over a zone that does not change.
func steadyWorld(h habits, ttl float64) *world {
	rnd := rand.New(rand.NewPCG(7, 7))
	z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{host: {{from: -1e6, ttl: ttl, values: []string{addr4(1)}}}}}
	return &world{rnd: rnd, zone: z, resolver: newCache(rnd, z, h), interval: 60, until: 1800, options: Options{SingleView: true}}
}

func TestWhatIsSaid(t *testing.T) {
	minimum := honest()
	minimum.min = 300
	blocked := func(why measurement.SampleFailure) func(*world) { return func(w *world) { w.blocked = why } }
	tests := []struct {
		name    string
		habits  habits
		change  func(*world)
		verdict Verdict
		why     []string
	}{
		{"honest", honest(), func(*world) {}, OK, []string{"no sign"}},
		{"port 53 blocked", honest(), blocked(measurement.SampleBlocked), Unknown, []string{"port 53", "blocked", "cannot be judged here"}},
		{"port 53 blocked hides a minimum TTL", minimum, blocked(measurement.SampleBlocked), Unknown, []string{"blocked"}},
		{"port 53 intercepted", minimum, blocked(measurement.SampleIntercepted), Unknown, []string{"intercepted"}},
		{"a proxy on port 53", minimum, blocked(measurement.SampleNotAuthoritative), Unknown, []string{"no authority"}},
		{"what answers refuses", honest(), blocked(measurement.SampleRefused), Unknown, []string{"refuses", "redirected"}},
		{"the zone's servers silent", honest(), blocked(measurement.SampleSilent), Unknown, []string{"do not answer us"}},
		{"authority off", minimum, func(w *world) { w.blocked, w.options.NoAuthority = measurement.SampleSilent, true }, Unknown, []string{"authority.mode: off", "expected_ttl"}},
		{"still learning", honest(), func(w *world) { w.until = 200 }, Unknown, []string{"still learning: 12 min left"}},
		{"rounds too far apart", honest(), func(w *world) { w.interval, w.until = 600, 7200 }, Unknown, []string{"rounds are 10 min apart", "every 300 s"}},
		{"a minimum TTL", minimum, func(w *world) { w.until = 3000 }, Stale, []string{"keeps records for 300 s where the zone says 60 s", "min-cache-ttl", "cache-min-ttl", "an entry of its own for this name (local-data"}},
		{"a minimum TTL, seen once", minimum, func(w *world) { w.until = 120 }, Suspect, []string{"answers with TTL", "not proved"}},
		{"an asserted TTL, port 53 blocked", minimum, func(w *world) {
			w.blocked, w.options.ExpectedTTL, w.until = measurement.SampleBlocked, time.Minute, 3600
		}, Stale, []string{"300 s where the configuration expects 60 s"}},
		{"an asserted TTL kept", honest(), func(w *world) { w.blocked, w.options.ExpectedTTL = measurement.SampleBlocked, time.Minute }, OK, []string{"within the 60 s"}},
		{"an asserted TTL, learning", honest(), func(w *world) {
			w.blocked, w.options.ExpectedTTL, w.until = measurement.SampleBlocked, time.Minute, 100
		}, Unknown, []string{"still learning"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := steadyWorld(tt.habits, 60)
			tt.change(w)
			out := w.run()
			if out.last.Verdict != tt.verdict {
				t.Errorf("verdict %s, want %s: %s", out.last.Verdict, tt.verdict, out.last.Why)
			}
			for _, part := range tt.why {
				if !strings.Contains(out.last.Why, part) {
					t.Errorf("why %q, want it to say %q", out.last.Why, part)
				}
			}
		})
	}
}

// TestAnotherViewIsNotStale: what proves staleness where one view is asserted is only suspect where it is not.
func TestAnotherViewIsNotStale(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	z := moving(rnd, 60, 3, 1200, 9000)
	w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, habits{min: 3600, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}), interval: 30, until: 9000}
	out := w.run()
	if out.staleAt >= 0 || out.suspectAt < 0 || out.last.Counts[ViewUnproven] == 0 || out.last.Counts[WithdrawnAddress] != 0 {
		t.Errorf("stale at %v, suspect at %v, %v: want suspicion by view_unproven alone", out.staleAt, out.suspectAt, out.last.Counts)
	}
}

// TestWithdrawnAddressesAreTold: a withdrawn address is listed, and how long it outlived its zone is bounded from below.
func TestWithdrawnAddressesAreTold(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	z := moving(rnd, 60, 2, 1200, 3000)
	w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, habits{min: 36000, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}), interval: 15, until: 3000, options: Options{SingleView: true}}
	out := w.run()
	if len(out.last.Withdrawn) != 2 {
		t.Errorf("withdrawn %v, want both addresses", out.last.Withdrawn)
	}
	if out.last.Verdict != Stale || !strings.Contains(out.last.Why, "serve-expired") || !strings.Contains(out.last.Why, "an entry of its own for this name (local-data") {
		t.Errorf("%s: %s", out.last.Verdict, out.last.Why)
	}
	// The zone moves at 400, 1600 and 2800 s (its history begins two hours before us): the entry dies at 400 s.
	if s := out.last.Staleness.Seconds(); s < 1300 || s > 2600 {
		t.Errorf("staleness %v s, want much of the time since the zone moved, less the guards and no more than the window", s)
	}
}

// TestClockStepForgets: after a step of the clock nothing learnt is used, and learning begins anew.
func TestClockStepForgets(t *testing.T) {
	w := steadyWorld(honest(), 60)
	h := New(usual(), Options{SingleView: true})
	var out outcome
	round := func(now float64) Assessment {
		h.Begin(at(now))
		h.Answer(w.answer(now))
		h.Sample(w.sample(now, 0, false, &out))
		return h.Assess(resolverAddr, at(now))
	}
	w.typ = 1
	for now := 0.0; now <= 1200; now += 60 {
		round(now)
	}
	if a := round(1260); a.Verdict != OK {
		t.Fatalf("before the step: %s, %s", a.Verdict, a.Why)
	}
	w.resolver = newCache(w.rnd, w.zone, honest())
	if a := round(-5000); a.Verdict != Unknown || !strings.Contains(a.Why, "learning") || a.Ready.IsZero() {
		t.Errorf("after the step: %s, %s", a.Verdict, a.Why)
	}
}

// TestIrregularRoundsKeepWhatWasLearnt: once ok, an honest resolver stays ok whatever else makes rounds, and over a pause of
// two minutes. A longer one is a hole: what happened in it is not known.
func TestIrregularRoundsKeepWhatWasLearnt(t *testing.T) {
	tests := []struct {
		name   string
		change func(*world)
		lapses bool
	}{
		{"regular", func(*world) {}, false},
		{"two scrapers", func(w *world) { w.offsets = []float64{10} }, false},
		{"three scrapers", func(w *world) { w.offsets = []float64{11, 22} }, false},
		{"four scrapers", func(w *world) { w.offsets = []float64{10, 20, 30} }, false},
		{"somebody looks at the page", func(w *world) { w.visitor = true }, false},
		{"a scrape every 15 s, paused for 40 s", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3041}} }, false},
		{"a scrape every 15 s, paused for 2 min", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3121}} }, false},
		{"a scrape every 15 s, paused for 3 min", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3181}} }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := steadyWorld(honest(), 60)
			w.until = 7200
			tt.change(w)
			out := w.run()
			if out.okAt < 900 || out.okAt > 1000 || (out.doubtAt >= 0) != tt.lapses {
				t.Errorf("ok from %.0f s, no longer ok at %.0f s", out.okAt, out.doubtAt)
			}
		})
	}
}

// TestInterceptionDropsWhatItTaught: an interceptor gives TTLs of its own, so that an honest resolver seems to keep records
// too long. Once it is seen nothing of that stands, and nothing it said is told of the zone.
func TestInterceptionDropsWhatItTaught(t *testing.T) {
	for _, expected := range []time.Duration{0, 10 * time.Second} {
		w := steadyWorld(honest(), 60)
		w.typ = 1
		interceptor := steadyWorld(honest(), 5).zone
		h := New(usual(), Options{SingleView: true, ExpectedTTL: expected})
		var out outcome
		round := func(now float64, sample measurement.Sample) Assessment {
			h.Begin(at(now))
			h.Answer(w.answer(now))
			h.Sample(sample)
			for _, want := range h.Wants(at(now + 0.1)) {
				for server := range w.zone.lags {
					for range want.Each {
						if sample.Failure == "" {
							h.Sample(w.sample(now+0.2, server, want.Walk, &out))
						}
					}
				}
			}
			return h.Assess(resolverAddr, at(now+1))
		}
		zone := w.zone
		w.zone = interceptor
		now := 0.0
		var a Assessment
		for ; now < 3600; now += 15 {
			a = round(now, w.sample(now, 0, false, &out))
		}
		if a.Verdict != Stale {
			t.Fatalf("while it is not seen: %s %s", a.Verdict, a.Why)
		}
		a = round(now, measurement.Sample{Type: 1, Asked: at(now), Received: at(now), Failure: measurement.SampleIntercepted})
		if expected > 0 {
			if a.Verdict != Stale || !strings.Contains(a.Why, "the configuration expects") {
				t.Errorf("an asserted TTL needs no zone: %s %s", a.Verdict, a.Why)
			}
			continue
		}
		if z := h.Zone(at(now)); a.Verdict != Unknown || !strings.Contains(a.Why, "intercepted") || a.TTLExcess != 0 || !z.LastValid.IsZero() || z.Addresses != 0 {
			t.Errorf("once it is seen: %+v, zone %+v", a, z)
		}
		w.zone = zone
		for end := now + 1200; now < end; now += 15 {
			if a = round(now, w.sample(now, 0, false, &out)); a.Verdict != Unknown && a.Verdict != OK {
				t.Fatalf("when it is over: %s %s", a.Verdict, a.Why)
			}
		}
		if a.Verdict != OK {
			t.Errorf("in the end: %s %s", a.Verdict, a.Why)
		}
	}
}

// TestExtendedErrorsThatMeanNothing: EDE 3 counts only beside addresses, 19 only beside NXDOMAIN.
func TestExtendedErrorsThatMeanNothing(t *testing.T) {
	addr := []measurement.Record{{Owner: host, Type: 1, TTL: 30, Addr: netip.MustParseAddr("192.0.2.1")}}
	tests := []struct {
		name  string
		rcode int
		code  uint16
		chain []measurement.Record
		want  bool
	}{
		{"stale answer", 0, 3, addr, true},
		{"stale answer on SERVFAIL", 2, 3, nil, false},
		{"stale answer without addresses", 0, 3, nil, false},
		{"stale NXDOMAIN", 3, 19, nil, true},
		{"stale NXDOMAIN with addresses", 0, 19, addr, false},
		{"no reachable authority", 0, 22, addr, false},
		{"network error", 0, 23, addr, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ob := observe(&measurement.Answer{Type: 1, Rcode: tt.rcode, Chain: tt.chain, EDE: []measurement.EDE{{Code: tt.code}}})
			if ob.stale != tt.want {
				t.Errorf("stale %v, want %v", ob.stale, tt.want)
			}
		})
	}
}

// TestFamiliesAreJoined: addresses that a resolver makes itself (DNS64) do not spoil the verdict on the others.
func TestFamiliesAreJoined(t *testing.T) {
	w := steadyWorld(honest(), 60)
	h := New(usual(), Options{SingleView: true})
	var out outcome
	var a Assessment
	for now := 0.0; now <= 1200; now += 60 {
		h.Begin(at(now))
		w.typ = 1
		h.Answer(w.answer(now))
		h.Sample(w.sample(now, 0, false, &out))
		h.Answer(&measurement.Answer{Server: resolverAddr, Name: host, Type: 28, Asked: at(now), Received: at(now),
			Chain: []measurement.Record{{Owner: host, Type: 28, TTL: 60, Addr: netip.MustParseAddr("64:ff9b::1")}}})
		h.Sample(measurement.Sample{Type: 28, Asked: at(now), Received: at(now), Failure: measurement.SampleNoAddress})
		a = h.Assess(resolverAddr, at(now))
	}
	if a.Verdict != OK {
		t.Errorf("%s: %s", a.Verdict, a.Why)
	}
	if z := h.Zone(at(1200)); z.TTL != time.Minute || z.Addresses != 1 || z.LastValid.IsZero() || z.Failure != "" {
		t.Errorf("zone %+v", z)
	}
}

// FuzzHost throws arbitrary rounds at a Host: it never panics, and its memory is bounded.
func FuzzHost(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09abcdefghijklmnop"))
	f.Add([]byte("\x05\x01\xff\xff\x04\x01\xff\xff\x05\x01\xff\xff\x03\x03\x03\x02\x01\x02\x03\x04\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := New(usual(), Options{SingleView: true})
		next := func() int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b)
		}
		now := 0.0
		records := func() []measurement.Record {
			var rs []measurement.Record
			for range next() {
				r := measurement.Record{Owner: string(rune('a'+next()%40)) + ".", TTL: uint32(next()) << (next() % 25), Type: 1}
				if n := next(); n%4 == 0 {
					r.Target = string(rune('a'+next()%40)) + "."
				} else {
					r.Addr = netip.AddrFrom4([4]byte{10, byte(n), byte(next()), byte(next())})
				}
				rs = append(rs, r)
			}
			return rs
		}
		for len(data) > 0 {
			typ := []uint16{1, 28, 5, 1}[next()%4]
			switch next() % 6 {
			case 0:
				now += float64(next()) - 20
				h.Begin(at(now))
			case 1:
				h.Answer(&measurement.Answer{Server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(next())}), 53), Name: "a.",
					Type: typ, Rcode: next() % 6, Asked: at(now), Received: at(now + float64(next()%5)), Chain: records(), EDE: []measurement.EDE{{Code: uint16(next() % 25)}}})
			case 2, 3:
				s := measurement.Sample{Type: typ, Asked: at(now), Received: at(now + float64(next()%5)), Walked: next()%2 == 0, Failure: []measurement.SampleFailure{"", "", "", measurement.SampleSilent, measurement.SampleBlocked, measurement.SampleNoAddress}[next()%6]}
				for range next() % 20 {
					st := measurement.SampleStep{Server: serverAddr(next()), Records: records()}
					for range next() {
						st.Servers = append(st.Servers, serverAddr(next()))
					}
					s.Steps = append(s.Steps, st)
				}
				h.Sample(s)
			case 4:
				h.Wants(at(now))
			case 5:
				h.Assess(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(next())}), 53), at(now))
				h.Zone(at(now))
			}
		}
		if len(h.resolvers) > maxResolvers {
			t.Errorf("%d resolvers", len(h.resolvers))
		}
		for _, fam := range h.families {
			if len(fam.owners) > maxOwners || len(fam.chain) > maxOwners {
				t.Errorf("%d owners, chain of %d", len(fam.owners), len(fam.chain))
			}
			for _, o := range fam.owners {
				if len(o.values) > maxValues || len(o.servers) > maxServers || len(o.sightings) > maxSightings {
					t.Errorf("%d values, %d servers, %d sightings", len(o.values), len(o.servers), len(o.sightings))
				}
			}
		}
		for _, r := range h.resolvers {
			for _, w := range r.watches {
				if len(w.learnt) > maxOwners || len(w.spoken.ring) > turnovers || len(w.hints.first) > firstTimes {
					t.Errorf("%d promises, %d turnovers", len(w.learnt), len(w.spoken.ring))
				}
			}
		}
	})
}

// BenchmarkRound is one round of one host at one resolver: a sample, an answer, Wants and Assess, after two hours.
func BenchmarkRound(b *testing.B) {
	for _, bb := range []struct {
		name string
		zone func(rnd *rand.Rand) *zone
	}{
		{"3 addresses", func(rnd *rand.Rand) *zone { return moving(rnd, 60, 3, 1200, 7200) }},
		{"8 of 40", func(rnd *rand.Rand) *zone {
			v := version{from: -1e6, ttl: 60, choose: 8}
			for i := range 40 {
				v.values = append(v.values, addr4(i))
			}
			return &zone{rnd: rnd, lags: []float64{0, 0, 0, 0}, owners: map[string][]version{host: {v}}}
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 1))
			z := bb.zone(rnd)
			w := &world{rnd: rnd, zone: z, resolver: newCache(rnd, z, honest()), typ: 1}
			h := New(usual(), Options{SingleView: true})
			var out outcome
			var answers []*measurement.Answer
			var samples []measurement.Sample
			for i := range 128 {
				now := float64(i) * 15
				answers, samples = append(answers, w.answer(now)), append(samples, w.sample(now, i%len(z.lags), false, &out))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				i := n % len(answers)
				shift := time.Duration(n/len(answers)*128*15) * time.Second
				a, s := *answers[i], samples[i]
				a.Asked, a.Received = a.Asked.Add(shift), a.Received.Add(shift)
				s.Asked, s.Received = s.Asked.Add(shift), s.Received.Add(shift)
				h.Begin(a.Asked)
				h.Answer(&a)
				h.Sample(s)
				h.Wants(a.Received)
				h.Assess(resolverAddr, a.Received)
				n++
			}
		})
	}
}

// TestStaleByItsOwnWordNeedsTheZone: that a resolver says so counts only once the zone's servers were heard after it. A
// round without time for them shows no outage and no health.
func TestStaleByItsOwnWordNeedsTheZone(t *testing.T) {
	for _, heard := range []bool{true, false} {
		h := New(usual(), Options{SingleView: true})
		server := serverAddr(0)
		record := measurement.Record{Owner: host, Type: 1, TTL: 60, Addr: netip.MustParseAddr(addr4(1))}
		sample := func(now float64, walked bool) {
			h.Sample(measurement.Sample{Type: 1, Asked: at(now), Received: at(now + 0.02), Walked: walked,
				Steps: []measurement.SampleStep{{Server: server, Servers: []netip.AddrPort{server}, Records: []measurement.Record{record}}}})
		}
		var last Assessment
		for now := 0.0; now < 3600; now += 60 {
			stale := now >= 1800
			h.Begin(at(now))
			answer := measurement.Answer{Server: resolverAddr, Name: host, Type: 1, Asked: at(now), Received: at(now + 0.01), Chain: []measurement.Record{record}}
			if stale {
				answer.EDE = []measurement.EDE{{Code: 3}}
			}
			if !stale || heard {
				sample(now, false)
			}
			h.Answer(&answer)
			for _, want := range h.Wants(at(now + 0.1)) {
				if heard {
					sample(now+0.2, want.Walk)
				}
			}
			last = h.Assess(resolverAddr, at(now+1))
			if !heard && last.Counts[EDEStale] > 0 {
				t.Fatalf("counted at %v s without a word from the zone: %s", now, last.Why)
			}
		}
		if heard && last.Verdict != Stale {
			t.Errorf("heard: %s: %s", last.Verdict, last.Why)
		}
	}
}
