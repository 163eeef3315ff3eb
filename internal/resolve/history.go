package resolve

import (
	"net/netip"
	"time"
)

// Bounds of an address history.
const (
	rememberFor   = 24 * time.Hour // an address not seen for this long is new when it appears again
	maxRemembered = 512            // addresses; beyond it the one seen longest ago is forgotten
	maxLogged     = 8              // new addresses listed in one log line
)

// addressHistory is the set of addresses that a resolver has given for a host over time.
//
// A change is an answer with an address that is not in the set. An answer that lacks addresses is not a change, and neither is
// the return of a known one: balancers answer with varying subsets of one pool, and every round would be a change. So a pool of
// many addresses counts some changes until each address has been seen once, and an address that disappears without a
// replacement is not noticed here (the authoritative servers show that: package staleness).
type addressHistory struct {
	seen       map[netip.Addr]time.Time // when last seen
	changes    uint64
	lastChange time.Time
}

// add records the addresses of one answer and returns those that are new, unless it is the first answer.
func (h *addressHistory) add(addresses []netip.Addr, now time.Time) []netip.Addr {
	if len(addresses) == 0 {
		return nil
	}
	first := h.seen == nil
	if first {
		h.seen = make(map[netip.Addr]time.Time)
	}
	var added []netip.Addr
	for _, a := range addresses {
		if at, known := h.seen[a]; !known || now.Sub(at) > rememberFor {
			added = append(added, a)
		}
		h.seen[a] = now
	}
	for len(h.seen) > maxRemembered {
		h.forgetOldest()
	}
	if first || len(added) == 0 {
		return nil
	}
	h.changes++
	h.lastChange = now
	return added[:min(len(added), maxLogged)]
}

func (h *addressHistory) forgetOldest() {
	var oldest netip.Addr
	var when time.Time
	for a, at := range h.seen {
		if when.IsZero() || at.Before(when) {
			oldest, when = a, at
		}
	}
	delete(h.seen, oldest)
}
