package idle

import (
	"context"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

const (
	// firstSpread is within which the first rounds begin, or the interval or the longest step if that is less, so that
	// exporters started together do not call together.
	firstSpread = time.Minute
	// retryPart of the interval passes before a round that learned nothing is made again.
	retryPart = 12
	// addressAge is how old a report may be whose addresses are called. Whoever holds an address that the name no longer
	// leads to has not asked to be called.
	addressAge = time.Hour
)

// Manager measures the paths of a configuration in the background, round after round. It connects only to addresses that
// a survey has just connected to ([Manager.Observe]), and answers for bounds as [survey.IdleSource]. It is safe for
// concurrent use.
type Manager struct {
	logger *slog.Logger
	turn   func(context.Context) bool

	mu     sync.Mutex
	config config.Idle
	open   Open
	paths  map[path.Target]*watched // by target without address
	inUse  int                      // places of connections that rounds hold

	wake chan struct{} // something changed that the scheduler waits for
	ctx  context.Context
	stop context.CancelFunc
	busy sync.WaitGroup // the scheduler and the rounds
}

// watched is one path and what is known of it.
type watched struct {
	target  path.Target
	seen    time.Time // when a report last had target's address; zero: never
	foreign string    // why it is not the cloud that answers there, see Foreign; "": nothing speaks against it
	due     time.Time
	cancel  context.CancelFunc // of the round under way; nil: none
	bounds  Bounds
	last    time.Time // end of the last whole round; zero: none
}

// notMeasured is what is known before the first round.
func notMeasured() Bounds { return Bounds{Reason: ReasonUnknown, Why: "not measured yet"} }

// interrupt ends the round under way, if there is one. It is made again if the path is still watched.
func (w *watched) interrupt() {
	if w.cancel != nil {
		w.cancel()
	}
}

// NewManager starts with nothing to measure: see [Manager.Reload]. Close ends it.
func NewManager(logger *slog.Logger) *Manager {
	m := &Manager{logger: logger, turn: Turns(OpeningPace), paths: make(map[path.Target]*watched), wake: make(chan struct{}, 1)}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.busy.Go(m.schedule)
	return m
}

// Reload changes what is measured and how connections are opened. Paths that stay keep what is known of them and, unless
// the steps changed, the round under way.
func (m *Manager) Reload(cfg *config.Config, open Open) {
	m.mu.Lock()
	defer m.mu.Unlock()
	restart := !slices.Equal(m.config.Steps, cfg.Idle.Steps)
	old := m.paths
	m.config, m.open, m.paths = cfg.Idle, open, make(map[path.Target]*watched)
	for i := range cfg.Endpoints {
		if !cfg.Idle.Enabled {
			break
		}
		e := &cfg.Endpoints[i]
		for _, p := range e.Paths {
			key := path.TargetFor(e, p, netip.Addr{})
			if m.paths[key] != nil {
				continue // two services of one host
			}
			w := old[key]
			if w == nil {
				w = &watched{target: key, bounds: notMeasured(), due: time.Now().Add(rand.N(min(firstSpread, cfg.Idle.Interval, slices.Max(cfg.Idle.Steps))))}
			} else if restart {
				w.interrupt()
				w.due = time.Now()
			}
			m.paths[key] = w
		}
	}
	for key, w := range old {
		if m.paths[key] == nil {
			w.interrupt()
		}
	}
	m.changed()
}

// Observe takes the addresses that a survey walked: those that a device would take now, and who answers there. While somebody
// else than the cloud does, nothing is measured. It does not block.
func (m *Manager) Observe(rep *report.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		for j := range h.Paths {
			p := &h.Paths[j]
			w := m.paths[path.TargetFor(h.Endpoint, p.Path, netip.Addr{})]
			walk := Walked(p)
			if w == nil || walk == nil {
				continue
			}
			foreign := Foreign(&walk.Finding)
			if foreign != "" {
				w.interrupt()
				if w.foreign == "" && w.last.After(w.seen) {
					// Since the survey that found the cloud nobody knows who answered that round.
					w.bounds, w.last, w.due = notMeasured(), time.Time{}, now
				}
			}
			w.target, w.seen, w.foreign = w.target.At(walk.Outcome.Address.Addr()), now, foreign
		}
	}
	m.changed()
}

// Walked is the walk of the address that a device would take, nil if there is none that may be called: a sinkhole is not,
// nor is an address that the zone has withdrawn.
func Walked(p *report.Path) *report.Walk {
	for i := range p.Walks {
		w := &p.Walks[i]
		switch {
		case w.Finding.Reason == reason.Sinkhole:
			return nil
		case !w.Withdrawn:
			return w
		}
	}
	return nil
}

// Foreign says in words that it is not the cloud that answers, by what a survey found; "" if nothing speaks against it.
// Whoever intercepts a connection ends it on this side as well: how long silence survives there says nothing of the way to
// the cloud.
func Foreign(f *report.Finding) string {
	if f.Reason.Class() != reason.Interception && f.Reason != reason.NotTLS && f.Advice != reason.CheckAddress {
		return ""
	}
	return "something else than the cloud answers (" + string(f.Reason) + "), and its idle times are not the path's"
}

// Bounds is what is known of silence on a path; nil if it is not measured. It is a [survey.IdleSource].
func (m *Manager) Bounds(e *config.Endpoint, p measurement.Path) *report.IdleBounds {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.paths[path.TargetFor(e, p, netip.Addr{})]
	if w == nil {
		return nil
	}
	if w.foreign != "" {
		return &report.IdleBounds{LastRound: w.last, Reason: ReasonUnknown, Why: "not known: " + w.foreign}
	}
	return &report.IdleBounds{
		Survived:  w.bounds.Survived,
		Lost:      w.bounds.Lost,
		Closed:    w.bounds.Closed,
		LastRound: w.last,
		Reason:    w.bounds.Reason,
		Why:       w.bounds.Why,
	}
}

// Close ends every round and waits until their connections are closed.
func (m *Manager) Close() {
	m.stop()
	m.busy.Wait()
}

// changed wakes the scheduler. mu is held.
func (m *Manager) changed() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// schedule starts rounds as they fall due and places become free.
func (m *Manager) schedule() {
	for {
		timer := time.NewTimer(m.startDue())
		select {
		case <-m.ctx.Done():
			timer.Stop()
			return
		case <-m.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// startDue starts the rounds that are due, the one that waits longest first, as far as there are places. It returns when
// the next one is due.
func (m *Manager) startDue() (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		now := time.Now()
		var next *watched
		for _, w := range m.paths {
			if w.cancel == nil && w.foreign == "" && !w.seen.IsZero() && now.Sub(w.seen) < addressAge && (next == nil || w.due.Before(next.due)) {
				next = w
			}
		}
		places := min(len(m.config.Steps), m.config.Concurrency)
		switch {
		case next == nil:
			return addressAge
		case next.due.After(now):
			return next.due.Sub(now)
		case m.config.Concurrency-m.inUse < places:
			return addressAge // a place that becomes free wakes the scheduler
		}
		m.start(next, places)
	}
}

// start begins a round. mu is held.
func (m *Manager) start(w *watched, places int) {
	ctx, cancel := context.WithCancel(m.ctx)
	w.cancel = cancel
	m.inUse += places
	round := &Round{
		Open: m.open, Target: w.target, Steps: m.config.Steps, Parallel: places, Turn: m.turn,
		Freed: func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.inUse--
			m.changed()
		},
	}
	m.busy.Go(func() {
		defer cancel()
		m.finish(w, round.Steps, round.Run(ctx))
	})
}

// finish keeps what a round found. One that was interrupted stays due, or is due again later if somebody else than the cloud
// answered: an interceptor that comes and goes must not make round after round begin. Nor is one kept that took other steps
// than are configured by now.
func (m *Manager) finish(w *watched, steps []time.Duration, r Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.cancel = nil
	m.changed()
	if w.foreign != "" {
		w.due = time.Now().Add(m.config.Interval / retryPart)
		return
	}
	if !r.Whole || !slices.Equal(steps, m.config.Steps) {
		return
	}
	if b := r.Bounds; b.Reason != w.bounds.Reason || b.Survived != w.bounds.Survived {
		m.logger.Info("silence on a path was measured, with a new result", "host", w.target.Host, "transport", w.target.Transport,
			"port", w.target.Address.Port(), "address", w.target.Address.Addr(), "result", b.Reason, "bounds", b.Why)
	}
	w.bounds, w.last = r.Bounds, time.Now()
	next := m.config.Interval
	if w.bounds.Reason == ReasonUnknown {
		next /= retryPart
	}
	w.due = w.last.Add(next*9/10 + rand.N(next/5+1))
}
