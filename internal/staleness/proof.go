package staleness

import "time"

// notice is a second learning, begun by the first piece of P1 or P3.
//
// Their guard, that a promise made before we watched was seen while we learnt, has a hole: several caches may share the
// resolver's address, and one not met while learning may hold an entry from before the zone lowered its TTL. A standby
// that takes over shows nothing else. But the expiry of such an entry never moves: so from the first such piece on, for
// as long as the zone's servers may lag (π) and one spacing more, and for at least some answers, everything promised is
// learnt. A later piece must promise more than all that; no entry of a cache met by then can, unless it is fetched anew
// with more than the zone's TTL.
type notice struct {
	from, last time.Time
	answers    int
	over       bool
}

// noticed is how many answers a notice takes at least: of three caches behind one address, one stays unmet in 0.5 % only.
const noticed = 16

// piece takes one.
func (n *notice) piece(t time.Time, c Constants) {
	if n.from.IsZero() || t.Sub(n.last) > pairing*c.Hold {
		*n = notice{from: t, last: t}
	}
	n.last = later(n.last, t)
}

// running says whether an answer given at t is to be learnt.
func (n *notice) running() bool { return !n.from.IsZero() && !n.over }

// answer counts an answer given at t.
func (n *notice) answer(t time.Time, c Constants) {
	if n.running() {
		n.answers++
		n.over = n.answers > noticed && t.Sub(n.from) > c.AuthorityLag+c.Spacing
		n.last = later(n.last, t) // where rounds are far apart it takes longer than a piece waits for the next
	}
}

// ttlProof joins pieces of P1 into a proof: two, at least π and one spacing apart, so that no server of the zone that
// lags behind a raised TTL explains both, and alike in how much was left of the entry when it was first seen. Pieces come
// one to an entry: the first waits until the entry has expired, and then as long as any.
//
// Why alike: behind an honest forwarder there may be many caches with entries from before the zone lowered its TTL. It
// holds one until that expires, then fetches another, and so shows them one after the other, each with a later expiry than
// everything before: a row of pieces. But all of them expire within the old TTL, so that less and less can be left, while
// a cache that extends lifetimes gives its minimum again and again. So both pieces must also show about as much as the
// most that the resolver showed within a day, be it while we learnt.
type ttlProof struct {
	pieces   []ttlPiece // oldest first
	last     time.Time
	promised time.Time // by the newest piece
	proved   bool
}

// ttlPiece is what one entry had left when it was first seen.
type ttlPiece struct {
	at  time.Time
	ttl time.Duration
}

// maxPieces bounds the pieces that a new one is compared with.
const maxPieces = 8

// piece takes one; alike is how far the rests of two entries with the same TTL may differ, for when they were first seen, and
// learnt the end of the notice before it.
func (p *ttlProof) piece(at time.Time, ttl, alike time.Duration, learnt time.Time, c Constants) {
	if p.last.IsZero() || at.Sub(later(learnt, later(p.last, p.promised))) > pairing*c.Hold {
		*p = ttlProof{}
	}
	if at.Sub(p.last) > c.Hold {
		p.proved = false
	}
	p.last, p.promised = later(p.last, at), at.Add(ttl)
	for _, before := range p.pieces {
		if at.Sub(before.at) >= c.AuthorityLag+c.Spacing && (ttl-before.ttl).Abs() <= alike {
			p.proved = true
		}
	}
	if n := len(p.pieces); n > 0 && at.Sub(p.pieces[n-1].at) < c.Spacing {
		return // too close to be another: those kept must reach back far enough
	}
	if len(p.pieces) == maxPieces {
		p.pieces = append(p.pieces[:0], p.pieces[1:]...)
	}
	p.pieces = append(p.pieces, ttlPiece{at, ttl})
}

// again takes an answer that shows the newest piece's entry once more: no piece of its own, but what is proved lasts while
// the entry is handed out.
func (p *ttlProof) again(at, promised time.Time, c Constants) {
	if p.proved && at.Sub(p.last) <= c.Hold && promised.Sub(p.promised).Abs() <= hopRounding {
		p.last = later(p.last, at)
	}
}

// addressProof joins pieces of P3 into a proof: two, at least one spacing apart, such that no single moment at which the
// resolver may have asked explains both. Every piece of one honest entry has the moment it was fetched at in its span, so
// that pieces of one entry always overlap: an address that came back for a moment between our samples does not make a
// proof.
//
// Three, where the zone's servers did not answer us now and then: a resolver whose own queries are lost serves what has
// expired, as RFC 8767 allows, be it from a cache that nobody asked for a while. It happens to two pieces in an hour; one
// that keeps records gives a piece each round.
//
// A zone that moves seldom gives few pieces: one is remembered for four times hold.
type addressProof struct {
	counted, last time.Time // the newest piece that is apart from the one before, and the newest of all
	pieces        int       // so far, each apart from the one before
	proved        bool
}

func (p *addressProof) piece(at, since, learnt time.Time, due int, c Constants) {
	if p.last.IsZero() || at.Sub(later(learnt, p.last)) > pairing*c.Hold {
		*p = addressProof{counted: at, pieces: 1}
	}
	if at.Sub(p.last) > c.Hold {
		p.proved = false
	}
	p.last = later(p.last, at)
	if at.Sub(p.counted) >= c.Spacing && since.After(p.counted) {
		p.counted = at
		p.pieces++
		p.proved = p.proved || p.pieces >= due
	}
}

// addressPieces is how many make a proof at a moment.
func (f *family) addressPieces(now time.Time, c Constants) int {
	if !f.failed.IsZero() && now.Sub(f.failed) <= pairing*c.Hold {
		return 3
	}
	return 2
}

// pairing is for how many times hold a piece waits for the next.
const pairing = 4

// turnovers is how many renewals of the resolver's entries P2 looks back on.
const turnovers = 16

// turnover is one entry's end as we saw it: followed by a stale answer, or by a fresh one.
type turnover struct {
	at               time.Time
	stale, confirmed bool
}

// spokenProof joins pieces of P2 into a proof: at least three, a spacing apart from each other, over at least ten
// spacings, and no fewer than the clean renewals seen beside them. The last keeps a lossy path from paging: a resolver
// whose own queries are sometimes lost serves stale now and then, as RFC 8767 allows, but renews cleanly far more often.
type spokenProof struct {
	ring      []turnover // oldest first
	promised  time.Time
	lastStale bool
	last      time.Time
	proved    bool
}

// answer takes one answer that says of itself whether it is stale.
func (p *spokenProof) answer(at, promised time.Time, stale bool, c Constants) {
	switch {
	case stale:
		if n := len(p.ring); n == 0 || !p.ring[n-1].stale || at.Sub(p.ring[n-1].at) >= c.Spacing {
			p.push(turnover{at: at, stale: true})
		}
	case promised.After(p.promised.Add(hopRounding)):
		if !p.lastStale && !p.promised.IsZero() {
			p.push(turnover{at: at})
		}
		p.promised = promised
	}
	p.lastStale = stale
}

func (p *spokenProof) push(t turnover) {
	if len(p.ring) >= turnovers {
		p.ring = append(p.ring[:0], p.ring[1:]...)
	}
	p.ring = append(p.ring, t)
}

// piece confirms the stale answer given at t; valid is since when the zone's servers have answered us without fail.
func (p *spokenProof) piece(t, valid time.Time, c Constants) {
	if t.Sub(p.last) > c.Hold {
		p.proved = false
	}
	p.last = later(p.last, t)
	stale, all := 0, 0
	var first time.Time
	for i := range p.ring {
		e := &p.ring[i]
		if e.at.Before(valid) {
			continue
		}
		if e.stale && !e.at.After(t) && t.Sub(e.at) < c.Spacing {
			e.confirmed = true
		}
		all++
		if e.stale && e.confirmed {
			stale++
			if first.IsZero() {
				first = e.at
			}
		}
	}
	p.proved = p.proved || stale >= 3 && 2*stale >= all && t.Sub(first) >= 10*c.Spacing
}

// peak is the greatest duration seen within a time, to a sixteenth of it.
type peak struct {
	slots [17]struct {
		start time.Time
		most  time.Duration
	}
	at int
}

func (p *peak) add(now time.Time, d, within time.Duration) {
	s := &p.slots[p.at]
	if s.start.IsZero() || now.Sub(s.start) >= within/16 {
		p.at = (p.at + 1) % len(p.slots)
		s = &p.slots[p.at]
		s.start, s.most = now, 0
	}
	s.most = max(s.most, d)
}

func (p *peak) within(now time.Time, within time.Duration) time.Duration {
	var most time.Duration
	for _, s := range p.slots {
		if !s.start.IsZero() && now.Sub(s.start) <= within {
			most = max(most, s.most)
		}
	}
	return most
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
