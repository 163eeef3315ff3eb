package staleness

import (
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// hopRounding is how far an honest entry's expiry may seem to move: one second of TTL rounding at each of two hops.
const hopRounding = 2 * time.Second

// EDE codes (RFC 8914 §4.4, §4.20).
const (
	edeStaleAnswer   = 3
	edeStaleNXDomain = 19
)

// Response codes (RFC 1035 §4.1.1).
const (
	rcodeNoError  = 0
	rcodeNXDomain = 3
)

// wholeChain is used as an owner name where the chain as a whole is compared with an asserted TTL.
const wholeChain = ""

// answer is one resolver's answer as the proof needs it.
type answer struct {
	asked, received time.Time
	records         []measurement.Record
	markedStale     bool // by the resolver: EDE 3 with addresses, or EDE 19 with NXDOMAIN
	nxdomain        bool // the resolver says that the name does not exist
	judged          bool // its findings are counted or dropped
}

func newAnswer(a *measurement.Answer) *answer {
	out := &answer{asked: a.Asked, received: a.Received, nxdomain: a.Rcode == rcodeNXDomain}
	if out.received.IsZero() {
		out.received = out.asked
	}
	out.records = append(out.records, a.Chain[:min(len(a.Chain), maxRecords)]...)
	for _, e := range a.EDE[:min(len(a.EDE), maxRecords)] {
		switch {
		case e.Code == edeStaleAnswer && a.Rcode == rcodeNoError && len(a.Addresses()) > 0,
			e.Code == edeStaleNXDomain && a.Rcode == rcodeNXDomain:
			out.markedStale = true
		}
	}
	return out
}

// ttl is the smallest TTL of the chain.
func (a *answer) ttl() time.Duration {
	var smallest time.Duration
	for i, r := range a.records {
		if t := seconds(r.TTL); i == 0 || t < smallest {
			smallest = t
		}
	}
	return smallest
}

// uniform reports whether a chain of several owner names has one TTL throughout. A hop that caches whole messages, as
// CoreDNS does, gives every record the smallest TTL of the chain. A record's TTL then is not its remaining lifetime, so
// such a chain proves only a TTL above that of every owner (design §7.7).
func (a *answer) uniform() bool {
	severalOwners := false
	for _, r := range a.records {
		if r.TTL != a.records[0].TTL {
			return false
		}
		severalOwners = severalOwners || r.Owner != a.records[0].Owner
	}
	return severalOwners
}

// finding is one piece of evidence in one answer. It counts once it is confirmed.
type finding struct {
	kind  Evidence // TTLInflated, EDEStale or WithdrawnAddress
	proof bool     // all guards hold; otherwise it is only suspicious
	// viewUnproven is set if the resolver may see another view of the zone. It then counts as ViewUnproven and proves
	// nothing.
	viewUnproven bool
	owner        string
	value        value

	ttl, maxTTL  time.Duration // answered, and the most that was published
	promised     time.Time     // when the record would expire; of TTLInflated
	formerServer bool          // a server that the zone no longer uses may still publish the TTL or the value

	// Of WithdrawnAddress.
	earliestFetch time.Time     // the earliest time at which an honest resolver can have fetched the value
	lastSeen      time.Time     // at the authoritative servers
	shownGoneAt   time.Time     // when their samples had shown it to be gone
	staleness     time.Duration // proven time past the permitted lifetime
	subset        bool          // the zone shows subsets, so that shownGoneAt excludes chance
	samples       int           // since lastSeen, all without the value
	otherAnswers  int           // estimate of the resolver's answers since lastSeen that lacked the value
}

// answerContext is everything that one resolver's answer is compared with.
type answerContext struct {
	h     *Host
	r     *resolver
	zone  *zoneView
	state *resolverState
	// ignorePromises makes findings independent of what the resolver promised before: a withdrawn address is one even
	// if the entry is honestly old.
	ignorePromises bool
}

// fetchTimes returns when the resolver fetched each of the answer's records, to hopRounding; nothing if one of these
// times is unknown. They are known while the zone publishes a TTL that has not changed or is steady. A resolver that
// limits the TTLs in its answers seems to fetch later than it does.
func (x *answerContext) fetchTimes(a *answer) []time.Time {
	fetched := make([]time.Time, 0, len(a.records))
	for _, r := range a.records {
		s := x.zone.rrsets[r.Owner]
		if s == nil {
			return nil
		}
		if smallest, largest, steady, ok := s.ttls.bounds(a.asked); !ok || !steady && smallest != largest {
			return nil
		}
		ttl := seconds(r.TTL)
		full := min(seconds(s.ttls.latest), max(ttl, x.state.largestTTLs[r.Owner].ttl))
		fetched = append(fetched, a.received.Add(ttl-full))
	}
	return fetched
}

// learning reports whether a promise about this owner name, made at t, is still to be learnt and not yet to be judged:
// until the zone and the resolver have both been watched for Constants.Learning, and while the authoritative servers
// are silent. Every resolver has its own learning: one that appears later may hold old entries too (design §4.2).
func (x *answerContext) learning(name string, t time.Time) bool {
	if x.state.coverageStart.IsZero() || t.Sub(x.state.coverageStart) < x.h.c.Learning {
		return true
	}
	if name == wholeChain {
		return false
	}
	s := x.zone.rrsets[name]
	return s == nil || t.Sub(s.coverageStart) < x.h.c.Learning || t.Sub(s.lastSampled) > x.h.maxGap()
}

func (x *answerContext) latestPromise(name string) time.Time {
	if x.ignorePromises {
		return time.Time{}
	}
	return x.state.latestPromise(name)
}

// findings compares an answer with the zone. Every record is judged by itself, under its own owner name, because the
// invariant holds for every record of every answer separately (design §2).
func (x *answerContext) findings(a *answer) []finding {
	var out []finding
	if a.markedStale && x.zoneAnswers(a) {
		out = append(out, finding{kind: EDEStale, proof: true})
	}
	uniform := a.uniform()
	if x.h.o.ExpectedTTL > 0 && len(a.records) > 0 {
		if f, ok := x.inflatedTTL(a, finding{owner: wholeChain, ttl: a.ttl(), maxTTL: x.h.o.ExpectedTTL}, true); ok {
			out = append(out, f)
		}
	}
	for _, r := range a.records {
		s := x.zone.rrsets[r.Owner]
		if s == nil || !slices.Contains(x.zone.chain, r.Owner) {
			continue // not on the zone's chain, or no longer: it is not sampled
		}
		smallest, largest, steady, ok := s.ttls.bounds(a.asked)
		if !ok {
			continue
		}
		largest = max(largest, s.formerTTL(a.asked))
		f := finding{owner: r.Owner, value: valueOf(r), ttl: seconds(r.TTL), maxTTL: largest}
		if x.h.o.ExpectedTTL == 0 && sharesValue(a.records, r.Owner, s) {
			f.formerServer = x.zone.formerUnknown(s, a.asked, x.h.c)
			basis := steady && !f.formerServer && (!uniform || f.ttl > x.longestTTL(a)+x.h.c.Margin)
			if f, ok := x.inflatedTTL(a, f, basis); ok {
				out = append(out, f)
			}
		}
		if f, ok := x.withdrawnValue(a, s, f, smallest); ok {
			f.proof = f.proof && !uniform
			out = append(out, f)
		}
	}
	return out
}

// longestTTL is the largest published TTL of the answer's owner names.
func (x *answerContext) longestTTL(a *answer) time.Duration {
	var longest time.Duration
	for _, r := range a.records {
		if s := x.zone.rrsets[r.Owner]; s != nil {
			_, largest, _, _ := s.ttls.bounds(a.asked)
			longest = max(longest, largest)
		}
	}
	return longest
}

// sharesValue reports whether the answer has at this owner name a value that the zone published. If not, the resolver
// sees another view of the zone.
func sharesValue(records []measurement.Record, name string, s *rrset) bool {
	return slices.ContainsFunc(records, func(r measurement.Record) bool { return r.Owner == name && s.values[valueOf(r)] != nil })
}

// zoneAnswers reports whether the authoritative servers have answered without a failure for ten spacings before a.
// Resolvers may serve stale for some time after an outage (RFC 8767).
func (x *answerContext) zoneAnswers(a *answer) bool {
	since := x.zone.validSince
	return !since.IsZero() && a.asked.Sub(since) >= 10*x.h.c.Spacing
}

// zoneKnown reports whether the authoritative servers can be asked, even if they fail just now. Stale answers while
// they fail are allowed (RFC 8767).
func (x *answerContext) zoneKnown(now time.Time) bool {
	switch x.zone.failure {
	case measurement.SampleBlocked, measurement.SampleIntercepted, measurement.SampleNotAuthoritative,
		measurement.SampleRefused:
		return false
	case measurement.SampleSilent, measurement.SampleNoAddress, "":
	}
	return !x.h.o.NoAuthority && !x.zone.lastAnswered.IsZero() && now.Sub(x.zone.lastAnswered) <= valueMemory
}

// staleTTLMargins is the recommended TTL of answers from expired records (30 s, RFC 8767 §4) in units of
// Constants.Margin. It may be above the zone's, and a forwarder counts it down, so it proves nothing.
const staleTTLMargins = 3

// inflatedTTL completes a finding of TTLInflated: the answered TTL is larger than the zone publishes (design §5.1).
// basis reports whether the published TTL can be the basis of a proof.
func (x *answerContext) inflatedTTL(a *answer, f finding, basis bool) (finding, bool) {
	if f.ttl <= f.maxTTL+x.h.c.Margin || a.markedStale {
		return f, false
	}
	f.kind = TTLInflated
	f.promised = a.asked.Add(f.ttl)
	f.proof = basis && f.ttl > staleTTLMargins*x.h.c.Margin && !x.learning(f.owner, a.asked) && f.promised.After(x.latestPromise(f.owner).Add(hopRounding))
	f.viewUnproven = f.owner != wholeChain && !x.viewProven()
	return f, true
}

// viewProven reports whether the authoritative servers are known to give the resolver the same answers as us.
func (x *answerContext) viewProven() bool { return x.h.o.SingleView || x.r.sameView }

// withdrawnValue completes a finding of WithdrawnAddress: the zone had withdrawn the value before any time at which an
// honest resolver can have fetched it (design §5.3).
func (x *answerContext) withdrawnValue(a *answer, s *rrset, f finding, smallestTTL time.Duration) (finding, bool) {
	h := s.values[f.value]
	if h == nil || f.ttl > f.maxTTL+x.h.c.Margin || x.learning(f.owner, a.asked) {
		return f, false
	}
	if !a.asked.Add(f.ttl).After(x.latestPromise(f.owner).Add(x.h.c.Margin)) {
		return f, false // the entry may be older than our coverage
	}
	remaining := max(0, max(f.maxTTL, x.h.o.ExpectedTTL)-f.ttl)
	f.earliestFetch = a.asked.Add(-remaining - x.h.c.Slack)
	lag := x.h.c.AuthorityLag
	if smallestTTL != f.maxTTL {
		lag += f.maxTTL // the servers are fronted by a cache, or changed the TTL: they may be one TTL behind
	}
	// queryDeadline is the end of the samples that count: those after it say nothing about the time of the fetch.
	queryDeadline := f.earliestFetch.Add(-lag)
	f.lastSeen = h.lastSeen
	if !h.lastSeen.Before(queryDeadline) || s.coverageStart.After(h.lastSeen) {
		return f, false
	}
	shownGoneAt, ok := s.goneSinceSeen(f.value, h, queryDeadline)
	if !ok {
		return f, false
	}
	f.kind, f.shownGoneAt = WithdrawnAddress, shownGoneAt
	f.formerServer = s.atFormerServer(h, a.asked) || x.zone.formerUnknown(s, a.asked, x.h.c)
	f.proof = !f.formerServer
	f.staleness = queryDeadline.Sub(shownGoneAt)
	f.subset, f.samples = s.showsSubsets(queryDeadline), int(s.ordinal-h.last)
	if since := x.state.shownSince[f.value]; since.After(h.lastSeen.Add(f.maxTTL)) {
		f.otherAnswers = int(a.asked.Sub(h.lastSeen) / max(x.h.interval, time.Second))
	}
	f.viewUnproven = !x.viewProven()
	return f, true
}

// confirmed reports whether the zone was asked again after the answer: its delegation followed from the parent zone at
// or after walkedSince, every server asked, and for a withdrawn value enough samples to show that it has not returned.
func (x *answerContext) confirmed(a *answer, f finding, walkedSince time.Time) bool {
	if f.kind == TTLInflated && f.owner == wholeChain {
		return true // the TTL is asserted: there is nothing to ask
	}
	if x.zone.lastWalked.Before(walkedSince) || x.zone.lastAnswered.Before(a.received) {
		return false
	}
	if f.kind == EDEStale {
		return true
	}
	s := x.zone.rrsets[f.owner]
	if s == nil {
		return false
	}
	if f.kind == TTLInflated {
		return s.sampledAll(a.received)
	}
	after := power{each: 1, need: powerAfter, perServer: true}
	_, ok := s.shownAbsent(f.value, a.received.Add(-1), s.lastSampled, after)
	return ok
}
