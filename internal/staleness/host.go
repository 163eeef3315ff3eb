package staleness

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Constants are the parameters of the proof. They are the configuration's section freshness. All must be positive.
type Constants struct {
	// Margin is the least excess of an answered TTL over the published one that rounding, or the minimum TTL of 5 s of
	// a CoreDNS hop, does not explain.
	Margin time.Duration
	// Slack allows for the rounding of TTLs and the time on the wire.
	Slack time.Duration
	// AuthorityLag is how long one authoritative server may lag behind another.
	AuthorityLag time.Duration
	// Learning is how long zone and resolver are watched before the resolver is judged by its promises.
	Learning time.Duration
	// Hold is how long a verdict outlives its last piece of evidence.
	Hold time.Duration
	// Spacing is the least time between two pieces of evidence of one kind.
	Spacing time.Duration
}

// Options are the configuration's assertions about one host.
type Options struct {
	// SingleView asserts that the authoritative servers give the resolver the same answers as us. Without it, and
	// without [Host.SameView], a withdrawn address is only suspicious: the zone may publish it in the resolver's
	// region.
	SingleView bool
	// ExpectedTTL, if positive, is the asserted TTL of the whole chain. It replaces the published TTLs.
	ExpectedTTL time.Duration
	// UpstreamTest states that the caller makes the tests that [Host.WantsUpstream] asks for. A verdict then becomes
	// stale only if the resolver reaches the authoritative servers.
	UpstreamTest bool
	// NoAuthority states that the authoritative servers are never asked (authority.mode: off).
	NoAuthority bool
}

// Request asks the caller for direct samples now: within this round if its deadline allows, else in the next round. The
// samples are handed to [Host.Sample].
type Request struct {
	Type uint16
	// Walk requires that the delegation is followed from the parent zone again before the samples are taken, because
	// the zone may have moved to other servers. Set Walked on the samples.
	Walk bool
	// Each is the number of samples of every server of every zone on the chain, at most two queries a second each.
	Each int
}

// Zone summarises the samples of the zone.
type Zone struct {
	TTL       time.Duration             // smallest of the chain in the newest valid samples; only with LastValid
	Addresses int                       // distinct addresses within the last 30 minutes
	LastValid time.Time                 // end of the newest valid sample; zero if there was none
	Failure   measurement.SampleFailure // of the newest sample
}

// Host judges the resolvers' answers for one host name. It is not safe for concurrent use. Its memory is bounded,
// whatever the input.
//
// In every round, call [Host.Begin]; then, in any order, [Host.Answer] for each resolver and type, [Host.OwnerAnswer]
// if [Host.LastOwner] names an owner, and [Host.Sample] for each type; then [Host.Wants] and [Host.Sample] with the
// requested samples, until it wants none or time is up; then [Host.WantsUpstream] and [Host.Upstream]; then
// [Host.Assess] for each resolver, which may be repeated until the next round. All times come from one clock. If they
// have a monotonic reading, a step of the wall clock is detected; everything learnt is then forgotten.
type Host struct {
	c         Constants
	o         Options
	zones     map[uint16]*zoneView // by type
	resolvers map[netip.AddrPort]*resolver

	began     time.Time       // start of this round
	intervals []time.Duration // between rounds, newest last
	interval  time.Duration   // median of intervals; 0 if unknown
	turns     int             // calls of Wants in this round

	pausedUntil time.Time     // end of the newest pause between rounds that ended the coverage
	pause       time.Duration // its length
}

const (
	maxResolvers = 64
	maxIntervals = 9
	maxTurns     = 2 // of Wants in one round; findings still open then wait for the next round
)

// Types A and AAAA, in the order of reports.
const (
	typeA    uint16 = 1
	typeAAAA uint16 = 28
)

var types = []uint16{typeA, typeAAAA}

// New returns a Host that knows nothing yet.
func New(c Constants, o Options) *Host {
	h := &Host{c: c, o: o, resolvers: make(map[netip.AddrPort]*resolver)}
	h.reset()
	return h
}

// reset forgets everything learnt. Counts of evidence remain.
func (h *Host) reset() {
	h.zones = map[uint16]*zoneView{typeA: {}, typeAAAA: {}}
	for _, r := range h.resolvers {
		r.states = newStates()
		r.lastCounted = make(map[Evidence]time.Time)
	}
	h.intervals, h.interval = nil, 0
}

func (h *Host) resolver(address netip.AddrPort) *resolver {
	if r := h.resolvers[address]; r != nil {
		return r
	}
	r := &resolver{states: newStates(), counts: zeroCounts(), lastCounted: make(map[Evidence]time.Time)}
	if len(h.resolvers) < maxResolvers {
		h.resolvers[address] = r
	}
	return r
}

// Keep forgets all resolvers but the given ones.
func (h *Host) Keep(resolvers []netip.AddrPort) {
	maps.DeleteFunc(h.resolvers, func(a netip.AddrPort, _ *resolver) bool { return !slices.Contains(resolvers, a) })
}

// Begin marks the start of a round.
func (h *Host) Begin(now time.Time) {
	h.turns = 0
	previous := h.began
	h.began = now
	if previous.IsZero() {
		return
	}
	elapsed := now.Sub(previous)
	wall := now.Round(0).Sub(previous.Round(0))
	if elapsed < 0 || wall < 0 || (wall-elapsed).Abs() > h.c.Slack {
		h.reset() // the clock stepped or the machine slept: no recorded time can be trusted
		return
	}
	if elapsed > h.maxGap() {
		h.pausedUntil, h.pause = now, elapsed
	}
	h.forgetUpstream(now)
	h.intervals = appendBounded(h.intervals, elapsed, maxIntervals)
	sorted := slices.Clone(h.intervals)
	slices.Sort(sorted)
	h.interval = sorted[len(sorted)/2]
}

// maxInterval is the longest interval that allows a verdict.
func (h *Host) maxInterval() time.Duration { return h.c.Learning / 3 }

// maxGap is the longest pause between two samples, or two answers, that does not end the coverage: two and a half
// intervals, and never less than five spacings, because rounds may be irregular (design §4.1).
func (h *Host) maxGap() time.Duration {
	i := h.interval
	if i == 0 {
		i = h.maxInterval()
	}
	return min(max(i*5/2, 5*h.c.Spacing), h.maxInterval()*5/2)
}

// sameTTLTolerance is how far the TTLs of two entries of equal lifetime may differ when each is first seen: by two
// rounds, one of which may have been lost.
func (h *Host) sameTTLTolerance() time.Duration { return 2*h.interval + h.c.Slack }

// Sample takes a direct sample. Samples of types other than A and AAAA are ignored.
func (h *Host) Sample(s measurement.Sample) {
	z := h.zones[s.Type]
	if z == nil {
		return
	}
	if s.Failure == measurement.SampleIntercepted && z.failure != measurement.SampleIntercepted {
		z = h.discardZone(s.Type)
	}
	before := z.newestCoverageStart()
	z.add(s, h.maxGap())
	if z.newestCoverageStart().Equal(before) {
		return
	}
	// A coverage began with this sample. Answers given before it are still to be learnt.
	for _, r := range h.resolvers {
		for key, st := range r.states {
			if key.typ == s.Type {
				st.learn(st.current)
				st.learn(st.pendingAnswer)
			}
		}
	}
}

// discardZone drops everything that samples of one type taught, and the resolvers' evidence that rests on it: the
// samples are intercepted, and it is not known since when. What was learnt from the resolvers themselves remains, and
// so does a proof by an asserted TTL.
func (h *Host) discardZone(typ uint16) *zoneView {
	z := new(zoneView)
	h.zones[typ] = z
	for _, r := range h.resolvers {
		for key, st := range r.states {
			if key.typ == typ {
				r.states[key] = st.withoutZone(h.o)
			}
		}
	}
	return z
}

// withoutZone returns what was learnt from the resolver itself.
func (st *resolverState) withoutZone(o Options) *resolverState {
	kept := &resolverState{
		promises: st.promises, otherPromises: st.otherPromises, largestTTLs: st.largestTTLs,
		entries: st.entries, firstAnswer: st.firstAnswer, shownSince: st.shownSince,
		coverageStart: st.coverageStart, lastAnswer: st.lastAnswer, current: st.current,
	}
	if o.ExpectedTTL > 0 {
		kept.secondLearning, kept.inflatedProof = st.secondLearning, st.inflatedProof
		kept.lastInflated, kept.excess = st.lastInflated, st.excess
	}
	kept.learn(st.current)
	return kept
}

// SameView records whether the resolver's egress address and ours were shown to be the same, by a whoami name.
func (h *Host) SameView(resolver netip.AddrPort, same bool) { h.resolver(resolver).sameView = same }

// LastOwner returns the owner name of the addresses if it is not the host itself, by the newest valid sample of a type;
// else "". Ask every resolver for it by itself and hand the answer to [Host.OwnerAnswer]: where all records of a chain
// have one TTL, only that answer shows the TTL of the addresses (design §7.7).
func (h *Host) LastOwner(typ uint16) string {
	z := h.zones[typ]
	if z == nil || len(z.chain) < 2 || z.chain[len(z.chain)-1] == z.chain[0] {
		return ""
	}
	return z.chain[len(z.chain)-1]
}

// OwnerAnswer takes a resolver's answer to the question for [Host.LastOwner].
func (h *Host) OwnerAnswer(a *measurement.Answer) { h.answer(a, true) }

// Answer takes an answer of the resolver a.Server to the question for the host, or its failure.
func (h *Host) Answer(a *measurement.Answer) { h.answer(a, false) }

func (h *Host) answer(a *measurement.Answer, lastOwner bool) {
	z := h.zones[a.Type]
	if z == nil {
		return
	}
	r := h.resolver(a.Server)
	key := stateKey{a.Type, lastOwner}
	st := r.states[key]
	got := newAnswer(a)
	st.add(got, h.c, h.maxGap())
	x := h.answerContext(r, key)
	st.staleAnswerProof.answer(got, x.fetchTimes(got), h.c)
	if len(got.records) == 0 {
		return
	}
	st.recordTTL(wholeChain, got.ttl(), got.received)
	if h.o.ExpectedTTL > 0 {
		x.recordEntry(wholeChain, got.received, got.ttl(), h.o.ExpectedTTL, 0)
	}
	st.recordShown(got)
	x.recordUnpublished(got)
	for _, rec := range got.records {
		st.recordTTL(rec.Owner, seconds(rec.TTL), got.received)
		if s := z.rrsets[rec.Owner]; s != nil {
			if _, largest, _, ok := s.ttls.bounds(got.asked); ok {
				x.recordEntry(rec.Owner, got.received, seconds(rec.TTL), largest, s.ordinal)
			}
		}
		if st.secondLearning.running() || x.learning(rec.Owner, got.received) {
			st.promise(rec.Owner, got.received.Add(seconds(rec.TTL)))
		}
	}
	if lastOwner {
		return // the same hints again
	}
	frozen, staleFirst := st.hints.answer(got.asked, got.ttl(), z.constantTTL(got.asked), h.c)
	if frozen {
		r.count(TTLFrozen, got.asked, h.c.Spacing)
		st.lastFrozen = got.asked
	}
	if staleFirst {
		r.count(StaleFirst, got.asked, h.c.Spacing)
		st.suspect(got.asked, Why{Kind: WhyStaleFirst})
	}
}

func (h *Host) answerContext(r *resolver, key stateKey) *answerContext {
	return &answerContext{h: h, r: r, zone: h.zones[key.typ], state: r.states[key]}
}

// Wants returns the samples that would confirm or refute this round's findings; nil if nothing is open, or after
// maxTurns calls in one round.
func (h *Host) Wants(now time.Time) []Request {
	if h.turns >= maxTurns {
		return nil
	}
	h.turns++
	var out []Request
	for _, typ := range types {
		z := h.zones[typ]
		req := Request{Type: typ}
		for _, r := range h.resolvers {
			for _, key := range stateKeys {
				if key.typ != typ || r.states[key].current == nil {
					continue
				}
				open, walkedSince := h.answerContext(r, key).judge(now)
				if len(open) > 0 {
					req.Each = max(req.Each, z.samplesNeeded(now))
					req.Walk = req.Walk || z.lastWalked.Before(walkedSince)
				}
				if h.turns == 1 && h.showsUnsampledValue(z, r.states[key].current) {
					req.Each = max(req.Each, z.samplesNeeded(now))
				}
			}
		}
		if req.Each > 0 {
			out = append(out, req)
		}
	}
	return out
}

// showsUnsampledValue reports whether an answer of this round has a value that this round's samples lack: it is new,
// was just withdrawn, or the samples hold only subsets.
func (h *Host) showsUnsampledValue(z *zoneView, a *answer) bool {
	if a == nil || a.received.Before(h.began) || z.lastValid.Before(h.began) {
		return false
	}
	for _, r := range a.records {
		s := z.rrsets[r.Owner]
		if s == nil {
			continue
		}
		if seen := s.values[valueOf(r)]; seen == nil || seen.lastSeen.Before(h.began) {
			return true
		}
	}
	return false
}

// Zone returns the summary of the zone's samples.
func (h *Host) Zone(now time.Time) Zone {
	var out Zone
	for i, typ := range types {
		z := h.zones[typ]
		out.Addresses += z.addresses(now)
		if ttl, ok := z.ttl(); ok && (out.LastValid.IsZero() || ttl < out.TTL) {
			out.TTL = ttl
		}
		out.LastValid = later(out.LastValid, z.lastValid)
		if i == 0 || out.Failure == measurement.SampleNoAddress || !z.sampled {
			out.Failure = z.failure
		}
	}
	return out
}

// appendBounded appends an element. If there are most elements already, it drops the oldest.
func appendBounded[E any](s []E, element E, most int) []E {
	if len(s) >= most {
		s = slices.Delete(s, 0, 1)
	}
	return append(s, element)
}

func zeroCounts() map[Evidence]uint64 {
	m := make(map[Evidence]uint64, len(Kinds))
	for _, k := range Kinds {
		m[k] = 0
	}
	return m
}
