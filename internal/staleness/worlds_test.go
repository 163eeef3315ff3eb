package staleness

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

var (
	seeds     = flag.Uint64("seeds", 1, "number of seeds of TestAssessHonestResolvers")
	worlds    = flag.Int("worlds", 0, "number of worlds of each honest kind; 0: defaultWorlds")
	firstSeed = flag.Int("first-seed", 1, "seed of the first world of each kind; the next worlds have the next seeds")
	reportTo  = flag.String("worlds-report", "", "file to which the property tests append their results, as Markdown")
)

// TestMain is there for its flags and its settings.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // worlds leave much garbage and keep little
	os.Exit(m.Run())        // parses the flags
}

// worldKind is a kind of worlds that the property tests draw.
type worldKind struct {
	name string
	draw func(t *rapid.T, rnd *rand.Rand) *world
}

// honestKinds are the kinds of worlds in which no resolver may get the verdict stale.
var honestKinds = []worldKind{
	{"any zone, honest caches", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 2 * 3600
		z := drawZone(t, rnd, until)
		w := drawWorld(t, rnd, z, until)
		w.resolver = drawHonest(t, rnd, z)
		return w
	}},
	{"another view with other TTLs and addresses", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 2 * 3600
		z := drawZone(t, rnd, until)
		w := drawWorld(t, rnd, z, until)
		w.options.SingleView = false
		theirs := *z
		theirs.owners = map[string][]version{}
		ttl := float64(rapid.SampledFrom([]int{20, 60, 300, 600, 3600}).Draw(t, "their ttl"))
		otherAddresses := rapid.Bool().Draw(t, "other addresses")
		for _, owner := range slices.Sorted(maps.Keys(z.owners)) {
			versions := z.owners[owner]
			for _, v := range versions {
				v.ttl = ttl
				if otherAddresses && !isName(v.values[0]) && rnd.IntN(2) == 0 {
					v.values = versions[rnd.IntN(len(versions))].values
				}
				theirs.owners[owner] = append(theirs.owners[owner], v)
			}
		}
		w.resolver = drawHonest(t, rnd, &theirs)
		return w
	}},
	{"server instances with another TTL", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := moving(rnd, 60, rapid.IntRange(1, 4).Draw(t, "addresses"), float64(rapid.IntRange(1200, 20000).Draw(t, "period")), until)
		z.otherTTL = float64(rapid.SampledFrom([]int{120, 300, 900, 3600}).Draw(t, "other ttl"))
		z.otherShare = rapid.SampledFrom([]float64{0.5, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002}).Draw(t, "share")
		w := drawWorld(t, rnd, z, until)
		w.resolver = drawHonest(t, rnd, z)
		return w
	}},
	{"weighted records", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := &zone{rnd: rnd, lags: make([]float64, rapid.IntRange(1, 4).Draw(t, "servers")), owners: map[string][]version{}}
		ttl := float64(rapid.SampledFrom([]int{5, 20, 60, 60, 300, 900}).Draw(t, "ttl"))
		weight := rapid.SampledFrom([]int{2, 5, 10, 20, 50, 100, 200, 500}).Draw(t, "one in")
		period := float64(rapid.IntRange(1200, 8000).Draw(t, "period"))
		for from, n := -8000.0, 0; from < until; from, n = from+period*(0.5+rnd.Float64()), n+1 {
			v := version{from: from, ttl: ttl, choose: 1, values: []string{addr4(n)}}
			for range weight - 1 { // the earlier address keeps a small weight
				v.values = append(v.values, addr4(n+1))
			}
			z.owners[host] = append(z.owners[host], v)
		}
		w := drawWorld(t, rnd, z, until)
		w.resolver = drawHonest(t, rnd, z)
		return w
	}},
	{"names that are removed for a while", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 4 * 3600
		z := drawZone(t, rnd, until)
		removeForAWhile(t, rnd, z, 400)
		w := drawWorld(t, rnd, z, until)
		w.resolver = drawHonest(t, rnd, z)
		return w
	}},
	{"delegation moved, the old servers go on", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 4 * 3600
		z := drawZone(t, rnd, until)
		w := drawWorld(t, rnd, z, until)
		// Before the move both zones are equal. Afterwards the old one stays as it was.
		moved := rapid.Float64Range(-3600, 6000).Draw(t, "moved")
		old := *z
		old.owners = map[string][]version{}
		old.lags = make([]float64, rapid.IntRange(1, 3).Draw(t, "old servers"))
		old.outages = nil
		for owner, versions := range z.owners {
			for _, v := range versions {
				if v.from <= moved {
					old.owners[owner] = append(old.owners[owner], v)
				}
			}
		}
		// Old servers that the exporter never asked by itself are in the union, since resolvers know them.
		w.previous, w.union = &old, moved < 600 || rapid.Bool().Draw(t, "union")
		w.walkable = moved
		w.moved = moved + rapid.Float64Range(0, 3600).Draw(t, "found after")
		follows := moved + rapid.Float64Range(0, 86400).Draw(t, "followed by the resolver for")
		w.resolver = drawHonest(t, rnd, &switched{follows, &old, z})
		return w
	}},
	{"the resolver's own upstream is down, it serves stale", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 4 * 3600
		var z *zone
		if rapid.Bool().Draw(t, "moving zone") {
			z = drawMovingZone(t, rnd, float64(rapid.SampledFrom([]int{5, 20, 60, 300}).Draw(t, "ttl")), until)
		} else {
			z = drawZone(t, rnd, until)
		}
		w := drawWorld(t, rnd, z, until)
		l := &link{source: z}
		for from := rnd.Float64() * 3000; from < until; from += 300 + rnd.Float64()*4000 {
			end := from + 60 + rnd.Float64()*rnd.Float64()*9000
			l.down = append(l.down, [2]float64{from, end})
			from = end
		}
		w.reaches, w.options.UpstreamTest = l.up, true
		f := &farm{rnd: rnd}
		for range rapid.IntRange(1, 4).Draw(t, "caches") {
			f.members = append(f.members, newCache(rnd, l, drawServeStale(t)))
		}
		w.resolver = f
		return w
	}},
	{"the resolver's upstream loses questions or answers late, it serves stale", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 4 * 3600
		z := drawMovingZone(t, rnd, float64(rapid.SampledFrom([]int{5, 20, 60, 300}).Draw(t, "ttl")), until)
		w := drawWorld(t, rnd, z, until)
		w.options.UpstreamTest = true
		l := &link{source: z, rnd: rnd}
		late := 0.0
		if rapid.Bool().Draw(t, "late answers") { // as where a forwarder first asks a dead server
			late = rapid.SampledFrom([]float64{0.1, 0.3, 0.6, 1}).Draw(t, "late")
		} else {
			l.loss = rapid.SampledFrom([]float64{0.02, 0.1, 0.2, 0.3}).Draw(t, "upstream loss")
			w.reaches = func(float64) bool { return l.passes(2) }
		}
		f := &farm{rnd: rnd}
		for range rapid.IntRange(1, 4).Draw(t, "caches") {
			b := drawServeStale(t)
			b.late, b.popular = late, rapid.Bool().Draw(t, "other clients")
			f.members = append(f.members, newCache(rnd, l, b))
		}
		w.resolver = f
		if rapid.Bool().Draw(t, "removed names") {
			removeForAWhile(t, rnd, z, 6000)
		}
		return w
	}},
	{"the zone's servers lag", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 3 * 3600
		z := drawMovingZone(t, rnd, float64(rapid.SampledFrom([]int{5, 20, 60, 300}).Draw(t, "ttl")), until)
		for i := range z.lags { // up to AuthorityLag
			z.lags[i] = float64(rapid.IntRange(0, 118).Draw(t, "long lag"))
		}
		w := drawWorld(t, rnd, z, until)
		w.resolver = drawHonest(t, rnd, z)
		return w
	}},
	{"TTL lowered before the start, many caches", func(t *rapid.T, rnd *rand.Rand) *world {
		return drawLowered(t, rnd, honest())
	}},
	{"TTL lowered before the start, answers capped", func(t *rapid.T, rnd *rand.Rand) *world {
		b := honest()
		b.max = float64(rapid.SampledFrom([]int{20, 60, 300, 3600}).Draw(t, "cap"))
		return drawLowered(t, rnd, b)
	}},
}

// removeForAWhile removes names from a zone at up to this many seconds after some of its changes, each until the next
// one. NXDOMAIN may be cached.
func removeForAWhile(t *rapid.T, rnd *rand.Rand, z *zone, longest float64) {
	for _, owner := range slices.Sorted(maps.Keys(z.owners)) {
		var with []version
		for _, v := range z.owners[owner] {
			with = append(with, v)
			if rnd.IntN(3) == 0 {
				v.from += 20 + rnd.Float64()*longest
				v.values = nil
				with = append(with, v)
			}
		}
		slices.SortStableFunc(with, func(a, b version) int { return cmp.Compare(a.from, b.from) })
		z.owners[owner] = with
	}
	z.negative = float64(rapid.SampledFrom([]int{0, 5, 60, 300}).Draw(t, "negative TTL"))
}

// violatorKinds are the kinds of worlds in which the resolver must get the verdict stale.
var violatorKinds = []worldKind{
	{"minimum TTL", func(t *rapid.T, rnd *rand.Rand) *world {
		ttl, extension := drawExtension(t)
		extension = max(extension, 60) // shorter ones do not outlive the interval
		z := drawMovingZone(t, rnd, ttl, 6*3600)
		return drawViolator(t, rnd, z, 6*3600, func(*world) behaviour {
			b := honest()
			b.min = ttl + extension
			return b
		})
	}},
	{"minimum TTL, first answer true", func(t *rapid.T, rnd *rand.Rand) *world {
		ttl, extension := drawExtension(t)
		ttl = max(ttl, 5)
		z := drawMovingZone(t, rnd, ttl, 6*3600)
		return drawViolator(t, rnd, z, 6*3600, func(w *world) behaviour {
			b := honest()
			// Of a zone with TTL 0 the true TTL is a chance explanation for too long (design §6.4). A smaller minimum
			// is seen in one answer per entry at most, which does not show that its TTL counts down (design §4.4).
			b.min, b.firstTrue = 2*ttl+3*w.interval+w.jitter+extension, true
			return b
		})
	}},
	{"old data under honest TTLs", func(t *rapid.T, rnd *rand.Rand) *world {
		ttl, extension := drawExtension(t)
		z := drawMovingZone(t, rnd, ttl, 72*3600)
		return drawViolator(t, rnd, z, 72*3600, func(*world) behaviour {
			b := honest()
			b.extendBy = 900 + extension
			return b
		})
	}},
	{"minimum TTL equal to the TTL of the CNAME", func(t *rapid.T, rnd *rand.Rand) *world {
		z := drawMovingZone(t, rnd, float64(rapid.SampledFrom([]int{5, 20, 60}).Draw(t, "ttl")), 6*3600)
		ttl := float64(rapid.SampledFrom([]int{300, 600, 1800}).Draw(t, "cname ttl"))
		z.owners["lb.example."], z.owners[host] = z.owners[host], []version{{from: -1e6, ttl: ttl, values: []string{"lb.example."}}}
		w := drawViolator(t, rnd, z, 6*3600, func(*world) behaviour {
			b := honest()
			b.min = ttl
			return b
		})
		w.askOwner = true
		return w
	}},
	{"minimum TTL in one of several caches", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 24 * 3600
		ttl := float64(rapid.SampledFrom([]int{5, 20, 60}).Draw(t, "ttl"))
		z := drawMovingZone(t, rnd, ttl, until)
		least := ttl + float64(rapid.SampledFrom([]int{120, 300, 900, 3600}).Draw(t, "extension"))
		w := drawViolator(t, rnd, z, until, func(*world) behaviour {
			b := honest()
			b.min = least
			return b
		})
		f := &farm{rnd: rnd, members: []source{newCache(rnd, z, behaviour{min: least, staleFirst: -1, serveStale: -1})}}
		for range rapid.IntRange(1, 3).Draw(t, "honest caches") {
			f.members = append(f.members, newCache(rnd, z, honest()))
		}
		w.resolver = f
		return w
	}},
	{"removed name kept", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 4 * 3600
		z := moving(rnd, 60, rapid.IntRange(1, 4).Draw(t, "addresses"), 1e6, until)
		removed := z.owners[host][0]
		removed.from, removed.values = float64(rapid.IntRange(1500, 7000).Draw(t, "removed at")), nil
		z.owners[host] = append(z.owners[host], removed)
		z.lags = make([]float64, rapid.IntRange(1, 4).Draw(t, "servers"))
		w := drawViolator(t, rnd, z, until, func(*world) behaviour {
			b := honest()
			b.extendBy = 86400
			return b
		})
		w.interval = min(w.interval, 30)
		w.offsets = nil
		return w
	}},
	{"stale first with EDE", func(t *rapid.T, rnd *rand.Rand) *world {
		ttl, _ := drawExtension(t)
		ttl = max(ttl, 5) // see "stale first with EDE, a TTL of less than 3 s"
		z := drawMovingZone(t, rnd, ttl, 6*3600)
		return drawViolator(t, rnd, z, 6*3600, func(*world) behaviour {
			b := honest()
			b.staleFirst, b.ede, b.keepFor = float64(rapid.SampledFrom([]int{0, 30}).Draw(t, "stale TTL")), true, 86400
			return b
		})
	}},
}

// unprovenKinds are the kinds of worlds whose resolver keeps records too long and may stay without the verdict stale.
// Each is listed in the section "What it cannot see" of docs/dns-staleness-limits.md, with these words.
var unprovenKinds = []struct {
	worldKind
	docs string
}{
	{worldKind{"stale first, without EDE", func(t *rapid.T, rnd *rand.Rand) *world {
		return drawStaleFirst(t, rnd, false, 1)
	}}, "answer stale first and refresh afterwards, without marking the answer"},
	{worldKind{"stale first with EDE, in one of several caches", func(t *rapid.T, rnd *rand.Rand) *world {
		return drawStaleFirst(t, rnd, true, rapid.IntRange(3, 4).Draw(t, "caches"))
	}}, "in one of several caches behind one address"},
	{worldKind{"stale first with EDE, other clients ask too", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := drawMovingZone(t, rnd, 60, until)
		b := honest()
		b.staleFirst, b.ede, b.keepFor, b.popular = 30, true, 86400, true
		return drawViolator(t, rnd, z, until, func(*world) behaviour { return b })
	}}, "other clients ask often"},
	{worldKind{"stale first with EDE, a TTL of less than 3 s", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		b := honest()
		b.staleFirst, b.ede, b.keepFor = 30, true, 86400
		return drawViolator(t, rnd, drawMovingZone(t, rnd, 2, until), until, func(*world) behaviour { return b })
	}}, "TTL of less than 3 s"},
	{worldKind{"old data under honest TTLs, less than two minutes", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		ttl, _ := drawExtension(t)
		b := honest()
		b.extendBy = float64(rapid.IntRange(30, 110).Draw(t, "short extension"))
		return drawViolator(t, rnd, drawMovingZone(t, rnd, ttl, until), until, func(*world) behaviour { return b })
	}}, "Staleness shorter than about two to three minutes"},
	{worldKind{"old data under honest TTLs, addresses that never change", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := moving(rnd, 60, 3, 1e9, until)
		return drawViolator(t, rnd, z, until, func(*world) behaviour { return kept(1800) })
	}}, "a name whose addresses never change"},
	{worldKind{"old data under honest TTLs, weighted records", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := drawMovingZone(t, rnd, 60, until)
		for i := range z.owners[host] {
			v := &z.owners[host][i]
			v.values, v.choose = append(v.values, addr4(5000), addr4(5001), addr4(5002)), 1
		}
		return drawViolator(t, rnd, z, until, func(*world) behaviour { return kept(1800) })
	}}, "weighted records"},
	{worldKind{"old data under honest TTLs, two sets that take turns", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := moving(rnd, 60, 3, 300, until)
		for i := range z.owners[host] {
			z.owners[host][i].values = []string{addr4(i % 2), addr4(2 + i%2)}
		}
		return drawViolator(t, rnd, z, until, func(*world) behaviour { return kept(1800) })
	}}, "whose sets take turns"},
	{worldKind{"old data under honest TTLs, another address at every server", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := drawMovingZone(t, rnd, 60, until)
		z.lags, z.perServer = make([]float64, 3), true
		return drawViolator(t, rnd, z, until, func(*world) behaviour { return kept(1800) })
	}}, "whose servers have different values"},
	{worldKind{"old data with a constant TTL, the first day", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 23 * 3600
		ttl := float64(rapid.SampledFrom([]int{5, 20, 60}).Draw(t, "ttl"))
		return drawViolator(t, rnd, drawMovingZone(t, rnd, ttl, until), until, func(*world) behaviour {
			b := honest()
			b.min, b.max, b.firstTrue = 3600, ttl, rapid.Bool().Draw(t, "first true")
			return b
		})
	}}, "Old data with a constant TTL"},
	{worldKind{"minimum TTL shorter than the interval, the first day", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 23 * 3600
		w := drawViolator(t, rnd, drawMovingZone(t, rnd, 5, until), until, func(*world) behaviour {
			b := honest()
			b.min = 40
			return b
		})
		w.interval, w.offsets, w.visitor = 60, nil, false
		return w
	}}, "A minimum TTL shorter than the time between scrapes"},
	{worldKind{"minimum TTL that was lowered, the first day", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 23 * 3600
		z := drawMovingZone(t, rnd, 60, until)
		w := drawViolator(t, rnd, z, until, func(*world) behaviour { return behaviour{} })
		before, after := honest(), honest()
		before.min, after.min = 3600, 900
		w.resolver = &switched{900, newCache(rnd, z, before), newCache(rnd, z, after)}
		return w
	}}, "A minimum TTL that was lowered but not removed"},
	{worldKind{"minimum TTL within the margin", func(t *rapid.T, rnd *rand.Rand) *world {
		const until = 6 * 3600
		z := drawMovingZone(t, rnd, 60, until)
		return drawViolator(t, rnd, z, until, func(*world) behaviour {
			b := honest()
			b.min = 68
			return b
		})
	}}, "A minimum TTL within `margin`"},
	{worldKind{"minimum TTL, scrapes far apart", func(t *rapid.T, rnd *rand.Rand) *world {
		w := drawMinimumTTL(t, rnd)
		w.interval, w.offsets, w.visitor = 400, nil, false
		return w
	}}, "Scrapes farther apart than a third of `learning`"},
	{worldKind{"minimum TTL, pauses of 5 minutes in scraping", func(t *rapid.T, rnd *rand.Rand) *world {
		w := drawMinimumTTL(t, rnd)
		for from := 600.0; from < w.until; from += 900 {
			w.pauses = append(w.pauses, [2]float64{from, from + 300})
		}
		return w
	}}, "Pauses in scraping"},
	{worldKind{"minimum TTL, port 53 blocked", func(t *rapid.T, rnd *rand.Rand) *world {
		w := drawMinimumTTL(t, rnd)
		w.blocked = measurement.SampleBlocked
		return w
	}}, "Anything while outbound port 53 is closed or intercepted"},
	{worldKind{"minimum TTL, the view is not proved", func(t *rapid.T, rnd *rand.Rand) *world {
		w := drawMinimumTTL(t, rnd)
		w.options.SingleView = false
		return w
	}}, "without `single_view`"},
}

// kept is a resolver that extends every entry under TTLs that look honest.
func kept(extendBy float64) behaviour {
	b := honest()
	b.extendBy = extendBy
	return b
}

func drawMinimumTTL(t *rapid.T, rnd *rand.Rand) *world {
	const until = 6 * 3600
	return drawViolator(t, rnd, drawMovingZone(t, rnd, 60, until), until, func(*world) behaviour {
		b := honest()
		b.min = 600
		return b
	})
}

// drawStaleFirst draws a world in which one of n caches answers from expired records first.
func drawStaleFirst(t *rapid.T, rnd *rand.Rand, ede bool, n int) *world {
	const until = 6 * 3600
	ttl, _ := drawExtension(t)
	z := drawMovingZone(t, rnd, ttl, until)
	w := drawViolator(t, rnd, z, until, func(*world) behaviour {
		b := honest()
		b.staleFirst, b.ede, b.keepFor = float64(rapid.SampledFrom([]int{0, 30}).Draw(t, "stale TTL")), ede, 86400
		return b
	})
	f := &farm{rnd: rnd, members: []source{w.resolver}}
	for range n - 1 {
		f.members = append(f.members, newCache(rnd, z, honest()))
	}
	w.resolver = f
	return w
}

// world draws the world of a seed.
func (k *worldKind) world(seed int) *world {
	return rapid.Custom(func(t *rapid.T) *world {
		return k.draw(t, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
	}).Example(seed)
}

// defaultWorlds is the number of worlds of each honest kind that go test draws.
const defaultWorlds = 60

// drawWorlds runs worlds of every kind, all kinds in parallel, and calls check with each outcome. If check returns true
// and the flag does not set the number of worlds, no more worlds of that kind are drawn. drawWorlds appends a table
// with a row of each kind to the report. share is the share of the number of worlds that the flag asks for.
func drawWorlds(
	t *testing.T, kinds []worldKind, share int, check func(t *testing.T, k int, w *world, out *outcome) (enough bool), heading string,
	row func(outcomes []outcome) string,
) {
	t.Helper()
	n := *worlds
	if n == 0 {
		n = defaultWorlds
	}
	n = max(3, n/share)
	rows := make([]string, len(kinds))
	t.Run("kinds", func(t *testing.T) { // ends when all of them have
		for k, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				outcomes := make([]outcome, 0, n)
				for seed := *firstSeed; seed < *firstSeed+n; seed++ {
					w := kind.world(seed)
					out := w.run()
					outcomes = append(outcomes, out)
					enough := check(t, k, w, &out)
					if t.Failed() {
						t.Fatalf("reproduce it with -run '^%s$' -first-seed %d -worlds %d", t.Name(), seed, share)
					}
					if enough && *worlds == 0 {
						break
					}
				}
				rows[k] = row(outcomes)
				t.Logf("| kind %s", rows[k])
			})
		}
	})
	if *reportTo == "" || t.Failed() {
		return
	}
	table := fmt.Sprintf("\n## %s\n\n%s\n", t.Name(), heading)
	for k, kind := range kinds {
		table += "| " + kind.name + " " + rows[k] + "\n"
	}
	f, err := os.OpenFile(*reportTo, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(table)
	if err := cmp.Or(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestWorldsHonest checks that no honest chain of caches over any zone gets the verdict stale.
func TestWorldsHonest(t *testing.T) {
	drawWorlds(t, honestKinds, 1, func(t *testing.T, _ int, w *world, out *outcome) bool {
		if out.staleAt >= 0 {
			t.Errorf("false verdict stale at %.0f s: %s", out.staleAt, out.firstStale)
		}
		if !w.options.SingleView && out.last.TTLExcess > 0 {
			t.Errorf("an excess of %v of another view", out.last.TTLExcess)
		}
		return false
	}, "| honest worlds | drawn | stale | suspect at some time |\n|---|---|---|---|", func(outcomes []outcome) string {
		stale, suspect := 0, 0
		for i := range outcomes {
			if outcomes[i].staleAt >= 0 {
				stale++
			}
			if outcomes[i].suspectAt >= 0 {
				suspect++
			}
		}
		return fmt.Sprintf("| %d | %d | %d |", len(outcomes), stale, suspect)
	})
}

// violatorShare is how many honest worlds are drawn for one violator.
const violatorShare = 5

// foundRow is the row of a report for violators.
func foundRow(outcomes []outcome) string {
	var found []float64
	others := make(map[Verdict]int)
	for i := range outcomes {
		if at := outcomes[i].staleAt; at >= 0 {
			found = append(found, at/60)
		} else {
			others[outcomes[i].last.Verdict]++
		}
	}
	row := fmt.Sprintf("| %d | %d |", len(outcomes), len(found))
	if len(found) == 0 {
		row += " | |"
	} else {
		slices.Sort(found)
		row += fmt.Sprintf(" %.0f | %.0f |", found[len(found)/2], found[len(found)-1])
	}
	var rest []string
	for _, v := range []Verdict{Suspect, Unknown, OK} {
		if others[v] > 0 {
			rest = append(rest, fmt.Sprintf("%d %s", others[v], v))
		}
	}
	return row + " " + strings.Join(rest, ", ") + " |"
}

const foundHeading = "| violators | drawn | found | median, min | last, min | the others at the end |\n|---|---|---|---|---|---|"

// TestWorldsViolators checks that caches which extend lifetimes get the verdict stale, over zones that move.
func TestWorldsViolators(t *testing.T) {
	drawWorlds(t, violatorKinds, violatorShare, func(t *testing.T, _ int, w *world, out *outcome) bool {
		if out.staleAt < 0 {
			t.Errorf("not stale within %.0f s: %+v %v", w.until, out.last.Why, out.last.Counts)
		}
		if why := out.last.Why; why.Kind == WhyTTLInflated && w.keeps > 0 && why.TTL.Seconds() > w.keeps {
			t.Errorf("keeps records for %v, in truth %v s", why.TTL, w.keeps)
		}
		return false
	}, foundHeading, foundRow)
}

// TestWorldsUnproven checks that the documentation lists each kind of violator that stays unproved, and that each one
// it lists does stay so.
func TestWorldsUnproven(t *testing.T) {
	page, err := os.ReadFile("../../docs/dns-staleness-limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What it cannot see\n")
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.Join(strings.Fields(section), " ")
	kinds := make([]worldKind, len(unprovenKinds))
	missed := make([]bool, len(kinds))
	for k, kind := range unprovenKinds {
		kinds[k] = kind.worldKind
		if !strings.Contains(section, kind.docs) {
			t.Errorf("%s: not in the documentation: %q", kind.name, kind.docs)
		}
	}
	drawWorlds(t, kinds, 2*violatorShare, func(_ *testing.T, k int, _ *world, out *outcome) bool {
		missed[k] = missed[k] || out.staleAt < 0
		return missed[k]
	}, foundHeading, foundRow)
	for k, kind := range kinds {
		if !missed[k] {
			t.Errorf("%s: always found, so the documentation need not list it", kind.name)
		}
	}
}
