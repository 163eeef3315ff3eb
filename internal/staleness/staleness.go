// Package staleness decides whether a resolver serves DNS records past their TTL. It is pure: answers of resolvers,
// samples of authoritative servers and times go in; a verdict per host and resolver comes out, as facts. Package
// present turns the facts into words.
//
// Create one [Host] per host name with [New] and feed it every round; the type's comment lists the calls.
//
// The argument for the verdict "stale", and the reason for each guard, is in docs/design/001-staleness-proof.md.
// Comments refer to its sections as "design §n". The files follow it:
//
//   - zone.go, rrset.go, ttl.go: what the authoritative servers published (design §3).
//   - resolver.go: what one resolver answered and promised (design §4).
//   - evidence.go: one answer compared with the zone: the findings (design §5).
//   - proof.go: which findings together prove staleness (design §6).
//   - oldentry.go, chance.go, upstream.go: honest explanations that a proof must exclude (design §4.4, §6.4, §6.5).
//   - hints.go: patterns that are reported but prove nothing.
//   - assess.go: the verdict.
package staleness

import (
	"net/netip"
	"time"
)

// Verdict is the judgement of one host at one resolver. It is latched: it outlives its last evidence by Constants.Hold.
type Verdict string

const (
	OK      Verdict = "ok"
	Stale   Verdict = "stale"   // proved
	Suspect Verdict = "suspect" // evidence without proof
	Unknown Verdict = "unknown" // cannot be judged, or not yet
)

// Evidence is a kind of evidence. The list is closed; its members are values of the metric label evidence.
type Evidence string

const (
	TTLInflated      Evidence = "ttl_inflated"
	EDEStale         Evidence = "ede_stale"
	WithdrawnAddress Evidence = "withdrawn_address"
	TTLFrozen        Evidence = "ttl_frozen"
	StaleFirst       Evidence = "stale_first"
	ViewUnproven     Evidence = "view_unproven"
)

// Kinds lists every kind of evidence.
var Kinds = []Evidence{TTLInflated, EDEStale, WithdrawnAddress, TTLFrozen, StaleFirst, ViewUnproven}

// Assessment is the judgement of one host at one resolver after a round.
type Assessment struct {
	Verdict Verdict
	// Why is the reason for Verdict.
	Why Why
	// Ready is the end of learning, when the first verdict can be expected; zero if learning has ended or cannot end.
	Ready time.Time
	// Counts holds the number of pieces of evidence so far for every member of Kinds.
	Counts map[Evidence]uint64
	// TTLExcess is the largest excess of an answered TTL over the published one within Constants.Hold; at least 0.
	TTLExcess time.Duration
	// Staleness is the longest proven time past the permitted lifetime within Constants.Hold; at least 0.
	Staleness time.Duration
	// Withdrawn lists the addresses of this round's answer that the zone does not publish any more, proved or
	// suspected.
	Withdrawn []netip.Addr
}
