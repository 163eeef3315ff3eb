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
