package staleness

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what is remembered of one RRset. A value or server beyond them is forgotten. That cannot cause a false
// verdict: what is not known is never stale.
const (
	maxServers = 32  // authoritative servers of one zone; the bits of a uint32
	maxValues  = 512 // addresses or CNAME targets within valueMemory
	maxSamples = 512 // within sampleWindow

	valueMemory  = 24 * time.Hour   // of TTLs and of values
	sampleWindow = 30 * time.Minute // of samples
)

// Numbers of the statistical power of samples (design §3.3).
const (
	subsetSize        = 8 // load balancers answer with 8 of n records, so a set of this size may be a subset
	minConsecutive    = 3 // samples in a row, or in all, that must hold a value before its absence means anything
	samplesEach       = 2 // samples of every server that must lack a value
	subsetSamplesEach = 5 // samples of every server that are requested at once where answers are subsets

	powerBefore = 20.0 // -ln of the probability that samples before the answer miss a value that is still published
	powerAfter  = 5.0  // the same after the answer, for a value that has returned
)

// value is the data of a record: an address, or the target of a CNAME.
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

func (v value) String() string {
	if v.addr.IsValid() {
		return v.addr.String()
	}
	return strings.TrimSuffix(v.target, ".")
}

// valueHistory is when and how often the authoritative servers showed one value.
type valueHistory struct {
	lastSeen        time.Time // end of the last sample that held it
	first, last     uint64    // ordinals of the first and last sample that held it
	count           int       // samples that held it
	run, longestRun int       // samples in a row that held it
	// goneAt is when samples first had the power to show that it is not published any more, since lastSeen; zero if
	// they have not. goneSubsets is set if they had it although they show subsets. The samples themselves may be
	// forgotten since.
	goneAt             time.Time
	goneSubsets        bool
	shownBy, droppedBy uint32 // servers whose newest sample held it; servers that showed it and then did not
}

// sample is one authoritative answer for the RRset.
type sample struct {
	asked, received time.Time
	server          int    // index in rrset.servers
	set             uint64 // hash of the values, independent of their order
	size            int
}

// rrset is the history of one owner name's records of one type, as the authoritative servers published them.
type rrset struct {
	ttls           ttlHistory
	values         map[value]*valueHistory
	servers        []netip.AddrPort // a server's index is its bit in the masks
	currentServers uint32           // those that the zone has now
	tooManyServers bool             // more than maxServers, or some are not known: nothing can be shown to be absent
	serverLeft     time.Time        // when a server last ceased to be a current one
	leftTTL        time.Duration    // the largest TTL that an honest cache can have received then
	samples        []sample         // oldest first
	ordinal        uint64           // of the newest sample
	valueReturned  time.Time        // when a server last showed a value again that it had dropped
	returnedBefore time.Time        // the same, of another sample before
	firstSampled   time.Time
	lastSampled    time.Time
	// coverageStart is the start of the present run of samples without a gap. Every RRset has its own: while a CNAME
	// leads elsewhere, the RRset it left is not sampled, and an honest cache may still ask for it.
	coverageStart time.Time
}

var setSeed = maphash.MakeSeed()

// add takes one server's records. A pause longer than maxGap ends the coverage.
func (s *rrset) add(
	records []measurement.Record, step measurement.SampleStep, asked, received time.Time, maxGap time.Duration,
) {
	if s.lastSampled.IsZero() || received.Sub(s.lastSampled) > maxGap {
		s.coverageStart = received
	}
	s.lastSampled = received
	if s.firstSampled.IsZero() {
		s.firstSampled = received
	}
	before := s.currentServers
	s.setServers(step)
	if before&^s.currentServers != 0 {
		_, largest, _, _ := s.ttls.bounds(received)
		s.leftTTL = max(largest, s.formerTTL(received))
		s.serverLeft = received
	}
	server := s.serverIndex(step.Server)
	if server < 0 {
		return
	}
	s.ordinal++
	var set uint64
	size := 0
	for i, r := range records {
		if i == 0 || r.TTL != records[i-1].TTL { // an RRset has one TTL (RFC 2181 §5.2)
			s.ttls.add(received, r.TTL)
		}
		v := valueOf(r)
		if h := s.values[v]; h != nil && h.last == s.ordinal {
			continue // a duplicate
		}
		size++
		set += maphash.Comparable(setSeed, v)
		s.valueSeen(v, server, received)
	}
	s.valuesMissing(server, received)
	s.samples = append(s.samples, sample{asked, received, server, set, size})
	drop := max(0, len(s.samples)-maxSamples)
	for drop < len(s.samples) && received.Sub(s.samples[drop].received) > sampleWindow {
		drop++
	}
	s.samples = s.samples[drop:] // append reallocates at times, so the memory stays bounded
}

// valueSeen records that a server showed v.
func (s *rrset) valueSeen(v value, server int, at time.Time) {
	h := s.values[v]
	if h == nil {
		if len(s.values) >= maxValues {
			deleteOldest(s.values, func(h *valueHistory) time.Time { return h.lastSeen })
		}
		h = &valueHistory{first: s.ordinal}
		s.values[v] = h
	}
	if h.droppedBy&(1<<server) != 0 {
		// The same server showed v, then did not, and shows it again: its answers are subsets of the published set.
		if at.After(s.valueReturned) {
			s.valueReturned, s.returnedBefore = at, s.valueReturned
		}
		h.droppedBy &^= 1 << server
	}
	h.shownBy |= 1 << server
	h.lastSeen = later(h.lastSeen, at)
	h.goneAt = time.Time{}
	h.last = s.ordinal
	h.count++
	h.run++
	h.longestRun = max(h.longestRun, h.run)
}

// valuesMissing records that a server's newest sample lacks all values but those just seen, and forgets old ones.
func (s *rrset) valuesMissing(server int, at time.Time) {
	for v, h := range s.values {
		if h.last == s.ordinal {
			continue
		}
		if at.Sub(h.lastSeen) > valueMemory {
			delete(s.values, v)
			continue
		}
		h.run = 0
		if h.shownBy&(1<<server) != 0 {
			h.shownBy &^= 1 << server
			h.droppedBy |= 1 << server
		}
	}
}

// deleteOldest deletes the element of m with the earliest time.
func deleteOldest[K comparable, V any](m map[K]V, timeOf func(V) time.Time) {
	var oldest K
	var at time.Time
	for k, v := range m {
		if t := timeOf(v); at.IsZero() || t.Before(at) {
			oldest, at = k, t
		}
	}
	delete(m, oldest)
}

// setServers takes the zone's present servers. The server that was asked is one of them.
func (s *rrset) setServers(step measurement.SampleStep) {
	s.currentServers, s.tooManyServers = 0, step.Incomplete
	for _, server := range append([]netip.AddrPort{step.Server}, step.Servers[:min(len(step.Servers), 2*maxServers)]...) {
		i := s.serverIndex(server)
		if i < 0 {
			i = s.freeIndex(step.Servers)
			if i < 0 {
				s.tooManyServers = true
				continue
			}
			s.servers[i] = server
		}
		s.currentServers |= 1 << i
	}
}

// serverIndex returns the index of a server, or -1 if it has none.
func (s *rrset) serverIndex(server netip.AddrPort) int { return slices.Index(s.servers, server) }

// freeIndex returns an index for a new server, if necessary that of one that is neither current, nor in keep, nor in
// any sample; -1 if all are in use.
func (s *rrset) freeIndex(keep []netip.AddrPort) int {
	if len(s.servers) < maxServers {
		s.servers = append(s.servers, netip.AddrPort{})
		return len(s.servers) - 1
	}
	used := s.currentServers
	for _, p := range s.samples {
		used |= 1 << p.server
	}
	for _, server := range keep[:min(len(keep), 2*maxServers)] {
		if i := s.serverIndex(server); i >= 0 {
			used |= 1 << i
		}
	}
	i := bits.TrailingZeros32(^used)
	if i >= len(s.servers) {
		return -1
	}
	for _, h := range s.values {
		h.shownBy &^= 1 << i
		h.droppedBy &^= 1 << i
	}
	return i
}

// showsSubsets reports whether one sample may hold only a part of the published set: sets of subsetSize, or values that
// come and go.
func (s *rrset) showsSubsets(now time.Time) bool {
	if !s.valueReturned.IsZero() && now.Sub(s.valueReturned) <= valueMemory {
		return true
	}
	for _, p := range s.samples {
		if p.size >= subsetSize {
			return true
		}
	}
	return false
}

// power says how much samples must show before a value counts as absent.
type power struct {
	each int // samples of every server
	// need is -ln of the probability of missing a published value; it applies where answers are subsets.
	need float64
	// perServer requires need of every server separately: a value that has returned may be at one server only, while
	// the others lag.
	perServer bool
}

// shownAbsent reports whether the samples that were asked after one time and received by another have the required
// power to show that v is not published; at is when they first did. The caller ensures that none of them holds v:
// askedAfter is not before v was last seen. Design §3.3 has the statistics.
func (s *rrset) shownAbsent(v value, askedAfter, receivedBy time.Time, p power) (at time.Time, ok bool) {
	h := s.values[v]
	if h == nil || s.tooManyServers || s.currentServers == 0 {
		return time.Time{}, false
	}
	subsets := s.showsSubsets(receivedBy)
	var rate float64
	if subsets {
		if h.count < minConsecutive {
			return time.Time{}, false
		}
		if rate = s.rate(h); rate <= 0 {
			return time.Time{}, false
		}
	} else if h.longestRun < minConsecutive {
		return time.Time{}, false
	}
	// A set that repeats is not an independent draw: a cache in front of the servers repeats itself.
	type draw struct {
		server int
		set    uint64
	}
	var perServer, draws [maxServers]int // samples, and distinct sets
	seen := make(map[draw]bool)
	for _, smp := range s.samples {
		if !smp.asked.After(askedAfter) || smp.received.After(receivedBy) {
			continue
		}
		perServer[smp.server]++
		d := draw{set: smp.set}
		if p.perServer {
			d.server = smp.server
		}
		if !seen[d] {
			seen[d] = true
			draws[d.server]++
		}
		enough := true
		for rest := s.currentServers; rest != 0; rest &= rest - 1 {
			server := bits.TrailingZeros32(rest)
			enough = enough && perServer[server] >= p.each
			if !p.perServer {
				server = 0
			}
			enough = enough && (!subsets || float64(draws[server])*-math.Log(1-rate) >= p.need)
		}
		if enough {
			return smp.received, true
		}
	}
	return time.Time{}, false
}

// delegationTime is how long a resolver may follow an old delegation: the TTL of NS records is usually at most two
// days.
const delegationTime = 48 * time.Hour

// atFormerServer reports whether a server that the zone no longer uses showed the value last. A resolver that follows
// the old delegation may still receive it from there.
func (s *rrset) atFormerServer(h *valueHistory, now time.Time) bool {
	return h.shownBy&^s.currentServers != 0 && now.Sub(s.serverLeft) <= delegationTime
}

// formerTTL is the largest TTL that servers which the zone no longer uses are known to publish; 0 if no resolver asks
// them any longer.
func (s *rrset) formerTTL(now time.Time) time.Duration {
	if s.serverLeft.IsZero() || now.Sub(s.serverLeft) > delegationTime {
		return 0
	}
	return s.leftTTL
}

// goneSinceSeen reports whether the samples between the time when v was last seen and deadline show that v is not
// published any more; at is when they first did. It remembers the result beyond sampleWindow.
func (s *rrset) goneSinceSeen(v value, h *valueHistory, deadline time.Time) (at time.Time, ok bool) {
	subsets := s.showsSubsets(deadline)
	if !h.goneAt.IsZero() && !h.goneAt.After(deadline) && (h.goneSubsets || !subsets) {
		return h.goneAt, true
	}
	at, ok = s.shownAbsent(v, h.lastSeen, deadline, power{each: samplesEach, need: powerBefore})
	if ok {
		h.goneAt, h.goneSubsets = at, subsets
	}
	return at, ok
}

// rate is a cautious estimate of the probability that one answer of the servers holds the value: the smaller of k/n and
// the observed share less two standard errors.
func (s *rrset) rate(h *valueHistory) float64 {
	smallest := math.MaxInt
	for _, p := range s.samples {
		if p.size > 0 {
			smallest = min(smallest, p.size)
		}
	}
	rate := float64(smallest) / float64(len(s.values))
	n := float64(h.last - h.first + 1)
	share := min(1, float64(h.count)/n)
	return min(rate, share-2*math.Sqrt(share*(1-share)/n), 0.99)
}

// minSamplesToJudge is how many samples must have been taken since a value was first seen before cannotShowAbsent is
// meaningful.
const minSamplesToJudge = 12

// cannotShowAbsent reports whether the samples of sampleWindow would not show the absence of v if it were withdrawn;
// known is false if there are too few samples to tell.
func (s *rrset) cannotShowAbsent(v value, now time.Time) (blind, known bool) {
	h := s.values[v]
	if h == nil || s.ordinal-h.first < minSamplesToJudge {
		return false, false
	}
	if !s.showsSubsets(now) {
		return h.longestRun < minConsecutive, true
	}
	// After a single return, as of a failover and its end, only a day must pass.
	if s.returnedBefore.IsZero() || now.Sub(s.returnedBefore) > valueMemory {
		return false, true
	}
	rate := s.rate(h)
	if h.count < minConsecutive || rate <= 0 {
		return true, true
	}
	sets := make(map[uint64]bool)
	for _, p := range s.samples {
		sets[p.set] = true
		if float64(len(sets))*-math.Log1p(-rate) >= powerBefore {
			return false, true
		}
	}
	return true, true
}

// sampledAll reports whether every current server was asked at or after t.
func (s *rrset) sampledAll(t time.Time) bool {
	if s.tooManyServers || s.currentServers == 0 {
		return false
	}
	missing := s.currentServers
	for _, p := range s.samples {
		if !p.asked.Before(t) {
			missing &^= 1 << p.server
		}
	}
	return missing == 0
}
