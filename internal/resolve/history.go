package resolve

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds of an address history.
const (
	rememberFor   = 24 * time.Hour // an address not seen for this long is new when it appears again
	maxRemembered = 512            // addresses; beyond it the one seen longest ago is forgotten
	maxLogged     = 8              // new addresses listed in one log line
)

// A set of addresses has settled when settledAnswers answers in a row, over settledTTLs times the TTL or settledFor,
// whichever is shorter, held no other address. A pool that rotates with each refresh never settles before all of it
// has been seen.
const (
	settledAnswers = 3
	settledTTLs    = 3
	settledFor     = time.Hour
)

// addressHistory counts the changes of the addresses that a resolver gives for a host.
//
// A change is an answer with an address that is not in the current set, after that set has settled. The answer then
// begins the new current set, to which further new addresses are added until it has settled. So a failover counts
// once, and so does the way back; a balancer that rotates through a pool counts none, nor does an address that only
// disappears (the authoritative servers show that: package staleness).
type addressHistory struct {
	current    map[netip.Addr]time.Time // when last seen
	ttl        time.Duration            // the longest of an answer since the current set began
	grown      time.Time                // when an address was last added to the current set
	answers    int                      // since then
	changes    uint64
	lastChange time.Time
}

// add records the addresses of one answer. If they are a change, it returns the new ones.
func (h *addressHistory) add(addresses []netip.Addr, ttl time.Duration, now time.Time) (added []netip.Addr) {
	if len(addresses) == 0 {
		return nil
	}
	for _, a := range addresses {
		if at, known := h.current[a]; !known || now.Sub(at) > rememberFor {
			added = append(added, a)
		}
	}
	settled := h.settled(now)
	h.ttl = max(h.ttl, ttl)
	switch {
	case len(added) == 0:
		h.answers++
	case h.current == nil, settled:
		h.current, h.ttl = make(map[netip.Addr]time.Time), ttl
		h.grown, h.answers = now, 0
	default:
		h.grown, h.answers = now, 0
	}
	for _, a := range addresses {
		h.current[a] = now
	}
	for len(h.current) > maxRemembered {
		h.forgetOldest()
	}
	if len(added) == 0 || !settled {
		return nil
	}
	h.changes++
	h.lastChange = now
	return slices.Clone(added[:min(len(added), maxLogged)])
}

// settled reports whether the current set has settled.
func (h *addressHistory) settled(now time.Time) bool {
	return h.answers >= settledAnswers && now.Sub(h.grown) >= min(settledFor, settledTTLs*h.ttl)
}

func (h *addressHistory) forgetOldest() {
	var oldest netip.Addr
	var when time.Time
	for a, at := range h.current {
		if when.IsZero() || at.Before(when) {
			oldest, when = a, at
		}
	}
	delete(h.current, oldest)
}
