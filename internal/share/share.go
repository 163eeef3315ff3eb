// Package share runs a computation once for all callers that ask for it at about the same time.
//
// A [Group] keeps at most one current [Call] per key. [Group.Join] returns that call while it runs, and after it has
// ended as long as it is younger than the caller accepts; otherwise it starts a new one. A caller waits with
// [Call.Wait] for as long as its own context lasts.
//
// A call runs in a goroutine of the group, with its own budget. It is not cancelled when its callers stop waiting: it
// ends by itself, at the latest when its budget is spent or the group is closed. A caller that leaves early therefore
// neither delays the others nor causes the work to be done again for the next one;
// docs/design/003-rounds-at-scrape-time.md has the reasons. It is not golang.org/x/sync/singleflight, which forgets a
// call when it ends.
package share

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// MaxAge returns the age below which the result of a call is young enough for callers that want a new one every
// interval. It is less than the interval, so that a caller that arrives exactly once per interval never gets the
// previous result again.
func MaxAge(interval time.Duration) time.Duration { return interval * 3 / 4 }

// Computation is what a group shares.
type Computation interface {
	// Run computes the result and stores it in the Computation, which must not change after Run has returned. keep is
	// false for a result that is of no use to later callers: only those that have already joined get it.
	Run(ctx context.Context) (keep bool)
}

// droppedPerKept bounds how many keys a group remembers whose calls made room for others, as a multiple of MaxKept.
const droppedPerKept = 64

// minSweep is the least number of calls that makes a sweep worthwhile in a group without MaxKept.
const minSweep = 16

// Errors of [Group.Join].
var (
	ErrBusy   = errors.New("too many computations are running")
	ErrClosed = errors.New("the group is closed")
)

// Options bound a group. The zero value sets no bounds.
type Options struct {
	Now        func() time.Time // nil: time.Now; measures the age of calls
	MaxRunning int              // calls that run at once; 0: no bound
	// MaxKept bounds the calls kept, including those that run; 0: no bound. The oldest ended one makes room. Its key
	// cannot have a new call until the dropped one would have been too old to be shared.
	MaxKept int
}

// Group shares calls by key. Create it with [NewGroup]. It is safe for concurrent use.
type Group[K comparable, C Computation] struct {
	options Options
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	calls map[K]*Call[C]
	// sweepAt is the number of calls at which those that are too old to be shared are dropped. Without it, a thousand
	// keys that are joined one after the other would cost a million checks.
	sweepAt int
	active  int             // calls that run, including forgotten ones
	dropped map[K]time.Time // when the calls started that made room for others
}

// Call is one computation. It is safe for concurrent use.
type Call[C Computation] struct {
	computation C
	started     time.Time
	done        chan struct{} // closed when Run has returned
	keep        bool          // readable after done
}

// NewGroup returns an empty group.
func NewGroup[K comparable, C Computation](o Options) *Group[K, C] {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Group[K, C]{options: o, calls: make(map[K]*Call[C]), dropped: make(map[K]time.Time)}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g
}

// Join returns the call for key: the current one if it runs or started less than maxAge ago, else a new one, which
// create makes and which gets the budget. It does not wait for the result. The error is [ErrBusy] or [ErrClosed].
//
// create is called with the group locked, so it must not use the group.
func (g *Group[K, C]) Join(key K, maxAge, budget time.Duration, create func() C) (*Call[C], error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return nil, ErrClosed
	}
	now := g.options.Now()
	if c := g.calls[key]; c != nil && c.current(now, maxAge) {
		return c, nil
	}
	if g.options.MaxKept > 0 || len(g.calls) >= g.sweepAt {
		maps.DeleteFunc(g.calls, func(_ K, c *Call[C]) bool { return !c.current(now, maxAge) })
		g.sweepAt = 2*len(g.calls) + minSweep
	}
	maps.DeleteFunc(g.dropped, func(_ K, started time.Time) bool { return now.Sub(started) >= maxAge })
	_, young := g.dropped[key]
	if young || len(g.dropped) >= droppedPerKept*max(1, g.options.MaxKept) || g.options.MaxRunning > 0 && g.active >= g.options.MaxRunning {
		return nil, ErrBusy
	}
	if g.options.MaxKept > 0 && len(g.calls) >= g.options.MaxKept {
		g.dropOldest()
	}
	c := &Call[C]{computation: create(), started: now, done: make(chan struct{})}
	g.calls[key] = c
	g.active++
	g.running.Go(func() { g.run(c, budget) })
	return c, nil
}

// Current returns the call that Join would share; ok is false if Join would start one.
func (g *Group[K, C]) Current(key K, maxAge time.Duration) (c *Call[C], ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c = g.calls[key]
	return c, c != nil && c.current(g.options.Now(), maxAge)
}

func (g *Group[K, C]) run(c *Call[C], budget time.Duration) {
	ctx, cancel := context.WithTimeout(g.ctx, budget)
	defer cancel()
	c.keep = c.computation.Run(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	close(c.done)
}

// dropOldest drops the oldest call that has ended. g.mu is held.
func (g *Group[K, C]) dropOldest() {
	var oldest *Call[C]
	var at K
	for key, c := range g.calls {
		if c.Ended() && (oldest == nil || c.started.Before(oldest.started)) {
			oldest, at = c, key
		}
	}
	if oldest != nil {
		g.dropped[at] = oldest.started
		delete(g.calls, at)
	}
}

// Forget makes the next Join of every key start a new call. Calls that run go on for the callers that have joined them.
func (g *Group[K, C]) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.calls)
	clear(g.dropped)
}

// Close cancels the calls that run and waits until they have ended. Join then fails with [ErrClosed].
func (g *Group[K, C]) Close() {
	g.mu.Lock()
	g.stop()
	g.mu.Unlock()
	g.running.Wait()
}

// Computation returns what is computed. Until the call has ended it may still change; its own methods define what can
// be read before then.
func (c *Call[C]) Computation() C { return c.computation }

// Ended reports whether the call has ended.
func (c *Call[C]) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Wait waits until the call has ended or ctx is done, and reports whether the call has ended.
func (c *Call[C]) Wait(ctx context.Context) bool {
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	return c.Ended()
}

// current reports whether a caller that accepts results younger than maxAge may share the call.
func (c *Call[C]) current(now time.Time, maxAge time.Duration) bool {
	return !c.Ended() || c.keep && now.Sub(c.started) < maxAge
}
