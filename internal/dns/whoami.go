package dns

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// whoami holds what was seen of a name whose answer is the asker's address.
type whoami struct {
	mu   sync.Mutex
	seen map[netip.AddrPort]sameView // by resolver
}

type sameView struct {
	same bool
	at   time.Time
}

// SameView says whether the resolver's egress and ours were shown to be the same by name, at most an hour ago: the
// name's own servers answer with the address of who asks them, the resolver or us. Not shown is false.
func (a *Authority) SameView(ctx context.Context, resolver netip.AddrPort, name string) bool {
	w := &a.whoami
	w.mu.Lock()
	have, known := w.seen[resolver]
	w.mu.Unlock()
	now := a.o.Now()
	if known && now.Sub(have.at) < foundFor {
		return have.same
	}
	own, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	theirs := Lookup(own, a.o.Exchanger, resolver, name).Addresses
	ours := make(map[netip.Addr]bool)
	for _, typ := range Types {
		if len(theirs) == 0 {
			break
		}
		for _, s := range a.Confirm(own, []netip.AddrPort{resolver}, name, typ, 1, time.Time{}) {
			for _, step := range s.Steps {
				for _, r := range step.Records {
					ours[r.Addr.Unmap()] = true
				}
			}
		}
	}
	same := false
	for _, addr := range theirs {
		same = same || ours[addr]
	}
	if ctx.Err() != nil && !same {
		return false // cut short: the next round tries again
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = make(map[netip.AddrPort]sameView)
	}
	bound(w.seen, maxRecords, func(v sameView) bool { return now.Sub(v.at) >= foundFor })
	w.seen[resolver] = sameView{same, now}
	return same
}
