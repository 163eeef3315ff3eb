package survey

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// round is one round of one host, with one slot per endpoint. It fills the slots as the work is done, so that what is known can
// be reported at any time.
type round struct {
	survey       *Survey
	site         *Site
	started      time.Time
	unconfigured bool
	gate         chan struct{}
	names        *resolve.Host // nil if the host is an address

	mu        sync.Mutex // guards the fields below until Run returns
	lookups   []measurement.Lookup
	resolving *resolve.Round // nil until it has begun
	judged    bool           // resolvers and zone are set
	resolvers []report.Resolver
	zone      report.Zone
	slots     []slot

	// Readable after Run.
	hosts    []report.Host
	finished time.Time
}

// slot is one endpoint in a round.
type slot struct {
	endpoint *config.Endpoint
	counts   endpointCounts
	// sinkhole reports which addresses must not be connected to; they are reported only.
	sinkhole sinkholeRule

	planned bool // plan is set
	plan    addressPlan
	// walks[i][j] is path i to plan.walk[j], judged; nil until it has been walked.
	walks [][]*report.Walk
}

// Run makes the round. It implements [share.Computation].
func (r *round) Run(ctx context.Context) (keep bool) {
	r.refreshAnchors(ctx)
	r.surveyHost(ctx)
	made := &report.Report{Site: r.survey.opts.Name, Started: r.started, Hosts: make([]report.Host, len(r.slots))}
	logger := r.survey.opts.Logger
	if r.unconfigured {
		logger = nil // nothing is remembered, so nothing is a change of state
	}
	for i := range r.slots {
		made.Hosts[i] = r.snapshot(i)
		for j := range made.Hosts[i].Paths {
			if p := &made.Hosts[i].Paths[j]; p.Known {
				r.slots[i].counts.count(r.slots[i].endpoint, p, logger)
			}
		}
		made.IncompletePaths += incompletePaths(&made.Hosts[i])
	}
	made.Finished = r.survey.opts.Now()
	r.hosts, r.finished = made.Hosts, made.Finished
	if observe := r.survey.opts.Observe; observe != nil {
		observe(made)
	}
	return true
}

// refreshAnchors waits until changed files of the trust anchors have been read again.
func (r *round) refreshAnchors(ctx context.Context) {
	bounds := &r.site.Config.Survey
	call, err := r.survey.refreshes.Join(r.site, share.MaxAge(bounds.MinInterval), bounds.Timeout, func() *refresh {
		return &refresh{anchors: r.site.Anchors, logger: r.survey.opts.Logger}
	})
	if err == nil {
		call.Wait(ctx)
	}
}

// surveyHost resolves the host and walks its paths, while its authoritative servers are asked.
func (r *round) surveyHost(ctx context.Context) {
	addresses, ok := r.resolve(ctx)
	defer r.finishNames()
	if !ok {
		return // the round was over before the look-up could begin
	}
	var walks sync.WaitGroup
	defer walks.Wait()
	for i := range r.slots {
		if !r.walkEndpoint(ctx, &r.slots[i], addresses, &walks) {
			return
		}
	}
}

// walkEndpoint plans an endpoint's addresses and begins the walks of its paths; false means that the round is over.
func (r *round) walkEndpoint(ctx context.Context, s *slot, addresses [][]netip.Addr, walks *sync.WaitGroup) bool {
	hasRoute := r.survey.opts.HasRoute
	if r.unconfigured { // the caller is told which addresses are forbidden, whether they could be reached or not
		hasRoute = func(addr netip.Addr) bool { return s.sinkhole(addr, nil) || r.survey.opts.HasRoute(addr) }
	}
	plan := planAddresses(addresses, s.sinkhole, hasRoute, r.site.Config.Survey.MaxAddresses)
	r.mu.Lock()
	s.plan, s.planned = plan, true
	s.walks = make([][]*report.Walk, len(s.endpoint.Paths))
	for i := range s.walks {
		s.walks[i] = make([]*report.Walk, len(plan.walk))
	}
	r.mu.Unlock()
	for j, addr := range plan.walk {
		for i, p := range s.endpoint.Paths {
			if !r.enter(ctx) {
				return false
			}
			walks.Go(func() {
				defer r.exit()
				outcome := r.site.Walker.Walk(ctx, path.TargetFor(s.endpoint, p, addr))
				// Judged within the bound on walks and without a lock, because a hostile chain can take a while.
				walk := r.judgeWalk(s.endpoint, &outcome)
				r.mu.Lock()
				s.walks[i][j] = &walk
				r.mu.Unlock()
			})
		}
	}
	return true
}

// resolve returns the addresses that each resolver gives; ok is false if the round was over before any was asked.
func (r *round) resolve(ctx context.Context) (addresses [][]netip.Addr, ok bool) {
	if r.names == nil {
		addr, err := netip.ParseAddr(r.slots[0].endpoint.Host)
		return [][]netip.Addr{{addr}}, err == nil
	}
	if !r.enter(ctx) {
		return nil, false
	}
	resolving := r.names.Begin(ctx)
	r.mu.Lock()
	r.resolving = resolving
	r.mu.Unlock()
	lookups := resolving.Lookups()
	r.exit()
	for i := range lookups {
		addresses = append(addresses, lookups[i].Addresses)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookups = lookups
	return addresses, true
}

// finishNames waits for the authoritative servers and stores the judgement of the resolvers.
func (r *round) finishNames() {
	if r.resolving == nil {
		return
	}
	resolvers, zone := r.resolving.Finish()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolvers, r.zone, r.judged = resolvers, zone, true
}

// enter waits for a place among the work in flight; false means that the round is over.
func (r *round) enter(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case r.gate <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *round) exit() { <-r.gate }
