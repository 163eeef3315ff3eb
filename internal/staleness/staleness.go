// Package staleness proves, or refuses to prove, that a resolver hands out DNS records past their TTL. It is pure:
// samples, answers and times come in; verdicts and evidence go out. See docs/dns-staleness.md for the whole in plain
// words, with what cannot be seen.
//
// # The invariant
//
// An honest chain of caches that answers at time t with TTL r had the record from some authority at a time t0 with
//
//	r <= T(t0) - (t - t0) + ε,  hence  t0 >= t - (Tmax - r) - ε
//
// T(t0) being the TTL published then, Tmax the most that we saw published. It binds each record of each answer by
// itself, however many caches share the resolver's address: so that nothing here compares two answers, but for hints.
//
// # Where the argument is kept
//
//   - judge.go: what one answer shows against the zone's own view: P1 (inflated TTL), P2 (it says so itself), P3 (a
//     withdrawn address), and what confirms each.
//   - zone.go: that view, coverage, and how much the samples had the power to show.
//   - proof.go: why one piece is not a proof, and what makes two of them one.
//   - hints.go: patterns that prove nothing.
//
// What is not needed: a single cache, regular probing, known software, clocks that agree.
package staleness

import (
	"net/netip"
	"time"
)

// Verdict is the latched opinion on one host at one resolver.
type Verdict string

const (
	OK      Verdict = "ok"
	Stale   Verdict = "stale" // proved
	Suspect Verdict = "suspect"
	Unknown Verdict = "unknown"
)

// Evidence is one kind of sign; a closed list, used as the label `evidence`.
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

// Assessment is what is known of one host at one resolver after a round.
type Assessment struct {
	Verdict Verdict
	// Why says in words what the verdict rests on, or why there is none and what would change that; for a person.
	Why string
	// Ready is when a verdict can first be expected (the end of learning); zero if that is now or cannot be said.
	Ready time.Time
	// Counts are the pieces of evidence so far, by kind; every kind of Kinds is present.
	Counts map[Evidence]uint64
	// TTLExcess is the most by which an answered TTL exceeded the zone's, within hold; at least 0.
	TTLExcess time.Duration
	// Staleness is the most proven time past the permitted lifetime, within hold; at least 0.
	Staleness time.Duration
	// Withdrawn are the addresses of this round's answer that the zone has withdrawn, proved or strongly suspected.
	Withdrawn []netip.Addr
}
