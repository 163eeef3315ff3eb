package survey

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// round is one round of one host, with one slot per endpoint. It fills the slots as the work is done, so that what is
// known can be reported at any time.
type round struct {
	survey       *Survey
	site         *Site
	started      time.Time
	unconfigured bool
	names        *resolve.Host // nil if the host is an address
	patience     time.Duration // of a look-up
	walked       chan struct{} // closed when no walk runs any more

	sources map[netip.AddrPort]route.Destination // asked for so far; only the goroutine of Run uses it

	mu        sync.Mutex     // guards the fields below until Run returns
	resolving *resolve.Round // nil until it has begun, and when resolvers and zone are set
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

	planned bool // plan has an address, or every look-up has ended
	plan    addressPlan
	// walks holds the walks of every path to an address, judged; nil until it has been walked. An address that was
	// planned before all look-ups had ended may no longer be in plan.
	walks map[netip.Addr][]*judgedWalk
}

// Run makes the round. It implements [share.Computation].
func (r *round) Run(ctx context.Context) (keep bool) {
	r.refreshAnchors(ctx)
	r.surveyHost(ctx)
	close(r.walked)
	made := &report.Report{Site: r.survey.opts.Name, Started: r.started, Hosts: make([]report.Host, len(r.slots))}
	for i := range r.slots {
		made.Hosts[i] = r.snapshot(i)
	}
	r.settleDoubt(ctx, made.Hosts) // before the paths are counted
	for i := range made.Hosts {
		for j := range made.Hosts[i].Paths {
			if p := &made.Hosts[i].Paths[j]; p.Known {
				r.slots[i].counts.count(p)
			} else {
				made.IncompletePaths++
			}
		}
	}
	made.Finished = time.Now()
	r.hosts, r.finished = made.Hosts, made.Finished
	if observe := r.survey.opts.Observe; observe != nil {
		observe(made)
	}
	r.survey.remember(r)
	return true
}

// settleDoubt decides about sessions that ended in doubt with what this round and the current rounds of the service's
// other hosts have seen, as a report of all of them does. It waits until these rounds have walked their paths.
func (r *round) settleDoubt(ctx context.Context, hosts []report.Host) {
	if r.unconfigured || !slices.ContainsFunc(hosts, func(h report.Host) bool { return diagnose.InDoubt(&h) }) {
		diagnose.SettleDoubt(hosts)
		return
	}
	all := slices.Clone(hosts)
	for _, other := range r.survey.currentRounds(r) {
		select {
		case <-other.walked:
			for i := range other.slots {
				all = append(all, other.snapshot(i))
			}
		case <-ctx.Done():
		}
	}
	diagnose.SettleDoubt(all)
	copy(hosts, all)
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

// minRound is the time for which a round is planned at least, so that an asker with less time does not shorten the
// patience for the others.
const minRound = 5 * time.Second

// minPatience is the time after which a resolver that has not answered is silent to an asker whose time ends while the
// look-up runs: that of the look-up in a round of its own.
const minPatience = minRound * 4 / 5

// lookupPatience is how long a look-up waits for a resolver: at most [dns.MaxPatience], and at most 80 % of the time
// of the asker that begins the round, so that this asker learns that a resolver is silent.
func lookupPatience(ctx context.Context, timeout time.Duration) time.Duration {
	planned := timeout
	if deadline, limited := ctx.Deadline(); limited {
		planned = min(timeout, max(minRound, time.Until(deadline)))
	}
	return min(dns.MaxPatience, planned*4/5)
}

// surveyHost resolves the host and walks its paths, while its authoritative servers are asked.
func (r *round) surveyHost(ctx context.Context) {
	var walks sync.WaitGroup
	defer walks.Wait()
	if r.names == nil {
		if addr, err := netip.ParseAddr(r.slots[0].endpoint.Host); err == nil {
			r.plan([][]netip.Addr{{addr}}, resolve.NAT64{}, true)
			r.walkPlanned(ctx, &walks)
		}
		return
	}
	found, done, ok := r.survey.gate.lookUp(ctx, r.site.Names.Sockets())
	if !ok {
		return // the round was over before the look-up could begin
	}
	defer done()
	resolving := r.names.Begin(ctx, r.patience)
	r.mu.Lock()
	r.resolving = resolving
	r.mu.Unlock()
	for range resolving.Arrivals() {
		if r.plan(addressesOf(resolving.Lookups()), resolving.NAT64(), false) {
			found()
			r.walkPlanned(ctx, &walks)
		}
	}
	done()
	r.plan(addressesOf(resolving.Lookups()), resolving.NAT64(), true)
	r.walkPlanned(ctx, &walks)
	resolvers, zone := resolving.Finish()
	r.mu.Lock()
	r.resolving, r.resolvers, r.zone = nil, resolvers, zone
	r.mu.Unlock()
}

// addressesOf lists the addresses of each look-up.
func addressesOf(lookups []measurement.Lookup) [][]netip.Addr {
	out := make([][]netip.Addr, len(lookups))
	for i := range lookups {
		out[i] = lookups[i].Addresses
	}
	return out
}

// plan plans the addresses of every endpoint, from those that the resolvers have given so far; complete is true if
// all have answered. It reports whether there is an address.
func (r *round) plan(addresses [][]netip.Addr, nat64 resolve.NAT64, complete bool) bool {
	found := false
	for i := range r.slots {
		s := &r.slots[i]
		p := planner{nat64: nat64, uses: s.endpoint.Uses, sinkhole: r.sinkholeOf(s), source: r.sourceOf(s), routed: r.routedOf(s), limit: r.site.Config.Survey.MaxAddresses}
		plan := p.plan(addresses)
		if complete || len(plan.walk) > 0 {
			r.mu.Lock()
			s.plan, s.planned = plan, true
			r.mu.Unlock()
		}
		found = found || len(plan.walk) > 0
	}
	return found
}

// sourceOf returns the rule for the sources of an endpoint: an address has a source if getaddrinfo finds one for the
// port of any path, since a policy rule can depend on the destination port. The kernel is asked once in a round for an
// address and port, though the addresses are planned again after each answer of a resolver.
func (r *round) sourceOf(s *slot) sourceRule {
	return func(addr netip.Addr) (source netip.Addr, ok bool) {
		for _, p := range s.endpoint.Paths {
			to := netip.AddrPortFrom(addr, p.Port)
			known, asked := r.sources[to]
			if !asked {
				known.Source, known.Routed = r.site.Routes.Source(to)
				if r.sources == nil {
					r.sources = make(map[netip.AddrPort]route.Destination)
				}
				r.sources[to] = known
			}
			if known.Routed {
				return known.Source, true
			}
		}
		return netip.Addr{}, false
	}
}

// routed reports whether a path has a route to an address.
func (r *round) routed(addr netip.Addr, p measurement.Path) bool {
	return r.site.Routes.HasRoute(string(p.Transport), netip.AddrPortFrom(addr, p.Port))
}

// sinkholeOf returns the rule for the sinkholes of an endpoint.
func (r *round) sinkholeOf(s *slot) sinkholeRule {
	switch {
	case r.unconfigured:
		return func(addr netip.Addr, _ resolve.NAT64) bool { return !r.site.Config.Probe.AllowsAddress(addr) }
	case s.endpoint.Addresses == config.AddressesPublic:
		return notPublic
	}
	return unspecified
}

// routedOf returns the rule for the routes of an endpoint: a policy rule can depend on transport and port. The asker
// for an unconfigured host is told which addresses are forbidden, whether they could be reached or not.
func (r *round) routedOf(s *slot) func(addr netip.Addr) bool {
	return func(addr netip.Addr) bool {
		return r.unconfigured && !r.site.Config.Probe.AllowsAddress(addr) ||
			slices.ContainsFunc(s.endpoint.Paths, func(p measurement.Path) bool { return r.routed(addr, p) })
	}
}

// hasRoute reports whether getaddrinfo or a path of the endpoint has a route to an address.
func (r *round) hasRoute(e *config.Endpoint, addr netip.Addr) bool {
	return slices.ContainsFunc(e.Paths, func(p measurement.Path) bool {
		_, ok := r.site.Routes.Source(netip.AddrPortFrom(addr, p.Port))
		return ok || r.routed(addr, p)
	})
}

// plannedWalk is a walk of one path of an endpoint to one address.
type plannedWalk struct {
	slot    *slot
	path    int
	addr    netip.Addr
	class   class
	results []*judgedWalk // by path
}

// walkPlanned begins the walks to the planned addresses that have not been walked yet, those to the address that
// devices use first.
func (r *round) walkPlanned(ctx context.Context, walks *sync.WaitGroup) {
	for _, w := range r.newWalks() {
		turn := r.survey.gate.walk(ctx, w.class)
		if turn == nil {
			return
		}
		walks.Go(func() {
			defer turn.end()
			e := w.slot.endpoint
			outcome := r.walker().Walk(path.WithTurn(ctx, turn), path.TargetFor(e, e.Paths[w.path], w.addr))
			// Judged within the bound on walks and without a lock, because a hostile chain can take a while.
			walk := r.judgeWalk(e, &outcome)
			r.mu.Lock()
			w.results[w.path] = walk
			r.mu.Unlock()
		})
	}
}

// newWalks returns the walks to planned addresses that have none yet, in the order in which they are to begin.
func (r *round) newWalks() []plannedWalk {
	var byClass [classes][]plannedWalk
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		s := &r.slots[i]
		for j, addr := range s.plan.walk {
			if s.walks[addr] != nil {
				continue
			}
			if s.walks == nil {
				s.walks = make(map[netip.Addr][]*judgedWalk)
			}
			results := make([]*judgedWalk, len(s.endpoint.Paths))
			s.walks[addr] = results
			class := furtherWalk
			if j == 0 {
				class = leadingWalk
			}
			for k := range s.endpoint.Paths {
				byClass[class] = append(byClass[class], plannedWalk{s, k, addr, class, results})
			}
		}
	}
	return append(byClass[leadingWalk], byClass[furtherWalk]...)
}

// walker returns the walker of the round's paths.
func (r *round) walker() PathWalker {
	if r.unconfigured && r.site.Restricted != nil {
		return r.site.Restricted
	}
	return r.site.Walker
}
