package staleness

import (
	"math/rand/v2"
	"testing"
)

// TestWhatRealResolversDo walks every known configuration over a zone that moves its addresses every 20 minutes, for
// three hours, and demands the verdict, the evidence and an upper bound of the time to the verdict.
func TestWhatRealResolversDo(t *testing.T) {
	const until = 3 * 3600
	type outage = [][2]float64
	tests := []struct {
		name    string
		habits  habits
		ttl     float64
		outages outage
		want    Verdict  // in the end; "" is: never stale
		by      Evidence // that proves
		within  float64  // seconds to the verdict
	}{
		{name: "default", habits: honest(), ttl: 60, want: OK},
		{name: "default, zone of 5 s", habits: honest(), ttl: 5, want: OK},
		{name: "default, asked by many", habits: habits{staleFirst: -1, serveStale: -1, popular: true}, ttl: 60, want: OK},
		{name: "CoreDNS cache", habits: habits{staleFirst: -1, serveStale: -1, flat: true}, ttl: 60, want: OK},
		{name: "minimum TTL 300", habits: habits{min: 300, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: TTLInflated, within: 2700},
		{name: "minimum TTL 90 (BIND's most)", habits: habits{min: 90, staleFirst: -1, serveStale: -1}, ttl: 5, want: Stale, by: TTLInflated, within: 2400},
		{name: "dnsmasq min-cache-ttl=300", habits: habits{min: 300, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: TTLInflated, within: 2700},
		{name: "dnsmasq min-cache-ttl=300 max-ttl=60", habits: habits{min: 300, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: WithdrawnAddress, within: until},
		{name: "dnsmasq min-cache-ttl=3600 max-ttl=60", habits: habits{min: 3600, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: WithdrawnAddress, within: 2700},
		{name: "stale first, TTL 30, says so (BIND stale-answer-client-timeout 0)", habits: habits{staleFirst: 30, serveStale: 30, ede: true, keepFor: 86400}, ttl: 60, want: Stale, by: EDEStale, within: 700},
		{name: "stale first, TTL 30, silent (Unbound up to 1.22 serve-expired)", habits: habits{staleFirst: 30, serveStale: 30, keepFor: 86400}, ttl: 60},
		{name: "stale first, TTL 0 (dnsmasq use-stale-cache), says so", habits: habits{staleFirst: 0, serveStale: 0, ede: true, keepFor: 86400}, ttl: 60, want: Stale, by: EDEStale, within: 700},
		{name: "serve-expired while the authority is down, silent", habits: habits{staleFirst: -1, serveStale: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "serve-expired while the authority is down, says so", habits: habits{staleFirst: -1, serveStale: 30, ede: true, failPause: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "sawtooth while the authority is down (PowerDNS)", habits: habits{staleFirst: -1, serveStale: 30, sawtooth: true, failPause: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "sawtooth over old data, authority healthy", habits: habits{staleFirst: -1, serveStale: -1, alwaysStale: 1800}, ttl: 60, want: Stale, by: WithdrawnAddress, within: until},
		{name: "frozen TTL, honest cache (serve-original-ttl, keepttl)", habits: habits{staleFirst: -1, serveStale: -1, frozen: true}, ttl: 60, want: OK},
	}
	for _, tt := range tests {
		for _, interval := range []float64{15, 60} {
			t.Run(tt.name, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(1, uint64(interval)))
				z := moving(rnd, tt.ttl, 3, 1200, until)
				z.outages = tt.outages
				w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, tt.habits), interval: interval, jitter: 0.5, until: until, options: Options{SingleView: true}}
				out := w.run()
				t.Logf("interval %v: %s, stale at %.0f, suspect at %.0f, %v; %s", interval, out.last.Verdict, out.staleAt, out.suspectAt, out.last.Counts, out.last.Why)
				if tt.want != Stale {
					if out.staleAt >= 0 {
						t.Fatalf("falsely stale at %.0f s: %s", out.staleAt, out.why)
					}
					if tt.want != "" && out.last.Verdict != tt.want {
						t.Errorf("in the end %s, want %s: %s", out.last.Verdict, tt.want, out.last.Why)
					}
					return
				}
				if out.staleAt < 0 || out.staleAt > tt.within {
					t.Fatalf("stale at %.0f s, want within %.0f s: %s", out.staleAt, tt.within, out.last.Why)
				}
				if out.last.Counts[tt.by] < 2 {
					t.Errorf("evidence %v, want %s", out.last.Counts, tt.by)
				}
			})
		}
	}
}

// TestLongMinimumTTLs: an entry that outlives hold many times over gives one loose piece each time it is fetched. It takes
// two of them, whether the zone moves or not, and the verdict then lasts.
func TestLongMinimumTTLs(t *testing.T) {
	for _, least := range []float64{300, 1800, 3600, 7200} {
		for _, period := range []float64{1200, 1e7} {
			for _, interval := range []float64{15, 60} {
				until := 4*least + 3600
				rnd := rand.New(rand.NewPCG(1, uint64(interval)))
				z := moving(rnd, 60, 3, period, until)
				w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, habits{min: least, staleFirst: -1, serveStale: -1}),
					interval: interval, jitter: 0.5, until: until, options: Options{SingleView: true}}
				if out := w.run(); out.staleAt < 0 || out.staleAt > max(2400, 2*least+120) || out.lapsedAt >= 0 {
					t.Errorf("minimum %v s, moves every %v s, rounds every %v s: stale at %.0f s, lapsed at %.0f s: %s",
						least, period, interval, out.staleAt, out.lapsedAt, out.last.Why)
				}
			}
		}
	}
}
