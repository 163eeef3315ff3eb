package dns

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Options say how the zones' own servers are asked.
type Options struct {
	Exchanger Exchanger
	Now       func() time.Time // nil: time.Now
	// Servers, if not empty, stand for every zone: nothing is discovered, and walking a delegation is asking them again.
	Servers []netip.AddrPort
	// Usable says to which addresses of discovered servers there is a way; nil: to all.
	Usable func(netip.Addr) bool
	// InterceptionTest allows a question to Nobody now and then, to see whether something answers on port 53 for any
	// address.
	InterceptionTest bool
	Nobody           netip.AddrPort // zero: 192.0.2.53:53, a documentation address (RFC 5737)
	Port             uint16         // of discovered servers; 0: 53
}

// Authority asks the zones' own servers, for all hosts together: what it learns of zones and servers is shared. It is
// safe for concurrent use. It must not be used before a resolver has answered once: the caller sees to that.
type Authority struct {
	o         Options
	servers   *servers
	directory *directory
	state     pathState
	whoami    whoami
}

// NewAuthority makes an Authority that knows no zone yet.
func NewAuthority(o Options) *Authority {
	if o.Now == nil {
		o.Now = time.Now
	}
	if !o.Nobody.IsValid() {
		o.Nobody = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 53}), dnsPort)
	}
	if o.Port == 0 {
		o.Port = dnsPort
	}
	if o.Usable == nil {
		o.Usable = func(netip.Addr) bool { return true }
	}
	a := &Authority{o: o, servers: newServers(o.Now, HostRate)}
	a.directory = &directory{a: a, names: make(map[string]cutting), zones: make(map[string]*zone), busy: make(map[string]chan struct{})}
	a.state.failing = make(map[netip.AddrPort]bool)
	return a
}

// SetRate says how many questions a second each server gets at most, over ten seconds. Until it is called that is [HostRate].
func (a *Authority) SetRate(rate float64) { a.servers.setRate(rate) }

// Bounds of one sample.
const (
	maxSteps = 8 // zones on the way
	maxTries = 3 // servers of one zone asked until one answers
	// samplePatience bounds the questions of one step. A sample ends with the first step that nobody answers: servers that
	// drop everything cost a round no more than this, beside the walks of its paths.
	samplePatience = 2500 * time.Millisecond
	// discoverPatience bounds finding a zone's servers, once an hour, or once a minute while they are not found: a few look-ups
	// one after the other.
	discoverPatience = 5 * time.Second
)

// look is how a sample is to be taken.
type look struct {
	resolvers []netip.AddrPort
	host      string
	typ       uint16
	turn      int       // which server of each zone
	only      bool      // that server or none
	walk      time.Time // not zero: delegations not walked since are walked anew
}

// Sample takes one sample of host (lower case, with the final dot). turn chooses the servers, so that counting it up
// goes round all of them; one that does not answer is replaced. ok is false if there is nothing to tell: the zone's
// servers are not known, or it would take too long.
func (a *Authority) Sample(ctx context.Context, resolvers []netip.AddrPort, host string, typ uint16, turn int) (s measurement.Sample, ok bool) {
	return a.sample(ctx, look{resolvers: resolvers, host: host, typ: typ, turn: turn})
}

// Confirm takes each samples from every server of every zone on the way. Delegations not walked since walk are walked
// anew first, unless it is zero; where that fails one sample is enough, since it confirms nothing. Samples that could not
// be had in time are missing.
func (a *Authority) Confirm(ctx context.Context, resolvers []netip.AddrPort, host string, typ uint16, each int, walk time.Time) []measurement.Sample {
	l := look{resolvers: resolvers, host: host, typ: typ, walk: walk}
	first, ok := a.sample(ctx, l)
	if !ok || first.Failure != "" || first.Walked == walk.IsZero() {
		return single(first, ok)
	}
	most := 1
	for _, step := range first.Steps {
		most = max(most, len(step.Servers))
	}
	samples := make([]*measurement.Sample, each*most)
	var all sync.WaitGroup
	for i := range samples {
		all.Go(func() {
			l := l
			l.turn, l.only = i, true
			if s, ok := a.sample(ctx, l); ok && (s.Failure == "" || s.Failure == measurement.SampleNoAddress) {
				samples[i] = &s
			}
		})
	}
	all.Wait()
	out := []measurement.Sample{first}
	for _, s := range samples {
		if s != nil {
			out = append(out, *s)
		}
	}
	return out
}

func single(s measurement.Sample, ok bool) []measurement.Sample {
	if !ok {
		return nil
	}
	return []measurement.Sample{s}
}

// sample follows the chain from zone to zone.
func (a *Authority) sample(ctx context.Context, l look) (s measurement.Sample, ok bool) {
	s = measurement.Sample{Type: l.typ, Asked: a.o.Now(), Walked: !l.walk.IsZero()}
	if a.state.isIntercepted() {
		s.Failure, s.Received = measurement.SampleIntercepted, s.Asked
		return s, true
	}
	name, seen := l.host, map[string]bool{}
	for range maxSteps {
		z, walked, ok := a.zone(ctx, l, name)
		if !ok {
			return measurement.Sample{}, false
		}
		s.Walked = s.Walked && walked
		if seen[name] {
			break
		}
		seen[name] = true
		if len(seen) == 1 {
			s.Asked = a.o.Now() // discovery is no part of it
		}
		step, next, failure, ok := a.step(ctx, z, name, l)
		if !ok {
			return measurement.Sample{}, false
		}
		s.Received = a.o.Now()
		if s.Failure = failure; failure != "" {
			s.Steps = nil
			return s, true
		}
		if s.Steps = append(s.Steps, step); next == "" {
			return s, true
		}
		name = next
	}
	s.Failure, s.Steps, s.Received = measurement.SampleSilent, nil, a.o.Now() // a chain without end is an error of the zone
	return s, true
}

// zone is the zone that holds name, with its servers; walked says that its delegation was walked anew, if that is due.
func (a *Authority) zone(ctx context.Context, l look, name string) (z *zone, walked, ok bool) {
	if len(a.o.Servers) > 0 {
		return &zone{name: ".", servers: a.o.Servers}, true, true
	}
	own, cancel := context.WithTimeout(ctx, discoverPatience)
	defer cancel()
	z, ok = a.directory.zoneOf(own, l.resolvers, name)
	if !ok || l.walk.IsZero() {
		return z, false, ok
	}
	if w, ok := a.directory.walk(own, l.resolvers, z, l.walk); ok {
		return w, true, true
	}
	return z, false, true
}

// step asks a server of the zone for name; next is where the chain goes on, in another zone or in an answer of its own.
func (a *Authority) step(ctx context.Context, z *zone, name string, l look) (step measurement.SampleStep, next string, failure measurement.SampleFailure, ok bool) {
	own, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	ask, tries := a.choose(z.servers, l.only)
	failure = measurement.SampleSilent
	for i := range min(tries, len(ask)) {
		at := ask[(l.turn+i)%len(ask)]
		reply, asked := a.ask(own, at, Query{Name: name, Type: l.typ})
		switch {
		case !asked && i == 0, reply.Failure == measurement.DNSOutOfTime && ctx.Err() != nil:
			return measurement.SampleStep{}, "", "", false
		case asked && reply.Failure == measurement.DNSRefused:
			if failure == measurement.SampleSilent {
				failure = measurement.SampleRefused
			}
			continue
		case !asked, reply.Received.IsZero(), lame(&reply):
			continue
		case refers(&reply, z):
			a.directory.forget(name) // its zone has been cut since
			continue
		case !reply.AA:
			failure = measurement.SampleNotAuthoritative
			continue
		}
		step = measurement.SampleStep{Server: at, Servers: a.listed(z.servers, at)}
		var whole bool
		if step.Records, next, whole = a.within(ctx, z, l.resolvers, reply.Records); !whole {
			return measurement.SampleStep{}, "", measurement.SampleNoAddress, true
		}
		return step, next, "", true
	}
	if failure == measurement.SampleSilent && a.state.blocked(a.o.Now()) {
		failure = measurement.SampleBlocked
	}
	return measurement.SampleStep{}, "", failure, true
}

// ask asks one server, if its load allows.
func (a *Authority) ask(ctx context.Context, at netip.AddrPort, q Query) (reply Reply, asked bool) {
	if !a.servers.enter(ctx, at) {
		return Reply{}, false
	}
	defer a.servers.leave()
	reply = a.o.Exchanger.Exchange(ctx, at, q)
	if reply.Failure == measurement.DNSOutOfTime {
		return reply, true // says nothing of the server
	}
	answered := !reply.Received.IsZero()
	a.servers.heard(at, answered)
	a.state.heard(at, &reply, a.o.Now())
	return reply, true
}

// lame says whether the server answered that it cannot tell.
func lame(r *Reply) bool {
	return r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError || r.Failure == measurement.DNSMalformed || r.Failure == measurement.DNSLoop
}

// refers says whether the server sends us on to a zone below z.
func refers(r *Reply, z *zone) bool {
	return !r.AA && len(r.Records) == 0 && r.Zone != "" && r.Zone != z.name && dns.IsSubDomain(z.name, r.Zone)
}

// within takes what the server said of names in its own zone: AA speaks for the first owner only (RFC 1035 §4.1.1), and
// beyond a cut another zone's servers have the say. whole is false if the name has no address of the type.
func (a *Authority) within(ctx context.Context, z *zone, resolvers []netip.AddrPort, records []measurement.Record) (mine []measurement.Record, next string, whole bool) {
	for i, r := range records {
		mine = append(mine, r)
		if r.Addr.IsValid() {
			continue
		}
		last := i == len(records)-1
		if last || !a.same(ctx, z, resolvers, r.Target) {
			return mine, r.Target, true
		}
	}
	return mine, "", len(mine) > 0
}

// same says whether name lies in z itself, and not in a zone below.
func (a *Authority) same(ctx context.Context, z *zone, resolvers []netip.AddrPort, name string) bool {
	if len(a.o.Servers) > 0 {
		return true
	}
	if !dns.IsSubDomain(z.name, name) {
		return false
	}
	own, cancel := context.WithTimeout(ctx, discoverPatience)
	defer cancel()
	cut, ok := a.directory.cutOf(own, resolvers, name)
	return ok && cut == z.name
}

// choose are the servers to ask, and how many of them until one answers: those that do not rest, and those whose rest may
// be over; where all rest, one is enough.
func (a *Authority) choose(all []netip.AddrPort, only bool) (ask []netip.AddrPort, tries int) {
	for _, at := range all {
		if resting, due := a.servers.resting(at); !resting || due && !only {
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

// listed are the servers that the zone has for us: those that do not rest, and at.
func (a *Authority) listed(all []netip.AddrPort, at netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(all), func(s netip.AddrPort) bool {
		resting, _ := a.servers.resting(s)
		return resting && s != at
	})
}
