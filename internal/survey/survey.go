package survey

import (
	"context"
	"errors"
	"fmt"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// snapshotGrace is how long a scrape waits, past its own deadline, for a round that has just been cancelled to put its
// results in order. It comes out of what the caller keeps in reserve of the scrape's time-out.
const snapshotGrace = 20 * time.Millisecond

// PathWalker walks one path to one address; package path's Walker in production.
type PathWalker interface {
	Walk(ctx context.Context, t path.Target) measurement.Outcome
}

// NameService resolves the endpoints' hosts and remembers their answers from round to round.
type NameService interface {
	// Host returns the memory of one endpoint; it is asked once per endpoint and configuration.
	Host(endpoint *config.Endpoint) HostNames
	// Path and Queries are the exporter's own view of port 53, and what was asked since start.
	Path() measurement.AuthorityPath
	Queries() []report.QueryCount
}

// HostNames is the name service's memory of one endpoint.
type HostNames interface {
	// Begin asks every resolver at once, and the zone's servers beside them.
	Begin(ctx context.Context) NameRound
}

// NameRound is one round of one endpoint's names.
type NameRound interface {
	// Lookups waits for the resolvers alone, so that the paths can start.
	Lookups() []measurement.Lookup
	// Finish waits for the zone's servers too and returns what the round made of it all.
	Finish() ([]report.Resolver, report.Zone)
}

// Anchors gives the trust anchor of an endpoint, ready to use.
type Anchors interface {
	Get(name string) *trust.Anchor
	// Public is the anchor of the public web, whatever roots this machine has.
	Public() *trust.Anchor
	// Refresh reads again the files that have changed; an error names those that could not be, whose last good content stays.
	Refresh() error
}

// IdleSource says what is known of silence on a path; nil if it is not measured.
type IdleSource func(endpoint *config.Endpoint, p measurement.Path) *report.IdleBounds

// Site is what a survey works with: one configuration and the parts made from it. A reload makes a new one.
type Site struct {
	Config  *config.Config
	Anchors Anchors
	Names   NameService
	Walker  PathWalker
	// CredentialConfigured: the client certificate is the site's own, so that its refusal is a failure.
	CredentialConfigured bool
	Idle                 IdleSource // nil: nothing is measured
}

// Options are what outlives a reload.
type Options struct {
	Name     string                // of the machine that looks, for reports
	Now      func() time.Time      // nil: time.Now
	HasRoute func(netip.Addr) bool // nil: ask the kernel
	Logger   *slog.Logger
	// Observe is called once with each finished report of all endpoints or of one; it must not block.
	Observe func(*report.Report)
}

// Survey runs rounds for whoever asks and remembers what must outlive them. It is safe for concurrent use.
type Survey struct {
	opts Options

	mu     sync.Mutex
	site   *Site
	gate   chan struct{} // as wide as the configuration allows work in flight
	memory map[config.Key]*endpointMemory
	rounds map[string]*round // the latest of each scope: "" for all endpoints, else a host

	ctx  context.Context // ends all rounds, at Close
	stop context.CancelFunc
	busy sync.WaitGroup // rounds that still run, awaited by Close
}

// New makes a survey of a site.
func New(site *Site, opts Options) *Survey {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.HasRoute == nil {
		opts.HasRoute = HasRoute
	}
	s := &Survey{opts: opts, rounds: make(map[string]*round)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Reload(site)
	return s
}

// Reload changes what is watched. Rounds that run go on with what they began with; endpoints that stay (same service and
// host) keep their memory.
func (s *Survey) Reload(site *Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	memory := make(map[config.Key]*endpointMemory, len(site.Config.Endpoints))
	for i := range site.Config.Endpoints {
		endpoint := &site.Config.Endpoints[i]
		key := endpoint.Key()
		memory[key] = newEndpointMemory(endpoint, site.Names.Host(endpoint), s.memory[key])
	}
	s.site, s.memory = site, memory
	if width := site.Config.Survey.Concurrency; cap(s.gate) != width {
		s.gate = make(chan struct{}, width)
	}
	clear(s.rounds) // the next scrape sees the new configuration, however soon it comes
}

// Config is the configuration in force.
func (s *Survey) Config() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.site.Config
}

// Run surveys every endpoint and returns what is known when the round ends or the context's deadline comes, whichever is
// sooner. Callers that come closer together than survey.min_interval share one round.
func (s *Survey) Run(ctx context.Context) *report.Report {
	s.mu.Lock()
	r := s.join("", func() *round { return newRound(s, s.slotsOf(s.site.Config.Endpoints), false) })
	s.mu.Unlock()
	return s.report(ctx, r)
}

// Bounds of what those who may ask /probe for names without end can cause: rounds of hosts that are not configured.
const (
	maxStrangers  = 16 // that run at once
	keptStrangers = 64 // whose reports are kept to be shared, those that run among them
)

// ErrBusy is returned when too many hosts that are not configured are being surveyed already.
var ErrBusy = fmt.Errorf("%d hosts that are not configured are being surveyed already", maxStrangers)

// RunHost surveys the endpoints of one host, in the same way; a round of all endpoints is shared too. Of a host that is not
// configured nothing is remembered; the only error is [ErrBusy]. The report has nothing of the exporter as a whole.
func (s *Survey) RunHost(ctx context.Context, host string) (*report.Report, error) {
	s.mu.Lock()
	known := s.site.Config.EndpointsOf(host)
	if len(known) == 0 && !s.admit(host) {
		s.mu.Unlock()
		return nil, ErrBusy
	}
	r := s.join(host, func() *round {
		if len(known) > 0 {
			return newRound(s, s.slotsOf(known), false)
		}
		return newRound(s, []slot{s.strangerSlot(host)}, true)
	})
	s.mu.Unlock()
	return partOf(s.report(ctx, r), host), nil
}

// admit reports whether a host that is not configured may be surveyed now, and makes room for its round. s.mu is held.
func (s *Survey) admit(host string) bool {
	if r := s.rounds[host]; r != nil && r.shareable(s.opts.Now(), s.site.Config.Survey.MinInterval) {
		return true
	}
	running, kept, oldest := 0, 0, ""
	for scope, r := range s.rounds {
		switch {
		case !r.stranger:
		case !r.over():
			running++
		default:
			kept++
			if oldest == "" || r.started.Before(s.rounds[oldest].started) {
				oldest = scope
			}
		}
	}
	if running >= maxStrangers {
		return false
	}
	if running+kept >= keptStrangers && oldest != "" {
		delete(s.rounds, oldest)
	}
	return true
}

// report waits for a round's; r is nil after Close.
func (s *Survey) report(ctx context.Context, r *round) *report.Report {
	if r == nil {
		return &report.Report{Site: s.opts.Name, Started: s.opts.Now(), Finished: s.opts.Now()}
	}
	select {
	case <-r.done:
		s.leave(r, false)
		return r.report
	case <-ctx.Done():
		// Whoever merely hung up leaves the round to finish for the next one who asks.
		s.leave(r, errors.Is(ctx.Err(), context.DeadlineExceeded))
	}
	select {
	case <-r.done:
		return r.report
	case <-time.After(snapshotGrace):
		return r.snapshot()
	}
}

// join enters the scope's round: the latest, if it still runs or is young and whole, else a new one. It returns nil after
// Close. s.mu is held.
func (s *Survey) join(scope string, begin func() *round) *round {
	if s.ctx.Err() != nil {
		return nil
	}
	now := s.opts.Now()
	interval := s.site.Config.Survey.MinInterval
	r := s.rounds[scope]
	if whole := s.rounds[""]; whole != nil && whole.holds(scope) && whole.shareable(now, interval) {
		r = whole
	}
	if r == nil || !r.shareable(now, interval) {
		maps.DeleteFunc(s.rounds, func(_ string, old *round) bool { return !old.shareable(now, interval) })
		r = begin()
		s.rounds[scope] = r
		s.busy.Go(r.run)
	}
	r.waiters++
	return r
}

// leave ends a caller's interest in a round; the last to leave for want of time ends the round too.
func (s *Survey) leave(r *round, outOfTime bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.waiters--
	if outOfTime && r.waiters == 0 {
		r.cut = true
		r.cancel()
	}
}

// Close ends all rounds and waits for them.
func (s *Survey) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.busy.Wait()
}
