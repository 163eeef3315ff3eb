package staleness

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Constants are the numbers of the proof; docs/configuration.md has them under `freshness`. All must be positive.
type Constants struct {
	Margin       time.Duration // an answered TTL this much above the zone's is no rounding, nor a CoreDNS hop's 5 s
	Slack        time.Duration // σ: rounding of TTLs, time on the wire
	AuthorityLag time.Duration // π: how long one of the zone's servers may lag behind another
	Learning     time.Duration // how long to watch before a promise of the resolver is held against it
	Hold         time.Duration // how long a verdict outlives its last piece of evidence
	Spacing      time.Duration // least time between two pieces of evidence of one kind
}

// Options are what the configuration says of one host.
type Options struct {
	// SingleView asserts that the zone's servers give the same answers to the resolver as to us. Without it, and
	// without [Host.SameView], a withdrawn address is only suspect: the zone may serve it to the resolver's region.
	SingleView bool
	// ExpectedTTL, if not 0, is the TTL asserted for the whole chain: TTLs are held against it, not against samples.
	ExpectedTTL time.Duration
	// NoAuthority says that the zone's servers are not asked at all (authority.mode: off), for the words only.
	NoAuthority bool
}

// Request is what the caller should ask of the zone's servers now, still in this round if its deadline allows, else in
// the next, and hand back through [Host.Sample]. Samples asked for are one for each server, each time Each.
type Request struct {
	Type uint16
	// Walk: walk the delegation anew first; an old delegation would lie. Set Walked on the samples.
	Walk bool
	// Each is how many samples from each server of every zone on the chain (at most 2 queries a second each).
	Each int
}

// Zone is what is known of the zone itself.
type Zone struct {
	TTL       time.Duration             // least of the chain by the newest valid samples (both types); meaningless without LastValid
	Addresses int                       // distinct addresses seen in the last 30 minutes
	LastValid time.Time                 // zero: never
	Failure   measurement.SampleFailure // of the newest sample
}

// Host remembers one host name: the zone's own view of it, and each resolver's answers. It is not safe for concurrent
// use. Its memory is bounded whatever comes in.
//
// In every round: [Host.Begin]; [Host.Answer] for each resolver and type, [Host.Sample] for each type, in any order;
// then [Host.Wants], its samples back through [Host.Sample], until it wants nothing or time is up; then [Host.Assess]
// for each resolver. All times come from one clock; with their monotonic reading, if they have one, steps of the clock
// are seen (and everything learnt is forgotten then).
type Host struct {
	c         Constants
	o         Options
	families  map[uint16]*family
	resolvers map[netip.AddrPort]*resolver

	began     time.Time       // this round
	intervals []time.Duration // between rounds, newest last
	turns     int             // of Wants in this round
}

const (
	maxResolvers = 64
	maxIntervals = 9
	maxTurns     = 2 // of Wants in one round: what is open then waits for the next
)

// types are A and AAAA, in the order in which they are told of.
var types = []uint16{1, 28}

// New makes a Host that knows nothing yet.
func New(c Constants, o Options) *Host {
	h := &Host{c: c, o: o}
	h.forget()
	return h
}

// forget drops everything learnt, as if just started; what was counted stays counted.
func (h *Host) forget() {
	h.families = map[uint16]*family{1: {}, 28: {}}
	if h.resolvers == nil {
		h.resolvers = make(map[netip.AddrPort]*resolver)
	}
	for _, r := range h.resolvers {
		r.watches = map[uint16]*watch{1: {}, 28: {}}
		r.counted = make(map[Evidence]time.Time)
	}
	h.intervals = nil
}

func (h *Host) family(typ uint16) *family { return h.families[typ] }

func (h *Host) resolver(at netip.AddrPort) *resolver {
	if r := h.resolvers[at]; r != nil {
		return r
	}
	r := &resolver{watches: map[uint16]*watch{1: {}, 28: {}}, counts: counts(), counted: make(map[Evidence]time.Time)}
	if len(h.resolvers) < maxResolvers {
		h.resolvers[at] = r
	}
	return r
}

// Keep forgets the resolvers that are not among those given: they are not asked any more.
func (h *Host) Keep(resolvers []netip.AddrPort) {
	maps.DeleteFunc(h.resolvers, func(at netip.AddrPort, _ *resolver) bool { return !slices.Contains(resolvers, at) })
}

// Begin marks the start of a round. The time between rounds, the interval, is learnt from it.
func (h *Host) Begin(now time.Time) {
	h.turns = 0
	prev := h.began
	h.began = now
	if prev.IsZero() {
		return
	}
	d := now.Sub(prev)
	wall := now.Round(0).Sub(prev.Round(0))
	if d < 0 || wall < 0 || (wall-d).Abs() > h.c.Slack {
		h.forget() // the clock stepped, or the machine slept: no time kept so far can be trusted
		return
	}
	h.intervals = append(h.intervals, d)
	if len(h.intervals) > maxIntervals {
		h.intervals = append(h.intervals[:0], h.intervals[1:]...)
	}
}

// interval is the median time between rounds; 0 while unknown.
func (h *Host) interval() time.Duration {
	if len(h.intervals) == 0 {
		return 0
	}
	s := slices.Clone(h.intervals)
	slices.Sort(s)
	return s[len(s)/2]
}

// widest is the longest interval that coverage allows.
func (h *Host) widest() time.Duration { return h.c.Learning / 3 }

// gap is the longest hole between two samples, or two answers, that does not end the run: more than two intervals, with
// half of one for rounds that start late.
//
// Rounds are not always regular: a person looks at the page between two scrapes, several scrapers come at offsets, one is
// started anew. So five spacings are never a gap, which is what rounds two spacings apart (60 s) have anyway. The proof
// takes no more from a hole of that length among close rounds than among those: what a zone says and takes back within
// it is not seen, and P3 counts the samples that there were.
func (h *Host) gap() time.Duration {
	i := h.interval()
	if i == 0 {
		i = h.widest()
	}
	return min(max(i*5/2, 5*h.c.Spacing), h.widest()*5/2)
}

// alike is how far apart two entries with the same TTL may be when they are first seen: by one round, or two where one was
// lost.
func (h *Host) alike() time.Duration { return 2*h.interval() + h.c.Slack }

// learning says whether a promise about this owner name, made at t, is still to be learnt rather than held against the
// resolver: until we have watched both for as long as learning, and while the zone's servers are silent. A resolver that
// was met late may hold entries from before the zone lowered its TTL as well as one that was met at once.
func (h *Host) learning(f *family, w *watch, name string, t time.Time) bool {
	if w.cov.IsZero() || t.Sub(w.cov) < h.c.Learning {
		return true
	}
	if name == wholeChain {
		return false
	}
	o := f.owners[name]
	return o == nil || t.Sub(o.cov) < h.c.Learning || t.Sub(o.sampled) > h.gap()
}

// Sample takes a direct sample. A sample of another type than A and AAAA is dropped.
func (h *Host) Sample(s measurement.Sample) {
	f := h.family(s.Type)
	if f == nil {
		return
	}
	if s.Failure == measurement.SampleIntercepted && f.failure != measurement.SampleIntercepted {
		f = h.disbelieve(s.Type)
	}
	before := f.runs()
	f.take(s, h.gap())
	if f.runs().Equal(before) {
		return
	}
	for _, r := range h.resolvers {
		// Answers given before this sample showed the gap belong to what is to be learnt.
		w := r.watches[s.Type]
		w.learn(w.now)
		w.learn(w.held)
	}
}

// disbelieve drops what samples of one type taught, and what was held against the resolvers by it: somebody else answers
// for the zone's servers, and since when is not known. What was learnt of the resolvers themselves stays, and so does a
// proof by an asserted TTL.
func (h *Host) disbelieve(typ uint16) *family {
	f := new(family)
	h.families[typ] = f
	for _, r := range h.resolvers {
		w := r.watches[typ]
		next := &watch{learnt: w.learnt, crowd: w.crowd, longest: w.longest, cov: w.cov, last: w.last, now: w.now}
		if h.o.ExpectedTTL > 0 {
			next.notice, next.ttl, next.inflated, next.excess = w.notice, w.ttl, w.inflated, w.excess
		}
		next.learn(w.now)
		r.watches[typ] = next
	}
	return f
}

// SameView says whether resolver's egress and ours were shown to be the same (by a whoami name).
func (h *Host) SameView(resolver netip.AddrPort, same bool) { h.resolver(resolver).sameView = same }

// Answer takes an answer (or the lack of one) of the resolver a.Server.
func (h *Host) Answer(a *measurement.Answer) {
	f := h.family(a.Type)
	if f == nil {
		return
	}
	r := h.resolver(a.Server)
	w := r.watches[a.Type]
	ob := observe(a)
	if ob.received.IsZero() {
		ob.received = ob.asked
	}
	w.answer(ob, h.c, h.gap())
	if len(ob.records) > 0 {
		w.show(wholeChain, ob.ttl(), ob.received)
	}
	for _, r := range ob.records {
		w.show(r.Owner, seconds(r.TTL), ob.received)
		if w.notice.running() || h.learning(f, w, r.Owner, ob.received) {
			w.promise(r.Owner, ob.received.Add(seconds(r.TTL)))
		}
	}
	if len(ob.records) == 0 {
		return
	}
	frozen, first := w.hints.answer(ob.asked, ob.ttl(), f.constantTTL(ob.asked), h.c)
	if frozen {
		r.count(TTLFrozen, ob.asked, h.c.Spacing)
		w.frozen = ob.asked
	}
	if first {
		r.count(StaleFirst, ob.asked, h.c.Spacing)
		w.suspect(ob.asked, "it seems to answer with the expired record first and to refresh it afterwards")
	}
}

func (h *Host) bench(r *resolver, typ uint16) *bench {
	f, w := h.family(typ), r.watches[typ]
	return &bench{
		c: h.c, o: h.o, f: f, sameView: r.sameView, promisedBy: w.promisedBy,
		learning: func(name string, t time.Time) bool { return h.learning(f, w, name, t) },
	}
}

// Wants says what would confirm or refute what this round's answers raise; nil if nothing is open, or after two turns
// in one round.
func (h *Host) Wants(now time.Time) []Request {
	if h.turns >= maxTurns {
		return nil
	}
	h.turns++
	var out []Request
	for _, typ := range types {
		f := h.family(typ)
		req := Request{Type: typ}
		for _, r := range h.resolvers {
			open, fresh := h.settle(r, typ, now)
			if len(open) > 0 {
				req.Each = max(req.Each, f.enough(now))
				req.Walk = req.Walk || f.walked.Before(fresh)
			}
			if h.turns == 1 && h.lacking(f, r.watches[typ].now) {
				req.Each = max(req.Each, f.enough(now))
			}
		}
		if req.Each > 0 {
			out = append(out, req)
		}
	}
	return out
}

// lacking says whether ob shows a value that this round's samples lack: it has just come, has just been withdrawn, or
// the samples show only a choice.
func (h *Host) lacking(f *family, ob *observed) bool {
	if ob == nil || ob.received.Before(h.began) || f.lastValid.Before(h.began) {
		return false
	}
	for _, r := range ob.records {
		o := f.owners[r.Owner]
		if o == nil {
			continue
		}
		if k := o.values[valueOf(r)]; k == nil || k.last.Before(h.began) {
			return true
		}
	}
	return false
}

// Zone says what is known of the zone.
func (h *Host) Zone(now time.Time) Zone {
	var z Zone
	for i, typ := range types {
		f := h.family(typ)
		z.Addresses += f.addresses(now)
		if ttl, ok := f.ttl(); ok && (z.LastValid.IsZero() || ttl < z.TTL) {
			z.TTL = ttl
		}
		z.LastValid = later(z.LastValid, f.lastValid)
		if i == 0 || z.Failure == measurement.SampleNoAddress || !f.sampled {
			z.Failure = f.failure
		}
	}
	return z
}

// counts is a fresh count of every kind.
func counts() map[Evidence]uint64 {
	m := make(map[Evidence]uint64, len(Kinds))
	for _, k := range Kinds {
		m[k] = 0
	}
	return m
}
