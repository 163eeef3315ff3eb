package staleness

import "time"

// Numbers of the hints.
const (
	frozenAnswers    = 10              // in a row: several caches behind one address sometimes repeat a TTL
	staleFirstEvents = 3               // within Constants.Hold
	hintRounding     = 3 * time.Second // of two TTLs and two round trips
)

// hints finds patterns in the sequence of answered TTLs that are worth reporting but prove nothing.
type hints struct {
	previous, beforePrevious shownTTL
	frozen                   int         // answers in a row whose TTL did not count down
	staleFirst               []time.Time // when the resolver seemed to answer first and refresh afterwards
}

// shownTTL is a TTL in an answer, and when that was asked for or received.
type shownTTL struct {
	at  time.Time
	ttl time.Duration
}

// answer takes the next answer's smallest TTL. zoneTTL is the zone's constant TTL, 0 if it is not constant. It reports
// which hints this answer completes.
func (n *hints) answer(asked time.Time, ttl, zoneTTL time.Duration, c Constants) (frozen, staleFirst bool) {
	p, pp := n.previous, n.beforePrevious
	n.beforePrevious, n.previous = p, shownTTL{asked, ttl}
	if p.at.IsZero() {
		return false, false
	}
	if d := asked.Sub(p.at); ttl == p.ttl && d >= hintRounding && d < p.ttl {
		n.frozen++
	} else {
		n.frozen = 0
	}
	frozen = n.frozen >= frozenAnswers
	if pp.at.IsZero() || zoneTTL == 0 {
		return frozen, false
	}
	// Answer p was given after pp's expiry, from an entry that was fetched before pp was given, which one honest cache
	// cannot do; and the entry was renewed at the time of p.
	expired := p.at.Sub(pp.at.Add(pp.ttl)) > hintRounding
	fetchedBefore := p.at.Add(p.ttl-zoneTTL).Sub(pp.at) < -hintRounding
	renewed := asked.Add(ttl).Sub(p.at.Add(zoneTTL)).Abs() <= hintRounding && asked.Sub(p.at) < zoneTTL
	if expired && fetchedBefore && renewed {
		n.staleFirst = appendBounded(n.staleFirst, p.at, staleFirstEvents)
		staleFirst = len(n.staleFirst) == staleFirstEvents && p.at.Sub(n.staleFirst[0]) <= c.Hold
	}
	return frozen, staleFirst
}
