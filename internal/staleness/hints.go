package staleness

import "time"

// hints are patterns that prove nothing.
type hints struct {
	prev, before given
	frozen       int
	first        []time.Time // when the resolver seemed to answer first and to refresh afterwards
}

type given struct {
	asked time.Time
	ttl   time.Duration
}

// Numbers of the hints.
const (
	frozenRounds = 10              // in a row: a few caches behind one address repeat a TTL now and then
	firstTimes   = 3               // within hold
	hintRounding = 3 * time.Second // of two TTLs and two round trips
)

// answer looks at the sequence of TTLs; most is the zone's constant TTL, 0 if it is not constant. It says which hints
// the newest answer completes.
func (n *hints) answer(asked time.Time, ttl, most time.Duration, c Constants) (frozen, first bool) {
	cur := given{asked, ttl}
	p, pp := n.prev, n.before
	n.before, n.prev = n.prev, cur
	if p.asked.IsZero() {
		return false, false
	}
	if d := asked.Sub(p.asked); ttl == p.ttl && d >= hintRounding && d < p.ttl {
		n.frozen++
	} else {
		n.frozen = 0
	}
	frozen = n.frozen >= frozenRounds
	if pp.asked.IsZero() || most == 0 {
		return frozen, false
	}
	// Answer p came after pp's promise had passed, from an entry that must then have been fetched before pp was given
	// (one honest cache cannot do that), and just when p was given the entry was renewed.
	expired := p.asked.Sub(pp.asked.Add(pp.ttl)) > hintRounding
	early := p.asked.Add(p.ttl-most).Sub(pp.asked) < -hintRounding
	renewed := asked.Add(ttl).Sub(p.asked.Add(most)).Abs() <= hintRounding && asked.Sub(p.asked) < most
	if expired && early && renewed {
		n.first = append(n.first, p.asked)
		for len(n.first) > firstTimes {
			n.first = append(n.first[:0], n.first[1:]...)
		}
		first = len(n.first) == firstTimes && p.asked.Sub(n.first[0]) <= c.Hold
	}
	return frozen, first
}
