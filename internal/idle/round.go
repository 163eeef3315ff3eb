package idle

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// Round measures one path once.
type Round struct {
	Open   Open
	Target path.Target
	Steps  []time.Duration // ascending
	// Parallel is how many connections may be open at once: 1 at least, as many as there are steps at most.
	Parallel int
	// Turn waits until a connection may be opened; false: ctx ended. nil: at once.
	Turn func(ctx context.Context) bool
	// Freed is called each time that one connection fewer may be open from then on: Parallel times in all.
	Freed func()
	// Progress is told of every change, by one caller at a time; it must not block.
	Progress func(Progress)
}

// Progress is how far a round has come.
type Progress struct {
	Silent int // connections that are silent now
	Done   int // connections that have told what they had to tell
	// Ends is when the connections under way will have told, at the latest: after their silence, the patience around it, and
	// a fresh connection to hold a loss against. A loss that is to be measured again prolongs the round.
	Ends time.Time
}

// Result is what a round found.
type Result struct {
	Proof   Proof // "" if nothing proves on this path that a connection is alive
	Seen    []Observation
	Bounds  Bounds
	Without measurement.Outcome // of the connection without a silence
	// Whole is false if the context ended the round early: the bounds are then of what was seen by then.
	Whole bool
}

// Run measures. It returns when every connection has told, or ctx ended and all are closed.
func (r *Round) Run(ctx context.Context) Result {
	m := &roundRun{Round: r, prober: prober{open: r.Open, target: r.Target}, left: slices.Clone(r.Steps)}
	var out measurement.Outcome
	if m.turn(ctx) {
		var why string
		if out, why = m.prepare(ctx); why != "" {
			m.seen, m.left = unknown(r.Steps, why), nil
		}
	}
	var workers sync.WaitGroup
	for range r.Parallel {
		workers.Go(func() {
			m.work(ctx)
			if r.Freed != nil {
				r.Freed()
			}
		})
	}
	workers.Wait()
	return Result{Proof: m.proof, Seen: m.seen, Bounds: Judge(m.seen), Without: out, Whole: !over(ctx)}
}

// unknown says of every step the same.
func unknown(steps []time.Duration, why string) []Observation {
	seen := make([]Observation, len(steps))
	for i, step := range steps {
		seen[i] = Observation{Step: step, Ending: Unknown, Detail: why}
	}
	return seen
}

// roundRun is a round on its way.
type roundRun struct {
	*Round
	prober

	mu         sync.Mutex
	left       []time.Duration // steps that no connection has yet
	seen       []Observation
	confirming bool
	progress   Progress
	ends       []time.Time // of the connections under way
}

// work takes step after step until none is left.
func (m *roundRun) work(ctx context.Context) {
	for {
		step, ok := m.next()
		if !ok || !m.measure(ctx, step) || !m.confirm(ctx) {
			return
		}
	}
}

// confirm measures again what is doubtful, until nothing is or another worker does so; false means that ctx ended.
func (m *roundRun) confirm(ctx context.Context) bool {
	for {
		step, ok := m.doubtful()
		if !ok {
			return true
		}
		ok = m.measure(ctx, step)
		m.mu.Lock()
		m.confirming = false
		m.mu.Unlock()
		if !ok {
			return false
		}
	}
}

func (m *roundRun) next() (step time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.left) == 0 {
		return 0, false
	}
	step, m.left = m.left[0], m.left[1:]
	return step, true
}

// doubtful gives one worker at a time a step to be measured again.
func (m *roundRun) doubtful() (step time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.confirming {
		return 0, false // the worker that confirms looks again when it has the result
	}
	step, m.confirming = doubtful(m.seen, m.Steps)
	return step, m.confirming
}

// measure makes one connection of a step; false means that ctx ended.
func (m *roundRun) measure(ctx context.Context, step time.Duration) bool {
	if !m.turn(ctx) {
		return false
	}
	ends := time.Now().Add(step + longestAround())
	m.tell(func(p *Progress) {
		p.Silent++
		m.ends = append(m.ends, ends)
		p.Ends = slices.MaxFunc(m.ends, time.Time.Compare)
	})
	o, ok := m.silence(ctx, step)
	m.tell(func(p *Progress) {
		p.Silent--
		m.ends = slices.DeleteFunc(m.ends, ends.Equal)
		p.Ends = time.Time{}
		if len(m.ends) > 0 {
			p.Ends = slices.MaxFunc(m.ends, time.Time.Compare)
		}
		if ok {
			p.Done++
			m.seen = append(m.seen, o)
		}
	})
	return ok
}

func (m *roundRun) turn(ctx context.Context) bool {
	if m.Turn != nil {
		return m.Turn(ctx)
	}
	return ctx.Err() == nil
}

// tell changes the progress and passes it on.
func (m *roundRun) tell(change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.progress)
	if m.Progress != nil {
		m.Progress(m.progress)
	}
}
