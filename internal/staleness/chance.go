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

// tailChance returns -ln of the probability that at least n of all independent events with probability p occur.
func tailChance(n, all int, p float64) float64 {
	var sum float64
	for k := n; k <= all; k++ {
		binomial := lnFactorial(all) - lnFactorial(k) - lnFactorial(all-k)
		sum += math.Exp(binomial + float64(k)*math.Log(p) + float64(all-k)*math.Log1p(-p))
	}
	return -math.Log(sum)
}

func lnFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

const (
	maxExpiries  = 8         // remembered entries of one owner name
	countsPeriod = time.Hour // least length of a period of entryCounts
	// fetchPeriod is the least length of a period of fetchCounts. It is longer than countsPeriod, because nothing is
	// counted before the first entry with an inflated TTL.
	fetchPeriod = 6 * time.Hour

	minDecreasing = 3 // answers that must show how a TTL counts down
)

// entryCounts counts a resolver's cache entries of one owner name: those whose TTL is above the published one, and
// others. Entries are identified by their expiry. The counts cover the present period and the one before it.
type entryCounts struct {
	expiries       []time.Time    // of the newest entries with an inflated TTL
	lastOther      time.Time      // expiry of the newest other entry
	newest         shownTTL       // of the newest answer
	newestInflated bool           // the newest answer was from an entry with an inflated TTL
	periods        [2]entryPeriod // the present one first
	fetches        [2]fetchCounts // the present one first
}

type entryPeriod struct {
	start                    time.Time
	firstSample              uint64 // ordinal of the owner name's newest sample at start
	inflated, other          int    // entries
	inflatedAnswers, answers int
	ttls                     countdown // of answers after one from an inflated entry
}

// fetchCounts counts when a resolver fetches entries with an inflated TTL: after all earlier ones have expired, or
// while one of them lives. The answers from other entries in these times show how often its caches can have fetched.
type fetchCounts struct {
	start                               time.Time
	afterExpiry, whileAlive             int // fetched entries with an inflated TTL
	othersAfterExpiry, othersWhileAlive int // answers from other entries
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
		e = new(entryCounts)
		st.entries[owner] = e
	}
	if received.Sub(e.newest.at) < hintRounding {
		return // a constant TTL would look like one that counts down
	}
	longest := st.largestTTLs[owner].ttl
	p := &e.periods[0]
	if p.start.IsZero() || received.Sub(p.start) > max(countsPeriod, 4*longest) {
		e.periods[1] = *p
		*p = entryPeriod{start: received, firstSample: ordinal}
	}
	if u := &e.fetches[0]; received.Sub(u.start) > max(fetchPeriod, 8*longest) {
		e.fetches[1] = *u
		*u = fetchCounts{start: received}
	}
	u := &e.fetches[0]
	expires := received.Add(ttl)
	near := func(t time.Time) bool { return expires.Sub(t).Abs() <= hopRounding }
	p.answers++
	shown := shownTTL{received, ttl}
	if e.newestInflated {
		p.ttls.add(e.newest, shown)
	}
	e.newest = shown
	e.newestInflated = ttl > largest+x.h.c.Margin || slices.ContainsFunc(e.expiries, near)
	switch {
	case slices.ContainsFunc(e.expiries, near):
		p.inflatedAnswers++
	case ttl > largest+x.h.c.Margin:
		p.inflatedAnswers++
		p.inflated++
		e.countAt(expires.Add(-longest+hopRounding), &u.whileAlive, &u.afterExpiry)
		e.expiries = appendBounded(e.expiries, expires, maxExpiries)
	default:
		e.countAt(received, &u.othersWhileAlive, &u.othersAfterExpiry)
		if !near(e.lastOther) {
			p.other++
			e.lastOther = expires
		}
	}
}

// countAt counts what happened at t: in whileAlive if an entry with an inflated TTL had not expired then, or else in
// afterExpiry. Before the first such entry it counts nothing.
func (e *entryCounts) countAt(t time.Time, whileAlive, afterExpiry *int) {
	switch {
	case len(e.expiries) == 0:
	case slices.ContainsFunc(e.expiries, t.Before):
		*whileAlive++
	default:
		*afterExpiry++
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
	if e.renewalsExcluded() {
		return true
	}
	lifetime := max(x.state.largestTTLs[owner].ttl, time.Second).Seconds()
	p, before := &e.periods[0], &e.periods[1]
	samples := int(s.ordinal - min(p.firstSample, s.ordinal))
	if !before.start.IsZero() {
		samples = int(s.ordinal - min(before.firstSample, s.ordinal))
	}
	// Where the TTL does not count down, every answer seems to be from another entry.
	answers := float64(p.inflatedAnswers + before.inflatedAnswers)
	apart := max(x.h.interval, hintRounding).Seconds() // answers closer together are not counted
	entries := min(p.inflated+before.inflated, 1+int(answers*apart/lifetime))
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

// renewalsExcluded reports whether chance is excluded as the reason that entries with an inflated TTL follow each
// other: each is fetched soon after the one before has expired, and none while it lives, although answers from other
// caches behind the same address show that they fetch then too. If every fetch received the larger TTL with the same
// probability, entries would begin at both times in proportion to those answers (design §6.4).
func (e *entryCounts) renewalsExcluded() bool {
	now, before := &e.fetches[0], &e.fetches[1]
	afterExpiry, whileAlive := now.afterExpiry+before.afterExpiry, now.whileAlive+before.whileAlive
	return concentration(afterExpiry, whileAlive, afterExpiry+now.othersAfterExpiry+before.othersAfterExpiry,
		whileAlive+now.othersWhileAlive+before.othersWhileAlive) >= chanceLimit
}

// concentration returns -ln of the probability that inside of inside+outside events fall into a part of the time that
// holds tries of tries+otherTries equal chances for them; 0 if that part has no more than its share.
func concentration(inside, outside, tries, otherTries int) float64 {
	if inside == 0 || otherTries == 0 {
		return 0
	}
	share := float64(tries) / float64(tries+otherTries)
	if float64(inside) <= share*float64(inside+outside) {
		return 0
	}
	binomial := lnFactorial(inside+outside) - lnFactorial(inside) - lnFactorial(outside)
	return max(0, -(binomial + float64(inside)*math.Log(share) + float64(outside)*math.Log1p(-share)))
}

// countsDown reports whether answers from entries with an inflated TTL show how it counts down.
func (e *entryCounts) countsDown() bool {
	if e == nil {
		return false
	}
	decreasing := e.periods[0].ttls.decreasing + e.periods[1].ttls.decreasing
	return decreasing >= minDecreasing && decreasing > 2*(e.periods[0].ttls.constant+e.periods[1].ttls.constant)
}
