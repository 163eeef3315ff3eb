package staleness

import "time"

// maxCacheTime is the longest time that a TTL is remembered. It is BIND's default max-cache-ttl.
const maxCacheTime = 7 * 24 * time.Hour

// unsteadyChanges is the number of TTL changes within a day from which a TTL counts as unsteady. It is also the number
// of equal samples in a row that end the doubt after a change.
const unsteadyChanges = 4

// ttlHistory holds the smallest and largest TTL of every hour of the last day, and a larger earlier TTL for as long as
// an honest cache may keep a record that was published with it (design §3.2).
type ttlHistory struct {
	hours [25]struct {
		start    time.Time
		min, max uint32
		changes  int
	}
	current   int // index of the newest hour
	latest    uint32
	unchanged int      // samples in a row with latest
	earlier   struct { // of hours that were overwritten: their largest TTL, until the last of their records expires
		max   uint32
		until time.Time
	}
}

// expiry returns when a record that was published within the hour after start with this TTL has left every honest
// cache.
func expiry(start time.Time, ttl uint32) time.Time {
	return start.Add(time.Hour + min(seconds(ttl), maxCacheTime))
}

func (t *ttlHistory) add(now time.Time, ttl uint32) {
	h := &t.hours[t.current]
	changed := 0
	if !h.start.IsZero() && ttl != t.latest {
		changed = 1
	}
	if t.latest = ttl; changed > 0 {
		t.unchanged = 0
	}
	t.unchanged++
	if h.start.IsZero() || now.Sub(h.start) >= time.Hour {
		if !h.start.IsZero() {
			t.current = (t.current + 1) % len(t.hours)
			h = &t.hours[t.current]
			t.retire(h.start, h.max, now)
		}
		h.start, h.min, h.max, h.changes = now, ttl, ttl, changed
		return
	}
	h.changes += changed
	h.min, h.max = min(h.min, ttl), max(h.max, ttl)
}

// retire keeps the largest TTL of an hour that is about to be overwritten.
func (t *ttlHistory) retire(start time.Time, largest uint32, now time.Time) {
	until := expiry(start, largest)
	if start.IsZero() || !until.After(now) {
		return
	}
	if !t.earlier.until.After(now) {
		t.earlier.max = 0
	}
	t.earlier.max, t.earlier.until = max(t.earlier.max, largest), later(t.earlier.until, until)
}

// bounds returns the smallest and largest TTL that an honest cache can have received; ok is false if nothing is known.
//
// A TTL that changes often is counted down by a cache in front of the authoritative servers, or changed by the zone.
// The largest one seen is then only a sample, so bounds returns twice its value, and steady is false. steady is also
// false until unsteadyChanges samples in a row agree after a change. An unsteady TTL proves nothing.
func (t *ttlHistory) bounds(now time.Time) (smallest, largest time.Duration, steady, ok bool) {
	changes := 0
	var earlier uint32 // largest TTL of more than a day ago whose records may still be cached
	if t.earlier.until.After(now) {
		earlier = t.earlier.max
	}
	for _, h := range t.hours {
		if h.start.IsZero() {
			continue
		}
		if now.Sub(h.start) > valueMemory+time.Hour {
			if expiry(h.start, h.max).After(now) {
				earlier = max(earlier, h.max)
			}
			continue
		}
		changes += h.changes
		if !ok {
			smallest, largest, ok = seconds(h.min), seconds(h.max), true
			continue
		}
		smallest, largest = min(smallest, seconds(h.min)), max(largest, seconds(h.max))
	}
	largest = max(largest, seconds(earlier))
	if changes >= unsteadyChanges {
		return smallest, 2 * largest, false, ok
	}
	return smallest, largest, t.unchanged >= unsteadyChanges, ok
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
