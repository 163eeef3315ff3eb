package staleness

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// typeVerdict is the verdict on one type, A or AAAA.
type typeVerdict struct {
	verdict Verdict
	why     Why
	ready   time.Time // end of learning, if it has not ended
	// noAddress is set if the zone or the resolver has no address of this type: the verdict of the other type counts.
	noAddress bool
}

// severity orders verdicts: of two types the more severe one counts.
var severity = map[Verdict]int{OK: 0, Unknown: 1, Suspect: 2, Stale: 3}

// Assess returns the judgement of the host at one resolver. Call it once for each resolver at the end of a round. The
// types A and AAAA are judged separately; the more severe verdict counts.
func (h *Host) Assess(resolver netip.AddrPort, now time.Time) Assessment {
	r := h.resolver(resolver)
	var out Assessment
	var worst *typeVerdict
	for _, key := range stateKeys {
		st := r.states[key]
		if key.lastOwner && st.current == nil {
			continue
		}
		x := h.answerContext(r, key)
		x.judge(now)
		out.TTLExcess = max(out.TTLExcess, st.excess.within(now, h.c.Hold))
		out.Staleness = max(out.Staleness, st.staleness.within(now, h.c.Hold))
		out.Withdrawn = append(out.Withdrawn, x.withdrawnAddresses()...)
		v := x.typeVerdict(now)
		if key.lastOwner && severity[v.verdict] < severity[Suspect] {
			continue // the chain is judged by itself
		}
		switch {
		case worst == nil, worst.noAddress && !v.noAddress,
			worst.noAddress == v.noAddress && severity[v.verdict] > severity[worst.verdict]:
			worst = &v
		}
	}
	out.Verdict, out.Why, out.Ready = worst.verdict, worst.why, worst.ready
	slices.SortStableFunc(out.Withdrawn, netip.Addr.Compare)
	out.Withdrawn = slices.Compact(out.Withdrawn)
	out.Counts = maps.Clone(r.counts)
	return out
}

func (x *answerContext) typeVerdict(now time.Time) typeVerdict {
	h, r, st := x.h, x.r, x.state
	proof := st.proof(now, h.c)
	if proof != "" && !h.upstreamAllows(r, proof) {
		return typeVerdict{verdict: Suspect, why: Why{Kind: WhyUpstreamUntested}}
	}
	switch proof {
	case TTLInflated:
		return typeVerdict{verdict: Stale, why: inflatedWhy(st)}
	case WithdrawnAddress:
		f := &st.lastWithdrawn
		return typeVerdict{verdict: Stale, why: Why{
			Kind: WhyWithdrawnAddress, Value: f.value.String(), LastSeen: f.lastSeen, ZoneTTL: f.maxTTL,
		}}
	case EDEStale:
		return typeVerdict{verdict: Stale, why: Why{Kind: WhyStaleAnswers}}
	case TTLFrozen, StaleFirst, ViewUnproven: // not proofs
	}
	switch {
	case !r.upstream.lastFailed.IsZero() && now.Sub(r.upstream.lastFailed) <= h.c.Hold:
		return typeVerdict{verdict: Unknown, why: Why{Kind: WhyUpstreamDown}}
	case !st.suspectedAt.IsZero() && now.Sub(st.suspectedAt) <= h.c.Hold:
		v := typeVerdict{verdict: Suspect, why: st.suspicion}
		if ready := x.learningEnd(); !x.zone.coverageStart.IsZero() && now.Before(ready) {
			v.ready = ready
		}
		return v
	case st.unconfirmed != nil:
		return typeVerdict{verdict: Suspect, why: *st.unconfirmed}
	case st.current == nil || len(st.current.records) == 0:
		return typeVerdict{verdict: Unknown, why: Why{Kind: WhyNoAnswer}, noAddress: true}
	case h.o.ExpectedTTL > 0:
		return h.verdictByExpectedTTL(st, now)
	}
	return x.verdictByZone(now)
}

// verdictByExpectedTTL is the verdict without evidence where the configuration asserts the TTL.
func (h *Host) verdictByExpectedTTL(st *resolverState, now time.Time) typeVerdict {
	if ready := st.coverageStart.Add(h.c.Learning); now.Before(ready) {
		return h.learning(ready, now)
	}
	return typeVerdict{verdict: OK, why: Why{Kind: WhyWithinExpectedTTL, ZoneTTL: h.o.ExpectedTTL}}
}

// verdictByZone is the verdict without evidence where the authoritative servers are asked.
func (x *answerContext) verdictByZone(now time.Time) typeVerdict {
	h, st, z := x.h, x.state, x.zone
	unknown := func(why Why) typeVerdict { return typeVerdict{verdict: Unknown, why: why} }
	temporary := z.failure == measurement.SampleSilent || z.failure == measurement.SampleRefused
	switch {
	case h.o.NoAuthority:
		return unknown(Why{Kind: WhyAuthorityOff})
	case !z.sampled:
		return unknown(Why{Kind: WhyNotSampled})
	case z.failure == measurement.SampleNoAddress:
		return typeVerdict{verdict: Unknown, why: Why{Kind: WhyNoZoneAddress}, noAddress: true}
	case temporary && !z.lastValid.IsZero() && now.Sub(z.lastValid) <= h.maxGap():
		// One lost sample changes nothing.
	case z.failure != "":
		return unknown(Why{Kind: WhySampleFailed, Failure: z.failure})
	}
	if z.serversNotAsked() {
		return unknown(Why{Kind: WhyServersNotAsked})
	}
	if i := h.interval; i > h.maxInterval() {
		return unknown(Why{Kind: WhyRoundsTooFar, Interval: i, MaxInterval: h.maxInterval()})
	}
	if ready := x.learningEnd(); now.Before(ready) {
		return h.learning(ready, now)
	}
	if !sharesAddress(st.current, z) {
		return unknown(Why{Kind: WhyForeignAddresses})
	}
	if z.cannotShowWithdrawal(st.current, now) {
		return unknown(Why{Kind: WhyValuesReturn})
	}
	frozen := !st.lastFrozen.IsZero() && now.Sub(st.lastFrozen) <= h.c.Hold
	return typeVerdict{verdict: OK, why: Why{Kind: WhyNoSign, TTLFrozen: frozen}}
}

// learningEnd is when zone and resolver have both been watched for Constants.Learning.
func (x *answerContext) learningEnd() time.Time {
	return later(x.zone.coverageStart, x.state.coverageStart).Add(x.h.c.Learning)
}

func (h *Host) learning(ready, now time.Time) typeVerdict {
	why := Why{Kind: WhyLearning, Remaining: max(ready.Sub(now), time.Second)}
	if !h.pausedUntil.IsZero() && !ready.Add(-h.c.Learning).Before(h.pausedUntil) {
		why.Pause = h.pause
	}
	return typeVerdict{verdict: Unknown, why: why, ready: ready}
}

// sharesAddress reports whether an answer has an address that the zone published.
func sharesAddress(a *answer, z *zoneView) bool {
	return slices.ContainsFunc(a.records, func(r measurement.Record) bool {
		return r.Addr.IsValid() && z.showed(valueOf(r), time.Time{})
	})
}

func inflatedWhy(st *resolverState) Why {
	f := &st.lastInflated
	why := Why{Kind: WhyTTLInflated, TTL: max(f.ttl, st.largestTTLs[f.owner].ttl), ZoneTTL: f.maxTTL}
	if f.owner == wholeChain {
		why.Kind = WhyExpectedTTLExceeded
	}
	return why
}

// why is the reason for suspicion that a single finding gives.
func (f *finding) why() Why {
	var why Why
	switch f.kind {
	case TTLInflated:
		why = Why{Kind: WhyTTLInflatedOnce, TTL: f.ttl, ZoneTTL: f.maxTTL}
		if f.viewUnproven {
			why.Kind = WhyViewUnprovenTTL
		}
	case WithdrawnAddress:
		why = Why{Kind: WhyWithdrawnAddressOnce, Value: f.value.String(), LastSeen: f.lastSeen}
		if f.viewUnproven {
			why.Kind = WhyViewUnproven
		}
	case EDEStale:
		why.Kind = WhyStaleAnswersSeldom
	case TTLFrozen, StaleFirst, ViewUnproven: // are counted, and no finding has these kinds
	}
	if f.formerServer {
		why.Kind = WhyFormerServer
	}
	return why
}
