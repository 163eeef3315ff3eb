package staleness

import (
	"math/rand/v2"
	"testing"
)

// TestAssessIncompleteServers has a zone with more servers than the exporter asks: what these publish does not show
// what the resolver may have got from another one, while a server that marks its own answers as stale needs no
// comparison.
func TestAssessIncompleteServers(t *testing.T) {
	for name, test := range map[string]struct {
		behaviour behaviour
		stale     bool
	}{
		"honest: cannot be judged":                  {honest(), false},
		"a TTL above the published one: not proved": {behaviour{min: 300, staleFirst: -1, serveStale: -1}, false},
		"a withdrawn address: not proved":           {behaviour{staleFirst: -1, serveStale: -1, extendBy: 1800}, false},
		"marked by the resolver: proved":            {behaviour{staleFirst: 30, serveStale: 30, ede: true, keepFor: 86400}, true},
	} {
		t.Run(name, func(t *testing.T) {
			const until = 3 * 3600
			rnd := rand.New(rand.NewPCG(1, 15))
			z := moving(rnd, 60, 3, 1200, until)
			w := world{
				rnd: rnd, zone: z, resolver: newCache(rnd, z, test.behaviour), interval: 15, jitter: 0.5, until: until, partial: true,
				toStale: true, options: Options{SingleView: true},
			}
			if out := w.run(); out.staleAt >= 0 != test.stale {
				t.Errorf("stale at %.0f s, want %v: %s %+v", out.staleAt, test.stale, out.firstStale, out.last.Why)
			} else if out.okAt >= 0 || !test.stale && out.last.Verdict == OK {
				t.Errorf("ok at %.0f s", out.okAt)
			}
		})
	}
}

// TestAssessFormerServers has a delegation that moves after two hours while the old servers go on. A resolver that
// follows the old delegation, as it may for two days, rightly gives what they publish, which the exporter does not see.
func TestAssessFormerServers(t *testing.T) {
	const moved, day = 7200, 24 * 3600
	fixed := func(owners map[string]version) map[string][]version {
		out := make(map[string][]version)
		for owner, v := range owners {
			v.from = -1e6
			out[owner] = []version{v}
		}
		return out
	}
	address := []string{addr4(1)}
	for name, test := range map[string]struct {
		before, after map[string]version
		minimum       float64 // of the resolver
		follows       float64 // how long the resolver follows the old delegation
		until         float64
		stale         bool
	}{
		"a larger TTL at the old servers: honest for two days": {
			map[string]version{host: {ttl: 3600, values: address}}, map[string]version{host: {ttl: 60, values: address}}, 0, 47 * 3600, moved + 46*3600, false,
		},
		"a name that was not sampled at the old servers: honest": {
			map[string]version{host: {ttl: 60, values: []string{"b.example."}}, "a.example.": {ttl: 600, values: address}, "b.example.": {ttl: 60, values: address}},
			map[string]version{host: {ttl: 60, values: []string{"a.example."}}, "a.example.": {ttl: 60, values: address}}, 0, day, moved + day - 3600, false,
		},
		"a minimum TTL, the same TTL at the old servers: proved": {
			map[string]version{host: {ttl: 60, values: address}}, map[string]version{host: {ttl: 60, values: address}}, 300, 0, moved + 3600, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(1, 60))
			before := &zone{rnd: rnd, lags: []float64{0, 0}, owners: fixed(test.before)}
			after := &zone{rnd: rnd, lags: []float64{0, 0}, owners: fixed(test.after)}
			b := honest()
			b.min = test.minimum
			w := world{
				rnd: rnd, zone: after, previous: before, moved: moved, walkable: moved, interval: 60, jitter: 0.5, until: test.until,
				resolver: newCache(rnd, &switched{moved + test.follows, before, after}, b), askOwner: true, options: Options{SingleView: true},
			}
			if test.stale { // the first verdict is to be one after the move
				w.pauses = [][2]float64{{0, moved - 1200}}
			}
			out := w.run()
			if out.staleAt >= 0 != test.stale {
				t.Errorf("stale at %.0f s, want %v: %s; at the end %+v", out.staleAt, test.stale, out.firstStale, out.last.Why)
			}
			if !test.stale && out.last.TTLExcess > 0 {
				t.Errorf("an excess of %v that the old servers may explain", out.last.TTLExcess)
			}
		})
	}
}
