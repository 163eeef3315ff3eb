package dns

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// HostRate is how many questions per second one authoritative server gets for one host, averaged over burstSeconds: the
// questions of an ordinary round are sent at once, and only confirmations wait.
const HostRate = 2.0

const (
	burstSeconds = 10 // how many seconds' worth of questions may be sent at once
	// longestQueue is how long a question may wait for its turn. A longer wait would lengthen the round, so the
	// question is left to the next round.
	longestQueue = time.Second
)

// A server is backing off when backoffAfter questions in a row, over at least backoffFor, went unanswered. It is then
// no part of the zone, because a server that is never heard would keep every address from being proved withdrawn. It
// is asked again every backoffFor.
const (
	backoffAfter = 3
	backoffFor   = 5 * time.Minute
)

// maxInFlight bounds the exchanges with authoritative servers that are under way at once.
const maxInFlight = 64

// maxNameServers bounds the servers remembered; the one asked longest ago makes room.
const maxNameServers = 1024

// nameServers is the load and the availability of each authoritative server, over all zones. It is safe for
// concurrent use.
type nameServers struct {
	now   func() time.Time
	slots chan struct{} // holds a value for each exchange under way

	mu    sync.Mutex
	rate  float64 // questions per second to each server
	known map[netip.AddrPort]*nameServer
}

// nameServer is the state of one server.
type nameServer struct {
	limiter      *rate.Limiter
	lastReserved time.Time // when a question was last reserved
	unanswered   int       // questions without an answer in a row
	silentSince  time.Time // when the first of them ended
	lastEnded    time.Time // when the newest question ended, answered or not
}

func newNameServers(now func() time.Time, perSecond float64) *nameServers {
	return &nameServers{now: now, rate: perSecond, slots: make(chan struct{}, maxInFlight), known: make(map[netip.AddrPort]*nameServer)}
}

// setRate changes how many questions per second each server may get.
func (s *nameServers) setRate(perSecond float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = perSecond
	now := s.now()
	for _, k := range s.known {
		k.limiter.SetLimitAt(now, rate.Limit(perSecond))
		k.limiter.SetBurstAt(now, s.burst())
	}
}

func (s *nameServers) burst() int { return max(1, int(burstSeconds*s.rate)) }

// get returns the state of one server. s.mu is held.
func (s *nameServers) get(at netip.AddrPort, now time.Time) *nameServer {
	if k := s.known[at]; k != nil {
		return k
	}
	if len(s.known) >= maxNameServers {
		var oldest netip.AddrPort
		for a, k := range s.known {
			if !oldest.IsValid() || k.lastReserved.Before(s.known[oldest].lastReserved) {
				oldest = a
			}
		}
		delete(s.known, oldest)
	}
	k := &nameServer{limiter: rate.NewLimiter(rate.Limit(s.rate), s.burst()), lastReserved: now}
	s.known[at] = k
	return k
}

// enter waits until the server may be asked some questions at once. It returns false if that would take too long; after
// true the caller must call leave.
func (s *nameServers) enter(ctx context.Context, at netip.AddrPort, questions int) bool {
	wait, ok := s.reserve(ctx, at, questions)
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

func (s *nameServers) leave() { <-s.slots }

// reserve reserves questions to the server, to be sent after wait.
func (s *nameServers) reserve(ctx context.Context, at netip.AddrPort, questions int) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k := s.get(at, now)
	r := k.limiter.ReserveN(now, questions)
	wait = r.DelayFrom(now)
	if end, limited := ctx.Deadline(); wait > longestQueue || limited && time.Now().Add(wait).After(end) {
		r.CancelAt(now)
		return 0, false
	}
	k.lastReserved = now
	return wait, true
}

// recordOutcome records whether the server answered.
func (s *nameServers) recordOutcome(at netip.AddrPort, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	k := s.get(at, now)
	k.lastEnded = now
	if answered {
		k.unanswered = 0
		return
	}
	if k.unanswered == 0 {
		k.silentSince = now
	}
	k.unanswered++
}

// backingOff reports whether the server has been silent for long, and whether it may be tried again.
func (s *nameServers) backingOff(at netip.AddrPort) (backingOff, retryDue bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.known[at]
	now := s.now()
	if k == nil || k.unanswered < backoffAfter || now.Sub(k.silentSince) < backoffFor {
		return false, false
	}
	return true, now.Sub(k.lastEnded) >= backoffFor
}
