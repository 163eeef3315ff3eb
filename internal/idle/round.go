package idle

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Round measures one path once.
type Round struct {
	Open   Open
	Target path.Target
	Steps  []time.Duration // ascending
	// Parallel is how many connections may be open at a time: at least 1, at most one per step.
	Parallel int
	// Pace waits until a connection may be opened; it returns false if ctx ended first. nil: at once.
	Pace func(ctx context.Context) bool
	// Freed is called each time that the round needs one connection less from then on: Parallel times in all.
	Freed func()
	// Progress is called at every change, by one goroutine at a time. It must not block.
	Progress func(Progress)
}

// Progress is how far a round is.
type Progress struct {
	Silent int // connections that are silent
	Done   int // connections with a result
	// Ends is when the connections in progress have a result at the latest, with the timeouts around the silence and
	// a fresh connection for comparison. Repeating a loss prolongs the round.
	Ends time.Time
}

// Result is what a round found.
type Result struct {
	report.IdleRound
	Without measurement.Outcome // of the connection without a silence
}

// Run measures. It returns when every connection has a result, or ctx ended and all connections are closed.
func (r *Round) Run(ctx context.Context) Result {
	m := &roundState{Round: r, left: slices.Clone(r.Steps)}
	var out measurement.Outcome
	if m.pace(ctx) {
		var why report.IdleFact
		if out, why = m.prepare(ctx); why != (report.IdleFact{}) {
			m.left = nil
			for _, step := range r.Steps {
				m.observations = append(m.observations, report.IdleObservation{Step: step, Ending: report.IdleUnknown, How: why})
			}
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
	return Result{
		IdleRound: report.IdleRound{Proof: m.proof, Observations: m.observations, Bounds: Judge(m.observations), Complete: !isOver(ctx)},
		Without:   out,
	}
}

// roundState is a round in progress.
type roundState struct {
	*Round

	// From the connection without a silence:
	proof  report.IdleProof
	answer measurement.Failure // how the hello was answered

	mu           sync.Mutex
	left         []time.Duration // steps without a connection
	observations []report.IdleObservation
	confirming   bool
	progress     Progress
	ends         []time.Time // when the connections in progress end at the latest
}

// work takes one step after another until none is left.
func (m *roundState) work(ctx context.Context) {
	for {
		step, ok := m.next()
		if !ok || !m.measure(ctx, step) || !m.confirm(ctx) {
			return
		}
	}
}

// confirm repeats steps until nothing is unconfirmed, or another worker does so. It returns false if ctx ended.
func (m *roundState) confirm(ctx context.Context) bool {
	for {
		step, ok := m.unconfirmed()
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

func (m *roundState) next() (step time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.left) == 0 {
		return 0, false
	}
	step, m.left = m.left[0], m.left[1:]
	return step, true
}

// unconfirmed gives a step to repeat, to one worker at a time.
func (m *roundState) unconfirmed() (step time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.confirming {
		return 0, false // the confirming worker looks again when it has its result
	}
	step, m.confirming = unconfirmed(m.observations, m.Steps)
	return step, m.confirming
}

// measure makes one connection of a step. It returns false if ctx ended.
func (m *roundState) measure(ctx context.Context, step time.Duration) bool {
	if !m.pace(ctx) {
		return false
	}
	ends := time.Now().Add(step + maxOverhead())
	m.update(func(p *Progress) {
		p.Silent++
		m.ends = append(m.ends, ends)
		p.Ends = slices.MaxFunc(m.ends, time.Time.Compare)
	})
	o, ok := m.observe(ctx, step)
	m.update(func(p *Progress) {
		p.Silent--
		m.ends = slices.DeleteFunc(m.ends, ends.Equal)
		p.Ends = time.Time{}
		if len(m.ends) > 0 {
			p.Ends = slices.MaxFunc(m.ends, time.Time.Compare)
		}
		if ok {
			p.Done++
			m.observations = append(m.observations, o)
		}
	})
	return ok
}

func (m *roundState) pace(ctx context.Context) bool {
	if m.Pace != nil {
		return m.Pace(ctx)
	}
	return ctx.Err() == nil
}

// update changes the progress and reports it.
func (m *roundState) update(change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.progress)
	if m.Progress != nil {
		m.Progress(m.progress)
	}
}
