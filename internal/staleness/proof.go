package staleness

import (
	"math"
	"slices"
	"time"
)

const (
	// evidenceHolds is how long a piece of evidence waits for the next one, in units of Constants.Hold.
	evidenceHolds = 4
	// secondLearningAnswers is how many answers a second learning takes at least. Of three caches behind one address it
	// leaves one unmet with a probability of 0.5 %.
	secondLearningAnswers = 16
	// maxPieces bounds the pieces of TTLInflated that a new one is compared with.
	maxPieces = 8
	// maxRenewals bounds the renewals of a resolver's entries that EDEStale looks back on.
	maxRenewals = 80
	// honestFailures is the largest share of its renewals that an honest resolver is assumed to miss while it passes the
	// tests of [Host.WantsUpstream].
	honestFailures = 0.3
	// maxMarked bounds the stale answers that the time of a renewal is compared with.
	maxMarked = 64
	// staleAnswerWait is the least time that an honest resolver is assumed to wait for the zone before it answers from an
	// expired record. RFC 8767 §5 recommends 1.8 s.
	staleAnswerWait = time.Second
)

// secondLearning is a second period of learning that the first TTLInflated or WithdrawnAddress starts.
//
// Several caches may share the resolver's address, and one that did not answer during the first learning may hold an
// entry from before the zone lowered its TTL. The expiry of such an entry never moves. Everything promised during the
// second learning is therefore learnt too, and later evidence must promise more (design §4.3).
type secondLearning struct {
	start, last time.Time
	answers     int
	ended       bool
}

// evidence starts the second learning, or continues the present one.
func (l *secondLearning) evidence(t time.Time, c Constants) {
	if l.start.IsZero() || t.Sub(l.last) > evidenceHolds*c.Hold {
		*l = secondLearning{start: t, last: t}
	}
	l.last = later(l.last, t)
}

// running reports whether answers are to be learnt.
func (l *secondLearning) running() bool { return !l.start.IsZero() && !l.ended }

// answer counts an answer given at t. The second learning ends after secondLearningAnswers, and when no authoritative
// server can lag any longer.
func (l *secondLearning) answer(t time.Time, c Constants) {
	if l.running() {
		l.answers++
		l.ended = l.answers > secondLearningAnswers && t.Sub(l.start) > c.AuthorityLag+c.Spacing
		l.last = later(l.last, t) // where rounds are far apart this takes longer than evidence waits for the next
	}
}

// latch holds a proof for Constants.Hold after its last piece of evidence.
type latch struct {
	proved bool
	last   time.Time // time of the newest evidence
}

func (l *latch) evidence(t time.Time, c Constants) {
	l.proved = l.proved && t.Sub(l.last) <= c.Hold
	l.last = later(l.last, t)
}

func (l *latch) holds(now time.Time, c Constants) bool { return l.proved && now.Sub(l.last) <= c.Hold }

// inflatedTTLProof combines pieces of TTLInflated. Two prove staleness if they are at least AuthorityLag plus Spacing
// apart, so that no lagging server explains both, and if they show about the same TTL when their entries were first
// seen: the old entries of many caches behind a forwarder have less and less left, a minimum TTL repeats (design §6.1).
type inflatedTTLProof struct {
	latch
	pieces   []shownTTL // oldest first: the TTL of each entry when it was first seen
	promised time.Time  // expiry of the newest piece's entry
	// unexplained is set once no other explanation of the pieces is left; see [answerContext.instancesExcluded].
	unexplained bool
}

// add takes a piece. tolerance is how far two TTLs of the same size may differ; learntUntil is the end of the second
// learning before this piece.
func (p *inflatedTTLProof) add(at time.Time, ttl, tolerance time.Duration, learntUntil time.Time, c Constants) {
	// A piece waits until its entry has expired, and then as long as any other.
	if p.last.IsZero() || at.Sub(later(learntUntil, later(p.last, p.promised))) > evidenceHolds*c.Hold {
		*p = inflatedTTLProof{}
	}
	p.evidence(at, c)
	p.promised = at.Add(ttl)
	for _, earlier := range p.pieces {
		if at.Sub(earlier.at) >= c.AuthorityLag+c.Spacing && (ttl-earlier.ttl).Abs() <= tolerance {
			p.proved = true
		}
	}
	if n := len(p.pieces); n > 0 && at.Sub(p.pieces[n-1].at) < c.Spacing {
		return // the same piece; the bounded list must reach back far enough
	}
	p.pieces = appendBounded(p.pieces, shownTTL{at, ttl}, maxPieces)
}

// seenAgain takes an answer from the newest piece's entry. It is not another piece, but a proof lasts while the entry
// is served.
func (p *inflatedTTLProof) seenAgain(at, promised time.Time, c Constants) {
	if p.proved && at.Sub(p.last) <= c.Hold && promised.Sub(p.promised).Abs() <= hopRounding {
		p.last = later(p.last, at)
	}
}

func (p *inflatedTTLProof) holds(now time.Time, c Constants) bool {
	return p.unexplained && p.latch.holds(now, c)
}

// withdrawnAddressProof combines pieces of WithdrawnAddress. They prove staleness if they are at least Spacing apart,
// if no single fetch by an honest resolver explains two of them (design §6.3), and if chance is excluded (design §6.4).
type withdrawnAddressProof struct {
	latch
	lastCounted time.Time    // the newest piece that counted
	pieces      int          // that counted
	withdrawals []withdrawal // that the pieces show, oldest first
}

// withdrawal counts the pieces that show values which the zone withdrew at one time.
type withdrawal struct {
	lastSeen time.Time // of the values at the zone
	pieces   int
	chance   float64 // -ln of the probability that chance explains the pieces
}

// maxWithdrawals bounds the withdrawals that one proof rests on.
const maxWithdrawals = 8

// add takes a piece. learntUntil is the end of the second learning before it, needed the number of pieces that make a
// proof.
func (p *withdrawnAddressProof) add(at time.Time, f *finding, learntUntil time.Time, needed int, c Constants) {
	counts := false
	if p.last.IsZero() || at.Sub(later(learntUntil, p.last)) > evidenceHolds*c.Hold {
		*p = withdrawnAddressProof{}
		counts = true
	}
	p.evidence(at, c)
	if counts = counts || at.Sub(p.lastCounted) >= c.Spacing && f.earliestFetch.After(p.lastCounted); counts {
		p.lastCounted = at
		p.pieces++
	}
	p.count(f, counts)
	var excluded float64
	for _, w := range p.withdrawals {
		excluded += w.chance
	}
	p.proved = p.proved || p.pieces >= needed && excluded >= chanceLimit
}

// count updates the withdrawal that f belongs to.
func (p *withdrawnAddressProof) count(f *finding, another bool) {
	i := slices.IndexFunc(p.withdrawals, func(w withdrawal) bool { return w.lastSeen.Equal(f.lastSeen) })
	if i < 0 {
		if !another {
			return // one fetch explains this piece and an earlier one
		}
		p.withdrawals = appendBounded(p.withdrawals, withdrawal{lastSeen: f.lastSeen}, maxWithdrawals)
		i = len(p.withdrawals) - 1
	}
	w := &p.withdrawals[i]
	if another {
		w.pieces++
	}
	if f.subset {
		w.chance = chanceLimit
	} else {
		w.chance = chance(w.pieces, f.otherAnswers, f.samples)
	}
}

// withdrawnPieces is how many pieces of WithdrawnAddress make a proof. It is larger where the authoritative servers
// recently failed to answer us: a resolver whose own queries are lost may serve expired records (RFC 8767).
func (z *zoneView) withdrawnPieces(now time.Time, c Constants) int {
	if !z.lastFailed.IsZero() && now.Sub(z.lastFailed) <= evidenceHolds*c.Hold {
		return 3
	}
	return 2
}

// staleAnswerProof combines pieces of EDEStale: stale answers where the resolver renewed its entries, a spacing apart
// from each other, over at least ten spacings. A resolver that misses some renewals, because its questions are lost,
// serves stale now and then, as RFC 8767 allows. The proof requires more than such a resolver shows by chance. One that
// is answered late serves stale after it has waited; such an answer is not a piece (design §6.2).
type staleAnswerProof struct {
	latch
	renewals []renewal // oldest first
	promised time.Time // latest expiry of an answer that was not marked stale
	marked   []period  // the newest exchanges with an answer that was marked stale, oldest first
}

// renewal is the end of one cache entry: followed by a stale answer, or by a fresh one.
type renewal struct {
	at               time.Time
	stale, confirmed bool
}

// period is the time of one exchange, from the question to the answer.
type period struct{ asked, received time.Time }

// answer takes an answer. fetched are the times at which its records were fetched, none if they are not known.
func (p *staleAnswerProof) answer(a *answer, fetched []time.Time, c Constants) {
	newest := renewal{at: a.asked}
	if n := len(p.renewals); n > 0 {
		newest = p.renewals[n-1]
	}
	spaced := a.asked.Sub(newest.at) >= c.Spacing || len(p.renewals) == 0
	switch {
	case a.markedStale && a.received.Sub(a.asked) >= staleAnswerWait:
		p.push(renewal{at: a.asked})
	case a.markedStale:
		if spaced || !newest.stale {
			p.push(renewal{at: a.asked, stale: true})
		}
	case a.nxdomain:
		// Its TTL is not known, so that each one may be another entry.
		if spaced || newest.stale {
			p.push(renewal{at: a.asked})
		}
	case len(a.records) > 0:
		if promised := a.received.Add(a.ttl()); promised.After(p.promised.Add(hopRounding)) {
			// An entry that was fetched when a stale answer was given is the one that the answer is about.
			if !p.promised.IsZero() && !p.fetchedWhenMarked(fetched) {
				p.push(renewal{at: a.asked})
			}
			p.promised = promised
		}
	}
	if a.markedStale {
		p.marked = appendBounded(p.marked, period{a.asked, a.received}, maxMarked)
	}
}

// fetchedWhenMarked reports whether a stale answer was given at each of these times of fetches.
func (p *staleAnswerProof) fetchedWhenMarked(fetched []time.Time) bool {
	for _, t := range fetched {
		if !slices.ContainsFunc(p.marked, func(m period) bool {
			return t.After(m.asked.Add(-hopRounding)) && t.Before(m.received.Add(hopRounding))
		}) {
			return false
		}
	}
	return len(fetched) > 0
}

func (p *staleAnswerProof) push(r renewal) { p.renewals = appendBounded(p.renewals, r, maxRenewals) }

// honestShare is the largest share of stale answers that a resolver is assumed to give which misses honestFailures of
// its renewals. After a failure it may answer from the expired record for 30 s (RFC 8767 §5), which is Spacing by
// default, and other clients may have caused the failure: the shorter the TTL, the more of the time it is in that
// state. A renewal within hopRounding of a stale answer is not counted, which lengthens that time.
func honestShare(ttl time.Duration, c Constants) float64 {
	missed := honestFailures * (c.Spacing + 2*hopRounding).Seconds()
	return min(max(honestFailures, missed/(missed+(1-honestFailures)*ttl.Seconds())), 0.99)
}

// confirm confirms the stale answer given at t. validSince is since when the authoritative servers have answered
// without a failure, ttl what they publish.
func (p *staleAnswerProof) confirm(t, validSince time.Time, ttl time.Duration, c Constants) {
	p.evidence(t, c)
	share := honestShare(ttl, c)
	enough := int(math.Ceil(chanceLimit / -math.Log(share))) // pieces without a clean renewal
	stale, all := 0, 0
	var first time.Time
	for i := max(0, len(p.renewals)-2*enough); i < len(p.renewals); i++ {
		r := &p.renewals[i]
		if r.at.Before(validSince) {
			continue
		}
		if r.stale && !r.at.After(t) && t.Sub(r.at) < c.Spacing {
			r.confirmed = true
		}
		if r.stale == r.confirmed {
			all++ // what is not confirmed counts for neither
		}
		if r.confirmed {
			stale++
			if first.IsZero() {
				first = r.at
			}
		}
	}
	p.proved = p.proved || tailChance(stale, all, share) >= chanceLimit && t.Sub(first) >= 10*c.Spacing
}
