package survey

import (
	"context"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"net/netip"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// round is one survey of some endpoints. It fills one slot per endpoint as the work gets done, so that a report can be
// made of what is there at any time.
type round struct {
	survey  *Survey
	site    *Site
	started time.Time
	// stranger: of a host that is not configured, which anybody who may ask /probe can ask for.
	stranger bool
	ctx      context.Context
	cancel   context.CancelFunc
	gate     chan struct{} // of the site: bounds the look-ups and walks in flight, of all rounds together

	// Guarded by Survey.mu.
	waiters int
	cut     bool // ended early, for want of time

	mu    sync.Mutex // guards the slots' contents
	slots []slot

	done   chan struct{} // closed when report is set
	report *report.Report
}

// slot is one endpoint in a round, as far as it has come.
type slot struct {
	endpoint *config.Endpoint
	memory   *endpointMemory
	// sinkhole says which addresses the host must not lead to: they are reported, and never connected to.
	sinkhole sinkholeRule

	resolved  bool // plan is set
	plan      addressPlan
	lookups   []measurement.Lookup
	named     bool // resolvers and authority are set
	resolvers []report.Resolver
	zone      report.Zone
	// walks[i][j] is path i to plan.walk[j], judged; nil until it has been walked.
	walks [][]*report.Walk
}

func newRound(s *Survey, slots []slot, stranger bool) *round {
	r := &round{
		survey:   s,
		site:     s.site,
		started:  s.opts.Now(),
		stranger: stranger,
		gate:     s.gate,
		slots:    slots,
		done:     make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithTimeout(s.ctx, s.site.Config.Survey.Timeout)
	return r
}

// slotsOf makes the slots of configured endpoints, with their memory. Survey.mu is held.
func (s *Survey) slotsOf(endpoints []config.Endpoint) []slot {
	slots := make([]slot, len(endpoints))
	for i := range endpoints {
		e := &endpoints[i]
		slots[i] = slot{endpoint: e, memory: s.memory[e.Key()], sinkhole: notAnywhere}
		if e.Addresses == config.AddressesPublic {
			slots[i].sinkhole = notTheCloud
		}
	}
	return slots
}

// strangerSlot makes the slot of a host that is not configured: walked as a browser would, held against the web's
// authorities, and led to no address that probe.allow does not allow. Nothing of it is remembered. Survey.mu is held.
func (s *Survey) strangerSlot(host string) slot {
	e, cfg := config.Stranger(host), s.site.Config
	memory := newEndpointMemory(e, s.site.Names.Host(e), nil)
	memory.stranger = true
	return slot{
		endpoint: e,
		memory:   memory,
		sinkhole: func(addr netip.Addr, _ [][]netip.Addr) bool { return !cfg.Probe.AllowsAddress(addr) },
	}
}

// shareable reports whether a new caller may be given this round: while it runs, and until min_interval after its
// start, but not if it was cut short for a caller with less time. Survey.mu is held.
func (r *round) shareable(now time.Time, minInterval time.Duration) bool {
	return !r.cut && (!r.over() || now.Sub(r.started) < minInterval)
}

// holds reports whether a host is among the round's. It looks at nothing of a slot that the round writes.
func (r *round) holds(host string) bool {
	for i := range r.slots {
		if r.slots[i].endpoint.Host == host {
			return true
		}
	}
	return false
}

// over reports whether the round has made its report.
func (r *round) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// run does the whole round: every endpoint concurrently, work in flight bounded by the gate.
func (r *round) run() {
	defer r.cancel()
	if err := r.site.Anchors.Refresh(); err != nil {
		r.survey.opts.Logger.Warn("trust anchors not read again, the last good ones stay", "err", err)
	}
	var hosts sync.WaitGroup
	for i := range r.slots {
		hosts.Go(func() { r.surveyHost(&r.slots[i]) })
	}
	hosts.Wait()
	made := r.snapshot()
	r.remember(made)
	if observe := r.survey.opts.Observe; observe != nil {
		observe(made)
	}
	r.report = made
	close(r.done)
}

// surveyHost resolves one host and walks its paths; the zone's own servers are asked beside that.
func (r *round) surveyHost(s *slot) {
	addresses, judged, ok := r.resolve(s)
	if !ok {
		return // the round was over before the name could be asked for: nothing is known of it
	}
	defer judged()
	hasRoute := r.survey.opts.HasRoute
	if r.stranger { // whoever asked is told what is forbidden, whether it could be reached or not
		hasRoute = func(addr netip.Addr) bool { return s.sinkhole(addr, nil) || r.survey.opts.HasRoute(addr) }
	}
	plan := planAddresses(addresses, s.sinkhole, hasRoute, r.site.Config.Survey.MaxAddresses)
	r.mu.Lock()
	s.plan, s.resolved = plan, true
	s.walks = make([][]*report.Walk, len(s.endpoint.Paths))
	for i := range s.walks {
		s.walks[i] = make([]*report.Walk, len(plan.walk))
	}
	r.mu.Unlock()

	var walks sync.WaitGroup
	defer walks.Wait()
	for j, addr := range plan.walk {
		for i, p := range s.endpoint.Paths {
			if !r.enter() {
				return
			}
			walks.Go(func() {
				defer r.exit()
				outcome := r.site.Walker.Walk(r.ctx, path.TargetFor(s.endpoint, p, addr))
				// Judged here, where it is bounded with the walks and holds nobody up: a hostile chain can cost a while.
				walk := r.judgeWalk(s.endpoint, &outcome)
				r.mu.Lock()
				s.walks[i][j] = &walk
				r.mu.Unlock()
			})
		}
	}
}

// resolve returns the addresses that each resolver gives, and a function that waits for the zone's own view. ok is false
// if the round was over before anybody was asked.
func (r *round) resolve(s *slot) (addresses [][]netip.Addr, judged func(), ok bool) {
	if addr, err := netip.ParseAddr(s.endpoint.Host); err == nil {
		return [][]netip.Addr{{addr}}, func() {}, true
	}
	if !r.enter() {
		return nil, nil, false
	}
	names := s.memory.names.Begin(r.ctx)
	lookups := names.Lookups()
	r.exit()
	for i := range lookups {
		addresses = append(addresses, lookups[i].Addresses)
	}
	r.mu.Lock()
	s.lookups = lookups
	r.mu.Unlock()
	return addresses, func() {
		resolvers, zone := names.Finish()
		r.mu.Lock()
		s.resolvers, s.zone, s.named = resolvers, zone, true
		r.mu.Unlock()
	}, true
}

// enter waits for a place among the work in flight; false means that the round is over.
func (r *round) enter() bool {
	if r.ctx.Err() != nil {
		return false
	}
	select {
	case r.gate <- struct{}{}:
		return true
	case <-r.ctx.Done():
		return false
	}
}

func (r *round) exit() { <-r.gate }
