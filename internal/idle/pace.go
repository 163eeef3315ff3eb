package idle

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// OpeningInterval is the mean time between the opening of two connections: the measurement must not look like an
// attack, nor fill the table of the NAT that it measures.
const OpeningInterval = 500 * time.Millisecond

// NewPacer returns a function that spaces events in time over all its callers, at random intervals between half of mean
// and three halves of it; a [golang.org/x/time/rate.Limiter] spaces them evenly. Each call waits for its turn; it
// returns false if ctx ended first.
func NewPacer(mean time.Duration) func(ctx context.Context) bool {
	var mu sync.Mutex
	var next time.Time
	return func(ctx context.Context) bool {
		mu.Lock()
		now := time.Now()
		wait := max(next.Sub(now), 0)
		next = now.Add(wait + mean/2 + rand.N(mean))
		mu.Unlock()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		return ctx.Err() == nil
	}
}
