package staleness

import (
	"net/netip"
	"time"
)

// watch is what one resolver's answers for one type amount to.
type watch struct {
	// learnt is eLearn by owner name: the latest expiry promised while we learnt or the zone's servers were silent;
	// crowd stands for the owners beyond the bound.
	learnt map[string]time.Time
	crowd  time.Time
	// longest is the most TTL shown within a day, by owner name; see [ttlProof].
	longest map[string]longest
	cov     time.Time // start of the present run of answers without a gap
	last    time.Time // end of the newest answer that held addresses

	now  *observed // this round's answer
	held *observed // an earlier one that is still to be confirmed

	notice    notice
	ttl       ttlProof
	address   addressProof
	spoken    spokenProof
	inflated  finding // the newest piece of P1, for the words
	gone      finding // of P3
	suspected time.Time
	why       string // of the suspicion
	pending   string // of a sign that is still to be confirmed
	excess    peak
	staleness peak
	hints     hints
	frozen    time.Time // when the TTL last seemed frozen
}

// learn notes every promise of ob.
func (w *watch) learn(ob *observed) {
	if ob == nil {
		return
	}
	for _, r := range ob.records {
		w.promise(r.Owner, ob.received.Add(seconds(r.TTL)))
	}
}

// longest is the most TTL of one owner name, and when it was shown last.
type longest struct {
	ttl time.Duration
	at  time.Time
}

// show notes a TTL. Names beyond the bound have none kept, so that they prove nothing by it.
func (w *watch) show(owner string, ttl time.Duration, at time.Time) {
	if w.longest == nil {
		w.longest = make(map[string]longest)
	}
	l, known := w.longest[owner]
	if !known && len(w.longest) >= maxOwners || known && ttl < l.ttl && at.Sub(l.at) <= memory {
		return
	}
	w.longest[owner] = longest{ttl, at}
}

// most says whether a TTL is about the most that was shown of the name.
func (w *watch) most(owner string, ttl, alike time.Duration) bool {
	l, known := w.longest[owner]
	return known && ttl >= l.ttl-alike
}

func (w *watch) promise(owner string, expiry time.Time) {
	if w.learnt == nil {
		w.learnt = make(map[string]time.Time)
	}
	if _, known := w.learnt[owner]; !known && len(w.learnt) >= maxOwners {
		w.crowd = later(w.crowd, expiry)
		return
	}
	w.learnt[owner] = later(w.learnt[owner], expiry)
}

func (w *watch) promisedBy(owner string) time.Time { return later(w.learnt[owner], w.crowd) }

// answer takes one answer.
func (w *watch) answer(ob *observed, c Constants, gap time.Duration) {
	if w.now != nil && !w.now.settled && w.held == nil {
		w.held = w.now
	}
	w.now = ob
	if len(ob.records) == 0 && !ob.stale {
		return
	}
	if w.cov.IsZero() || ob.received.Sub(w.last) > gap {
		w.cov = ob.received
	}
	w.last = ob.received
	if ob.received.Sub(w.cov) < c.Learning || w.notice.running() {
		w.promise(wholeChain, ob.received.Add(ob.ttl()))
	}
	w.notice.answer(ob.asked, c)
	w.spoken.answer(ob.asked, ob.received.Add(ob.ttl()), ob.stale, c)
}

// resolver is one resolver's share of a host.
type resolver struct {
	sameView bool
	watches  map[uint16]*watch
	counts   map[Evidence]uint64
	counted  map[Evidence]time.Time
}

// count counts a piece of evidence, at most one of a kind in a spacing.
func (r *resolver) count(kind Evidence, at time.Time, spacing time.Duration) {
	if last, ok := r.counted[kind]; ok && at.Sub(last) < spacing {
		return
	}
	r.counted[kind] = at
	r.counts[kind]++
}

// settle judges what is open of one type at one resolver, oldest first; it returns what is still to be confirmed.
func (h *Host) settle(r *resolver, typ uint16, now time.Time) (open []finding, since time.Time) {
	w := r.watches[typ]
	b := h.bench(r, typ)
	w.pending = ""
	for _, ob := range []*observed{w.held, w.now} {
		if ob == nil || ob.settled {
			continue
		}
		found := b.judge(ob)
		fresh := ob.received
		if w.proved(now, h.c) {
			fresh = now.Add(-h.c.Hold)
		}
		patience := now.Sub(ob.received) <= h.c.Hold/3
		var pending []finding
		for _, fi := range found {
			if fi.kind == TTLInflated {
				w.excess.add(ob.asked, fi.ttl-fi.max, h.c.Hold)
				w.ttl.again(ob.asked, fi.promised, h.c)
			}
			if !fi.proof {
				w.suspect(ob.asked, signWords(fi))
			}
			if (fi.proof || fi.kind == ViewUnproven) && !b.confirmed(ob, fi, fresh) {
				pending = append(pending, fi)
			}
		}
		if len(pending) > 0 && patience {
			open = append(open, pending...)
			if since.IsZero() {
				since = fresh
			}
			since = later(since, fresh)
			w.pending = pendingWords(pending[0])
			continue
		}
		for _, fi := range found {
			if (fi.proof || fi.kind == ViewUnproven) && b.confirmed(ob, fi, fresh) {
				h.piece(r, w, ob, fi)
			}
		}
		ob.settled = true
	}
	if w.held != nil && w.held.settled {
		w.held = nil
	}
	return open, since
}

// piece takes one confirmed piece of evidence.
func (h *Host) piece(r *resolver, w *watch, ob *observed, fi finding) {
	r.count(fi.kind, ob.asked, h.c.Spacing)
	learnt := w.notice.last
	if fi.kind != EDEStale {
		w.notice.piece(ob.asked, h.c)
		w.learn(ob)
	}
	switch fi.kind {
	case TTLInflated:
		if w.most(fi.owner, fi.ttl, h.alike()) {
			w.ttl.piece(ob.asked, fi.ttl, h.alike(), learnt, h.c)
			w.inflated = fi
		}
	case WithdrawnAddress:
		w.address.piece(ob.asked, fi.since, learnt, h.family(ob.typ).addressPieces(ob.asked, h.c), h.c)
		w.staleness.add(ob.asked, fi.staleness, h.c.Hold)
		w.gone = fi
	case EDEStale:
		w.spoken.piece(ob.asked, h.family(ob.typ).validSince, h.c)
	}
	w.suspect(ob.asked, signWords(fi))
}

func (w *watch) suspect(at time.Time, why string) {
	if !at.Before(w.suspected) {
		w.suspected, w.why = at, why
	}
}

// proved says whether the verdict is stale, latched.
func (w *watch) proved(now time.Time, c Constants) bool {
	return w.ttlProved(now, c) || w.addressProved(now, c) || w.spokenProved(now, c)
}

func (w *watch) ttlProved(now time.Time, c Constants) bool {
	return w.ttl.proved && now.Sub(w.ttl.last) <= c.Hold
}

func (w *watch) addressProved(now time.Time, c Constants) bool {
	return w.address.proved && now.Sub(w.address.last) <= c.Hold
}

func (w *watch) spokenProved(now time.Time, c Constants) bool {
	return w.spoken.proved && now.Sub(w.spoken.last) <= c.Hold
}

// withdrawn lists the addresses of ob that the zone is shown not to have any more: by themselves, or because the name
// that leads to them is not on the chain any more.
func (h *Host) withdrawn(r *resolver, typ uint16, ob *observed) []netip.Addr {
	if ob == nil {
		return nil
	}
	b := h.bench(r, typ)
	b.promisedBy = func(string) time.Time { return time.Time{} } // withdrawn it is, even if the entry is honestly old
	gone := make(map[value]bool)
	chain := false
	for _, fi := range b.judge(ob) {
		if fi.kind == WithdrawnAddress || fi.kind == ViewUnproven {
			gone[fi.value] = true
			chain = chain || !fi.value.addr.IsValid()
		}
	}
	if len(gone) == 0 {
		return nil
	}
	var out []netip.Addr
	for _, rec := range ob.records {
		if rec.Addr.IsValid() && (gone[valueOf(rec)] || chain && !h.shown(typ, valueOf(rec))) {
			out = append(out, rec.Addr)
		}
	}
	return out
}

// shown says whether any of this round's samples held v.
func (h *Host) shown(typ uint16, v value) bool {
	for _, o := range h.family(typ).owners {
		if k := o.values[v]; k != nil && !k.last.Before(h.began) {
			return true
		}
	}
	return false
}
