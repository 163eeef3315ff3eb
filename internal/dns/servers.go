package dns

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// HostRate is how many questions a second one server of a zone gets for one host, over ten seconds: an ordinary round's go
// out at once, and only confirmations queue.
const HostRate = 2.0

const (
	burst = 10.0 // seconds' worth of questions that may be sent at once
	// longestQueue is how long a question may wait for its turn; beyond it is left to the next round, which it must not
	// lengthen.
	longestQueue = time.Second
)

// A server rests when this many questions in a row, over at least so long, went unanswered: it is then no part of the
// zone for us, since one that is never heard would keep every address from being shown withdrawn. It is tried again
// as often.
const (
	restAfter = 3
	restFor   = 5 * time.Minute
)

// inFlight bounds the questions to zones' servers that are under way at once.
const inFlight = 64

// servers is what is known of each name server, whatever zones it serves.
type servers struct {
	now   func() time.Time
	slots chan struct{}

	mu    sync.Mutex
	rate  float64
	known map[netip.AddrPort]*server
}

// maxServers bounds the memory; the one not asked for longest makes room.
const maxServers = 1024

type server struct {
	tokens float64
	at     time.Time // of tokens
	fails  int       // unanswered in a row
	since  time.Time // of the first of them
	tried  time.Time
}

func newServers(now func() time.Time, rate float64) *servers {
	return &servers{now: now, rate: rate, slots: make(chan struct{}, inFlight), known: make(map[netip.AddrPort]*server)}
}

// setRate changes how many questions a second each server may get.
func (s *servers) setRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = rate
}

// get is the memory of one server. s.mu is held.
func (s *servers) get(at netip.AddrPort, now time.Time) *server {
	if k := s.known[at]; k != nil {
		return k
	}
	if len(s.known) >= maxServers {
		var oldest netip.AddrPort
		for a, k := range s.known {
			if !oldest.IsValid() || k.at.Before(s.known[oldest].at) {
				oldest = a
			}
		}
		delete(s.known, oldest)
	}
	k := &server{tokens: burst * s.rate, at: now}
	s.known[at] = k
	return k
}

// enter waits until the server may be asked; false says that this cannot be in time. [servers.leave] must follow true.
func (s *servers) enter(ctx context.Context, at netip.AddrPort) bool {
	wait, ok := s.reserve(ctx, at)
	if !ok {
		return false
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *servers) leave() { <-s.slots }

// reserve takes a place in the server's queue.
func (s *servers) reserve(ctx context.Context, at netip.AddrPort) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k := s.get(at, now)
	k.tokens = min(burst*s.rate, k.tokens+max(0, now.Sub(k.at).Seconds())*s.rate)
	k.at = now
	wait := time.Duration(max(0, 1-k.tokens) / s.rate * float64(time.Second))
	if end, limited := ctx.Deadline(); wait > longestQueue || limited && time.Now().Add(wait).After(end) {
		return 0, false
	}
	k.tokens--
	return wait, true
}

// heard notes whether the server answered.
func (s *servers) heard(at netip.AddrPort, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k := s.get(at, now)
	k.tried = now
	if answered {
		k.fails = 0
		return
	}
	if k.fails == 0 {
		k.since = now
	}
	k.fails++
}

// resting says whether the server has been silent for long; due says that it may be tried again.
func (s *servers) resting(at netip.AddrPort) (resting, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.known[at]
	now := s.now()
	if k == nil || k.fails < restAfter || now.Sub(k.since) < restFor {
		return false, false
	}
	return true, now.Sub(k.tried) >= restFor
}
