package staleness

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// resolver is what is remembered of one resolver for one host.
type resolver struct {
	sameView    bool
	upstream    upstreamState
	states      map[stateKey]*resolverState
	counts      map[Evidence]uint64
	lastCounted map[Evidence]time.Time
}

// stateKey identifies a question to a resolver: the type, and whether the name is the host or the last owner name of
// its chain.
type stateKey struct {
	typ       uint16
	lastOwner bool
}

// stateKeys lists all keys, in the order of reports.
var stateKeys = []stateKey{{typeA, false}, {typeAAAA, false}, {typeA, true}, {typeAAAA, true}}

func newStates() map[stateKey]*resolverState {
	out := make(map[stateKey]*resolverState, len(stateKeys))
	for _, key := range stateKeys {
		out[key] = &resolverState{
			promises: make(map[string]time.Time), largestTTLs: make(map[string]largestTTL),
			entries: make(map[string]*entryCounts), shownSince: make(map[value]time.Time),
		}
	}
	return out
}

// count counts a piece of evidence, at most one of a kind within spacing.
func (r *resolver) count(kind Evidence, at time.Time, spacing time.Duration) {
	if last, ok := r.lastCounted[kind]; ok && at.Sub(last) < spacing {
		return
	}
	r.lastCounted[kind] = at
	r.counts[kind]++
}

// resolverState is what one resolver's answers of one type amount to.
type resolverState struct {
	// promises is the latest expiry by owner name that the resolver promised while it was learnt or while the
	// authoritative servers were silent. otherPromises stands for the owner names beyond the bound.
	promises      map[string]time.Time
	otherPromises time.Time
	largestTTLs   map[string]largestTTL   // by owner name, within a day; see [inflatedTTLProof]
	entries       map[string]*entryCounts // by owner name
	shownSince    map[value]time.Time     // values of the newest answer with records, and since when each one is in all
	unpublished   unpublishedTTLs
	firstAnswer   time.Time // end of the first answer with records
	coverageStart time.Time // start of the present run of answers without a gap
	lastAnswer    time.Time // end of the newest answer that held addresses

	current       *answer // of this round
	pendingAnswer *answer // an earlier one with findings still to be confirmed

	secondLearning   secondLearning
	inflatedProof    inflatedTTLProof
	withdrawnProof   withdrawnAddressProof
	staleAnswerProof staleAnswerProof

	lastInflated  finding // the newest confirmed TTLInflated
	lastWithdrawn finding // the newest confirmed WithdrawnAddress

	suspectedAt time.Time
	suspicion   Why
	unconfirmed *Why // of a finding that is still to be confirmed

	excess     slidingMax
	staleness  slidingMax
	hints      hints
	lastFrozen time.Time // when the TTLs last seemed not to count down
}

// largestTTL is the largest TTL of one owner name, and when it was last answered.
type largestTTL struct {
	ttl time.Duration
	at  time.Time
}

// add takes an answer. A pause longer than maxGap ends the coverage.
func (st *resolverState) add(a *answer, c Constants, maxGap time.Duration) {
	if st.current != nil && !st.current.judged && st.pendingAnswer == nil {
		st.pendingAnswer = st.current
	}
	st.current = a
	if len(a.records) == 0 && !a.markedStale {
		return
	}
	if st.coverageStart.IsZero() || a.received.Sub(st.lastAnswer) > maxGap {
		st.coverageStart = a.received
	}
	st.lastAnswer = a.received
	expires := a.received.Add(a.ttl())
	if a.received.Sub(st.coverageStart) < c.Learning || st.secondLearning.running() {
		st.promise(wholeChain, expires)
	}
	st.secondLearning.answer(a.asked, c)
}

// learn records every promise of an answer, if there is one.
func (st *resolverState) learn(a *answer) {
	if a == nil {
		return
	}
	for _, r := range a.records {
		st.promise(r.Owner, a.received.Add(seconds(r.TTL)))
	}
}

func (st *resolverState) promise(owner string, expires time.Time) {
	if _, known := st.promises[owner]; !known && len(st.promises) >= maxOwners {
		st.otherPromises = later(st.otherPromises, expires)
		return
	}
	st.promises[owner] = later(st.promises[owner], expires)
}

func (st *resolverState) latestPromise(owner string) time.Time {
	return later(st.promises[owner], st.otherPromises)
}

// recordTTL records an answered TTL. Owner names beyond the bound have no largest TTL, so they prove nothing by it.
func (st *resolverState) recordTTL(owner string, ttl time.Duration, at time.Time) {
	l, known := st.largestTTLs[owner]
	if !known && len(st.largestTTLs) >= maxOwners || known && ttl < l.ttl && at.Sub(l.at) <= valueMemory {
		return
	}
	st.largestTTLs[owner] = largestTTL{ttl, at}
}

func (st *resolverState) suspect(at time.Time, why Why) {
	if !at.Before(st.suspectedAt) {
		st.suspectedAt, st.suspicion = at, why
	}
}

// proof returns the evidence that proves staleness, or "".
func (st *resolverState) proof(now time.Time, c Constants) Evidence {
	switch {
	case st.inflatedProof.holds(now, c):
		return TTLInflated
	case st.withdrawnProof.holds(now, c):
		return WithdrawnAddress
	case st.staleAnswerProof.holds(now, c):
		return EDEStale
	}
	return ""
}

// addEvidence takes a confirmed finding of an answer.
func (x *answerContext) addEvidence(a *answer, f finding) {
	st, c := x.state, x.h.c
	st.suspect(a.asked, f.why())
	if f.viewUnproven {
		x.r.count(ViewUnproven, a.asked, c.Spacing)
		return
	}
	x.r.count(f.kind, a.asked, c.Spacing)
	learntUntil := st.secondLearning.last
	if f.kind != EDEStale {
		st.secondLearning.evidence(a.asked, c)
		st.learn(a)
	}
	switch f.kind {
	case TTLInflated:
		if wait := x.untilOldExpired(f.owner, st.entries[f.owner].countsDown(), a.asked); wait > 0 {
			st.suspicion.Remaining = wait
			return
		}
		tolerance := x.h.sameTTLTolerance()
		if l, known := st.largestTTLs[f.owner]; known && f.ttl >= l.ttl-tolerance {
			st.inflatedProof.add(a.asked, f.ttl, tolerance, learntUntil, c)
			st.lastInflated = f
		}
	case WithdrawnAddress:
		if wait := x.untilOldExpired(f.owner, st.unpublished.countsDown(), a.asked); wait > 0 {
			st.suspicion.Remaining = wait
			return
		}
		st.withdrawnProof.add(a.asked, &f, learntUntil, x.zone.withdrawnPieces(a.asked, c), c)
		st.staleness.add(a.asked, f.staleness, c.Hold)
		st.lastWithdrawn = f
	case EDEStale:
		ttl, _ := x.zone.ttl()
		st.staleAnswerProof.confirm(a.asked, x.zone.validSince, ttl, c)
	case TTLFrozen, StaleFirst, ViewUnproven: // not proofs
	}
}

// judge judges the answers to one question that are not judged yet, oldest first. It returns the findings that are
// still to be confirmed, and the earliest time of a delegation walk that confirms them.
func (x *answerContext) judge(now time.Time) (open []finding, walkedSince time.Time) {
	st, c := x.state, x.h.c
	st.unconfirmed = nil
	for _, a := range []*answer{st.pendingAnswer, st.current} {
		if a == nil || a.judged {
			continue
		}
		found := x.findings(a)
		if a.markedStale && !x.zoneKnown(now) {
			// Nothing can confirm it, so it proves nothing, but it is the resolver's own statement.
			x.r.count(EDEStale, a.asked, c.Spacing)
			st.suspect(a.asked, Why{Kind: WhyStaleAnswersUnverified})
		}
		x.r.recordUpstream(a.asked, found, c)
		since := a.received
		if st.proof(now, c) != "" {
			since = now.Add(-c.Hold)
		}
		var pending []finding
		for _, f := range found {
			if f.kind == TTLInflated && !f.viewUnproven && !f.formerServer {
				st.excess.add(a.asked, f.ttl-f.maxTTL, c.Hold)
				st.inflatedProof.seenAgain(a.asked, f.promised, c)
			}
			if !f.proof {
				st.suspect(a.asked, f.why())
			}
			if f.proof && !x.confirmed(a, f, since) {
				pending = append(pending, f)
			}
		}
		if len(pending) > 0 && now.Sub(a.received) <= c.Hold/3 {
			open = append(open, pending...)
			walkedSince = later(walkedSince, since)
			why := pending[0].why()
			why.Unconfirmed = true
			st.unconfirmed = &why
			continue
		}
		for _, f := range found {
			if f.proof && x.confirmed(a, f, since) {
				x.addEvidence(a, f)
			}
		}
		a.judged = true
	}
	if p := &st.inflatedProof; p.proved && !p.unexplained {
		p.unexplained = x.instancesExcluded(st.lastInflated.owner)
	}
	if st.pendingAnswer != nil && st.pendingAnswer.judged {
		st.pendingAnswer = nil
	}
	return open, walkedSince
}

// withdrawnAddresses lists the addresses of this round's answer that the zone is shown not to publish any more: because
// they were withdrawn themselves, or because a CNAME that leads to them was.
func (x *answerContext) withdrawnAddresses() []netip.Addr {
	a := x.state.current
	if a == nil {
		return nil
	}
	anyPromise := *x
	anyPromise.ignorePromises = true
	withdrawn := make(map[value]bool)
	chainMoved := false
	for _, f := range anyPromise.findings(a) {
		if f.kind == WithdrawnAddress {
			withdrawn[f.value] = true
			chainMoved = chainMoved || !f.value.addr.IsValid()
		}
	}
	if len(withdrawn) == 0 {
		return nil
	}
	since := x.h.began
	if x.zone.lastValid.Before(since) { // this round has no samples: those before are the newest
		since = x.zone.lastValid
	}
	var out []netip.Addr
	for _, rec := range a.records {
		if rec.Addr.IsValid() && (withdrawn[valueOf(rec)] || chainMoved && !x.zone.showed(valueOf(rec), since)) {
			out = append(out, rec.Addr)
		}
	}
	return out
}

func (st *resolverState) recordShown(a *answer) {
	if st.firstAnswer.IsZero() {
		st.firstAnswer = a.received
	}
	maps.DeleteFunc(st.shownSince, func(v value, _ time.Time) bool {
		return !slices.ContainsFunc(a.records, func(r measurement.Record) bool { return valueOf(r) == v })
	})
	for _, r := range a.records {
		if v := valueOf(r); st.shownSince[v].IsZero() {
			st.shownSince[v] = a.asked
		}
	}
}

// slidingMax is the largest duration within a time, kept in sixteenths of that time.
type slidingMax struct {
	slots [17]struct {
		start time.Time
		max   time.Duration
	}
	current int
}

func (m *slidingMax) add(now time.Time, d, within time.Duration) {
	s := &m.slots[m.current]
	if s.start.IsZero() || now.Sub(s.start) >= within/16 {
		m.current = (m.current + 1) % len(m.slots)
		s = &m.slots[m.current]
		s.start, s.max = now, 0
	}
	s.max = max(s.max, d)
}

func (m *slidingMax) within(now time.Time, within time.Duration) time.Duration {
	var largest time.Duration
	for _, s := range m.slots {
		if !s.start.IsZero() && now.Sub(s.start) <= within {
			largest = max(largest, s.max)
		}
	}
	return largest
}
