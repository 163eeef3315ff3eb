package staleness

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what one host remembers of its zone. What goes beyond them is forgotten in the direction that proves
// nothing: an owner or a value that was dropped is unknown, and what is unknown is never stale.
const (
	maxOwners    = 16  // owner names on the way from the host to its addresses, over time
	maxServers   = 32  // of one zone; the bits of a uint32
	maxValues    = 512 // addresses or CNAME targets of one owner within a day
	maxSightings = 512 // samples of one owner within the window
	maxRecords   = 64  // of one answer or step; the rest is not read

	memory = 24 * time.Hour   // of TTLs and of values
	window = 30 * time.Minute // of samples

	truncated  = 8 // a set this large may be a part of a larger one: balancers answer with 8 of n
	fixture    = 3 // samples in a row (or in all) that a value needs before its absence means anything
	eachServer = 2 // samples that every server must have given without the value
	// choiceSamples is how many samples of each server are asked for at once where one shows only a choice.
	choiceSamples = 5

	certainty = 20.0
	reassured = 5.0 // the same after the answer: e^-5 that a value which came back is missed, twice for a verdict
)

// value is what a record gives: an address, or the target of a CNAME. Both are held and withdrawn alike.
type value struct {
	addr   netip.Addr
	target string
}

func valueOf(r measurement.Record) value {
	if r.Addr.IsValid() {
		return value{addr: r.Addr.Unmap().WithZone("")}
	}
	return value{target: r.Target}
}

// known is one value as the zone's servers showed it.
type known struct {
	last            time.Time // L: the end of the last sample that held it
	first, lastSeen uint64    // ordinals of samples of the owner
	hits            int       // samples that held it
	run, longest    int       // in a row
	present, gone   uint32    // servers whose newest sample held it; servers that held it and then did not
}

// sighting is one sample of one owner.
type sighting struct {
	asked, received time.Time
	server          int
	set             uint64 // hash of the set, whatever its order
	size            int
}

// owner is one name of the chain with its record set of one type, as the zone's servers gave it.
type owner struct {
	ttls      ttlHistory
	values    map[value]*known
	servers   []netip.AddrPort // by bit
	listed    uint32           // those that the zone has now
	crowded   bool             // it has more than we can tell apart
	sightings []sighting       // oldest first
	ordinal   uint64
	returned  time.Time // when a server last showed a value again that it had ceased to show
	sampled   time.Time
	// cov is the start of the present run of samples of this owner without a gap. It is the owner's own: while a
	// CNAME leads elsewhere, nobody looks at what the name it left does, and an honest cache may still ask there.
	cov time.Time
}

var setSeed = maphash.MakeSeed()

// see takes one server's set.
func (o *owner) see(records []measurement.Record, st measurement.SampleStep, asked, received time.Time, gap time.Duration) {
	if o.sampled.IsZero() || received.Sub(o.sampled) > gap {
		o.cov = received
	}
	o.sampled = received
	o.list(st.Servers, st.Server)
	s := o.bit(st.Server)
	if s < 0 {
		return
	}
	o.ordinal++
	var set uint64
	seen := make(map[value]bool, len(records))
	for i, r := range records {
		if i == 0 || r.TTL != records[i-1].TTL { // a set has one (RFC 2181 §5.2)
			o.ttls.add(received, r.TTL)
		}
		v := valueOf(r)
		if seen[v] {
			continue
		}
		seen[v] = true
		set += maphash.Comparable(setSeed, v)
		o.hold(v, s, received)
	}
	for v, k := range o.values {
		if seen[v] {
			continue
		}
		if received.Sub(k.last) > memory {
			delete(o.values, v)
			continue
		}
		k.run = 0
		if k.present&(1<<s) != 0 {
			k.present &^= 1 << s
			k.gone |= 1 << s
		}
	}
	o.sightings = append(o.sightings, sighting{asked: asked, received: received, server: s, set: set, size: len(seen)})
	drop := max(0, len(o.sightings)-maxSightings)
	for drop < len(o.sightings) && received.Sub(o.sightings[drop].received) > window {
		drop++
	}
	o.sightings = append(o.sightings[:0], o.sightings[drop:]...)
}

// hold notes that server s showed v.
func (o *owner) hold(v value, s int, at time.Time) {
	k := o.values[v]
	if k == nil {
		if len(o.values) >= maxValues {
			o.forgetOldest()
		}
		k = &known{first: o.ordinal}
		o.values[v] = k
	}
	if k.gone&(1<<s) != 0 {
		// The same server showed it, did not, and shows it again: what it gives is a choice, not the whole set.
		o.returned = at
		k.gone &^= 1 << s
	}
	k.present |= 1 << s
	if at.After(k.last) {
		k.last = at
	}
	k.lastSeen = o.ordinal
	k.hits++
	k.run++
	k.longest = max(k.longest, k.run)
}

func (o *owner) forgetOldest() {
	var oldest value
	var at time.Time
	for v, k := range o.values {
		if at.IsZero() || k.last.Before(at) {
			oldest, at = v, k.last
		}
	}
	delete(o.values, oldest)
}

// list takes the zone's present servers, and frees the bits of those that neither serve nor were sampled lately.
func (o *owner) list(servers []netip.AddrPort, asked netip.AddrPort) {
	o.listed, o.crowded = 0, false
	for _, s := range append([]netip.AddrPort{asked}, servers[:min(len(servers), 2*maxServers)]...) {
		b := o.bit(s)
		if b < 0 {
			b = o.free(servers)
			if b < 0 {
				o.crowded = true
				continue
			}
			o.servers[b] = s
		}
		o.listed |= 1 << b
	}
}

func (o *owner) bit(s netip.AddrPort) int {
	for i, have := range o.servers {
		if have == s {
			return i
		}
	}
	return -1
}

// free makes room for one more server; -1 if there is none.
func (o *owner) free(keep []netip.AddrPort) int {
	if len(o.servers) < maxServers {
		o.servers = append(o.servers, netip.AddrPort{})
		return len(o.servers) - 1
	}
	busy := o.listed
	for _, g := range o.sightings {
		busy |= 1 << g.server
	}
	for _, s := range keep[:min(len(keep), 2*maxServers)] {
		if b := o.bit(s); b >= 0 {
			busy |= 1 << b
		}
	}
	b := bits.TrailingZeros32(^busy)
	if b >= len(o.servers) {
		return -1
	}
	for _, k := range o.values {
		k.present &^= 1 << b
		k.gone &^= 1 << b
	}
	return b
}

// choice says whether one sample may show only a part of what the zone has: sets of 8, or values that come and go.
func (o *owner) choice(now time.Time) bool {
	if !o.returned.IsZero() && now.Sub(o.returned) <= memory {
		return true
	}
	for _, s := range o.sightings {
		if s.size >= truncated {
			return true
		}
	}
	return false
}

// missed says whether the samples that began after from and ended by to would have shown v, had the zone still handed
// it out; at is when they first sufficed. They must not hold it: from is not before its last sighting.
//
// A set that is whole shows it at once, so that every server of the zone, twice, is enough: provided that v was a
// fixture, seen in at least three samples in a row, since a zone may answer with one rare record of many (weighted
// records do). Where one sample shows only a choice, each distinct set is an independent draw of k out of n, and m of
// them miss v with probability (1-k/n)^m, to be at most e^-need. Sets that repeat are no new draw: a cache in front of
// the zone's servers repeats itself. v's own rate, two standard errors below what was seen, replaces k/n where smaller.
//
// apart demands as much of every server by itself: what has just come back may be at one of them only, while the others
// lag.
func (o *owner) missed(v value, from, to time.Time, each int, need float64, apart bool) (at time.Time, ok bool) {
	k := o.values[v]
	if k == nil || o.crowded || o.listed == 0 {
		return time.Time{}, false
	}
	choice := o.choice(to)
	var rate float64
	if choice {
		if k.hits < fixture {
			return time.Time{}, false
		}
		rate = o.rate(k)
		if rate <= 0 {
			return time.Time{}, false
		}
	} else if k.longest < fixture {
		return time.Time{}, false
	}
	type draw struct {
		server int
		set    uint64
	}
	var perServer, drawn [maxServers]int // samples, and distinct sets
	distinct := make(map[draw]bool)
	for _, s := range o.sightings {
		if !s.asked.After(from) || s.received.After(to) {
			continue
		}
		perServer[s.server]++
		d := draw{set: s.set}
		if apart {
			d.server = s.server
		}
		if !distinct[d] {
			distinct[d] = true
			drawn[d.server]++
		}
		all := true
		for rest := o.listed; rest != 0; rest &= rest - 1 {
			server := bits.TrailingZeros32(rest)
			all = all && perServer[server] >= each
			if !apart {
				server = 0
			}
			all = all && (!choice || float64(drawn[server])*-math.Log(1-rate) >= need)
		}
		if all {
			return s.received, true
		}
	}
	return time.Time{}, false
}

// rate is a cautious guess of how likely one set is to hold k.
func (o *owner) rate(k *known) float64 {
	least := math.MaxInt
	for _, s := range o.sightings {
		least = min(least, s.size)
	}
	rate := float64(least) / float64(len(o.values))
	life := float64(k.lastSeen - k.first + 1)
	p := min(1, float64(k.hits)/life)
	return min(rate, p-2*math.Sqrt(p*(1-p)/life), 0.99)
}

// ttlHistory holds the least and the most TTL of every hour of the last day, and a larger one for as long as an honest
// cache may keep what was published with it.
type ttlHistory struct {
	hours [25]struct {
		start       time.Time
		least, most uint32
		changes     int
	}
	at     int // the newest
	latest uint32
	same   int      // samples in a row that said so
	older  struct { // hours that were overwritten: the most TTL, until the last of them expires
		most  uint32
		until time.Time
	}
}

// longestKept is how long a TTL is remembered at most: what BIND keeps at most (max-cache-ttl).
const longestKept = 7 * 24 * time.Hour

// expires is when what was published within an hour, with that TTL, has left every honest cache.
func expires(start time.Time, ttl uint32) time.Time {
	return start.Add(time.Hour + min(seconds(ttl), longestKept))
}

// unsteady is from how many changes a day on a TTL is taken to vary, and how many samples must agree after one of them.
const unsteady = 4

func (t *ttlHistory) add(now time.Time, ttl uint32) {
	h := &t.hours[t.at]
	changed := 0
	if !h.start.IsZero() && ttl != t.latest {
		changed = 1
	}
	if t.latest = ttl; changed > 0 {
		t.same = 0
	}
	t.same++
	if h.start.IsZero() || now.Sub(h.start) >= time.Hour {
		if !h.start.IsZero() {
			t.at = (t.at + 1) % len(t.hours)
			h = &t.hours[t.at]
			t.age(h.start, h.most, now)
		}
		h.start, h.least, h.most, h.changes = now, ttl, ttl, changed
		return
	}
	h.changes += changed
	h.least, h.most = min(h.least, ttl), max(h.most, ttl)
}

// age keeps the most TTL of an hour that is to be overwritten.
func (t *ttlHistory) age(start time.Time, most uint32, now time.Time) {
	until := expires(start, most)
	if start.IsZero() || !until.After(now) {
		return
	}
	if !t.older.until.After(now) {
		t.older.most = 0
	}
	t.older.most, t.older.until = max(t.older.most, most), later(t.older.until, until)
}

// bounds are Tmin and Tmax; ok is false if nothing is known. Where the TTL is unsteady (a cache in front of the zone's
// servers counts it down, or the zone turns it up and down), the most that we have seen is but a draw from it: the zone
// may well have said more between two samples. Twice that is then taken for Tmax, and it is no base for P1. Just after a
// change nothing is a base for it: the next samples tell whether the TTL is steady.
func (t *ttlHistory) bounds(now time.Time) (least, most time.Duration, steady, ok bool) {
	changes := 0
	var lasting uint32 // the most TTL of before, under which something may still be kept
	if t.older.until.After(now) {
		lasting = t.older.most
	}
	for _, h := range t.hours {
		if h.start.IsZero() {
			continue
		}
		if now.Sub(h.start) > memory+time.Hour {
			if expires(h.start, h.most).After(now) {
				lasting = max(lasting, h.most)
			}
			continue
		}
		changes += h.changes
		l, m := time.Duration(h.least)*time.Second, time.Duration(h.most)*time.Second
		if !ok {
			least, most, ok = l, m, true
			continue
		}
		least, most = min(least, l), max(most, m)
	}
	most = max(most, seconds(lasting))
	if changes >= unsteady {
		return least, 2 * most, false, ok
	}
	return least, most, t.same >= unsteady, ok
}

// family is the zone's own view of one host for one type, A or AAAA.
type family struct {
	owners     map[string]*owner
	chain      []string  // owners of the newest valid sample
	cov        time.Time // start of the present run of valid samples without a gap
	lastValid  time.Time
	validSince time.Time                 // start of the present run of samples of which none failed
	answered   time.Time                 // end of the newest sample that did not fail
	failed     time.Time                 // end of the newest that did
	walked     time.Time                 // start of the newest valid sample whose delegation was walked anew
	failure    measurement.SampleFailure // of the newest sample
	sampled    bool
}

// take takes one sample; a hole longer than gap ends the coverage.
func (f *family) take(s measurement.Sample, gap time.Duration) {
	f.sampled = true
	if s.Failure == "" && !endsInAddress(s.Steps) {
		s.Failure = measurement.SampleNoAddress
	}
	f.failure = s.Failure
	if s.Failure != "" && s.Failure != measurement.SampleNoAddress {
		f.validSince, f.failed = time.Time{}, s.Received
		return
	}
	if f.validSince.IsZero() || s.Received.Sub(f.answered) > gap {
		f.validSince = s.Received
	}
	f.answered = s.Received
	if s.Failure != "" {
		return
	}
	if f.lastValid.IsZero() || s.Received.Sub(f.lastValid) > gap {
		f.cov = s.Received
	}
	f.lastValid = s.Received
	if s.Walked {
		f.walked = s.Asked
	}
	f.chain = f.chain[:0]
	for _, st := range s.Steps[:min(len(s.Steps), maxOwners)] {
		f.step(st, s.Asked, s.Received, gap)
	}
}

func endsInAddress(steps []measurement.SampleStep) bool {
	for _, st := range steps {
		for _, r := range st.Records {
			if r.Addr.IsValid() {
				return true
			}
		}
	}
	return false
}

func (f *family) step(st measurement.SampleStep, asked, received time.Time, gap time.Duration) {
	records := st.Records[:min(len(st.Records), maxRecords)]
	for len(records) > 0 {
		name := records[0].Owner
		var set, rest []measurement.Record
		for _, r := range records {
			if r.Owner == name {
				set = append(set, r)
			} else {
				rest = append(rest, r)
			}
		}
		records = rest
		f.owner(name).see(set, st, asked, received, gap)
		if len(f.chain) < maxOwners {
			f.chain = append(f.chain, name)
		}
	}
}

// owner is the memory of one owner name, made if need be in the place of the one not sampled for longest.
func (f *family) owner(name string) *owner {
	if o := f.owners[name]; o != nil {
		return o
	}
	if f.owners == nil {
		f.owners = make(map[string]*owner)
	}
	if len(f.owners) >= maxOwners {
		var oldest string
		var at time.Time
		for n, o := range f.owners {
			if at.IsZero() || o.sampled.Before(at) {
				oldest, at = n, o.sampled
			}
		}
		delete(f.owners, oldest)
	}
	o := &owner{values: make(map[value]*known)}
	f.owners[name] = o
	return o
}

// addresses are those seen at the ends of the chain within the window.
func (f *family) addresses(now time.Time) int {
	n := 0
	for _, o := range f.owners {
		for v, k := range o.values {
			if v.addr.IsValid() && now.Sub(k.last) <= window {
				n++
			}
		}
	}
	return n
}

// ttl is the least TTL of the chain by the newest valid sample.
func (f *family) ttl() (ttl time.Duration, ok bool) {
	for _, name := range f.chain {
		if o := f.owners[name]; o != nil {
			if t := seconds(o.ttls.latest); !ok || t < ttl {
				ttl, ok = t, true
			}
		}
	}
	return ttl, ok
}

// constantTTL is the TTL of the chain if it is one and has not changed within a day; else 0.
func (f *family) constantTTL(now time.Time) time.Duration {
	var ttl time.Duration
	for i, name := range f.chain {
		o := f.owners[name]
		if o == nil {
			return 0
		}
		least, most, _, ok := o.ttls.bounds(now)
		if !ok || least != most {
			return 0
		}
		if i > 0 && most != ttl {
			return 0
		}
		ttl = most
	}
	return ttl
}

// enough is how many samples of each server a question that is open needs at once.
func (f *family) enough(now time.Time) int {
	for _, name := range f.chain {
		if o := f.owners[name]; o != nil && o.choice(now) {
			return choiceSamples
		}
	}
	return eachServer
}

// runs is when the youngest of the owners' runs began: it changes when one begins anew.
func (f *family) runs() time.Time {
	var youngest time.Time
	for _, o := range f.owners {
		youngest = later(youngest, o.cov)
	}
	return youngest
}
