package staleness

import (
	"net/netip"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestAssessLoweredLongTTL has zones that lowered a TTL of days to a minute. Honest caches keep their entries until
// they expire. Such an entry can appear after any time of watching, if the resolver or a cache behind its address
// appears late.
func TestAssessLoweredLongTTL(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	first, second := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")
	server := netip.MustParseAddrPort("198.51.100.1:53")
	type entry struct {
		resolver netip.AddrPort
		ttl      time.Duration
	}
	// left is the remaining TTL of what an honest cache fetched at a time, once the zone's TTL is a minute.
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
		"lowered while we watch, just after the resolver was restarted": {
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
		"lowered before the start, another resolver by DHCP after a day": {
			until: 26 * time.Hour,
			zone:  func(time.Duration) time.Duration { return time.Minute },
			answer: func(at time.Duration) entry {
				if at < 25*time.Hour {
					return entry{first, time.Minute - at%time.Minute}
				}
				return entry{second, left(at, -2*time.Hour, 7*day)}
			},
		},
		"lowered before the start, a standby behind the same address after a day": {
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
			h := New(defaults(), Options{SingleView: true})
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
					t.Fatalf("after %v: %+v", at, a.Why)
				}
			}
		})
	}
}

// TestTTLHistoryRemembersLongTTLs checks that a TTL is remembered until the records published with it have expired, at
// least a day and at most a week.
func TestTTLHistoryRemembersLongTTLs(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		before uint32        // seconds, for an hour
		lasts  time.Duration // from the end of that hour
	}{
		"three days, for three days": {uint32(3 * day / time.Second), 3 * day},
		"an hour, for a day":         {3600, day},
		"68 years, for a week":       {1<<31 - 1, 7 * day},
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
				if want := at < time.Hour+test.lasts; remembered != want && (at-time.Hour-test.lasts).Abs() > time.Hour || !ok {
					t.Fatalf("after %v: largest TTL %v", at, most)
				}
			}
		})
	}
}

// TestTTLHistorySteady checks when a TTL is a basis for a proof: not if a cache counts it down, and not just after a
// change.
func TestTTLHistorySteady(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		ttls   []uint32
		steady bool
	}{
		"no sample":              {nil, false},
		"constant":               {[]uint32{60, 60, 60, 60}, true},
		"just raised":            {[]uint32{0, 0, 0, 0, 0, 42, 42}, false},
		"raised a while ago":     {[]uint32{0, 0, 0, 42, 42, 42, 42}, true},
		"counts down":            {[]uint32{0, 0, 0, 42, 27, 12}, false},
		"repeatedly up and down": {[]uint32{60, 5, 60, 5, 60, 60, 60, 60, 60}, false},
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

// assessTTLs runs a resolver that answers with the given TTLs over a zone whose TTL is a minute. It returns when the
// verdict was first stale (negative: never), its reason, and the number of pieces of evidence at the end.
func assessTTLs(
	interval, until time.Duration, ttl func(at time.Duration) time.Duration,
) (stale time.Duration, why Why, pieces uint64) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	resolver, server := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("198.51.100.1:53")
	records := func(ttl time.Duration) []measurement.Record {
		return []measurement.Record{{Owner: host, Type: 1, TTL: uint32(ttl / time.Second), Addr: netip.MustParseAddr("203.0.113.1")}}
	}
	h := New(defaults(), Options{SingleView: true})
	stale = -1
	for at := time.Duration(0); at < until; at += interval {
		now := start.Add(at)
		sample := func(walked bool) {
			h.Sample(measurement.Sample{Type: 1, Asked: now, Received: now, Walked: walked,
				Steps: []measurement.SampleStep{{Server: server, Servers: []netip.AddrPort{server}, Records: records(time.Minute)}}})
		}
		h.Begin(now)
		h.Answer(&measurement.Answer{Server: resolver, Name: host, Type: 1, Asked: now, Received: now, Chain: records(ttl(at))})
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

// TestAssessSuccessiveOldEntries has an honest forwarder answer from the entries of the caches behind it, one after the
// other, all from before the zone lowered its TTL of an hour, a minute before the start.
func TestAssessSuccessiveOldEntries(t *testing.T) {
	expiries := []time.Duration{20 * time.Minute, 32 * time.Minute, 40 * time.Minute, 48 * time.Minute, 55 * time.Minute, 58 * time.Minute}
	stale, why, pieces := assessTTLs(30*time.Second, 2*time.Hour, func(at time.Duration) time.Duration {
		for _, expires := range expiries {
			if at < expires {
				return expires - at
			}
		}
		return time.Minute
	})
	if stale >= 0 {
		t.Errorf("stale after %v: %+v", stale, why)
	}
	if pieces < 2 {
		t.Errorf("%d pieces of evidence: the test does not reach the proof", pieces)
	}
}

// TestAssessMinimumTTLAtAllIntervals covers intervals up to the maximum of 5 minutes.
func TestAssessMinimumTTLAtAllIntervals(t *testing.T) {
	const began = time.Hour
	for _, interval := range []time.Duration{15 * time.Second, time.Minute, 3 * time.Minute, 4 * time.Minute, 5 * time.Minute} {
		for _, minimum := range []time.Duration{610 * time.Second, 1810 * time.Second} {
			stale, _, pieces := assessTTLs(interval, 6*time.Hour, func(at time.Duration) time.Duration {
				if at < began {
					return time.Minute - at%time.Minute
				}
				return minimum - (at-began)%minimum
			})
			if stale < 0 || stale > began+6*minimum+2*time.Hour {
				t.Errorf("rounds %v apart, %v: stale after %v, with %d pieces of evidence", interval, minimum, stale, pieces)
			}
		}
	}
}

// TestAssessSmallerTTLAfterLargerOne has a resolver answer with a TTL of an hour once and with five minutes afterwards.
// The larger TTL is remembered for a day, during which the smaller one proves nothing.
func TestAssessSmallerTTLAfterLargerOne(t *testing.T) {
	const shown = time.Hour
	for name, later := range map[string]func(at time.Duration) time.Duration{
		"a TTL that does not count down": func(time.Duration) time.Duration { return 5 * time.Minute },
		"a minimum TTL":                  func(at time.Duration) time.Duration { return 5*time.Minute - at%(5*time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			stale, _, pieces := assessTTLs(15*time.Second, 27*time.Hour, func(at time.Duration) time.Duration {
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

// TestWithdrawnAddressProofPieces checks how many pieces make a proof: more where a query to the authoritative servers
// was lost, because a resolver that loses queries may serve expired records (RFC 8767).
func TestWithdrawnAddressProofPieces(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		lost   time.Duration // a query was lost this long before the first piece; 0: none
		pieces int           // five minutes apart, each explained by another fetch
		proved bool
	}{
		"one piece":                     {0, 1, false},
		"two, no query lost":            {0, 2, true},
		"two, a query lost":             {10 * time.Minute, 2, false},
		"three, a query lost":           {10 * time.Minute, 3, true},
		"two, a query lost long before": {2 * time.Hour, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			z, p, c := &zoneView{}, &withdrawnAddressProof{}, defaults()
			if test.lost > 0 {
				z.add(measurement.Sample{Type: 1, Asked: start.Add(-test.lost), Received: start.Add(-test.lost), Failure: measurement.SampleSilent}, time.Minute)
			}
			for i := range test.pieces {
				at := start.Add(time.Duration(i) * 5 * time.Minute)
				f := &finding{earliestFetch: at.Add(-10 * time.Second), subset: true}
				p.add(at, f, time.Time{}, z.withdrawnPieces(at, c), c)
			}
			if p.proved != test.proved {
				t.Errorf("proved %v, want %v", p.proved, test.proved)
			}
		})
	}
}

// TestStaleAnswerProofRenewals counts the renewals of a resolver's entries that the answers show, with stale answers
// and without. A fresh answer from the entry that was fetched when a stale answer was given shows no renewal of its
// own.
func TestStaleAnswerProofRenewals(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	server, resolver := netip.MustParseAddrPort("198.51.100.1:53"), netip.MustParseAddrPort("192.0.2.1:53")
	records := func(ttl uint32) []measurement.Record {
		return []measurement.Record{{Owner: host, Type: 1, TTL: ttl, Addr: netip.MustParseAddr("203.0.113.1")}}
	}
	type seen struct {
		after time.Duration // since the start
		ttl   uint32
		ede   uint16
		rcode int
	}
	const nxdomain = rcodeNXDomain
	for name, test := range map[string]struct {
		zoneTTL      uint32
		answers      []seen
		stale, clean int
	}{
		"fetched 20 s after a stale answer: a renewal":  {5, []seen{{0, 5, 0, 0}, {30 * time.Second, 30, 3, 0}, {52 * time.Second, 3, 0, 0}}, 1, 1},
		"fetched when the stale answer was given: none": {60, []seen{{0, 60, 0, 0}, {70 * time.Second, 30, 3, 0}, {100 * time.Second, 30, 0, 0}}, 1, 0},
		"fetched before the stale answer of another cache: a renewal": {
			60, []seen{{0, 60, 0, 0}, {70 * time.Second, 30, 3, 0}, {80 * time.Second, 10, 0, 0}}, 1, 1,
		},
		"two fresh entries: a renewal":                          {60, []seen{{0, 60, 0, 0}, {70 * time.Second, 55, 0, 0}}, 0, 1},
		"the same entry again: none":                            {60, []seen{{0, 60, 0, 0}, {30 * time.Second, 30, 0, 0}}, 0, 0},
		"NXDOMAIN, marked and then not: a renewal":              {60, []seen{{0, 0, 19, nxdomain}, {40 * time.Second, 0, 0, nxdomain}}, 1, 1},
		"NXDOMAIN again within a spacing: at most one renewal":  {60, []seen{{0, 0, 0, nxdomain}, {10 * time.Second, 0, 0, nxdomain}}, 0, 1},
		"a stale answer again within a spacing: one renewal":    {5, []seen{{0, 5, 0, 0}, {30 * time.Second, 30, 3, 0}, {40 * time.Second, 30, 3, 0}}, 1, 0},
		"stale answers a spacing apart: a renewal each of them": {5, []seen{{0, 5, 0, 0}, {30 * time.Second, 30, 3, 0}, {60 * time.Second, 30, 3, 0}}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(defaults(), Options{SingleView: true})
			for _, a := range test.answers {
				now := start.Add(a.after)
				h.Begin(now)
				h.Sample(measurement.Sample{Type: 1, Asked: now, Received: now, Steps: []measurement.SampleStep{
					{Server: server, Servers: []netip.AddrPort{server}, Records: records(test.zoneTTL)},
				}})
				answer := &measurement.Answer{Server: resolver, Name: host, Type: 1, Asked: now, Received: now, Rcode: a.rcode}
				if a.rcode == rcodeNoError {
					answer.Chain = records(a.ttl)
				}
				if a.ede != 0 {
					answer.EDE = []measurement.EDE{{Code: a.ede}}
				}
				h.Answer(answer)
			}
			stale, clean := 0, 0
			for _, r := range h.resolver(resolver).states[stateKey{1, false}].staleAnswerProof.renewals {
				if r.stale {
					stale++
				} else {
					clean++
				}
			}
			if stale != test.stale || clean != test.clean {
				t.Errorf("%d renewals with a stale answer and %d without, want %d and %d", stale, clean, test.stale, test.clean)
			}
		})
	}
}
