package survey

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate bounds what the rounds of all hosts do at once: the walks that compute, the hosts whose look-ups begin, and the
// sockets. A walk that waits for the network does not count among those that compute, so that silent peers do not
// delay other walks. It is safe for concurrent use.
type gate struct {
	mu        sync.Mutex
	width     int // walks that compute at once, and hosts whose look-ups begin at once
	sockets   int // of walks; look-ups have half as many in addition
	computing int // walks that compute, or have waited for less than grace
	walking   int // walks that have begun
	further   int // of them those to further addresses
	asking    int // hosts whose look-ups have begun, without an address so far, less than lookupGrace ago
	lookups   int // sockets of look-ups
	queues    [classes][]*ticket
}

// class is a kind of work that waits at the gate. A lower class goes first; in a class the oldest goes first.
type class int

const (
	resumingWalk class = iota // a walk that has received an answer
	hostLookup                // the look-ups of a host
	leadingWalk               // a walk to the address that devices use
	furtherWalk               // a walk to another address
)

// classes is how many there are.
const classes = int(furtherWalk) + 1

const (
	// grace is how long a walk that waits for the network still counts as computing. It bounds the rate at which walks
	// begin, so that a round of thousands of paths is no flood.
	grace = 10 * time.Millisecond
	// lookupGrace is the same for the look-ups of a host. A small resolver has some hundred questions in progress at
	// most (dnsmasq: 150) and refuses more.
	lookupGrace = 250 * time.Millisecond
)

// maxSockets bounds the sockets of walks even if the limit of open files is higher. A walk that waits holds up to 28
// kB.
const maxSockets = 4096

// socketsOf returns how many sockets walks may have with this limit of open files. A quarter of the files is for
// look-ups, and a quarter for scrapes, questions to authoritative servers and idle connections.
func socketsOf(limit int) int {
	if limit == 0 {
		return maxSockets
	}
	return max(1, min(limit/2, maxSockets))
}

// ticket is work that waits at the gate.
type ticket struct {
	sockets  int           // of look-ups
	admitted chan struct{} // closed when it may begin
}

func newGate(width, sockets int) *gate { return &gate{width: width, sockets: max(1, sockets)} }

// resize changes the number of walks that compute at once.
func (g *gate) resize(width int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.width = width
	g.admit()
}

// enter waits until work of a class may begin; false means that ctx ended first. sockets are those of look-ups.
func (g *gate) enter(ctx context.Context, c class, sockets int) bool {
	if ctx.Err() != nil {
		return false
	}
	g.mu.Lock()
	t := &ticket{sockets: sockets, admitted: make(chan struct{})}
	g.queues[c] = append(g.queues[c], t)
	g.admit()
	g.mu.Unlock()
	select {
	case <-t.admitted:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queues[c], t)
	if i < 0 {
		return true // admitted meanwhile
	}
	g.queues[c] = slices.Delete(g.queues[c], i, i+1)
	return false
}

// admit lets the work begin for which there is room. g.mu is held.
func (g *gate) admit() {
	for c := range class(classes) {
		for len(g.queues[c]) > 0 && g.room(c, g.queues[c][0].sockets) {
			t := g.queues[c][0]
			g.queues[c][0] = nil
			g.queues[c] = g.queues[c][1:]
			g.take(c, t.sockets)
			close(t.admitted)
		}
	}
}

// room reports whether there is room for work of a class. Walks to further addresses leave half of the sockets to the
// others, and look-ups have sockets of their own, so that no kind of work waits for another one's silent peers. g.mu is
// held.
func (g *gate) room(c class, sockets int) bool {
	switch c {
	case hostLookup:
		return g.asking < g.width && (g.lookups == 0 || g.lookups+sockets <= g.sockets/2)
	case leadingWalk:
		return g.computing < g.width && g.walking < g.sockets
	case furtherWalk:
		return g.computing < g.width && g.walking < g.sockets && g.further < max(1, g.sockets/2)
	case resumingWalk:
	}
	return g.computing < g.width
}

// take counts work of a class that begins. g.mu is held.
func (g *gate) take(c class, sockets int) {
	switch c {
	case hostLookup:
		g.asking++
		g.lookups += sockets
		return
	case furtherWalk:
		g.further++
		g.walking++
	case leadingWalk:
		g.walking++
	case resumingWalk:
	}
	g.computing++
}

// leave changes the counts by a function, and admits other work.
func (g *gate) leave(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	g.admit()
}

// lookUp waits until the look-ups of a host may begin, which have this many sockets. found is to be called when the
// host has an address, and done when all look-ups have ended; ok is false if ctx ended first.
func (g *gate) lookUp(ctx context.Context, sockets int) (found, done func(), ok bool) {
	if !g.enter(ctx, hostLookup, sockets) {
		return nil, nil, false
	}
	found = sync.OnceFunc(func() { g.leave(func() { g.asking-- }) })
	timer := time.AfterFunc(lookupGrace, found)
	return found, sync.OnceFunc(func() {
		timer.Stop()
		found()
		g.leave(func() { g.lookups -= sockets })
	}), true
}

// turn is the place of one walk. It implements [path.Turn].
type turn struct {
	gate  *gate
	ctx   context.Context
	class class
	timer *time.Timer // ends the grace; nil until the walk first waits

	// Guarded by gate.mu.
	waiting   bool // for the network
	computing bool // counted as such
}

// walk waits until a walk may begin; nil means that ctx ended first. The caller must call end.
func (g *gate) walk(ctx context.Context, c class) *turn {
	if !g.enter(ctx, c, 0) {
		return nil
	}
	return &turn{gate: g, ctx: ctx, class: c, computing: true}
}

// Pause means that the walk waits for the network from now on.
func (t *turn) Pause() {
	t.gate.mu.Lock()
	t.waiting = true
	t.gate.mu.Unlock()
	if t.timer == nil {
		t.timer = time.AfterFunc(grace, t.release)
	} else {
		t.timer.Reset(grace)
	}
}

// release gives the walk's place to another one if it still waits for the network.
func (t *turn) release() {
	t.gate.leave(func() {
		if t.waiting && t.computing {
			t.computing = false
			t.gate.computing--
		}
	})
}

// Resume means that the walk does not wait any more. It returns when the walk has a place among those that compute, or
// the round is over.
func (t *turn) Resume() {
	t.timer.Stop()
	t.gate.mu.Lock()
	t.waiting = false
	has := t.computing
	t.gate.mu.Unlock()
	if has || !t.gate.enter(t.ctx, resumingWalk, 0) {
		return
	}
	t.gate.mu.Lock()
	t.computing = true
	t.gate.mu.Unlock()
}

// end gives back what the walk has.
func (t *turn) end() {
	t.gate.leave(func() {
		if t.computing {
			t.gate.computing--
		}
		t.gate.walking--
		if t.class == furtherWalk {
			t.gate.further--
		}
	})
}
