package staleness

import "time"

// countdown counts how often a TTL had counted down since the answer before, and how often it had not changed. Answers
// so far apart that the record expired between them count for neither.
type countdown struct{ decreasing, constant int }

func (d *countdown) add(before, shown shownTTL) {
	switch elapsed := shown.at.Sub(before.at); {
	case elapsed >= before.ttl:
	case shown.ttl == before.ttl:
		d.constant++
	case (before.ttl - elapsed - shown.ttl).Abs() <= hopRounding:
		d.decreasing++
	}
}

// unpublishedTTLs are those of values that the zone had not published for a while.
type unpublishedTTLs struct {
	newest shownTTL
	counts countdown
}

func (u *unpublishedTTLs) add(received time.Time, ttl time.Duration, c Constants) {
	shown := shownTTL{received, ttl}
	switch elapsed := received.Sub(u.newest.at); {
	case elapsed > evidenceHolds*c.Hold:
		u.counts = countdown{}
	case elapsed < hintRounding:
		return // a constant TTL would look like one that counts down
	default:
		u.counts.add(u.newest, shown)
	}
	u.newest = shown
}

func (u *unpublishedTTLs) countsDown() bool {
	return u.counts.decreasing >= minDecreasing && u.counts.decreasing > 8*u.counts.constant
}

// recordUnpublished records the TTL of the first value in an answer that the zone had withdrawn before the answer can
// have been fetched.
func (x *answerContext) recordUnpublished(a *answer) {
	for _, r := range a.records {
		s := x.zone.rrsets[r.Owner]
		if s == nil {
			continue
		}
		h := s.values[valueOf(r)]
		_, largest, _, _ := s.ttls.bounds(a.asked)
		if h != nil && a.asked.Sub(h.lastSeen) > largest+x.h.c.AuthorityLag {
			x.state.unpublished.add(a.received, seconds(r.TTL), x.h.c)
			return
		}
	}
}

// oldEntryTime is how long an entry from before the first answer or sample is assumed to live if its remaining lifetime
// cannot be seen.
const oldEntryTime = 24 * time.Hour

// untilOldExpired returns how long after t answers may be from an entry that is older than our first answer or sample,
// when the zone may have published a longer TTL; at most 0 if none can be. An old entry lives no longer than the
// largest TTL that the resolver showed. If the TTLs of the answers in question do not count down, the resolver may
// limit the TTLs that it shows, and the remaining lifetime is not seen (design §4.4).
func (x *answerContext) untilOldExpired(owner string, countsDown bool, t time.Time) time.Duration {
	since := x.state.firstAnswer
	lifetime := x.state.largestTTLs[owner].ttl
	if s := x.zone.rrsets[owner]; s != nil {
		since = later(since, s.firstSampled)
		_, largest, _, _ := s.ttls.bounds(t)
		lifetime = max(lifetime, largest)
	}
	if !countsDown {
		lifetime = max(lifetime, oldEntryTime)
	}
	return since.Add(lifetime).Sub(t)
}
