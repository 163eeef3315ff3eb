package staleness

import (
	"math"
	"slices"
	"time"
)

// chanceLimit is -ln of the largest probability of a chance explanation that a proof leaves open.
const chanceLimit = 13.0

// chance returns -ln of the probability that the resolver received something in n of its n+others fetches that none of
// our samples showed, if every fetch and every sample received it with the same probability. It uses the probability
// that makes this most likely, so it never overestimates (design §6.4).
func chance(n, others, samples int) float64 {
	if n <= 0 || samples <= 0 {
		return 0
	}
	all := float64(n + others + samples)
	p := float64(n) / all
	binomial := lnFactorial(n+others) - lnFactorial(n) - lnFactorial(others)
	return max(0, -(binomial + float64(n)*math.Log(p) + float64(others+samples)*math.Log1p(-p)))
}

func lnFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

const (
	maxExpiries  = 8         // remembered entries of one owner name
	countsPeriod = time.Hour // least length of a period of entryCounts

	minDecreasing = 3 // answers that must show how a TTL counts down
)

// entryCounts counts a resolver's cache entries of one owner name: those whose TTL is above the published one, and
// others. Entries are identified by their expiry. The counts cover the present period and the one before it.
type entryCounts struct {
	expiries  []time.Time // of the newest entries with an inflated TTL
	lastOther time.Time   // expiry of the newest other entry
	newest    struct {    // answer
		received time.Time
		ttl      time.Duration
	}
	newestInflated bool           // the newest answer was from an entry with an inflated TTL
	periods        [2]entryPeriod // the present one first
}

type entryPeriod struct {
	start                    time.Time
	firstSample              uint64 // ordinal of the owner name's newest sample at start
	inflated, other          int    // entries
	inflatedAnswers, answers int
	decreasing, constant     int // answers whose TTL had counted down since the inflated one before, or was the same
}

// recordEntry counts an answered record. largest is the largest TTL that was published, ordinal that of the owner
// name's newest sample.
func (x *answerContext) recordEntry(owner string, received time.Time, ttl, largest time.Duration, ordinal uint64) {
	st := x.state
	e := st.entries[owner]
	if e == nil {
		if len(st.entries) >= maxOwners {
			return
		}
		if st.entries == nil {
			st.entries = make(map[string]*entryCounts)
		}
		e = new(entryCounts)
		st.entries[owner] = e
	}
	if received.Sub(e.newest.received) < hintRounding {
		return // a constant TTL would look like one that counts down
	}
	p := &e.periods[0]
	if p.start.IsZero() || received.Sub(p.start) > max(countsPeriod, 4*st.largestTTLs[owner].ttl) {
		e.periods[1] = *p
		*p = entryPeriod{start: received, firstSample: ordinal}
	}
	expires := received.Add(ttl)
	near := func(t time.Time) bool { return expires.Sub(t).Abs() <= hopRounding }
	p.answers++
	if e.newestInflated {
		elapsed := received.Sub(e.newest.received)
		switch {
		case elapsed >= e.newest.ttl:
		case ttl == e.newest.ttl:
			p.constant++
		case near(e.newest.received.Add(e.newest.ttl)):
			p.decreasing++
		}
	}
	e.newest.received, e.newest.ttl = received, ttl
	e.newestInflated = ttl > largest+x.c.Margin || slices.ContainsFunc(e.expiries, near)
	switch {
	case slices.ContainsFunc(e.expiries, near):
		p.inflatedAnswers++
	case ttl > largest+x.c.Margin:
		p.inflatedAnswers++
		p.inflated++
		if len(e.expiries) == maxExpiries {
			e.expiries = append(e.expiries[:0], e.expiries[1:]...)
		}
		e.expiries = append(e.expiries, expires)
	case !near(e.lastOther):
		p.other++
		e.lastOther = expires
	}
}

// instancesExcluded reports whether chance is excluded as the reason that the resolver receives larger TTLs than our
// samples show: several instances with different TTLs may answer at one server's address (design §6.4).
func (x *answerContext) instancesExcluded(owner string) bool {
	if owner == wholeChain {
		return true // the TTL is asserted
	}
	s, e := x.zone.rrsets[owner], x.state.entries[owner]
	if s == nil || e == nil {
		return false
	}
	lifetime := max(x.state.largestTTLs[owner].ttl, time.Second).Seconds()
	p, before := &e.periods[0], &e.periods[1]
	samples := int(s.ordinal - min(p.firstSample, s.ordinal))
	if !before.start.IsZero() {
		samples = int(s.ordinal - min(before.firstSample, s.ordinal))
	}
	// Where the TTL does not count down, every answer seems to be from another entry.
	answers := float64(p.inflatedAnswers + before.inflatedAnswers)
	entries := min(p.inflated+before.inflated, 1+int(answers*x.interval.Seconds()/lifetime))
	if chance(entries, p.other+before.other, samples) < chanceLimit {
		return false
	}
	// An entry with a larger TTL is answered for longer, so its share of the answers is larger than its share of the
	// fetches, by as much as its lifetime is longer.
	_, published, _, _ := s.ttls.bounds(x.state.lastAnswer)
	ordinary := max(published, time.Second).Seconds()
	share := answers / float64(p.answers+before.answers)
	share = share * ordinary / (lifetime - share*(lifetime-ordinary))
	return share >= 1 || float64(samples)*-math.Log1p(-share) >= chanceLimit
}

// countsDown reports whether answers from entries with an inflated TTL show how it counts down.
func (e *entryCounts) countsDown() bool {
	if e == nil {
		return false
	}
	decreasing := e.periods[0].decreasing + e.periods[1].decreasing
	return decreasing >= minDecreasing && decreasing > 2*(e.periods[0].constant+e.periods[1].constant)
}
