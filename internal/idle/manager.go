package idle

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

const (
	// firstJitter spreads the first round of each path over at most this long, or over the interval or the longest
	// step if that is shorter, so that exporters started together do not probe in lockstep.
	firstJitter = time.Minute
	// retryShare of the interval passes before a round without a result is repeated.
	retryShare = 12
	// maxAddressAge is how old a report may be whose addresses are connected to. An address that the name no longer
	// resolves to may belong to someone else.
	maxAddressAge = time.Hour
)

// Manager measures the paths of a configuration in the background, in rounds. It connects only to addresses that a
// survey has connected to recently ([Manager.Observe]). It is safe for concurrent use.
type Manager struct {
	logger *slog.Logger
	pace   func(context.Context) bool

	mu     sync.Mutex
	config config.Idle
	open   Open
	paths  map[path.Target]*pathState // by target without address
	inUse  int                        // connections that rounds may have open

	wake    chan struct{} // the scheduler must look again
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup // the scheduler and the rounds
}

// pathState is one path and its results.
type pathState struct {
	target   path.Target
	reported time.Time          // when a report last had target's address; zero: never
	foreign  bool               // something other than the cloud answers there, see Foreign
	nextAt   time.Time          // when the next round may start
	cancel   context.CancelFunc // of the round in progress; nil: none
	bounds   report.IdleBounds
}

// unmeasured is the state without a result: before the first round, or while something other than the cloud answers.
func unmeasured(why report.IdleKind) report.IdleBounds {
	return report.IdleBounds{Reason: report.IdleReasonUnknown, Open: report.IdleOpen{Fact: report.IdleFact{Kind: why}}}
}

// interrupt ends the round in progress, if there is one. It is repeated if the path is still configured.
func (p *pathState) interrupt() {
	if p.cancel != nil {
		p.cancel()
	}
}

// NewManager returns a manager without paths: see [Manager.Reload]. Close ends it.
func NewManager(logger *slog.Logger) *Manager {
	m := &Manager{logger: logger, pace: NewPacer(OpeningInterval), paths: make(map[path.Target]*pathState), wake: make(chan struct{}, 1)}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.running.Go(m.schedule)
	return m
}

// Reload changes what is measured and how connections are opened. Paths that stay keep their results and, unless the
// steps changed, the round in progress.
func (m *Manager) Reload(cfg *config.Config, open Open) {
	m.mu.Lock()
	defer m.mu.Unlock()
	restart := !slices.Equal(m.config.Steps, cfg.Idle.Steps)
	old := m.paths
	m.config, m.open, m.paths = cfg.Idle, open, make(map[path.Target]*pathState)
	for i := range cfg.Endpoints {
		if !cfg.Idle.Enabled {
			break
		}
		e := &cfg.Endpoints[i]
		for _, configured := range e.Paths {
			key := path.TargetFor(e, configured, netip.Addr{})
			if m.paths[key] != nil {
				continue // two services of one host
			}
			p := old[key]
			if p == nil {
				jitter := rand.N(min(firstJitter, cfg.Idle.Interval, slices.Max(cfg.Idle.Steps)))
				p = &pathState{target: key, bounds: unmeasured(report.IdleNotMeasuredYet), nextAt: time.Now().Add(jitter)}
			} else if restart {
				p.interrupt()
				p.nextAt = time.Now()
			}
			m.paths[key] = p
		}
	}
	for key, p := range old {
		if m.paths[key] == nil {
			p.interrupt()
		}
	}
	m.changed()
}

// Observe takes the addresses of a report: those that a device would connect to, and who answers there. While something
// other than the cloud does, nothing is measured. It does not block.
func (m *Manager) Observe(rep *report.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		for j := range h.Paths {
			reported := &h.Paths[j]
			p := m.paths[path.TargetFor(h.Endpoint, reported.Path, netip.Addr{})]
			walk := DeviceWalk(reported)
			if p == nil || walk == nil {
				continue
			}
			foreign := Foreign(&walk.Finding)
			if foreign {
				p.interrupt()
				if !p.foreign && p.bounds.LastRound.After(p.reported) {
					// The round ended after the last survey that found the cloud: it may have measured the interceptor.
					p.bounds, p.nextAt = unmeasured(report.IdleNotMeasuredYet), now
				}
			}
			p.target, p.reported, p.foreign = p.target.At(walk.Outcome.Address.Addr()), now, foreign
		}
	}
	m.changed()
}

// DeviceWalk returns the walk to the address that a device would connect to; nil if none may be connected to: not a
// sinkhole, and not an address that the zone has withdrawn.
func DeviceWalk(p *report.Path) *report.Walk {
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

// Foreign reports whether something other than the cloud answers, by the finding of a survey. An interceptor ends
// connections itself: how long silence survives there is not a property of the path to the cloud.
func Foreign(f *report.Finding) bool {
	return f.Reason.Class() == reason.Interception || f.Reason == reason.NotTLS || f.Advice == reason.CheckAddress
}

// Bounds returns what is known about silence on a path; nil if it is not measured.
func (m *Manager) Bounds(e *config.Endpoint, configured measurement.Path) *report.IdleBounds {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.paths[path.TargetFor(e, configured, netip.Addr{})]
	if p == nil {
		return nil
	}
	b := p.bounds
	if p.foreign {
		b = unmeasured(report.IdleForeign)
		b.LastRound = p.bounds.LastRound
	}
	return &b
}

// Close ends every round and waits until the connections are closed.
func (m *Manager) Close() {
	m.stop()
	m.running.Wait()
}

// changed wakes the scheduler. mu is held.
func (m *Manager) changed() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// schedule starts rounds at their time, as connections become free.
func (m *Manager) schedule() {
	for m.ctx.Err() == nil {
		select {
		case <-m.ctx.Done():
		case <-m.wake:
		case <-time.After(m.startRounds()):
		}
	}
}

// startRounds starts the rounds whose time has come, the one that has waited longest first, as far as there are
// connections. It returns how long the scheduler may wait.
func (m *Manager) startRounds() (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		now := time.Now()
		var next *pathState
		for _, p := range m.paths {
			ready := p.cancel == nil && !p.foreign && !p.reported.IsZero() && now.Sub(p.reported) < maxAddressAge
			if ready && (next == nil || p.nextAt.Before(next.nextAt)) {
				next = p
			}
		}
		connections := min(len(m.config.Steps), m.config.Concurrency)
		switch {
		case next == nil:
			return maxAddressAge
		case next.nextAt.After(now):
			return next.nextAt.Sub(now)
		case m.config.Concurrency-m.inUse < connections:
			return maxAddressAge // a connection that becomes free wakes the scheduler
		}
		m.start(next, connections)
	}
}

// start begins a round. mu is held.
func (m *Manager) start(p *pathState, connections int) {
	ctx, cancel := context.WithCancel(m.ctx)
	p.cancel = cancel
	m.inUse += connections
	round := &Round{
		Open: m.open, Target: p.target, Steps: m.config.Steps, Parallel: connections, Pace: m.pace,
		Freed: func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.inUse--
			m.changed()
		},
	}
	m.running.Go(func() {
		defer cancel()
		m.finish(p, round.Steps, round.Run(ctx))
	})
}

// finish keeps the result of a round. It discards that of an interrupted round, which is repeated: at once, or after
// a part of the interval if an interceptor answers, so that one that comes and goes does not cause round after round.
// It also discards a round with steps that are no longer configured.
func (m *Manager) finish(p *pathState, steps []time.Duration, r Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.cancel = nil
	m.changed()
	if p.foreign {
		p.nextAt = time.Now().Add(m.config.Interval / retryShare)
		return
	}
	if !r.Complete || !slices.Equal(steps, m.config.Steps) {
		return
	}
	if b := &r.Bounds; b.Reason != p.bounds.Reason || b.Survived != p.bounds.Survived {
		m.logger.Info("idle timeout of a path changed", "host", p.target.Host, "transport", p.target.Transport,
			"port", p.target.Address.Port(), "address", p.target.Address.Addr(), "reason", b.Reason,
			"survived", b.Survived, "lost", b.Lost, "closed", b.Closed)
	}
	p.bounds = r.Bounds
	p.bounds.LastRound = time.Now()
	next := m.config.Interval
	if p.bounds.Reason == report.IdleReasonUnknown {
		next /= retryShare
	}
	p.nextAt = p.bounds.LastRound.Add(next*9/10 + rand.N(next/5+1))
}
