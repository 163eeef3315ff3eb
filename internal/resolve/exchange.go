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
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// exchange is one host asked once, everywhere. It lives as long as one of the rounds that joined it does.
type exchange struct {
	service *Service
	memory  *memory
	started time.Time
	ctx     context.Context
	cancel  context.CancelFunc

	// Guarded by memory.mu.
	rounds int  // that wait
	cut    bool // ended early, for want of time

	lookups []measurement.Lookup // readable after looked
	looked  chan struct{}
	// first: a resolver has answered, so that the zone's servers may be asked.
	first     chan struct{}
	same      []bool            // see sameViews
	resolvers []report.Resolver // readable after done
	authority report.Zone
	done      chan struct{}
}

// newExchange makes one that has not begun. memory.mu is held.
func newExchange(s *Service, m *memory) *exchange {
	x := &exchange{
		service: s, memory: m, started: s.now(), lookups: make([]measurement.Lookup, len(s.resolvers)),
		looked: make(chan struct{}), first: make(chan struct{}), done: make(chan struct{}),
	}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	return x
}

// joinable says whether a round that begins now may share this exchange. memory.mu is held.
func (x *exchange) joinable(s *Service) bool {
	if x.cut || x.service != s {
		return false
	}
	select {
	case <-x.done:
		return s.now().Sub(x.started) < s.config.Survey.MinInterval*3/4
	default:
		return x.rounds > 0
	}
}

// join adds a round. memory.mu is held.
func (x *exchange) join(ctx context.Context) *round {
	x.rounds++
	r := &round{exchange: x, ctx: ctx}
	r.stop = context.AfterFunc(ctx, r.leave)
	return r
}

// run does the whole exchange.
func (x *exchange) run() {
	defer close(x.done)
	defer x.cancel()
	var all sync.WaitGroup
	all.Go(x.look)
	var valid []measurement.Sample
	if x.service.authority != nil && !x.memory.stranger && x.answered() {
		all.Go(x.sameViews)
		valid = x.sample()
	}
	all.Wait()
	if len(valid) > 0 {
		valid = append(valid, x.confirm()...)
	}
	if x.intercepted() {
		x.memory.disbelieve(x.service.now())
		valid = nil
	}
	x.conclude(valid)
}

// intercepted says whether somebody else is seen to answer for the zones' servers: this round or another host's has found
// it out, perhaps after this one's samples came.
func (x *exchange) intercepted() bool {
	return x.service.authority != nil && !x.memory.stranger && x.service.authority.Path() == measurement.AuthorityPathIntercepted
}

// look asks every resolver at once.
func (x *exchange) look() {
	defer close(x.looked)
	var all sync.WaitGroup
	var once sync.Once
	for i, resolver := range x.service.resolvers {
		all.Go(func() {
			l := dns.Lookup(x.ctx, x.service.exchanger, resolver, x.memory.name())
			x.lookups[i] = l
			x.memory.asked(&l)
			if len(l.Addresses) > 0 {
				x.service.zones.answered.Store(true)
				once.Do(func() { close(x.first) })
			}
		})
	}
	all.Wait()
}

// answered waits until a resolver has answered, and says whether any did: nothing is sent to a zone's servers before.
// Once one has, they are asked beside the resolvers.
func (x *exchange) answered() bool {
	if !x.service.zones.answered.Load() {
		select {
		case <-x.first:
		case <-x.looked:
		}
	}
	return x.service.zones.answered.Load()
}

// sample takes this round's direct samples, one of each type, and returns them if any is valid. They are held back until
// a test of interception that is due or under way, for whatever host, has ended.
func (x *exchange) sample() []measurement.Sample {
	a, m := x.service.authority, x.memory
	turn, resolvers := m.takeTurn(), x.service.resolvers
	samples := make([]*measurement.Sample, len(dns.Types))
	var all sync.WaitGroup
	all.Go(func() { a.TestInterception(x.ctx, m.name(), false) })
	for i, typ := range dns.Types {
		all.Go(func() {
			if s, ok := a.Sample(x.ctx, resolvers, m.name(), typ, turn); ok {
				samples[i] = &s
			}
		})
	}
	all.Wait()
	// The first test is due once a server has answered; and another host's round may have begun one since.
	if !a.TestInterception(x.ctx, m.name(), false) || x.intercepted() {
		return nil
	}
	var out []measurement.Sample
	valid := false
	for _, s := range samples {
		if s != nil {
			out = append(out, *s)
			valid = valid || s.Failure == ""
		}
	}
	m.sampled(out)
	if !valid {
		return nil
	}
	return out
}

// confirm asks the zone's servers what would confirm or refute the signs in this round's answers. Where a delegation is
// walked, which goes before a verdict, interception is tested beside it.
func (x *exchange) confirm() (valid []measurement.Sample) {
	a, m, answered := x.service.authority, x.memory, x.service.now()
	for x.ctx.Err() == nil {
		wants := m.wants(x.service.now())
		if len(wants) == 0 {
			return valid
		}
		samples := make([][]measurement.Sample, len(wants))
		var all sync.WaitGroup
		for i, want := range wants {
			var walk time.Time
			if want.Walk {
				walk = answered
				all.Go(func() { a.TestInterception(x.ctx, m.name(), true) })
			}
			all.Go(func() {
				samples[i] = a.Confirm(x.ctx, x.service.resolvers, m.name(), want.Type, want.Each, walk)
			})
		}
		all.Wait()
		if !a.TestInterception(x.ctx, m.name(), false) || x.intercepted() {
			return valid
		}
		for _, s := range samples {
			m.sampled(s)
			valid = append(valid, s...)
		}
	}
	return valid
}

// conclude judges every resolver and says what the zone's servers said.
func (x *exchange) conclude(samples []measurement.Sample) {
	s, m := x.service, x.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	now := s.now()
	x.cut = x.cut || x.ctx.Err() != nil
	x.resolvers = make([]report.Resolver, len(x.lookups))
	for i, l := range x.lookups {
		if x.same != nil {
			m.judge.SameView(l.Resolver, x.same[i])
		}
		v := m.views[l.Resolver]
		if v == nil {
			v = new(view)
			m.views[l.Resolver] = v
		}
		if fresh := v.take(l.Addresses, now); len(fresh) > 0 && !m.stranger {
			s.logger.Info("host has new addresses", "host", m.host, "resolver", l.Resolver, "addresses", fresh)
		}
		a := m.judge.Assess(l.Resolver, now)
		if m.stranger {
			a.Why = staleness.Why{Kind: staleness.WhyNotConfigured}
		} else {
			x.log(l.Resolver, a)
			m.last[l.Resolver] = a
		}
		x.resolvers[i] = report.Resolver{Lookup: l, Changes: v.changes, LastChange: v.changed, Staleness: a}
	}
	if x.intercepted() {
		m.zone = nil
	} else if addresses := addressesOf(samples); len(addresses) > 0 {
		m.zone = addresses
	}
	x.authority = m.authorityNow(now, s.authority != nil)
}

const strangerWords = "the host is not configured: nothing is remembered of it, and its zone's servers are not asked"

// log logs a change of verdict once.
func (x *exchange) log(resolver netip.AddrPort, a staleness.Assessment) {
	m, s := x.memory, x.service
	before := m.last[resolver].Verdict
	switch {
	case before == a.Verdict:
	case a.Verdict == staleness.Stale:
		s.logger.Warn("resolver keeps records past their TTL", "host", m.host, "resolver", resolver, "evidence", a.Why.Kind,
			"ttl", a.Why.TTL, "zone_ttl", a.Why.ZoneTTL, "value", a.Why.Value)
	case before == staleness.Stale:
		s.logger.Info("resolver is no longer seen to keep records past their TTL", "host", m.host, "resolver", resolver, "verdict", a.Verdict)
	}
}

// sameViews finds out of each resolver whether it asks from the same address as we do, where that matters.
func (x *exchange) sameViews() {
	s := x.service
	whoami := s.config.Authority.Whoami
	if whoami == "" || x.memory.options.SingleView {
		return
	}
	same := make([]bool, len(s.resolvers))
	var all sync.WaitGroup
	for i, resolver := range s.resolvers {
		all.Go(func() { same[i] = s.authority.SameView(x.ctx, resolver, whoami+".") })
	}
	all.Wait()
	x.same = same
}

// authorityNow is what is known of the zone's own view. memory.mu is held.
func (m *memory) authorityNow(now time.Time, asked bool) report.Zone {
	zone := m.judge.Zone(now)
	out := report.Zone{
		Known: !zone.LastValid.IsZero(), TTL: zone.TTL, Addresses: slices.Clone(m.zone), LastValid: zone.LastValid,
	}
	switch {
	case m.options.ExpectedTTL > 0:
		out.Known, out.TTL = true, m.options.ExpectedTTL
	case m.stranger:
		out.Why = strangerWords
	case !asked:
		out.Why = "the zone's servers are not asked (authority.mode: off)"
	case zone.Failure != "":
		out.Why = failureWords[zone.Failure]
	case !out.Known:
		out.Why = "the zone's servers could not be found through the site's resolvers, or there was no time to ask them"
	}
	return out
}

var failureWords = map[measurement.SampleFailure]string{
	measurement.SampleSilent:           "the zone's servers do not answer",
	measurement.SampleBlocked:          "port 53 to the zone's servers is blocked",
	measurement.SampleIntercepted:      "port 53 is intercepted: somebody else answers for the zone's servers",
	measurement.SampleNotAuthoritative: "what answers for the zone's servers is no authority (a DNS proxy on the way?)",
	measurement.SampleRefused:          "what answers for the zone's servers refuses (a resolver on the way that port 53 is redirected to?)",
	measurement.SampleNoAddress:        "the zone's servers give no address",
}

// round is one caller's part in an exchange.
type round struct {
	exchange *exchange
	ctx      context.Context
	stop     func() bool
	once     sync.Once
}

// leave ends the caller's interest, for want of time; the last to leave ends the exchange.
func (r *round) leave() {
	r.once.Do(func() {
		x := r.exchange
		x.memory.mu.Lock()
		defer x.memory.mu.Unlock()
		if x.rounds--; x.rounds == 0 {
			x.cut = true
			x.cancel()
		}
	})
}

// alone leaves and says whether the exchange has ended with it.
func (r *round) alone() bool {
	r.leave()
	x := r.exchange
	x.memory.mu.Lock()
	defer x.memory.mu.Unlock()
	return x.rounds == 0
}

// Lookups waits for the resolvers, each for its own patience at most.
func (r *round) Lookups() []measurement.Lookup {
	x := r.exchange
	select {
	case <-x.looked:
	case <-r.ctx.Done():
	}
	// Both may be at once, and what is known is told.
	if closed(x.looked) || r.alone() {
		<-x.looked
		return x.lookups
	}
	// Others have more time: for this caller it is over.
	out := make([]measurement.Lookup, len(x.service.resolvers))
	for i, resolver := range x.service.resolvers {
		out[i] = measurement.Lookup{Resolver: resolver, Failure: measurement.DNSOutOfTime, Detail: measurement.Detail{Text: "the round ended before an answer came"}}
	}
	return out
}

// Finish waits for the zone's servers too, until the round is over.
func (r *round) Finish() ([]report.Resolver, report.Zone) {
	x := r.exchange
	select {
	case <-x.done:
	case <-r.ctx.Done():
	}
	switch {
	case closed(x.done):
		r.stop()
	case r.alone():
		<-x.done
	default:
		return x.sofar(r.Lookups())
	}
	return x.resolvers, x.authority
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sofar is what is known while the exchange goes on for others: the look-ups, with the judgement of the round before.
func (x *exchange) sofar(lookups []measurement.Lookup) ([]report.Resolver, report.Zone) {
	m := x.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	now := x.service.now()
	out := make([]report.Resolver, len(lookups))
	for i, l := range lookups {
		out[i] = report.Resolver{Lookup: l, Staleness: m.last[l.Resolver]}
		if v := m.views[l.Resolver]; v != nil {
			out[i].Changes, out[i].LastChange = v.changes, v.changed
		}
	}
	return out, m.authorityNow(now, x.service.authority != nil)
}
