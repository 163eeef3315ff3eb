package staleness

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// steadyWorld is one cache over a zone that does not change.
func steadyWorld(h behaviour, ttl float64) *world {
	rnd := rand.New(rand.NewPCG(7, 7))
	z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{host: {{from: -1e6, ttl: ttl, values: []string{addr4(1)}}}}}
	return &world{rnd: rnd, zone: z, resolver: newCache(rnd, z, h), interval: 60, until: 1800, options: Options{SingleView: true}}
}

func TestAssessReason(t *testing.T) {
	minimum := honest()
	minimum.min = 300
	fails := func(why measurement.SampleFailure) func(*world) { return func(w *world) { w.blocked = why } }
	failed := func(why measurement.SampleFailure) Why { return Why{Kind: WhySampleFailed, Failure: why} }
	expects := func(seconds float64) func(*world) {
		return func(w *world) {
			w.blocked, w.options.ExpectedTTL, w.until = measurement.SampleBlocked, time.Minute, seconds
		}
	}
	tests := []struct {
		name      string
		behaviour behaviour
		change    func(*world)
		verdict   Verdict
		why       Why
	}{
		{"honest", honest(), func(*world) {}, OK, Why{Kind: WhyNoSign}},
		{"port 53 blocked", honest(), fails(measurement.SampleBlocked), Unknown, failed(measurement.SampleBlocked)},
		{
			"port 53 blocked, minimum TTL not seen", minimum, fails(measurement.SampleBlocked), Unknown,
			failed(measurement.SampleBlocked),
		},
		{"port 53 intercepted", minimum, fails(measurement.SampleIntercepted), Unknown, failed(measurement.SampleIntercepted)},
		{
			"proxy on port 53", minimum, fails(measurement.SampleNotAuthoritative), Unknown,
			failed(measurement.SampleNotAuthoritative),
		},
		{"authoritative servers refuse", honest(), fails(measurement.SampleRefused), Unknown, failed(measurement.SampleRefused)},
		{"authoritative servers silent", honest(), fails(measurement.SampleSilent), Unknown, failed(measurement.SampleSilent)},
		{
			"authority off", minimum, func(w *world) { w.blocked, w.options.NoAuthority = measurement.SampleSilent, true },
			Unknown, Why{Kind: WhyAuthorityOff},
		},
		{
			"learning", honest(), func(w *world) { w.until = 200 }, Unknown,
			Why{Kind: WhyLearning, Remaining: 719020 * time.Millisecond},
		},
		{
			"rounds too far apart", honest(), func(w *world) { w.interval, w.until = 600, 7200 }, Unknown,
			Why{Kind: WhyRoundsTooFar, Interval: 10 * time.Minute, MaxInterval: 5 * time.Minute},
		},
		{
			"minimum TTL", minimum, func(w *world) { w.until = 3000 }, Stale,
			Why{Kind: WhyTTLInflated, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
		},
		{
			"minimum TTL seen once", minimum, func(w *world) { w.until = 120 }, Suspect,
			Why{Kind: WhyTTLInflatedOnce, TTL: 239 * time.Second, ZoneTTL: time.Minute},
		},
		{
			"expected TTL exceeded, port 53 blocked", minimum, expects(3600), Stale,
			Why{Kind: WhyExpectedTTLExceeded, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
		},
		{
			"expected TTL kept, port 53 blocked", honest(), expects(1800), OK,
			Why{Kind: WhyWithinExpectedTTL, ZoneTTL: time.Minute},
		},
		{
			"expected TTL, learning", honest(), expects(100), Unknown,
			Why{Kind: WhyLearning, Remaining: 839010 * time.Millisecond},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := steadyWorld(tt.behaviour, 60)
			tt.change(w)
			out := w.run()
			if out.last.Verdict != tt.verdict {
				t.Errorf("verdict %s, want %s", out.last.Verdict, tt.verdict)
			}
			if diff := cmp.Diff(tt.why, out.last.Why); diff != "" {
				t.Errorf("reason (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAssessWithdrawnAddressInUnprovenView checks that without an asserted view the evidence is only ViewUnproven.
func TestAssessWithdrawnAddressInUnprovenView(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	z := moving(rnd, 60, 3, 1200, 9000)
	w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, behaviour{min: 3600, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}), interval: 30, until: 9000}
	out := w.run()
	if out.staleAt >= 0 || out.suspectAt < 0 || out.last.Counts[ViewUnproven] == 0 || out.last.Counts[WithdrawnAddress] != 0 {
		t.Errorf("stale at %v, suspect at %v, %v: want suspect, by view_unproven only", out.staleAt, out.suspectAt, out.last.Counts)
	}
}

// TestAssessWithdrawn checks the list of withdrawn addresses and the lower bound of the staleness.
func TestAssessWithdrawn(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	z := moving(rnd, 60, 2, 1200, 13600)
	w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, behaviour{extendBy: 36000, staleFirst: -1, serveStale: -1}), interval: 15, until: 13600, options: Options{SingleView: true}}
	out := w.run()
	if len(out.last.Withdrawn) != 2 {
		t.Errorf("withdrawn %v, want both addresses", out.last.Withdrawn)
	}
	if why := out.last.Why; out.last.Verdict != Stale || why.Kind != WhyWithdrawnAddress || why.Value == "" || why.ZoneTTL != time.Minute {
		t.Errorf("%s: %+v", out.last.Verdict, out.last.Why)
	}
	// The zone moves every 1200 s, so the addresses of the start are withdrawn at 1200 s.
	if s := out.last.Staleness.Seconds(); s < 13600-1200-300 || s > 13600-1200 {
		t.Errorf("staleness %v s, want the time since 1200 s, less the guards", s)
	}
}

// TestBeginClockStep checks that a step of the clock discards everything learnt.
func TestBeginClockStep(t *testing.T) {
	w := steadyWorld(honest(), 60)
	h := New(defaults(), Options{SingleView: true})
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
		t.Fatalf("before the step: %s, %+v", a.Verdict, a.Why)
	}
	w.resolver = newCache(w.rnd, w.zone, honest())
	if a := round(-5000); a.Verdict != Unknown || a.Why.Kind != WhyLearning || a.Ready.IsZero() {
		t.Errorf("after the step: %s, %+v", a.Verdict, a.Why)
	}
}

// TestAssessValuesThatReturn checks that a resolver with half an hour old data is never ok where the zone's values come
// and go, so that samples cannot show a withdrawal.
func TestAssessValuesThatReturn(t *testing.T) {
	old := behaviour{extendBy: 1800, staleFirst: -1, serveStale: -1}
	tests := []struct {
		name string
		zone func(rnd *rand.Rand) *zone
	}{
		{"two sets take turns every 300 s", func(rnd *rand.Rand) *zone {
			z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
			for from, n := -7200.0, 0; from < 7200; from, n = from+300, n+1 {
				z.owners[host] = append(z.owners[host], version{from: from, ttl: 60, values: []string{addr4(n % 2)}})
			}
			return z
		}},
		{"every server has its own value", func(rnd *rand.Rand) *zone {
			v := version{from: -1e6, ttl: 60, values: []string{addr4(0), addr4(1), addr4(2)}}
			return &zone{rnd: rnd, lags: []float64{0, 0, 0}, perServer: true, owners: map[string][]version{host: {v}}}
		}},
	}
	for _, tt := range tests {
		for _, interval := range []float64{15, 30, 60} {
			t.Run(tt.name, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(1, uint64(interval)))
				z := tt.zone(rnd)
				w := &world{rnd: rnd, zone: z, resolver: newCache(rnd, z, old), interval: interval, until: 7200, options: Options{SingleView: true}}
				out := w.run()
				if out.okAt >= 0 || out.last.Verdict != Unknown || out.last.Why.Kind != WhyValuesReturn {
					t.Errorf("interval %v: ok at %v, at the end %s %s", interval, out.okAt, out.last.Verdict, out.last.Why.Kind)
				}
			})
		}
	}
}

// TestAssessPausesRestartLearning checks that the reason names the pauses which made learning start again.
func TestAssessPausesRestartLearning(t *testing.T) {
	w := steadyWorld(honest(), 60)
	w.interval, w.until = 15, 3700
	for from := 600.0; from < 3700; from += 900 {
		w.pauses = append(w.pauses, [2]float64{from, from + 300})
	}
	out := w.run()
	if out.okAt >= 0 || out.last.Why.Kind != WhyLearning || out.last.Why.Pause < 300*time.Second || out.last.Why.Pause > 316*time.Second {
		t.Errorf("%s: %+v", out.last.Verdict, out.last.Why)
	}
}

// TestAssessIrregularRounds checks that an honest resolver stays ok whatever else causes rounds and over a pause of two
// minutes. A longer pause ends the coverage.
func TestAssessIrregularRounds(t *testing.T) {
	tests := []struct {
		name   string
		change func(*world)
		lapses bool
	}{
		{"regular", func(*world) {}, false},
		{"two scrapers", func(w *world) { w.offsets = []float64{10} }, false},
		{"three scrapers", func(w *world) { w.offsets = []float64{11, 22} }, false},
		{"four scrapers", func(w *world) { w.offsets = []float64{10, 20, 30} }, false},
		{"an open status page", func(w *world) { w.visitor = true }, false},
		{"rounds every 15 s, a pause of 40 s", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3041}} }, false},
		{"rounds every 15 s, a pause of 2 min", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3121}} }, false},
		{"rounds every 15 s, a pause of 3 min", func(w *world) { w.interval, w.pauses = 15, [][2]float64{{3001, 3181}} }, true},
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

// TestSampleIntercepted has an interceptor answer with shorter TTLs, so that an honest resolver seems to keep records
// too long. Once the interception is known, the evidence and everything reported of the zone are dropped.
func TestSampleIntercepted(t *testing.T) {
	for _, expected := range []time.Duration{0, 10 * time.Second} {
		w := steadyWorld(honest(), 60)
		w.typ = 1
		interceptor := steadyWorld(honest(), 5).zone
		h := New(defaults(), Options{SingleView: true, ExpectedTTL: expected})
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
			t.Fatalf("before it is known: %s %+v", a.Verdict, a.Why)
		}
		a = round(now, measurement.Sample{Type: 1, Asked: at(now), Received: at(now), Failure: measurement.SampleIntercepted})
		if expected > 0 {
			if a.Verdict != Stale || a.Why.Kind != WhyExpectedTTLExceeded {
				t.Errorf("with an asserted TTL: %s %+v", a.Verdict, a.Why)
			}
			continue
		}
		if z := h.Zone(at(now)); a.Verdict != Unknown || a.Why != (Why{Kind: WhySampleFailed, Failure: measurement.SampleIntercepted}) || a.TTLExcess != 0 || !z.LastValid.IsZero() || z.Addresses != 0 {
			t.Errorf("once it is known: %+v, zone %+v", a, z)
		}
		w.zone = zone
		for end := now + 1200; now < end; now += 15 {
			if a = round(now, w.sample(now, 0, false, &out)); a.Verdict != Unknown && a.Verdict != OK {
				t.Fatalf("after it: %s %+v", a.Verdict, a.Why)
			}
		}
		if a.Verdict != OK {
			t.Errorf("at the end: %s %+v", a.Verdict, a.Why)
		}
	}
}

// TestNewAnswerMarkedStale checks that EDE 3 counts only with addresses and EDE 19 only with NXDOMAIN.
func TestNewAnswerMarkedStale(t *testing.T) {
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
			got := newAnswer(&measurement.Answer{Type: 1, Rcode: tt.rcode, Chain: tt.chain, EDE: []measurement.EDE{{Code: tt.code}}})
			if got.markedStale != tt.want {
				t.Errorf("marked stale %v, want %v", got.markedStale, tt.want)
			}
		})
	}
}

// TestAssessDNS64 checks that addresses which the resolver synthesises do not change the verdict on the others.
func TestAssessDNS64(t *testing.T) {
	w := steadyWorld(honest(), 60)
	h := New(defaults(), Options{SingleView: true})
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
		t.Errorf("%s: %+v", a.Verdict, a.Why)
	}
	if z := h.Zone(at(1200)); z.TTL != time.Minute || z.Addresses != 1 || z.LastValid.IsZero() || z.Failure != "" {
		t.Errorf("zone %+v", z)
	}
}

// FuzzHost feeds arbitrary rounds to a Host and checks that it does not panic and that its memory is bounded.
func FuzzHost(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09abcdefghijklmnop"))
	f.Add([]byte("\x05\x01\xff\xff\x04\x01\xff\xff\x05\x01\xff\xff\x03\x03\x03\x02\x01\x02\x03\x04\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := New(defaults(), Options{SingleView: true, UpstreamTest: true})
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
			switch next() % 7 {
			case 6:
				h.OwnerAnswer(&measurement.Answer{Server: resolverAddr, Name: h.LastOwner(typ), Type: typ, Asked: at(now), Chain: records()})
				for _, r := range h.WantsUpstream(at(now)) {
					h.Upstream(r, at(now), next()%2 == 0)
				}
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
		for _, z := range h.zones {
			if len(z.rrsets) > maxOwners || len(z.chain) > maxOwners {
				t.Errorf("%d RRsets, chain of %d", len(z.rrsets), len(z.chain))
			}
			for _, s := range z.rrsets {
				if len(s.values) > maxValues || len(s.servers) > maxServers || len(s.samples) > maxSamples {
					t.Errorf("%d values, %d servers, %d samples", len(s.values), len(s.servers), len(s.samples))
				}
			}
		}
		for _, r := range h.resolvers {
			for _, st := range r.states {
				if len(st.promises) > maxOwners || len(st.staleAnswerProof.renewals) > maxRenewals || len(st.hints.staleFirst) > staleFirstEvents {
					t.Errorf("%d promises, %d renewals", len(st.promises), len(st.staleAnswerProof.renewals))
				}
				if len(st.entries) > maxOwners+1 || len(st.shownSince) > maxRecords || len(st.withdrawnProof.withdrawals) > maxWithdrawals {
					t.Errorf("%d entry counts, %d shown values, %d withdrawals", len(st.entries), len(st.shownSince),
						len(st.withdrawnProof.withdrawals))
				}
			}
		}
	})
}

// BenchmarkRound measures one round of one host at one resolver: a sample, an answer, Wants and Assess, after two
// hours.
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
			h := New(defaults(), Options{SingleView: true})
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

// TestAssessEDEWithoutZone checks that an answer which the resolver marks as stale is never ok: it is at least suspect
// and counted, unless the authoritative servers are only down, when stale answers are allowed (RFC 8767).
func TestAssessEDEWithoutZone(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*world)
		verdict Verdict
		kind    WhyKind
	}{
		{"authority off", func(w *world) { w.blocked, w.options.NoAuthority = measurement.SampleSilent, true }, Suspect, WhyStaleAnswersUnverified},
		{"port 53 blocked", func(w *world) { w.blocked = measurement.SampleBlocked }, Suspect, WhyStaleAnswersUnverified},
		{"port 53 intercepted", func(w *world) { w.blocked = measurement.SampleIntercepted }, Suspect, WhyStaleAnswersUnverified},
		{"authoritative servers never answered", func(w *world) { w.blocked = measurement.SampleSilent }, Suspect, WhyStaleAnswersUnverified},
		{"expected TTL kept, port 53 blocked", func(w *world) {
			w.blocked, w.options.ExpectedTTL = measurement.SampleBlocked, time.Hour
		}, Suspect, WhyStaleAnswersUnverified},
		{"authoritative servers down", func(w *world) { w.zone.outages = [][2]float64{{900, 1e6}} }, Unknown, WhySampleFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := honest()
			b.staleFirst, b.serveStale, b.ede, b.keepFor = 30, 30, true, 86400
			w := steadyWorld(b, 60)
			if tt.verdict == Unknown {
				b.staleFirst = -1
				w.resolver = newCache(w.rnd, w.zone, b)
			}
			tt.change(w)
			out := w.run()
			if out.last.Verdict != tt.verdict || out.last.Why.Kind != tt.kind || (out.last.Counts[EDEStale] > 0) != (tt.verdict == Suspect) {
				t.Errorf("%s %s %v, want %s %s", out.last.Verdict, out.last.Why.Kind, out.last.Counts, tt.verdict, tt.kind)
			}
		})
	}
}

// TestAssessEDENeedsSampleAfterwards checks that a marked answer counts only if the authoritative servers answer after
// it. A round without time for them shows neither an outage nor its absence.
func TestAssessEDENeedsSampleAfterwards(t *testing.T) {
	for _, sampled := range []bool{true, false} {
		h := New(defaults(), Options{SingleView: true})
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
			if !stale || sampled {
				sample(now, false)
			}
			h.Answer(&answer)
			for _, want := range h.Wants(at(now + 0.1)) {
				if sampled {
					sample(now+0.2, want.Walk)
				}
			}
			last = h.Assess(resolverAddr, at(now+1))
			if !sampled && last.Counts[EDEStale] > 0 {
				t.Fatalf("counted at %v s without a sample: %+v", now, last.Why)
			}
		}
		if sampled && last.Verdict != Stale {
			t.Errorf("sampled: %s: %+v", last.Verdict, last.Why)
		}
	}
}
