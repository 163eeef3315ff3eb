package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// Options configure a [ZoneClient].
type Options struct {
	Exchanger Exchanger
	Now       func() time.Time // nil: time.Now
	// Servers, if not empty, stand for the servers of every zone, and walking a delegation means asking them. The servers
	// of a zone are searched all the same, to report those that are missing here.
	Servers []netip.AddrPort
	// Usable reports whether a discovered server can be reached at an address; nil: all can.
	Usable func(netip.Addr) bool
	// InterceptionTest allows questions to Unanswered, to find out whether something answers on port 53 for any
	// address.
	InterceptionTest bool
	Unanswered       netip.AddrPort // where nothing should answer (RFC 5737); zero: 192.0.2.53:53
	Port             uint16         // of discovered servers; 0: 53
}

// ZoneClient asks the authoritative servers of zones. What it learns of zones and servers is shared by all hosts. It
// must not be used before one of the site's resolvers has answered: the caller ensures that. It is safe for
// concurrent use.
type ZoneClient struct {
	options Options
	servers *nameServers
	cache   *zoneCache
	port53  port53
	tests   *share.Group[struct{}, *interceptionTest]
	views   *share.Group[netip.AddrPort, *viewTest]
}

// NewZoneClient returns a ZoneClient that knows no zone yet. It must be closed.
func NewZoneClient(o Options) *ZoneClient {
	if o.Now == nil {
		o.Now = time.Now
	}
	if !o.Unanswered.IsValid() {
		o.Unanswered = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 53}), dnsPort)
	}
	if o.Port == 0 {
		o.Port = dnsPort
	}
	if o.Usable == nil {
		o.Usable = func(netip.Addr) bool { return true }
	}
	c := &ZoneClient{options: o, servers: newNameServers(o.Now, HostRate)}
	c.cache = newZoneCache(c)
	c.port53.silent = make(map[netip.AddrPort]bool)
	c.tests = share.NewGroup[struct{}, *interceptionTest](share.Options{Now: o.Now})
	c.views = newViews(o.Now)
	return c
}

// SetRate sets how many questions per second each server gets at most, averaged over ten seconds; [HostRate] until
// then.
func (c *ZoneClient) SetRate(perSecond float64) { c.servers.setRate(perSecond) }

// Close ends the searches and tests that run and waits for them. Samples that need them then fail.
func (c *ZoneClient) Close() {
	c.views.Close()
	c.tests.Close()
	c.cache.searches.Close()
}

// Bounds of one sample.
const (
	maxSteps = 8 // zones of one chain
	maxTries = 3 // servers of one zone asked until one answers
	// samplePatience bounds the questions of one step. A sample ends with the first step without an answer, so that
	// servers that drop everything cost a round no more than this, at the same time as the walks of its paths.
	samplePatience = 2500 * time.Millisecond
)

// sampleRequest is how a sample is to be taken.
type sampleRequest struct {
	resolvers []netip.AddrPort
	host      string
	typ       uint16
	turn      int       // selects the server of each zone
	only      bool      // ask that server or none
	walk      time.Time // if not zero: delegations not walked since are walked again
	first     firstReply
}

// firstReply is the reply of the first server of a sample to a question for all types over one socket. server is
// invalid if no such question was sent; the zero value is for a sample whose zone is not known yet.
type firstReply struct {
	zone   *zone
	server netip.AddrPort
	reply  Reply
	asked  time.Time // when the first step of the sample began
}

// Sample takes one sample of each type of host (lower case, with the final dot). turn selects the servers: counting it
// up uses all of them in turn. A server that does not answer is replaced by the next. A sample is missing if it has no
// result: the zone's servers are not known, or ctx ended first.
func (c *ZoneClient) Sample(ctx context.Context, resolvers []netip.AddrPort, host string, types []uint16, turn int) []measurement.Sample {
	request := sampleRequest{resolvers: resolvers, host: host, turn: turn}
	first, ok := c.askFirst(ctx, request, types)
	if !ok {
		return nil
	}
	return c.samples(ctx, len(types), func(i int) sampleRequest {
		request := request
		request.typ = types[i]
		if len(first) > 0 {
			request.first = first[i]
		}
		return request
	})
}

// samples takes n samples at the same time and returns those with a result.
func (c *ZoneClient) samples(ctx context.Context, n int, request func(i int) sampleRequest) []measurement.Sample {
	samples, taken := make([]measurement.Sample, n), make([]bool, n)
	share.Each(n, func(i int) { samples[i], taken[i] = c.sample(ctx, request(i)) })
	var out []measurement.Sample
	for i := range samples {
		if taken[i] {
			out = append(out, samples[i])
		}
	}
	return out
}

// askFirst asks the first server of a sample for several types over one socket. The replies have no server if it may
// not be asked so many questions at once; ok is false if the zone's servers are not known.
func (c *ZoneClient) askFirst(ctx context.Context, request sampleRequest, types []uint16) (replied []firstReply, ok bool) {
	if c.port53.isIntercepted() {
		return nil, true
	}
	z, _, ok := c.zone(ctx, request, request.host)
	if !ok {
		return nil, false
	}
	ask, _ := c.choose(z.servers, false)
	at := ask[request.turn%len(ask)]
	replied = slices.Repeat([]firstReply{{zone: z, asked: time.Now()}}, len(types))
	sampleCtx, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	replies, _ := c.askTypes(sampleCtx, at, Query{Name: request.host}, types)
	for i := range replies {
		replied[i].server, replied[i].reply = at, replies[i]
	}
	return replied, true
}

// Confirm takes each samples from every server of every zone of the chain. If walk is not zero, delegations not
// walked since are walked first; where that fails one sample is enough, because it confirms nothing. Samples that
// could not be taken before ctx ended are missing.
func (c *ZoneClient) Confirm(ctx context.Context, resolvers []netip.AddrPort, host string, typ uint16, each int, walk time.Time) []measurement.Sample {
	request := sampleRequest{resolvers: resolvers, host: host, typ: typ, walk: walk}
	first, ok := c.sample(ctx, request)
	switch {
	case !ok:
		return nil
	case first.Failure != "" || first.Walked == walk.IsZero():
		return []measurement.Sample{first}
	}
	most := 1
	for _, step := range first.Steps {
		most = max(most, len(step.Servers))
	}
	more := c.samples(ctx, each*most, func(i int) sampleRequest {
		request := request
		request.turn, request.only = i, true
		return request
	})
	return append([]measurement.Sample{first}, slices.DeleteFunc(more, func(s measurement.Sample) bool {
		return s.Failure != "" && s.Failure != measurement.SampleNoAddress
	})...)
}

// sample follows the chain from zone to zone.
func (c *ZoneClient) sample(ctx context.Context, request sampleRequest) (s measurement.Sample, ok bool) {
	s = measurement.Sample{Type: request.typ, Asked: c.options.Now(), Walked: !request.walk.IsZero()}
	if c.port53.isIntercepted() {
		s.Failure, s.Received = measurement.SampleIntercepted, s.Asked
		return s, true
	}
	name, seen := request.host, map[string]bool{}
	for range maxSteps {
		z, walked, ok := request.first.zone, false, true
		if z == nil {
			z, walked, ok = c.zone(ctx, request, name)
		}
		if !ok {
			return measurement.Sample{}, false
		}
		s.Walked = s.Walked && walked
		if seen[name] {
			break
		}
		seen[name] = true
		if len(seen) == 1 {
			s.Asked = c.options.Now() // the search for the zone is not part of the sample
			if request.first.server.IsValid() {
				s.Asked = request.first.reply.Asked
			}
		}
		step, ok := c.step(ctx, z, name, request)
		request.first = firstReply{}
		if ok && len(step.declined) > 0 && !request.only {
			if replaced, found := c.cache.replaceServers(ctx, request.resolvers, z, step.declined); found {
				step, ok = c.step(ctx, replaced, name, request)
			}
		}
		if !ok {
			return measurement.Sample{}, false
		}
		s.Received = c.options.Now()
		s.Failure = step.failure
		if step.failure != "" && step.failure != measurement.SampleNoAddress {
			s.Steps = nil
			return s, true
		}
		// Without an address, the servers that said so are part of the sample.
		if s.Steps = append(s.Steps, step.SampleStep); step.failure != "" || step.next == "" {
			return s, true
		}
		name = step.next
	}
	s.Failure, s.Steps, s.Received = measurement.SampleSilent, nil, c.options.Now() // an endless chain is an error of the zone
	return s, true
}

// zone is the zone that holds name, with its servers; walked is true if its delegation was walked as requested.
func (c *ZoneClient) zone(ctx context.Context, request sampleRequest, name string) (z *zone, walked, ok bool) {
	if len(c.options.Servers) > 0 {
		return &zone{name: ".", zoneServers: zoneServers{servers: c.options.Servers}}, true, true
	}
	ctx, cancel := context.WithTimeout(ctx, searchBudget)
	defer cancel()
	z, ok = c.cache.zoneOf(ctx, request.resolvers, name)
	if !ok || request.walk.IsZero() {
		return z, false, ok
	}
	if w, ok := c.cache.walkDelegation(ctx, request.resolvers, z, request.walk); ok {
		return w, true, true
	}
	return z, false, true
}

// zoneStep is the result of the questions to the servers of one zone.
type zoneStep struct {
	measurement.SampleStep
	next     string // the name with which the chain goes on in another zone or another answer
	failure  measurement.SampleFailure
	declined []netip.AddrPort // servers that answered that they do not serve the zone, if none that was asked serves it
}

// step asks a server of the zone for name. ok is false without a result: ctx ended, or no server may be asked yet.
func (c *ZoneClient) step(ctx context.Context, z *zone, name string, request sampleRequest) (step zoneStep, ok bool) {
	began := request.first.asked
	if began.IsZero() {
		began = time.Now()
	}
	sampleCtx, cancel := context.WithDeadline(ctx, began.Add(samplePatience))
	defer cancel()
	ask, tries := c.choose(z.servers, request.only)
	failure := measurement.SampleSilent
	var declined []netip.AddrPort
	for i := range min(tries, len(ask)) {
		at := ask[(request.turn+i)%len(ask)]
		reply, asked := request.first.reply, true
		if i > 0 || at != request.first.server {
			reply, asked = c.ask(sampleCtx, at, Query{Name: name, Type: request.typ})
		}
		switch {
		case !asked && i == 0, reply.Failure == measurement.DNSOutOfTime && isOver(ctx):
			return zoneStep{}, false
		case asked && declines(&reply):
			declined = append(declined, at)
			if reply.Failure == measurement.DNSRefused && failure == measurement.SampleSilent {
				failure = measurement.SampleRefused
			}
			continue
		case !asked, reply.Received.IsZero(), isError(&reply):
			continue
		case isReferral(&reply, z):
			c.cache.forgetCut(name) // the zone has been cut since
			continue
		case !reply.AA:
			failure = measurement.SampleNotAuthoritative
			continue
		}
		step.Server, step.Servers, step.Incomplete = at, c.listed(z.servers, at), z.incomplete
		var complete bool
		if len(c.options.Servers) > 0 {
			step.Unlisted = c.unlisted(ctx, request.resolvers, name, reply.Records)
			step.Incomplete = len(step.Unlisted) > 0
		}
		if step.Records, step.next, complete = c.inZone(ctx, z, request.resolvers, reply.Records); !complete {
			step.next, step.failure = "", measurement.SampleNoAddress
		}
		return step, true
	}
	if failure == measurement.SampleSilent && c.port53.isBlocked(c.options.Now()) {
		failure = measurement.SampleBlocked
	}
	return zoneStep{failure: failure, declined: declined}, true
}

// lists reports whether a server is configured with an address, at any port.
func (c *ZoneClient) lists(addr netip.Addr) bool {
	return slices.ContainsFunc(c.options.Servers, func(s netip.AddrPort) bool { return s.Addr().Unmap() == addr.Unmap() })
}

// unlisted returns the servers of the zones of name, and of the targets of its CNAMEs, that are not configured although
// others are.
func (c *ZoneClient) unlisted(ctx context.Context, resolvers []netip.AddrPort, name string, records []measurement.Record) (out []netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, searchBudget)
	defer cancel()
	names := []string{name}
	for _, r := range records {
		if r.Target != "" && len(names) < maxSteps {
			names = append(names, r.Target)
		}
	}
	for _, name := range names {
		z, ok := c.cache.zoneOf(ctx, resolvers, name)
		if !ok {
			continue
		}
		for _, at := range z.unlisted {
			if !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// isOver reports whether ctx is done, or about to be because its deadline has passed.
func isOver(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

// ask asks one server one question; asked is false if its rate limit did not allow that in time.
func (c *ZoneClient) ask(ctx context.Context, at netip.AddrPort, q Query) (reply Reply, asked bool) {
	replies, asked := c.askTypes(ctx, at, q, []uint16{q.Type})
	if !asked {
		return Reply{}, false
	}
	return replies[0], true
}

// askTypes asks one server for several types at once; asked is false if its rate limit did not allow that in time.
func (c *ZoneClient) askTypes(ctx context.Context, at netip.AddrPort, q Query, types []uint16) (replies []Reply, asked bool) {
	if !c.servers.enter(ctx, at, len(types)) {
		return nil, false
	}
	defer c.servers.leave()
	replies = c.options.Exchanger.ExchangeTypes(ctx, at, q, types)
	for i := range replies {
		reply := &replies[i]
		if reply.Failure == measurement.DNSOutOfTime {
			continue // tells nothing about the server
		}
		c.servers.recordOutcome(at, !reply.Received.IsZero())
		c.port53.recordExchange(at, reply, c.options.Now())
	}
	return replies, true
}

// isError reports whether the server answered with an error instead of the records, or their absence.
func isError(r *Reply) bool {
	return r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError || r.Failure == measurement.DNSMalformed || r.Failure == measurement.DNSLoop
}

// declines reports whether a server answered that it does not serve the zone.
func declines(r *Reply) bool {
	return !r.Received.IsZero() && (r.Rcode == dns.RcodeRefused || r.Rcode == dns.RcodeServerFailure || r.Rcode == dns.RcodeNotAuth)
}

// isReferral reports whether the server refers to a zone below z.
func isReferral(r *Reply, z *zone) bool {
	return !r.AA && len(r.Records) == 0 && r.Zone != "" && r.Zone != z.name && dns.IsSubDomain(z.name, r.Zone)
}

// inZone takes the records of an answer that belong to the server's own zone: AA covers only the first owner (RFC
// 1035 §4.1.1), and beyond a zone cut the servers of another zone are authoritative. complete is false if the name
// has no address of the type.
func (c *ZoneClient) inZone(ctx context.Context, z *zone, resolvers []netip.AddrPort, records []measurement.Record) (
	own []measurement.Record, next string, complete bool,
) {
	for i, r := range records {
		own = append(own, r)
		if r.Addr.IsValid() {
			continue
		}
		last := i == len(records)-1
		if last || !c.holds(ctx, z, resolvers, r.Target) {
			return own, r.Target, true
		}
	}
	return own, "", len(own) > 0
}

// holds reports whether name lies in z itself, and not in a zone below.
func (c *ZoneClient) holds(ctx context.Context, z *zone, resolvers []netip.AddrPort, name string) bool {
	if len(c.options.Servers) > 0 {
		return true
	}
	if !dns.IsSubDomain(z.name, name) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, searchBudget)
	defer cancel()
	cut, ok := c.cache.cutOf(ctx, resolvers, name)
	return ok && cut == z.name
}

// choose lists the servers to ask, and how many of them until one answers: those that are not backing off, and those
// that may be tried again. If all are backing off, one try is enough.
func (c *ZoneClient) choose(all []netip.AddrPort, only bool) (ask []netip.AddrPort, tries int) {
	for _, at := range all {
		if backingOff, retryDue := c.servers.backingOff(at); !backingOff || retryDue && !only {
			ask = append(ask, at)
		}
	}
	switch {
	case len(ask) == 0:
		return all, 1
	case only:
		return ask, 1
	}
	return ask, maxTries
}

// listed are the servers that count as the zone's: at, and those that are not backing off.
func (c *ZoneClient) listed(all []netip.AddrPort, at netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(all), func(s netip.AddrPort) bool {
		backingOff, _ := c.servers.backingOff(s)
		return backingOff && s != at
	})
}
