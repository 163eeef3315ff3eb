package staleness

import (
	"math/rand/v2"

	"pgregory.net/rapid"
)

// This file draws the zones, resolvers and worlds of the property tests.

// drawZone draws a zone's history: TTLs that rise and fall, addresses that move, return or are subsets of a pool, a
// CNAME that changes, servers that lag, outages.
func drawZone(t *rapid.T, rnd *rand.Rand, until float64) *zone {
	z := &zone{rnd: rnd, owners: map[string][]version{}}
	for range rapid.IntRange(1, 4).Draw(t, "servers") {
		z.lags = append(z.lags, float64(rapid.IntRange(0, 60).Draw(t, "lag")))
	}
	ttls := rapid.SampledFrom([]int{0, 5, 20, 60, 60, 60, 300, 900, 3600})
	pool := rapid.IntRange(1, 40).Draw(t, "pool")
	size := rapid.IntRange(1, min(pool, 8)).Draw(t, "size")
	choose := 0
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 1: // each answer is a subset of the pool
		choose = size
	case 2: // the whole set, always with new addresses
		pool = 0
	}
	// A zone that changes faster than it is sampled cannot be judged and is not drawn: see docs/dns-staleness-limits.md.
	period := float64(rapid.IntRange(250, 2400).Draw(t, "period"))
	steady := rapid.Bool().Draw(t, "steady TTL")
	ttl := float64(ttls.Draw(t, "ttl"))
	cname := rapid.Bool().Draw(t, "cname")
	ends := []string{host}
	if cname {
		ends = []string{"a.example.", "b.example."}
	}
	n := 0
	for from := -8000.0; from < until; from += period * (0.5 + rnd.Float64()) {
		if !steady && rnd.IntN(3) == 0 {
			ttl = float64(ttls.Draw(t, "ttl"))
		}
		if cname && (from == -8000 || rnd.IntN(2) == 0) {
			z.owners[host] = append(z.owners[host], version{from: from, ttl: float64(ttls.Draw(t, "cname ttl")), values: []string{ends[rnd.IntN(2)]}})
		}
		for _, end := range ends {
			v := version{from: from, ttl: ttl, choose: choose}
			switch {
			case pool == 0:
				for range size {
					v.values = append(v.values, addr4(n))
					n++
				}
			case choose > 0:
				for i := range pool { // some members leave the pool for a while
					if rnd.Float64() < 0.9 || len(v.values) == 0 {
						v.values = append(v.values, addr4(i))
					}
				}
			default:
				for i := range size {
					v.values = append(v.values, addr4((n+i)%pool))
				}
				n += rnd.IntN(3)
			}
			z.owners[end] = append(z.owners[end], v)
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "outages") {
		from := rnd.Float64() * until
		z.outages = append(z.outages, [2]float64{from, from + 20 + rnd.Float64()*1500})
	}
	z.loss = rapid.SampledFrom([]float64{0, 0, 0.02, 0.1}).Draw(t, "loss")
	z.fronted = rapid.IntRange(0, 9).Draw(t, "fronted") == 0
	return z
}

// drawHonest draws an honest resolver: caches, farms of caches, forwarders in front of them, CoreDNS hops. Some serve
// stale while the authoritative servers fail, as RFC 8767 allows, with or without EDE.
func drawHonest(t *rapid.T, rnd *rand.Rand, z source) source {
	cacheOf := func(from source) source {
		h := honest()
		switch rapid.IntRange(0, 4).Draw(t, "behaviour") {
		case 1:
			h.uniform = true
		case 2:
			h.popular = true
		case 3:
			h.serveStale, h.keepFor, h.failPause = 30, 86400, 30
			h.ede = rapid.Bool().Draw(t, "ede")
			h.sawtooth = rapid.Bool().Draw(t, "sawtooth")
		}
		c := newCache(rnd, from, h)
		if rnd.IntN(2) == 0 { // other clients asked before the exporter started
			for range 3 {
				c.ask(-rnd.Float64()*4000, host)
			}
		}
		return c
	}
	farmOf := func(from func() source) source {
		f := &farm{rnd: rnd}
		for range rapid.IntRange(1, 4).Draw(t, "members") {
			f.members = append(f.members, cacheOf(from()))
		}
		return f
	}
	r := farmOf(func() source { return z })
	for range rapid.IntRange(0, 2).Draw(t, "hops") {
		r = farmOf(func() source { return r })
	}
	return r
}

func drawWorld(t *rapid.T, rnd *rand.Rand, z *zone, until float64) *world {
	w := &world{rnd: rnd, zone: z, until: until, options: Options{SingleView: true}}
	w.interval = rapid.SampledFrom([]float64{10, 15, 30, 60, 60, 120}).Draw(t, "interval")
	w.jitter = rapid.SampledFrom([]float64{0, 1, 5}).Draw(t, "jitter")
	w.offsets = rapid.SampledFrom([][]float64{nil, nil, {w.interval / 5}, {w.interval / 6, w.interval / 3}}).Draw(t, "offsets")
	w.visitor = rapid.Bool().Draw(t, "visitor")
	w.loss = rapid.SampledFrom([]float64{0, 0, 0.02, 0.1}).Draw(t, "our loss")
	w.lazy = rapid.Bool().Draw(t, "lazy")
	w.askOwner = rapid.Bool().Draw(t, "ask for the last owner")
	if rapid.IntRange(0, 3).Draw(t, "pause") == 0 {
		from := rnd.Float64() * until
		w.pauses = [][2]float64{{from, from + 20 + rnd.Float64()*900}}
	}
	return w
}

// drawLowered draws a world whose zone lowered a long TTL before the start and whose resolver is a farm of caches that
// may hold entries from before.
func drawLowered(t *rapid.T, rnd *rand.Rand, b behaviour) *world {
	const until = 27 * 3600
	long := float64(rapid.SampledFrom([]int{3600, 4 * 3600, 86400}).Draw(t, "long TTL"))
	lowered := -float64(rapid.IntRange(10, int(long)).Draw(t, "lowered before the start"))
	ttl := float64(rapid.SampledFrom([]int{20, 60, 60, 300}).Draw(t, "ttl"))
	z := moving(rnd, ttl, rapid.IntRange(1, 4).Draw(t, "addresses"), float64(rapid.IntRange(1200, 20000).Draw(t, "period")), until)
	first := z.owners[host][0]
	kept := []version{{from: -1e6, ttl: long, values: first.values}, {from: lowered, ttl: ttl, values: first.values}}
	for _, v := range z.owners[host] {
		if v.from > max(lowered, -600) {
			kept = append(kept, v)
		}
	}
	z.owners[host] = kept
	w := drawWorld(t, rnd, z, until)
	w.interval = rapid.SampledFrom([]float64{30, 60, 60, 120}).Draw(t, "long interval")
	w.offsets = nil
	f := &farm{rnd: rnd}
	for range rapid.SampledFrom([]int{1, 2, 4, 16, 64}).Draw(t, "caches") {
		c := newCache(rnd, z, b)
		if rnd.IntN(8) > 0 {
			c.ask(lowered-rnd.Float64()*long, host)
		}
		f.members = append(f.members, c)
	}
	w.resolver = f
	// A forwarder in front of a cache that limits its TTLs cannot be told from a minimum TTL: see
	// docs/dns-staleness-limits.md.
	if b.max == 0 && rapid.IntRange(0, 3).Draw(t, "forwarder") == 0 {
		w.resolver = newCache(rnd, f, honest())
	}
	return w
}

// drawMovingZone draws a zone that replaces its addresses again and again.
func drawMovingZone(t *rapid.T, rnd *rand.Rand, ttl, until float64) *zone {
	period := float64(rapid.IntRange(1200, 3000).Draw(t, "period"))
	z := moving(rnd, ttl, rapid.IntRange(1, 7).Draw(t, "addresses"), period, until)
	// Moves in step with the renewals of the cache would never leave it with old data.
	for i := range z.owners[host] {
		z.owners[host][i].from += rnd.Float64() * 600
	}
	z.lags = make([]float64, rapid.IntRange(1, 4).Draw(t, "servers"))
	for i := range z.lags {
		z.lags[i] = float64(rapid.IntRange(0, 60).Draw(t, "lag"))
	}
	return z
}

// drawViolator draws a world whose resolver behaves as given, perhaps behind an honest forwarder.
func drawViolator(t *rapid.T, rnd *rand.Rand, z *zone, until float64, b func(w *world) behaviour) *world {
	w := drawWorld(t, rnd, z, until)
	w.pauses, w.loss = nil, 0 // nothing is proved without coverage
	w.interval = min(w.interval, 60)
	violator := b(w)
	w.resolver, w.keeps = newCache(rnd, z, violator), violator.min
	if rapid.Bool().Draw(t, "forwarder") {
		f := honest()
		f.ede = true
		w.resolver = newCache(rnd, w.resolver, f)
	}
	w.toStale, w.options.UpstreamTest = true, rapid.Bool().Draw(t, "upstream test")
	return w
}

func drawExtension(t *rapid.T) (ttl, extension float64) {
	ttl = float64(rapid.SampledFrom([]int{0, 5, 20, 60}).Draw(t, "ttl"))
	return ttl, float64(rapid.IntRange(30, 900).Draw(t, "extension"))
}

// drawServeStale draws a cache that serves expired records while it does not reach its source, as RFC 8767 allows.
func drawServeStale(t *rapid.T) behaviour {
	b := honest()
	b.serveStale, b.keepFor = float64(rapid.SampledFrom([]int{0, 1, 30, 30}).Draw(t, "stale TTL")), 86400
	b.failPause = float64(rapid.SampledFrom([]int{0, 30}).Draw(t, "pause after a failure"))
	b.ede, b.sawtooth = rapid.Bool().Draw(t, "ede"), rapid.Bool().Draw(t, "sawtooth")
	return b
}
