package staleness

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// farmOf returns n honest caches behind one address.
func farmOf(rnd *rand.Rand, z source, n int) source {
	f := &farm{rnd: rnd}
	for range n {
		f.members = append(f.members, newCache(rnd, z, honest()))
	}
	return f
}

// TestAssessHonestResolvers runs honest resolvers in every situation that led a prototype, or would lead a simple
// comparison, to a false verdict stale, with several seeds and intervals each.
func TestAssessHonestResolvers(t *testing.T) {
	const until = 2 * 3600
	plain := func(rnd *rand.Rand) *world {
		z := moving(rnd, 60, 3, 1200, until)
		return &world{zone: z, resolver: newCache(rnd, z, honest())}
	}
	tests := []struct {
		name  string
		ok    bool // the verdict at the end is ok
		world func(rnd *rand.Rand) *world
	}{
		{"one honest cache", true, plain},
		{"four honest caches behind one address", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.resolver = farmOf(rnd, w.zone, 4)
			return w
		}},
		{"rotating subsets of 8 out of 40, four caches", true, func(rnd *rand.Rand) *world {
			v := version{from: -1e6, ttl: 60, choose: 8}
			for i := range 40 {
				v.values = append(v.values, addr4(i))
			}
			z := &zone{rnd: rnd, lags: []float64{0, 0, 0, 0}, owners: map[string][]version{host: {v}}}
			return &world{zone: z, resolver: farmOf(rnd, z, 4)}
		}},
		{"a pool of 40 whose members leave and return", false, func(rnd *rand.Rand) *world {
			z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
			for from := -600.0; from < until; from += 300 {
				v := version{from: from, ttl: 60, choose: 8}
				for i := range 40 {
					if rnd.Float64() < 0.9 {
						v.values = append(v.values, addr4(i))
					}
				}
				z.owners[host] = append(z.owners[host], v)
			}
			return &world{zone: z, resolver: farmOf(rnd, z, 4)}
		}},
		{"a pool whose members return, first at one of three lagging servers", false, func(rnd *rand.Rand) *world {
			z := &zone{rnd: rnd, lags: []float64{60, 30, 9}, owners: map[string][]version{}}
			for from := -600.0; from < until; from += 250 + 150*rnd.Float64() {
				v := version{from: from, ttl: 5, choose: 5}
				for i := range 25 {
					if rnd.Float64() < 0.8 {
						v.values = append(v.values, addr4(i))
					}
				}
				z.owners[host] = append(z.owners[host], v)
			}
			return &world{zone: z, resolver: farmOf(rnd, z, 3)}
		}},
		{"one address of three, chosen by weight", true, func(rnd *rand.Rand) *world {
			z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
			v := version{from: -1e6, ttl: 60, choose: 1}
			for range 20 {
				v.values = append(v.values, addr4(1))
			}
			v.values = append(v.values, addr4(2), addr4(3))
			z.owners[host] = []version{v}
			return &world{zone: z, resolver: farmOf(rnd, z, 4)}
		}},
		{"an address that sometimes returns for 20 s", false, func(rnd *rand.Rand) *world {
			z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
			for from := -600.0; from < until; from += 700 {
				z.owners[host] = append(z.owners[host],
					version{from: from, ttl: 300, values: []string{addr4(1)}},
					version{from: from + 630 + 30*rnd.Float64(), ttl: 300, values: []string{addr4(2)}},
					version{from: from + 680, ttl: 300, values: []string{addr4(1)}})
			}
			return &world{zone: z, resolver: farmOf(rnd, z, 4)}
		}},
		{"the TTL is lowered while we watch", true, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 3600, values: []string{addr4(1)}},
				{from: 2000, ttl: 60, values: []string{addr4(1)}},
				{from: 3000, ttl: 60, values: []string{addr4(2)}},
			}
			return &world{zone: z, resolver: farmOf(rnd, z, 4)}
		}},
		{"the TTL was lowered just before the start", false, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 5400, values: []string{addr4(1)}},
				{from: -10, ttl: 60, values: []string{addr4(1)}},
				{from: 1500, ttl: 60, values: []string{addr4(2)}},
			}
			r := farmOf(rnd, z, 4)
			for range 40 {
				r.ask(-60, host)
			}
			return &world{zone: z, resolver: r}
		}},
		{"standbys with old entries take over after the TTL was lowered", false, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 7000, values: []string{addr4(1)}},
				{from: -10, ttl: 60, values: []string{addr4(1)}},
				{from: 1500, ttl: 60, values: []string{addr4(2)}},
			}
			f := &farm{rnd: rnd}
			for i := range 4 {
				m := newCache(rnd, z, honest())
				if i > 0 {
					m.ask(-100*float64(i), host)
				}
				f.members = append(f.members, m)
			}
			f.pick = func(now float64) int {
				if now < 1400 {
					return 0
				}
				return 1 + rnd.IntN(3)
			}
			return &world{zone: z, resolver: f}
		}},
		{"standbys with old entries take over, whose address returned while we watched", false, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 7000, values: []string{addr4(1)}},
				{from: -10, ttl: 60, values: []string{addr4(2)}},
				{from: 600, ttl: 60, values: []string{addr4(1)}},
			}
			f := &farm{rnd: rnd}
			for i := range 4 {
				m := newCache(rnd, z, honest())
				if i > 0 {
					m.ask(-100*float64(i), host)
				}
				f.members = append(f.members, m)
			}
			f.pick = func(now float64) int {
				if now < 1400 {
					return 0
				}
				return 1 + rnd.IntN(3)
			}
			return &world{zone: z, resolver: f}
		}},
		{"TTL 0", true, func(rnd *rand.Rand) *world {
			z := moving(rnd, 0, 3, 1200, until)
			return &world{zone: z, resolver: newCache(rnd, z, honest())}
		}},
		{"TTL 0 through CoreDNS", true, func(rnd *rand.Rand) *world {
			z := moving(rnd, 0, 3, 1200, until)
			h := honest()
			h.uniform = true
			return &world{zone: z, resolver: newCache(rnd, z, h)}
		}},
		{"10 % packet loss everywhere", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.loss, w.zone.loss = 0.1, 0.19
			return w
		}},
		{"10 % packet loss, stale with EDE whenever a query is lost", false, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.loss, w.zone.loss = 0.1, 0.19
			w.resolver = newCache(rnd, w.zone, behaviour{staleFirst: -1, serveStale: 30, ede: true, failPause: 30, keepFor: 86400})
			return w
		}},
		{"an authoritative server that lags by 50 s", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.zone.lags = []float64{0, 50, 0}
			return w
		}},
		{"authoritative servers down for 25 minutes, stale with EDE", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.zone.outages = [][2]float64{{3000, 4500}}
			w.resolver = newCache(rnd, w.zone, behaviour{staleFirst: -1, serveStale: 30, ede: true, failPause: 30, keepFor: 86400})
			return w
		}},
		{"authoritative servers repeatedly down for two minutes, stale with EDE", false, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			for s := 1000.0; s < until; s += 420 {
				w.zone.outages = append(w.zone.outages, [2]float64{s, s + 120})
			}
			w.resolver = newCache(rnd, w.zone, behaviour{staleFirst: -1, serveStale: 30, ede: true, failPause: 30, keepFor: 86400})
			return w
		}},
		{"a pause of 7 minutes in which the TTL rises and falls", true, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 60, values: []string{addr4(1)}},
				{from: 2100, ttl: 3600, values: []string{addr4(1)}},
				{from: 2300, ttl: 60, values: []string{addr4(2)}},
			}
			w := &world{zone: z, pauses: [][2]float64{{2000, 2420}}}
			w.resolver = newCache(rnd, z, behaviour{staleFirst: -1, serveStale: -1, popular: true})
			return w
		}},
		{"a pause of 2 minutes in which the TTL rises and falls", true, func(rnd *rand.Rand) *world {
			z := moving(rnd, 60, 3, 1200, until)
			z.owners[host] = []version{
				{from: -1e6, ttl: 60, values: []string{addr4(1)}},
				{from: 2010, ttl: 600, values: []string{addr4(1)}},
				{from: 2110, ttl: 60, values: []string{addr4(2)}},
			}
			w := &world{zone: z, pauses: [][2]float64{{2000, 2120}}}
			w.resolver = newCache(rnd, z, behaviour{staleFirst: -1, serveStale: -1, popular: true})
			return w
		}},
		{"CoreDNS in front of an honest cache", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			h := honest()
			h.uniform = true
			w.resolver = newCache(rnd, w.resolver, h)
			return w
		}},
		{"four hops of CoreDNS and honest caches", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			for range 2 {
				h := honest()
				h.uniform = true
				w.resolver = newCache(rnd, newCache(rnd, w.resolver, h), honest())
			}
			return w
		}},
		{"IPv6 only", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.typ = 28
			for _, vs := range w.zone.owners {
				for _, v := range vs {
					for i, s := range v.values {
						v.values[i] = netip.MustParsePrefix("2001:db8::/96").Addr().String() + s
						a := netip.MustParseAddr(s).As4()
						v.values[i] = fmt.Sprintf("2001:db8::%x:%x", int(a[2])+1, a[3])
					}
				}
			}
			return w
		}},
		{"a chain of CNAMEs with mixed TTLs, all of which change", true, func(rnd *rand.Rand) *world {
			z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
			for from, n := -4000.0, 0; from < until; from, n = from+900, n+1 {
				z.owners[host] = append(z.owners[host], version{from: from, ttl: 300, values: []string{fmt.Sprintf("mid%d.example.", n/2%2)}})
				for m := range 2 {
					mid := fmt.Sprintf("mid%d.example.", m)
					z.owners[mid] = append(z.owners[mid], version{from: from, ttl: 60, values: []string{fmt.Sprintf("end%d.example.", n%3)}})
				}
				for m := range 3 {
					end := fmt.Sprintf("end%d.example.", m)
					z.owners[end] = append(z.owners[end], version{from: from + 100, ttl: 20, values: []string{addr4(n + m), addr4(n + m + 1)}})
				}
			}
			return &world{zone: z, resolver: newCache(rnd, z, honest())}
		}},
		{"three scrapers and an open status page", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.offsets, w.visitor = []float64{5, 9}, true
			return w
		}},
		{"authoritative servers behind caches", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.zone.fronted = true
			return w
		}},
		{"samples for confirmation only in the next round", true, func(rnd *rand.Rand) *world {
			w := plain(rnd)
			w.lazy = true
			w.resolver = farmOf(rnd, w.zone, 4)
			return w
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, interval := range []float64{15, 30, 60} {
				for seed := range *seeds {
					rnd := rand.New(rand.NewPCG(seed, uint64(interval)))
					w := tt.world(rnd)
					w.rnd, w.interval, w.until, w.options.SingleView = rnd, interval, until, true
					w.jitter = float64(seed % 2)
					out := w.run()
					if out.staleAt >= 0 {
						t.Fatalf("interval %v, seed %d: false verdict stale at %.0f s: %s", interval, seed, out.staleAt, out.firstStale)
					}
					if tt.ok && out.last.Verdict != OK && out.last.Why.Kind != WhyValuesReturn {
						t.Errorf("interval %v, seed %d: at the end %s, want ok: %+v (suspect at %.0f) %v", interval, seed, out.last.Verdict, out.last.Why, out.suspectAt, out.last.Counts)
					}
				}
			}
		})
	}
}
