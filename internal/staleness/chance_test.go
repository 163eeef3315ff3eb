package staleness

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestChance(t *testing.T) {
	tests := []struct {
		name               string
		n, others, samples int
		excluded           bool
	}{
		{"nothing received", 0, 10, 100, false},
		{"no samples", 5, 0, 0, false},
		{"one entry, many samples", 1, 0, 1000, false},
		{"two entries, few samples", 2, 0, 60, false},
		{"two entries of very few fetches, very many samples", 2, 0, 2000, true},
		{"five entries, 20 minutes of samples every 15 s", 5, 0, 80, true},
		{"five entries among hundreds", 5, 300, 300, false},
		{"as many entries as others", 12, 12, 100, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := chance(tt.n, tt.others, tt.samples); got >= chanceLimit != tt.excluded {
				t.Errorf("-ln of the probability is %.1f, excluded %v", got, tt.excluded)
			}
		})
	}
}

func TestTailChance(t *testing.T) {
	for _, tt := range []struct {
		n, all int
		want   float64
	}{
		{0, 10, 0}, {10, 10, 12.04}, {11, 11, 13.24}, {11, 12, 11.08}, {12, 16, 8.2},
	} {
		if got := tailChance(tt.n, tt.all, 0.3); math.Abs(got-tt.want) > 0.1 {
			t.Errorf("at least %d of %d: %.2f, want %.2f", tt.n, tt.all, got, tt.want)
		}
	}
}

func TestHonestShare(t *testing.T) {
	for ttl, want := range map[time.Duration]float64{time.Hour: 0.3, time.Minute: 0.3, 30 * time.Second: 0.327, 5 * time.Second: 0.745, 0: 0.99} {
		if got := honestShare(ttl, defaults()); math.Abs(got-want) > 0.005 {
			t.Errorf("TTL %v: %.3f, want %.3f", ttl, got, want)
		}
	}
}

func TestConcentration(t *testing.T) {
	tests := []struct {
		name                               string
		inside, outside, tries, otherTries int
		excluded                           bool
	}{
		{"no event", 0, 0, 10, 100, false},
		{"no other time", 20, 0, 20, 0, false},
		{"four minimum TTLs of an hour in one of four caches", 4, 0, 12, 540, true},
		{"two of them", 2, 0, 8, 360, false},
		{"events in proportion", 4, 100, 20, 500, false},
		{"fewer than in proportion", 1, 100, 20, 500, false},
		{"one of eight elsewhere", 7, 1, 28, 500, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := concentration(tt.inside, tt.outside, tt.tries, tt.otherTries); got >= chanceLimit != tt.excluded {
				t.Errorf("-ln of the probability is %.1f, excluded %v", got, tt.excluded)
			}
		})
	}
}

// TestChanceNeverOverestimates compares chance with the frequency in a simulation at the most likely probability.
func TestChanceNeverOverestimates(t *testing.T) {
	const trials = 200000
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, c := range [][3]int{{1, 0, 5}, {2, 3, 10}, {3, 0, 4}, {4, 20, 10}} {
		n, others, samples := c[0], c[1], c[2]
		p := float64(n) / float64(n+others+samples)
		hits := 0
		for range trials {
			received := 0
			for range n + others {
				if rnd.Float64() < p {
					received++
				}
			}
			missed := true
			for range samples {
				missed = missed && rnd.Float64() >= p
			}
			if received == n && missed {
				hits++
			}
		}
		want := float64(hits) / trials
		if got := math.Exp(-chance(n, others, samples)); got < want*0.9 || got > want*1.1 {
			t.Errorf("%d of %d, %d samples: probability %.5f, simulated %.5f", n, n+others, samples, got, want)
		}
	}
}

func TestCountdown(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name       string
		step       time.Duration
		ttls       []int
		countsDown bool
	}{
		{"no answers", 15 * time.Second, nil, false},
		{"counts down", 15 * time.Second, []int{60, 45, 30, 15}, true},
		{"counts down and is renewed", 15 * time.Second, []int{60, 45, 60, 45, 60, 45}, true},
		{"too few answers", 15 * time.Second, []int{60, 45, 30}, false},
		{"constant", 15 * time.Second, []int{60, 60, 60, 60, 60, 60}, false},
		{"constant, then counts down", 15 * time.Second, []int{60, 60, 60, 60, 60, 45, 30, 15}, false},
		{"answers as far apart as the TTL", time.Minute, []int{60, 60, 60, 60, 60, 60}, false},
		{"answers too close to tell", 2 * time.Second, []int{60, 58, 56, 54, 52}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d unpublishedTTLs
			for i, ttl := range tt.ttls {
				d.add(start.Add(time.Duration(i)*tt.step), time.Duration(ttl)*time.Second, defaults())
			}
			if d.countsDown() != tt.countsDown {
				t.Errorf("%+v: counts down %v", d, d.countsDown())
			}
		})
	}
}

// TestUpstream has a resolver that answers with expired records first, and checks what tests of its upstream change.
func TestUpstream(t *testing.T) {
	b := honest()
	b.staleFirst, b.serveStale, b.ede, b.keepFor = 30, 30, true, 86400
	tests := []struct {
		name      string
		reaches   func(now float64) bool
		undecided bool
		until     float64
		verdict   Verdict
		kind      WhyKind
		tests     int
	}{
		{"reaches the zone, first test", nil, false, 1300, Suspect, WhyUpstreamUntested, 1},
		{"reaches the zone, second test", nil, false, 2400, Stale, WhyStaleAnswers, 2},
		{"never reaches the zone", func(float64) bool { return false }, false, 1300, Unknown, WhyUpstreamDown, 1},
		{"reaches the zone at the first test only", func(now float64) bool { return now < 1400 }, false, 2100, Unknown, WhyUpstreamDown, 2},
		{"no result: once in ten minutes, not in every round", nil, true, 1300, Suspect, WhyUpstreamUntested, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := steadyWorld(b, 60)
			w.interval, w.until, w.reaches, w.undecided, w.options.UpstreamTest = 15, tt.until, tt.reaches, tt.undecided, true
			out := w.run()
			if out.last.Verdict != tt.verdict || out.last.Why.Kind != tt.kind || out.upstreamTests != tt.tests {
				t.Errorf("%s %s after %d tests, want %s %s after %d", out.last.Verdict, out.last.Why.Kind, out.upstreamTests,
					tt.verdict, tt.kind, tt.tests)
			}
		})
	}
}

func TestLastOwner(t *testing.T) {
	tests := []struct {
		name  string
		chain []string
		want  string
	}{
		{"no sample", nil, ""},
		{"no CNAME", []string{host}, ""},
		{"one CNAME", []string{host, "lb.example."}, "lb.example."},
		{"two CNAMEs", []string{host, "mid.example.", "lb.example."}, "lb.example."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := New(defaults(), Options{})
			h.zones[typeA].chain = tt.chain
			if got := h.LastOwner(typeA); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if got := h.LastOwner(5); got != "" {
				t.Errorf("of another type: %q", got)
			}
		})
	}
}
