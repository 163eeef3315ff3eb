package resolve

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func TestAddressHistory(t *testing.T) {
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	set := func(from, to int) (out []netip.Addr) {
		for i := from; i < to; i++ {
			out = append(out, address(i))
		}
		return out
	}
	random := rand.New(rand.NewPCG(1, 1))
	// rotating returns a choice of eight of a pool, another one with each refresh.
	rotating := func(pool int, refresh time.Duration) func(time.Duration) []netip.Addr {
		refreshed := time.Duration(-1)
		var choice []netip.Addr
		return func(since time.Duration) []netip.Addr {
			if n := since / refresh; n != refreshed {
				refreshed, choice = n, nil
				for _, i := range random.Perm(pool)[:8] {
					choice = append(choice, address(i))
				}
			}
			return choice
		}
	}
	// at returns one of some sets, each for some time.
	at := func(each time.Duration, sets ...[]netip.Addr) func(time.Duration) []netip.Addr {
		return func(since time.Duration) []netip.Addr { return sets[min(int(since/each), len(sets)-1)] }
	}
	a, b := set(0, 2), set(2, 4)
	for _, test := range []struct {
		name    string
		answer  func(since time.Duration) []netip.Addr
		ttl     time.Duration
		every   time.Duration // between two answers
		length  time.Duration
		changes uint64
	}{
		{"the same addresses: none", at(time.Hour, a), time.Minute, 15 * time.Second, 2 * time.Hour, 0},
		{"a failover there, back and there again: three", at(20*time.Minute, a, b, a, b), time.Minute, 15 * time.Second, 2 * time.Hour, 3},
		{"the same with scrapes of a minute: three", at(20*time.Minute, a, b, a, b), time.Minute, time.Minute, 2 * time.Hour, 3},
		{"the same with a TTL of a day, every two hours: three", at(2*time.Hour, a, b, a, b), 24 * time.Hour, time.Minute, 10 * time.Hour, 3},
		{"one of two addresses is replaced: one", at(20*time.Minute, a, set(1, 3)), time.Minute, 15 * time.Second, time.Hour, 1},
		{"one of two addresses disappears: none", at(20*time.Minute, a, a[:1]), time.Minute, 15 * time.Second, time.Hour, 0},
		{"no answer for a while: none", at(20*time.Minute, a, nil, a), time.Minute, 15 * time.Second, 2 * time.Hour, 0},
		{"8 of 12 rotate for a day: none", rotating(12, time.Minute), time.Minute, 15 * time.Second, 24 * time.Hour, 0},
		{"8 of 2,000 rotate for a day: none", rotating(2000, time.Minute), time.Minute, time.Minute, 24 * time.Hour, 0},
		{"the same with scrapes of 15 s: none", rotating(2000, time.Minute), time.Minute, 15 * time.Second, 8 * time.Hour, 0},
		{"8 of 2,000 rotate every five minutes: none", rotating(2000, 5*time.Minute), 5 * time.Minute, time.Minute, 8 * time.Hour, 0},
		{"8 of 2,000 rotate with every answer, TTL 0: none", rotating(2000, time.Second), 0, 15 * time.Second, 8 * time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
			var h addressHistory
			for since := time.Duration(0); since < test.length; since += test.every {
				added := h.add(test.answer(since), test.ttl, start.Add(since))
				if len(added) > maxLogged || len(h.current) > maxRemembered {
					t.Fatalf("%d new addresses, %d remembered", len(added), len(h.current))
				}
			}
			if h.changes != test.changes || h.lastChange.IsZero() != (test.changes == 0) {
				t.Errorf("%d changes, want %d", h.changes, test.changes)
			}
		})
	}
}
