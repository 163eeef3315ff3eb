package resolve

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Round is one round of one host: its look-ups, its direct samples, and the judgement of its resolvers. It ends when
// its context is done, at the latest.
type Round struct {
	service  *Service
	host     *hostState
	ctx      context.Context
	patience time.Duration // of a look-up
	trackers []dns.Tracker // of the look-ups, by resolver
	counts   bool          // for the proof, see roundBurst

	arrivals    chan struct{} // receives a value for every look-up that ends; closed after the last
	firstAnswer chan struct{} // closed when the first resolver has answered
	lookedUp    chan struct{} // closed after the last look-up

	mu       sync.Mutex            // guards the fields below until lookedUp is closed
	lookups  []*measurement.Lookup // by resolver; nil until it ends
	prefixes []netip.Prefix        // see NAT64

	sameView  []bool // by resolver, see findSameViews; nil: not tested
	done      chan struct{}
	resolvers []report.Resolver // readable after done
	zone      report.Zone       // readable after done
}

// Begin asks every resolver and the authoritative servers of the host's zone at the same time. Each resolver gets the
// given patience. Rounds that begin more often than the zone's servers may be asked ask the resolvers only, and add no
// evidence. The caller must call [Round.Finish], which waits for the round to end.
func (h *Host) Begin(ctx context.Context, patience time.Duration) *Round {
	resolvers := len(h.service.resolvers)
	r := &Round{
		service: h.service, host: h.state, ctx: ctx, patience: patience,
		arrivals: make(chan struct{}, resolvers), firstAnswer: make(chan struct{}), lookedUp: make(chan struct{}),
		lookups: make([]*measurement.Lookup, resolvers), trackers: make([]dns.Tracker, resolvers), done: make(chan struct{}),
	}
	r.counts = h.state.begin(h.service.now(), h.service)
	go r.run()
	return r
}

// Arrivals receives a value for every look-up that ends, and is closed after the last. So the walks can begin while
// other resolvers and the authoritative servers are still being asked.
func (r *Round) Arrivals() <-chan struct{} { return r.arrivals }

// Lookups returns the look-ups that have ended, in the order of the resolvers.
func (r *Round) Lookups() []measurement.Lookup {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]measurement.Lookup, 0, len(r.lookups))
	for _, l := range r.lookups {
		if l != nil {
			out = append(out, *l)
		}
	}
	return out
}

// isUniqueLocal reports whether an address is a unique local IPv6 address (RFC 4193), which a site's NAT64 prefix may
// be.
func isUniqueLocal(addr netip.Addr) bool { return addr.Is6() && addr.IsPrivate() }

// NAT64 shows how IPv6 addresses of the host may have been synthesised from IPv4 addresses.
type NAT64 struct {
	// Prefixes are those of the resolvers that gave unique local addresses.
	Prefixes []netip.Prefix
	// IPv4 are the host's IPv4 addresses: of this round's answers, of the zone, and of earlier answers.
	IPv4 []netip.Addr
}

// NAT64 returns what is known after the look-ups that have ended.
func (r *Round) NAT64() NAT64 {
	r.mu.Lock()
	out := NAT64{Prefixes: slices.Clone(r.prefixes)}
	r.mu.Unlock()
	add := func(addr netip.Addr) {
		if addr = addr.Unmap(); addr.Is4() && !slices.Contains(out.IPv4, addr) {
			out.IPv4 = append(out.IPv4, addr)
		}
	}
	for _, l := range r.Lookups() {
		for _, addr := range l.Addresses {
			add(addr)
		}
	}
	h := r.host
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, addr := range h.zone {
		add(addr)
	}
	for _, known := range h.histories {
		for addr := range known.current {
			add(addr)
		}
	}
	return out
}

// Finish waits for the authoritative servers too, and returns the results of the round.
func (r *Round) Finish() ([]report.Resolver, report.Zone) {
	<-r.done
	return r.resolvers, r.zone
}

// Preliminary returns what is known while the round runs: the look-ups that have ended, and those of resolvers that
// have been silent for a time, with the assessments of the round before. complete reports whether these are all
// resolvers. It does not wait.
func (r *Round) Preliminary(silence time.Duration) (resolvers []report.Resolver, zone report.Zone, complete bool) {
	h, lookups := r.host, r.lookupsSoFar(silence)
	h.mu.Lock()
	defer h.mu.Unlock()
	zone = h.zoneReport(r.service.now(), r.service.zoneClient != nil)
	out := make([]report.Resolver, len(lookups))
	for i, l := range lookups {
		out[i] = report.Resolver{Lookup: l, Stub: dns.IsStub(l.Resolver.Addr()), Staleness: h.latest[l.Resolver]}
		if known := h.histories[l.Resolver]; known != nil {
			out[i].Changes, out[i].LastChange = known.changes, known.lastChange
		}
	}
	return out, zone, len(out) == len(r.service.resolvers)
}

// lookupsSoFar returns the look-ups that have ended, and those of resolvers that have been silent for a time.
func (r *Round) lookupsSoFar(silence time.Duration) (out []measurement.Lookup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, l := range r.lookups {
		if l != nil {
			out = append(out, *l)
		} else if silent, ok := r.trackers[i].Silent(r.service.resolvers[i], r.host.name(), silence); ok {
			out = append(out, silent)
		}
	}
	return out
}

// run makes the round.
func (r *Round) run() {
	defer close(r.done)
	var all sync.WaitGroup
	all.Go(func() { r.lookUp(&all) })
	var valid []measurement.Sample
	if r.counts && r.asksZone() && r.resolverAnswered() {
		if r.needsViews() {
			all.Go(r.findSameViews)
		}
		valid = r.sample()
	}
	all.Wait()
	if len(valid) > 0 {
		valid = append(valid, r.confirm()...)
		r.testUpstream()
	}
	if r.intercepted() {
		r.host.recordInterception(r.service.now())
		valid = nil
	}
	r.conclude(valid)
}

// asksZone reports whether the authoritative servers of the host's zone may be asked.
func (r *Round) asksZone() bool { return r.service.zoneClient != nil && !r.host.unconfigured }

// intercepted reports whether something on the path was found to answer for the authoritative servers: by this round
// or by that of another host, possibly after the samples of this one were taken.
func (r *Round) intercepted() bool {
	return r.asksZone() && r.service.zoneClient.Port53State() == measurement.Port53Intercepted
}

// lookUp asks every resolver at the same time. What follows a look-up belongs to owners.
func (r *Round) lookUp(owners *sync.WaitGroup) {
	defer close(r.lookedUp)
	defer close(r.arrivals)
	var once sync.Once
	share.Each(len(r.service.resolvers), func(i int) {
		resolver := r.service.resolvers[i]
		l := dns.Lookup(r.ctx, r.service.exchanger, resolver, r.host.name(), r.patience, &r.trackers[i])
		var prefixes []netip.Prefix
		if slices.ContainsFunc(l.Addresses, isUniqueLocal) {
			prefixes = r.service.nat64.Prefixes(r.ctx, resolver)
		}
		r.mu.Lock()
		r.lookups[i] = &l
		r.prefixes = append(r.prefixes, prefixes...)
		r.mu.Unlock()
		if r.counts {
			r.host.recordAnswers(&l)
		}
		switch l.Failure {
		case measurement.DNSOK, measurement.DNSNXDomain, measurement.DNSNoAddress:
			r.service.answered.Store(true)
			once.Do(func() { close(r.firstAnswer) })
		case measurement.DNSServFail, measurement.DNSRefused, measurement.DNSRcode, measurement.DNSMalformed, measurement.DNSLoop,
			measurement.DNSTimeout, measurement.DNSUnreachable, measurement.DNSOutOfTime:
		}
		if r.counts {
			r.askLastOwners(&l, owners)
		}
		r.arrivals <- struct{}{}
	})
}

// askLastOwners asks the resolver of a look-up for the owner of the host's addresses by itself, if a CNAME leads there:
// where all records of a chain have one TTL, only that answer shows the TTL of the addresses. A type without an address
// is left out, and so is one that the resolver was asked for more than once, which keeps the load on the resolver at
// four questions. The questions belong to owners.
func (r *Round) askLastOwners(l *measurement.Lookup, owners *sync.WaitGroup) {
	for i := range l.Answers {
		answer := &l.Answers[i]
		owner := r.host.lastOwner(answer.Type)
		if owner == "" || len(answer.Addresses()) == 0 || answer.Tries > 1 && !answer.TCP {
			continue
		}
		q := dns.Query{Name: owner, Type: answer.Type, Recursive: true, Patience: r.patience}
		owners.Go(func() {
			answer := r.service.exchanger.Exchange(r.ctx, l.Resolver, q).Answer
			r.host.recordOwnerAnswer(&answer)
		})
	}
}

// resolverAnswered waits until a resolver has answered for any host, and reports whether one has: nothing is sent to
// authoritative servers before. Afterwards they are asked at the same time as the resolvers.
func (r *Round) resolverAnswered() bool {
	if !r.service.answered.Load() {
		select {
		case <-r.firstAnswer:
		case <-r.lookedUp:
		}
	}
	return r.service.answered.Load()
}

// sample takes one direct sample of each type, and returns them if any is valid. They are recorded only when the
// interception test holds.
func (r *Round) sample() []measurement.Sample {
	c, h := r.service.zoneClient, r.host
	c.TestInterception(r.ctx, h.name(), false)
	out := c.Sample(r.ctx, r.service.resolvers, h.name(), dns.Types[:], h.nextTurn())
	// The very first test is made after a server has answered; and the round of another host may have begun one since.
	if !c.TestInterception(r.ctx, h.name(), false)() || r.intercepted() {
		return nil
	}
	h.recordSamples(out)
	if !slices.ContainsFunc(out, func(s measurement.Sample) bool { return s.Failure == "" }) {
		return nil
	}
	return out
}

// confirm takes the samples that confirm or refute a suspicion from this round's answers. Before a verdict the
// delegation is walked, and interception is tested at the same time.
func (r *Round) confirm() (valid []measurement.Sample) {
	c, h, answered := r.service.zoneClient, r.host, r.service.now()
	for r.ctx.Err() == nil {
		wants := h.wants(r.service.now())
		if len(wants) == 0 {
			return valid
		}
		if slices.ContainsFunc(wants, func(w staleness.Request) bool { return w.Walk }) {
			c.TestInterception(r.ctx, h.name(), true)
		}
		samples := make([][]measurement.Sample, len(wants))
		share.Each(len(wants), func(i int) {
			var walk time.Time
			if wants[i].Walk {
				walk = answered
			}
			samples[i] = c.Confirm(r.ctx, r.service.resolvers, h.name(), wants[i].Type, wants[i].Each, walk)
		})
		if !c.TestInterception(r.ctx, h.name(), false)() || r.intercepted() {
			return valid
		}
		for _, s := range samples {
			h.recordSamples(s)
			valid = append(valid, s...)
		}
	}
	return valid
}

// testUpstream finds out for each resolver whose verdict is about to become stale whether it reaches the zone itself:
// one whose own upstream is down rightly serves expired records (RFC 8767).
func (r *Round) testUpstream() {
	s, h := r.service, r.host
	wants := h.wantsUpstream(s.now())
	share.Each(len(wants), func(i int) {
		asked := s.now()
		if reaches, ok := s.zoneClient.Reaches(r.ctx, s.resolvers, wants[i], h.name()); ok {
			h.recordUpstream(wants[i], asked, reaches)
		}
	})
}

// needsViews reports whether the proof needs to know whether resolvers have the view of this machine.
func (r *Round) needsViews() bool {
	return r.service.config.Authority.Whoami != "" && !r.host.options.SingleView
}

// findSameViews finds out for each resolver whether its queries leave from the same address as this machine's.
func (r *Round) findSameViews() {
	s := r.service
	same := make([]bool, len(s.resolvers))
	share.Each(len(same), func(i int) {
		same[i] = s.zoneClient.SameView(r.ctx, s.resolvers[i], s.config.Authority.Whoami+".")
	})
	r.sameView = same
}

// conclude judges every resolver and stores the results of the round.
func (r *Round) conclude(samples []measurement.Sample) {
	s, h := r.service, r.host
	h.mu.Lock()
	defer h.mu.Unlock()
	now := s.now()
	lookups := r.Lookups() // all have ended
	r.resolvers = make([]report.Resolver, len(lookups))
	for i, l := range lookups {
		if r.sameView != nil {
			h.judge.SameView(l.Resolver, r.sameView[i])
		}
		known := h.histories[l.Resolver]
		if known == nil {
			known = new(addressHistory)
			h.histories[l.Resolver] = known
		}
		if added := known.add(l.Addresses, l.TTL, now); len(added) > 0 && !h.unconfigured {
			s.logger.Info("host has new addresses", "host", h.host, "resolver", l.Resolver, "addresses", added)
		}
		a := h.judge.Assess(l.Resolver, now)
		if h.unconfigured {
			a.Why = staleness.Why{Kind: staleness.WhyNotConfigured}
		} else {
			r.logVerdict(l.Resolver, a)
			h.latest[l.Resolver] = a
		}
		r.resolvers[i] = report.Resolver{
			Lookup: l, Stub: dns.IsStub(l.Resolver.Addr()), Changes: known.changes, LastChange: known.lastChange, Staleness: a,
		}
	}
	if r.intercepted() {
		h.zone = nil
	} else if addresses := addressesOf(samples); len(addresses) > 0 {
		h.zone = addresses
	}
	r.zone = h.zoneReport(now, s.zoneClient != nil)
	r.logUnlisted(samples)
}

// logUnlisted logs the zone's authoritative servers that authority.servers lacks, when they have changed. r.host.mu is
// held.
func (r *Round) logUnlisted(samples []measurement.Sample) {
	if len(samples) == 0 {
		return // not known in this round
	}
	var unlisted []netip.AddrPort
	for _, sample := range samples {
		for _, step := range sample.Steps {
			for _, at := range step.Unlisted {
				if !slices.Contains(unlisted, at) {
					unlisted = append(unlisted, at)
				}
			}
		}
	}
	slices.SortStableFunc(unlisted, netip.AddrPort.Compare)
	if h := r.host; !slices.Equal(unlisted, h.unlisted) {
		h.unlisted = unlisted
		if len(unlisted) > 0 {
			r.service.logger.Warn("authority.servers lacks servers of the zone: nothing can be shown to be absent from it, "+
				"so that staleness is hardly ever proved", "host", h.host, "missing", unlisted)
		}
	}
}

// logVerdict logs a change of verdict. r.host.mu is held.
func (r *Round) logVerdict(resolver netip.AddrPort, a staleness.Assessment) {
	h, s := r.host, r.service
	before := h.latest[resolver].Verdict
	switch {
	case before == a.Verdict:
	case a.Verdict == staleness.Stale:
		s.logger.Warn("resolver keeps records past their TTL", "host", h.host, "resolver", resolver, "evidence", a.Why.Kind,
			"ttl", a.Why.TTL, "zone_ttl", a.Why.ZoneTTL, "value", a.Why.Value)
	case before == staleness.Stale:
		s.logger.Info("resolver no longer keeps records past their TTL", "host", h.host, "resolver", resolver, "verdict", a.Verdict)
	}
}
