package staleness

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// upstreamInterval is the least time between two tests of one resolver: a test costs the zone a query that no cache
	// answers.
	upstreamInterval = 10 * time.Minute
	// upstreamTests is how many tests a proof by WithdrawnAddress or EDEStale needs. TTLInflated needs one: the TTLs of
	// expired records do not count down from above the zone's.
	upstreamTests = 2
)

// upstreamState is what tests have shown of whether a resolver reaches the authoritative servers.
type upstreamState struct {
	lastEvidence time.Time // time of the newest answer with evidence
	lastWanted   time.Time // when WantsUpstream last named the resolver, whether or not a result followed
	lastTested   time.Time // time of the newest test with a result
	reached      bool      // the newest test reached the servers
	passedTests  int       // tests that reached the servers, while the evidence persisted
	// persisted is set if there was evidence soon after the newest test, but so long after it that an honest resolver
	// which reaches the servers would have refreshed its entry.
	persisted  bool
	lastFailed time.Time // time of the newest test that did not reach the servers
}

// WantsUpstream returns the resolvers that must show that they reach the authoritative servers before a verdict can
// become stale. "The zone answers us" does not mean that it answers the resolver, and a resolver whose upstream is down
// rightly serves expired records (RFC 8767). The caller asks each of them for something below the host's zone that it
// cannot have cached, for example a random label, and reports the result, if there is one, with [Host.Upstream]. A
// resolver is named at most once in ten minutes, also if no result was reported. It applies only if
// Options.UpstreamTest is set.
func (h *Host) WantsUpstream(now time.Time) []netip.AddrPort {
	if !h.o.UpstreamTest {
		return nil
	}
	var out []netip.AddrPort
	for address, r := range h.resolvers {
		u := &r.upstream
		open := u.passedTests < upstreamTests && now.Sub(u.lastWanted) >= upstreamInterval
		if open && !u.lastEvidence.Before(h.began) && h.provedOf(r, now) {
			u.lastWanted = now
			out = append(out, address)
		}
	}
	slices.SortStableFunc(out, netip.AddrPort.Compare)
	return out
}

// Upstream records the test of a resolver that was asked at a time: reached is true if the answer came from the
// authoritative servers (NOERROR or NXDOMAIN, not marked as stale). A resolver that does not reach them has an honest
// reason for all evidence so far, which is dropped.
func (h *Host) Upstream(resolver netip.AddrPort, asked time.Time, reached bool) {
	r := h.resolver(resolver)
	u := &r.upstream
	if !u.persisted {
		u.passedTests = 0
	}
	u.lastTested, u.reached, u.persisted = asked, reached, false
	if reached {
		u.passedTests++
		return
	}
	u.passedTests, u.lastFailed = 0, asked
	for _, st := range r.states {
		st.inflatedProof = inflatedTTLProof{}
		st.withdrawnProof = withdrawnAddressProof{}
		st.staleAnswerProof = staleAnswerProof{}
		st.suspectedAt, st.suspicion = time.Time{}, Why{}
	}
}

// provedOf reports whether the evidence against a resolver is a proof, for any type.
func (h *Host) provedOf(r *resolver, now time.Time) bool {
	for _, st := range r.states {
		if st.proof(now, h.c) != "" {
			return true
		}
	}
	return false
}

// recordUpstream takes the findings of an answer asked at t.
func (r *resolver) recordUpstream(t time.Time, found []finding, c Constants) {
	if !slices.ContainsFunc(found, func(f finding) bool { return !f.viewUnproven }) {
		return
	}
	u := &r.upstream
	u.lastEvidence = later(u.lastEvidence, t)
	if elapsed := t.Sub(u.lastTested); u.reached && elapsed >= 2*c.Spacing && elapsed <= upstreamInterval/2 {
		u.persisted = true
	}
}

// upstreamAllows reports whether the tests allow a proof of this kind to make the verdict stale.
func (h *Host) upstreamAllows(r *resolver, proof Evidence) bool {
	u := &r.upstream
	return !h.o.UpstreamTest || u.passedTests >= upstreamTests || proof == TTLInflated && u.passedTests > 0 && u.persisted
}

// forgetUpstream forgets the passed tests of the resolvers that have no proof against them any more, when the newest
// test is so old that evidence of that time does not count any more.
func (h *Host) forgetUpstream(now time.Time) {
	for _, r := range h.resolvers {
		if u := &r.upstream; u.passedTests > 0 && now.Sub(u.lastTested) > evidenceHolds*h.c.Hold && !h.provedOf(r, now) {
			r.upstream.passedTests = 0
		}
	}
}
