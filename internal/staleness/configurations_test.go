package staleness

import (
	"math/rand/v2"
	"testing"
)

// TestAssessKnownConfigurations runs every known resolver configuration for three hours over a zone that moves its
// addresses every 20 minutes, and checks the verdict, the evidence and the time to the verdict.
func TestAssessKnownConfigurations(t *testing.T) {
	const day = 24 * 3600
	type outage = [][2]float64
	tests := []struct {
		name      string
		behaviour behaviour
		ttl       float64
		outages   outage
		want      Verdict  // at the end; "" allows all but stale
		by        Evidence // that proves
		within    float64  // seconds to the verdict
		fast      bool     // proved only with rounds every 15 s
	}{
		{name: "default", behaviour: honest(), ttl: 60, want: OK},
		{name: "default, zone of 5 s", behaviour: honest(), ttl: 5, want: OK},
		{name: "default, with other clients", behaviour: behaviour{staleFirst: -1, serveStale: -1, popular: true}, ttl: 60, want: OK},
		{name: "CoreDNS cache", behaviour: behaviour{staleFirst: -1, serveStale: -1, uniform: true}, ttl: 60, want: OK},
		{name: "minimum TTL 300", behaviour: behaviour{min: 300, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: TTLInflated, within: 2700},
		{name: "minimum TTL 90 (BIND's maximum)", behaviour: behaviour{min: 90, staleFirst: -1, serveStale: -1}, ttl: 5, want: Stale, by: TTLInflated, within: 2400},
		{name: "dnsmasq min-cache-ttl=300", behaviour: behaviour{min: 300, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: TTLInflated, within: 2700},
		{name: "dnsmasq min-cache-ttl=300 max-ttl=60", behaviour: behaviour{min: 300, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: WithdrawnAddress, within: day + 3*3600, fast: true},
		{name: "dnsmasq min-cache-ttl=3600 max-ttl=60", behaviour: behaviour{min: 3600, max: 60, firstTrue: true, staleFirst: -1, serveStale: -1}, ttl: 60, want: Stale, by: WithdrawnAddress, within: day + 3600},
		{name: "stale first with EDE, TTL 30 (BIND stale-answer-client-timeout 0)", behaviour: behaviour{staleFirst: 30, serveStale: 30, ede: true, keepFor: 86400}, ttl: 60, want: Stale, by: EDEStale, within: 1300},
		{name: "stale first without EDE, TTL 30 (Unbound up to 1.22 serve-expired)", behaviour: behaviour{staleFirst: 30, serveStale: 30, keepFor: 86400}, ttl: 60},
		{name: "stale first with EDE, TTL 0 (dnsmasq use-stale-cache)", behaviour: behaviour{staleFirst: 0, serveStale: 0, ede: true, keepFor: 86400}, ttl: 60, want: Stale, by: EDEStale, within: 1300},
		{name: "serve-expired without EDE, authoritative servers down", behaviour: behaviour{staleFirst: -1, serveStale: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "serve-expired with EDE, authoritative servers down", behaviour: behaviour{staleFirst: -1, serveStale: 30, ede: true, failPause: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "sawtooth, authoritative servers down (PowerDNS)", behaviour: behaviour{staleFirst: -1, serveStale: 30, sawtooth: true, failPause: 30, keepFor: 86400}, ttl: 60, outages: outage{{3000, 4500}}},
		{name: "sawtooth over old data, authoritative servers healthy", behaviour: behaviour{staleFirst: -1, serveStale: -1, extendBy: 1800}, ttl: 60, want: Stale, by: WithdrawnAddress, within: day + 3600},
		{name: "frozen TTL over an honest cache (serve-original-ttl, keepttl)", behaviour: behaviour{staleFirst: -1, serveStale: -1, frozen: true}, ttl: 60, want: OK},
	}
	for _, tt := range tests {
		for _, interval := range []float64{15, 60} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				until := max(3*3600, tt.within)
				rnd := rand.New(rand.NewPCG(1, uint64(interval)))
				z := moving(rnd, tt.ttl, 3, 1200, until)
				z.outages = tt.outages
				w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, tt.behaviour), interval: interval, jitter: 0.5, until: until, options: Options{SingleView: true}}
				out := w.run()
				t.Logf("interval %v: %s, stale at %.0f, suspect at %.0f, %v; %+v", interval, out.last.Verdict, out.staleAt,
					out.suspectAt, out.last.Counts, out.last.Why)
				if tt.want != Stale {
					if out.staleAt >= 0 {
						t.Fatalf("falsely stale at %.0f s: %s", out.staleAt, out.firstStale)
					}
					if tt.want != "" && out.last.Verdict != tt.want {
						t.Errorf("at the end %s, want %s: %+v", out.last.Verdict, tt.want, out.last.Why)
					}
					return
				}
				if tt.fast && interval > 15 {
					return
				}
				if out.staleAt < 0 || out.staleAt > tt.within {
					t.Fatalf("stale at %.0f s, want within %.0f s: %+v", out.staleAt, tt.within, out.last.Why)
				}
				if out.last.Counts[tt.by] < 2 {
					t.Errorf("evidence %v, want %s", out.last.Counts, tt.by)
				}
			})
		}
	}
}

// TestAssessMinimumTTLsLongerThanHold has entries that outlive Hold many times. Each gives one piece of evidence when
// it is fetched; two of them prove staleness, whether the zone moves or not, and the verdict then lasts.
func TestAssessMinimumTTLsLongerThanHold(t *testing.T) {
	for _, least := range []float64{300, 1800, 3600, 7200} {
		for _, period := range []float64{1200, 1e7} {
			for _, interval := range []float64{15, 60} {
				until := 4*least + 3600
				rnd := rand.New(rand.NewPCG(1, uint64(interval)))
				z := moving(rnd, 60, 3, period, until)
				w := world{rnd: rnd, zone: z, resolver: newCache(rnd, z, behaviour{min: least, staleFirst: -1, serveStale: -1}),
					interval: interval, jitter: 0.5, until: until, options: Options{SingleView: true}}
				if out := w.run(); out.staleAt < 0 || out.staleAt > max(2400, 2*least+1000) || out.lapsedAt >= 0 {
					t.Errorf("minimum %v s, moves every %v s, rounds every %v s: stale at %.0f s, lapsed at %.0f s: %+v",
						least, period, interval, out.staleAt, out.lapsedAt, out.last.Why)
				}
			}
		}
	}
}
