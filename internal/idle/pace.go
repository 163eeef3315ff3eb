package idle

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// pace spaces events in time.
type pace struct {
	mean time.Duration

	mu   sync.Mutex
	next time.Time // of the next event
}

// wait returns when it is the caller's turn; false means that ctx ended first.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	now := time.Now()
	turn := p.next
	if turn.Before(now) {
		turn = now
	}
	p.next = turn.Add(p.mean/2 + rand.N(p.mean))
	p.mu.Unlock()
	timer := time.NewTimer(turn.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
