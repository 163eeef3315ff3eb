package idle

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// OpeningPace is the mean time between two connections being opened: the measurement must not look like an attack, nor
// fill a NAT that it is to measure.
const OpeningPace = 500 * time.Millisecond

// Turns spaces events in time, for whoever shares what it returns: each call waits for its turn; false means that ctx ended first.
func Turns(mean time.Duration) func(ctx context.Context) bool {
	var mu sync.Mutex
	var next time.Time
	return func(ctx context.Context) bool {
		mu.Lock()
		now := time.Now()
		turn := next
		if turn.Before(now) {
			turn = now
		}
		next = turn.Add(mean/2 + rand.N(mean))
		mu.Unlock()
		timer := time.NewTimer(turn.Sub(now))
		defer timer.Stop()
		select {
		case <-timer.C:
			return ctx.Err() == nil
		case <-ctx.Done():
			return false
		}
	}
}
