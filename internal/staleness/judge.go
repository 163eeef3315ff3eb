package staleness

import (
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// hopRounding is how far an honest entry's expiry may seem to move: a second of rounding at each of two hops.
const hopRounding = 2 * time.Second

// EDE codes (RFC 8914 §4.4, §4.20).
const (
	edeStaleAnswer   = 3
	edeStaleNXDomain = 19
)

// RFC 1035 §4.1.1.
const (
	rcodeNoError  = 0
	rcodeNXDomain = 3
)

// observed is one answer as kept: what the proof needs of it, and whether it has been settled.
type observed struct {
	typ             uint16
	asked, received time.Time
	records         []measurement.Record
	stale           bool // says so itself: EDE 3 with addresses, EDE 19 with NXDOMAIN
	settled         bool
}

func observe(a *measurement.Answer) *observed {
	ob := &observed{typ: a.Type, asked: a.Asked, received: a.Received}
	ob.records = append(ob.records, a.Chain[:min(len(a.Chain), maxRecords)]...)
	for _, e := range a.EDE[:min(len(a.EDE), maxRecords)] {
		switch {
		case e.Code == edeStaleAnswer && a.Rcode == rcodeNoError && len(a.Addresses()) > 0,
			e.Code == edeStaleNXDomain && a.Rcode == rcodeNXDomain:
			ob.stale = true
		}
	}
	return ob
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }

// ttl is the least of the chain.
func (ob *observed) ttl() time.Duration {
	var least time.Duration
	for i, r := range ob.records {
		if t := seconds(r.TTL); i == 0 || t < least {
			least = t
		}
	}
	return least
}

// wholeChain stands for an owner name where the chain is held against an asserted TTL as a whole.
const wholeChain = ""

// finding is one sign in one answer, still to be confirmed.
type finding struct {
	kind  Evidence // TTLInflated, EDEStale, WithdrawnAddress or ViewUnproven
	proof bool     // else only a sign: the guards do not hold
	owner string
	value value
	// promised is when the record would expire; of TTLInflated.
	promised time.Time
	ttl, max time.Duration
	// since is the earliest that an honest resolver can have asked for this; of WithdrawnAddress, with the last
	// sighting and the time by which the samples had shown the value gone.
	since, last, gone time.Time
	staleness         time.Duration
}

// bench is what one answer is held against.
type bench struct {
	c          Constants
	o          Options
	f          *family
	sameView   bool
	learning   func(owner string, t time.Time) bool
	promisedBy func(owner string) time.Time // eLearn
}

// judge holds one answer against the zone's own view. Each record is judged by itself, by its own owner name: chains
// carry mixed TTLs, and every record an honest chain of caches gives was given out by some authority at a time
// t0 >= t - (Tmax - r) - ε, whatever became of the others.
func (b *bench) judge(ob *observed) []finding {
	var out []finding
	if ob.stale && b.spokenStale(ob) {
		out = append(out, finding{kind: EDEStale, proof: true})
	}
	flat := ob.flat()
	if b.o.ExpectedTTL > 0 && len(ob.records) > 0 {
		out = b.inflated(out, ob, finding{owner: wholeChain, ttl: ob.ttl(), max: b.o.ExpectedTTL}, true)
	}
	for _, r := range ob.records {
		o := b.f.owners[r.Owner]
		if o == nil || !slices.Contains(b.f.chain, r.Owner) {
			continue // not on our way any more: what became of it since is not known
		}
		least, most, steady, ok := o.ttls.bounds(ob.asked)
		if !ok {
			continue
		}
		fi := finding{owner: r.Owner, value: valueOf(r), ttl: seconds(r.TTL), max: most}
		if b.o.ExpectedTTL == 0 && shares(ob.records, r.Owner, o) {
			out = b.inflated(out, ob, fi, steady && (!flat || fi.ttl > b.longest(ob)+b.c.Margin))
		}
		if w, ok := b.withdrawn(ob, o, fi, least); ok {
			w.proof = w.proof && !flat
			out = append(out, w)
		}
	}
	return out
}

// flat says whether a chain of several owners shows one TTL throughout. A hop that keeps messages (CoreDNS does) gives
// every record the least TTL of the chain: what a record shows is then not what it has left, its expiry seems to move
// with that of its neighbours, and what was promised while we learnt guards against nothing. Such a chain proves only
// a TTL above that of every owner.
func (ob *observed) flat() bool {
	owners := false
	for _, r := range ob.records {
		if r.TTL != ob.records[0].TTL {
			return false
		}
		owners = owners || r.Owner != ob.records[0].Owner
	}
	return owners
}

// longest is the most Tmax of the chain's owners.
func (b *bench) longest(ob *observed) time.Duration {
	var most time.Duration
	for _, r := range ob.records {
		if o := b.f.owners[r.Owner]; o != nil {
			_, m, _, _ := o.ttls.bounds(ob.asked)
			most = max(most, m)
		}
	}
	return most
}

// shares says whether the answer's set at this name has a value of the zone's: else it is another zone's view.
func shares(records []measurement.Record, name string, o *owner) bool {
	for _, r := range records {
		if r.Owner == name && o.values[valueOf(r)] != nil {
			return true
		}
	}
	return false
}

// spokenStale is P2: the resolver says itself that it answers past expiry, although the zone's servers have answered us
// throughout, and for some minutes before: resolvers stay legally stale for a while after an outage (RFC 8767).
func (b *bench) spokenStale(ob *observed) bool {
	v := b.f.validSince
	return !v.IsZero() && ob.asked.Sub(v) >= 10*b.c.Spacing
}

// inflated is P1. Were the resolver honest, some authority would have published T(t0) >= r > Tmax + margin. Every
// sample of ours since coverage began says at most Tmax: so t0 lies before it. But an honest entry's expiry never moves:
// so it was promised already during learning, which it was not. How old the coverage is shows nothing: there is no bound
// on how long a cache keeps an entry (a week with BIND's default, none with dnsmasq's). There remains a cache behind the
// same address that we had not met then: see [notice].
func (b *bench) inflated(out []finding, ob *observed, fi finding, steady bool) []finding {
	if fi.ttl <= fi.max+b.c.Margin {
		return out
	}
	fi.kind = TTLInflated
	fi.promised = ob.asked.Add(fi.ttl)
	fi.proof = steady && !b.learning(fi.owner, ob.asked) && fi.promised.After(b.promisedBy(fi.owner).Add(hopRounding))
	return append(out, fi)
}

// withdrawn is P3. The resolver promises the value beyond everything it promised while we learnt: the entry was fetched
// while we watched (see [notice] for caches we had not met then). By the invariant some authority handed the value out at
// t0 >= t - w - σ, w = Tmax - r. But it was last seen at L, long before, and the samples between then and
// lim = t - w - σ - π, π being what one of the zone's servers may lag behind another, sufficed to show it had it still
// been there. Samples after lim prove nothing about the moment at which the resolver may have asked. A value that was
// never seen is foreign: newer than us, or another view; it proves nothing.
func (b *bench) withdrawn(ob *observed, o *owner, fi finding, least time.Duration) (finding, bool) {
	k := o.values[fi.value]
	if k == nil || fi.ttl > fi.max+b.c.Margin || b.learning(fi.owner, ob.asked) {
		return fi, false
	}
	most := max(fi.max, b.o.ExpectedTTL)
	if !ob.asked.Add(fi.ttl).After(b.promisedBy(fi.owner).Add(b.c.Margin)) {
		return fi, false
	}
	fi.since = ob.asked.Add(-max(0, most-fi.ttl) - b.c.Slack)
	lag := b.c.AuthorityLag
	if least != fi.max {
		lag += fi.max // the zone's servers are fronted by a cache, or changed the TTL: they may be one TTL behind
	}
	lim := fi.since.Add(-lag)
	fi.last = k.last
	if !k.last.Before(lim) || o.cov.After(k.last) {
		return fi, false
	}
	gone, ok := o.missed(fi.value, k.last, lim, eachServer, certainty, false)
	if !ok {
		return fi, false
	}
	fi.kind, fi.proof, fi.gone = WithdrawnAddress, true, gone
	fi.staleness = lim.Sub(gone)
	if !b.o.SingleView && !b.sameView {
		fi.kind, fi.proof = ViewUnproven, false
	}
	return fi, true
}

// confirmed says whether the zone was asked again after the answer: its delegation walked anew from the parent, every
// server asked, and, for a withdrawn value, enough samples since that a value which only came back would have shown
// itself. (If it did, the finding no longer holds.) fresh is when a walk counts as anew.
func (b *bench) confirmed(ob *observed, fi finding, fresh time.Time) bool {
	f := b.f
	if fi.kind == TTLInflated && fi.owner == wholeChain {
		return true // asserted: nothing to ask
	}
	if f.walked.Before(fresh) || f.answered.Before(ob.received) {
		return false
	}
	if fi.kind == EDEStale {
		return true
	}
	o := f.owners[fi.owner]
	if o == nil {
		return false
	}
	if fi.kind == TTLInflated {
		return o.heardAll(ob.received)
	}
	_, ok := o.missed(fi.value, ob.received.Add(-1), o.sampled, 1, reassured, true)
	return ok
}

// heardAll says whether every server of the zone was sampled after t.
func (o *owner) heardAll(t time.Time) bool {
	if o.crowded || o.listed == 0 {
		return false
	}
	missing := o.listed
	for _, s := range o.sightings {
		if !s.asked.Before(t) {
			missing &^= 1 << s.server
		}
	}
	return missing == 0
}
