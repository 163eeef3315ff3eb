package staleness

import (
	"net/netip"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestEntriesOfLongTTLsAreNotHeldAgainstTheirCaches has zones that lowered a TTL of days to a minute. Honest caches keep what
// they have until it expires, however long we have watched by then: it is seen late if the resolver, or the cache behind its
// address, is met late.
func TestEntriesOfLongTTLsAreNotHeldAgainstTheirCaches(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	first, second := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")
	server := netip.MustParseAddrPort("198.51.100.1:53")
	type entry struct {
		resolver netip.AddrPort
		ttl      time.Duration
	}
	// From when its zone has a TTL of a minute on, what an honest cache fetched at a moment has left.
	left := func(at, fetched time.Duration, ttl time.Duration) time.Duration {
		if rest := fetched + ttl - at; rest > 0 {
			return rest
		}
		return time.Minute - at%time.Minute
	}
	for name, test := range map[string]struct {
		until  time.Duration
		zone   func(at time.Duration) time.Duration
		answer func(at time.Duration) entry
	}{
		"lowered under our eyes, just after the resolver was restarted": {
			until: 10*day + 2*time.Hour,
			zone: func(at time.Duration) time.Duration {
				if at < 8*day {
					return 2 * day
				}
				return time.Minute
			},
			answer: func(at time.Duration) entry {
				if restarted := 8*day - 5*time.Minute; at >= restarted {
					return entry{first, left(at, restarted, 2*day)}
				}
				return entry{first, 2*day - at%(2*day)}
			},
		},
		"lowered before we came, another resolver by DHCP after a day": {
			until: 26 * time.Hour,
			zone:  func(time.Duration) time.Duration { return time.Minute },
			answer: func(at time.Duration) entry {
				if at < 25*time.Hour {
					return entry{first, time.Minute - at%time.Minute}
				}
				return entry{second, left(at, -2*time.Hour, 7*day)}
			},
		},
		"lowered before we came, a standby behind the same address after a day": {
			until: 26 * time.Hour,
			zone:  func(time.Duration) time.Duration { return time.Minute },
			answer: func(at time.Duration) entry {
				if at < 25*time.Hour {
					return entry{first, time.Minute - at%time.Minute}
				}
				return entry{first, left(at, -2*time.Hour, 7*day)}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(usual(), Options{SingleView: true})
			records := func(ttl time.Duration) []measurement.Record {
				return []measurement.Record{{Owner: host, Type: 1, TTL: uint32(ttl / time.Second), Addr: netip.MustParseAddr("203.0.113.1")}}
			}
			for at := time.Duration(0); at < test.until; at += 30 * time.Second {
				now := start.Add(at)
				sample := func(walked bool) {
					h.Sample(measurement.Sample{Type: 1, Asked: now, Received: now, Walked: walked,
						Steps: []measurement.SampleStep{{Server: server, Servers: []netip.AddrPort{server}, Records: records(test.zone(at))}}})
				}
				given := test.answer(at)
				h.Begin(now)
				h.Answer(&measurement.Answer{Server: given.resolver, Name: host, Type: 1, Asked: now, Received: now, Chain: records(given.ttl)})
				sample(false)
				for len(h.Wants(now)) > 0 {
					sample(true)
					sample(true)
				}
				if a := h.Assess(given.resolver, now); a.Verdict == Stale {
					t.Fatalf("after %v: %s", at, a.Why)
				}
			}
		})
	}
}

// TestALongTTLIsRememberedUntilItsEntriesExpire is about a week of an absurd one, and what is forgotten after that.
func TestALongTTLIsRememberedUntilItsEntriesExpire(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		before uint32        // seconds, for an hour
		lasts  time.Duration // from the end of that hour on
	}{
		"of three days":                        {uint32(3 * day / time.Second), 3 * day},
		"of an hour: a day, as any":            {3600, day},
		"of 68 years: as long as a cache does": {1<<31 - 1, 7 * day},
	} {
		t.Run(name, func(t *testing.T) {
			var h ttlHistory
			for at := time.Duration(0); at < 10*day; at += 10 * time.Minute {
				ttl := uint32(60)
				if at < time.Hour {
					ttl = test.before
				}
				h.add(start.Add(at), ttl)
				_, most, _, ok := h.bounds(start.Add(at))
				remembered := most == seconds(test.before)
				if due := at < time.Hour+test.lasts; remembered != due && (at-time.Hour-test.lasts).Abs() > time.Hour || !ok {
					t.Fatalf("after %v: at most %v", at, most)
				}
			}
		})
	}
}

// TestAChangedTTLIsNoBaseUntilItIsSteady: the servers of a zone may be caches, whose TTLs count down. Just after a rise one
// sample is but a draw from what the zone says.
func TestAChangedTTLIsNoBaseUntilItIsSteady(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		ttls   []uint32
		steady bool
	}{
		"nothing seen":            {nil, false},
		"always the same":         {[]uint32{60, 60, 60, 60}, true},
		"just raised":             {[]uint32{0, 0, 0, 0, 0, 42, 42}, false},
		"raised a while ago":      {[]uint32{0, 0, 0, 42, 42, 42, 42}, true},
		"counts down":             {[]uint32{0, 0, 0, 42, 27, 12}, false},
		"up and down all the day": {[]uint32{60, 5, 60, 5, 60, 60, 60, 60, 60}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var h ttlHistory
			for i, ttl := range test.ttls {
				h.add(start.Add(time.Duration(i)*time.Minute), ttl)
			}
			if _, _, steady, _ := h.bounds(start.Add(time.Hour)); steady != test.steady {
				t.Errorf("steady: %v", steady)
			}
		})
	}
}

// told lets a resolver tell the rest of a record, round after round, over a zone whose TTL is a minute. It returns when the
// resolver was called stale first, negative if never, and how many pieces of evidence there were in the end.
func told(interval, until time.Duration, rest func(at time.Duration) time.Duration) (stale time.Duration, why string, pieces uint64) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	resolver, server := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("198.51.100.1:53")
	records := func(ttl time.Duration) []measurement.Record {
		return []measurement.Record{{Owner: host, Type: 1, TTL: uint32(ttl / time.Second), Addr: netip.MustParseAddr("203.0.113.1")}}
	}
	h := New(usual(), Options{SingleView: true})
	stale = -1
	for at := time.Duration(0); at < until; at += interval {
		now := start.Add(at)
		sample := func(walked bool) {
			h.Sample(measurement.Sample{Type: 1, Asked: now, Received: now, Walked: walked,
				Steps: []measurement.SampleStep{{Server: server, Servers: []netip.AddrPort{server}, Records: records(time.Minute)}}})
		}
		h.Begin(now)
		h.Answer(&measurement.Answer{Server: resolver, Name: host, Type: 1, Asked: now, Received: now, Chain: records(rest(at))})
		sample(false)
		for len(h.Wants(now)) > 0 {
			sample(true)
			sample(true)
		}
		a := h.Assess(resolver, now)
		if pieces = a.Counts[TTLInflated]; a.Verdict == Stale && stale < 0 {
			stale, why = at, a.Why
		}
	}
	return stale, why, pieces
}

// TestOldEntriesOneAfterTheOtherAreNoProof has an honest forwarder show the entries of caches behind it, all from before the
// zone lowered its TTL of an hour, a minute before we came: each once the one before it has expired.
func TestOldEntriesOneAfterTheOtherAreNoProof(t *testing.T) {
	expiries := []time.Duration{20 * time.Minute, 32 * time.Minute, 40 * time.Minute, 48 * time.Minute, 55 * time.Minute, 58 * time.Minute}
	stale, why, pieces := told(30*time.Second, 2*time.Hour, func(at time.Duration) time.Duration {
		for _, expires := range expiries {
			if at < expires {
				return expires - at
			}
		}
		return time.Minute
	})
	if stale >= 0 {
		t.Errorf("after %v: %s", stale, why)
	}
	if pieces < 2 {
		t.Errorf("%d pieces of evidence: nothing was put to the test", pieces)
	}
}

// TestAMinimumTTLIsFoundHoweverFarApartRoundsAre, as far as the proof promises: up to 5 minutes.
func TestAMinimumTTLIsFoundHoweverFarApartRoundsAre(t *testing.T) {
	const began = time.Hour
	for _, interval := range []time.Duration{15 * time.Second, time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute} {
		for _, minimum := range []time.Duration{610 * time.Second, 1810 * time.Second} {
			stale, _, pieces := told(interval, 6*time.Hour, func(at time.Duration) time.Duration {
				if at < began {
					return time.Minute - at%time.Minute
				}
				return minimum - (at-began)%minimum
			})
			if stale < 0 || stale > began+3*time.Hour {
				t.Errorf("rounds %v apart, %v: stale after %v, with %d pieces of evidence", interval, minimum, stale, pieces)
			}
		}
	}
}

// TestAnEntryOfItsOwnIsFoundAfterALargerOne has a resolver show an hour once, and then always five minutes: what it showed is
// held against it for a day, and no longer.
func TestAnEntryOfItsOwnIsFoundAfterALargerOne(t *testing.T) {
	const shown = time.Hour
	for name, later := range map[string]func(at time.Duration) time.Duration{
		"an entry that never counts down": func(time.Duration) time.Duration { return 5 * time.Minute },
		"a minimum TTL":                   func(at time.Duration) time.Duration { return 5*time.Minute - at%(5*time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			stale, _, pieces := told(15*time.Second, 27*time.Hour, func(at time.Duration) time.Duration {
				switch {
				case at < shown:
					return time.Minute - at%time.Minute
				case at < shown+40*time.Minute:
					return time.Hour - (at - shown)
				}
				return later(at)
			})
			if stale < 24*time.Hour {
				t.Errorf("stale after %v, with %d pieces of evidence", stale, pieces)
			}
		})
	}
}

// TestWithdrawnAddressesTakeMoreWhereQuestionsAreLost: what the zone's servers do not answer us they may not answer a resolver
// either, which then serves what has expired, as RFC 8767 allows.
func TestWithdrawnAddressesTakeMoreWhereQuestionsAreLost(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		lost   time.Duration // before the first piece; 0: nothing is lost
		pieces int           // five minutes apart, each with a moment of its own
		proved bool
	}{
		"one piece":                           {0, 1, false},
		"two, and nothing is lost":            {0, 2, true},
		"two, and a question was lost":        {10 * time.Minute, 2, false},
		"three, and a question was lost":      {10 * time.Minute, 3, true},
		"two, and a question was lost before": {2 * time.Hour, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, p, c := &family{}, &addressProof{}, usual()
			if test.lost > 0 {
				f.take(measurement.Sample{Type: 1, Asked: start.Add(-test.lost), Received: start.Add(-test.lost), Failure: measurement.SampleSilent}, time.Minute)
			}
			for i := range test.pieces {
				at := start.Add(time.Duration(i) * 5 * time.Minute)
				p.piece(at, at.Add(-10*time.Second), time.Time{}, f.addressPieces(at, c), c)
			}
			if p.proved != test.proved {
				t.Errorf("proved: %v", p.proved)
			}
		})
	}
}
