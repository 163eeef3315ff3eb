package resolve

import (
	"net/netip"
	"time"
)

// Bounds of the view that a resolver gives of one host.
const (
	viewFor      = 24 * time.Hour // an address not given for so long is new when it comes again
	maxViewed    = 512            // addresses; beyond it the one not given for longest is forgotten
	maxLoggedNew = 8
)

// view is the set of addresses that a resolver has given for a host, put together over time.
//
// A change is an answer with an address that is not in the view. An answer that merely lacks some is none, and neither is
// the return of a known one: balancers give a different choice of the same pool each time, and every round would be a
// change. So a pool of many addresses shows some changes until all of them have come by once, and an address that goes
// without another in its place is not seen here (the zone's own servers show that: package staleness).
type view struct {
	last    map[netip.Addr]time.Time // when given last
	changes uint64
	changed time.Time
}

// take takes the addresses of one answer and returns those that are new, unless it is the first.
func (v *view) take(addresses []netip.Addr, now time.Time) []netip.Addr {
	if len(addresses) == 0 {
		return nil
	}
	first := v.last == nil
	if first {
		v.last = make(map[netip.Addr]time.Time)
	}
	var fresh []netip.Addr
	for _, a := range addresses {
		if at, known := v.last[a]; !known || now.Sub(at) > viewFor {
			fresh = append(fresh, a)
		}
		v.last[a] = now
	}
	for len(v.last) > maxViewed {
		v.forgetOldest()
	}
	if first || len(fresh) == 0 {
		return nil
	}
	v.changes++
	v.changed = now
	return fresh[:min(len(fresh), maxLoggedNew)]
}

func (v *view) forgetOldest() {
	var oldest netip.Addr
	var when time.Time
	for a, at := range v.last {
		if when.IsZero() || at.Before(when) {
			oldest, when = a, at
		}
	}
	delete(v.last, oldest)
}
