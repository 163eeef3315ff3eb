package watch

import (
	"math/rand/v2"
	"slices"
	"time"
)

// maxSamples is how many durations are kept for the median: four hours of rounds every 15 s. The median of more is that
// of a random sample of this size, whose rank is within 3 % of the middle in 95 of 100 cases.
const maxSamples = 1000

// Durations describe durations in bounded memory. The zero value has none.
type Durations struct {
	Count    int
	Min, Max time.Duration

	samples []time.Duration // a reservoir (Vitter, algorithm R)
}

func (d *Durations) add(took time.Duration) {
	d.Count++
	if d.Count == 1 || took < d.Min {
		d.Min = took
	}
	d.Max = max(d.Max, took)
	if len(d.samples) < maxSamples {
		d.samples = append(d.samples, took)
	} else if i := rand.IntN(d.Count); i < maxSamples {
		d.samples[i] = took
	}
}

// Median returns 0 without durations.
func (d *Durations) Median() time.Duration {
	if len(d.samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d.samples))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
