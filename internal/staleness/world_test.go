package staleness

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// This file simulates a zone whose servers lag, lose packets or fail, caches of every known behaviour in front of it,
// and an exporter that calls this package as package resolve does. Times are in seconds since epoch.

var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

const host = "host.example."

// defaults are the constants of the documentation.
func defaults() Constants {
	return Constants{
		Margin: 10 * time.Second, Slack: 10 * time.Second, AuthorityLag: 120 * time.Second,
		Learning: 15 * time.Minute, Hold: 15 * time.Minute, Spacing: 30 * time.Second,
	}
}

// rec is a record with its remaining TTL.
type rec struct {
	owner string
	value string // an address or a name
	ttl   float64
}

// source answers queries for the chain that begins at an owner name.
type source interface {
	ask(now float64, owner string) (reply, bool)
}

type reply struct {
	records  []rec   // none: NXDOMAIN
	negative float64 // TTL of NXDOMAIN
	stale    bool    // EDE 3, or 19 of NXDOMAIN
	took     float64 // time until the answer
}

// version is what the zone's primary publishes for one owner name from a time on.
type version struct {
	from   float64
	ttl    float64
	values []string
	choose int // if not 0, every answer holds this many of values, chosen at random
}

// zone is the authoritative servers, each of which follows the primary with its own lag.
type zone struct {
	rnd       *rand.Rand
	owners    map[string][]version // ascending from
	lags      []float64            // by server
	outages   [][2]float64
	loss      float64 // probability that one exchange is lost
	negative  float64 // TTL of NXDOMAIN; 0: it is not cached
	fronted   bool    // a cache in front of the servers counts TTLs down
	perServer bool    // every server publishes one of the values
	// otherTTL is the TTL that some instances behind every server's address publish; otherShare is the probability that
	// such an instance answers.
	otherTTL, otherShare float64
}

func (z *zone) down(now float64) bool {
	for _, o := range z.outages {
		if now >= o[0] && now < o[1] {
			return true
		}
	}
	return false
}

func (z *zone) version(now float64, owner string) *version {
	vs := z.owners[owner]
	for i := range vs {
		if v := &vs[len(vs)-1-i]; v.from <= now {
			return v
		}
	}
	return nil
}

// server sends one query to one server.
func (z *zone) server(now float64, server int, owner string) ([]rec, bool) {
	if z.down(now) || z.rnd.Float64() < z.loss {
		return nil, false
	}
	v := z.version(now-z.lags[server], owner)
	if v == nil {
		return nil, false
	}
	values := v.values
	if z.perServer {
		values = values[server%len(values) : server%len(values)+1]
	}
	if v.choose > 0 && v.choose < len(values) {
		values = append([]string(nil), values...)
		z.rnd.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		values = values[:v.choose]
	}
	ttl := v.ttl
	if z.otherShare > 0 && z.rnd.Float64() < z.otherShare {
		ttl = z.otherTTL
	}
	if z.fronted && ttl > 0 {
		ttl = 1 + float64(z.rnd.IntN(int(ttl)))
	}
	out := make([]rec, len(values))
	for i, val := range values {
		out[i] = rec{owner, val, ttl}
	}
	return out, true
}

// ask implements source as a resolver queries a zone: it tries another server if one fails.
func (z *zone) ask(now float64, owner string) (reply, bool) {
	for range 2 {
		if rs, ok := z.server(now, z.rnd.IntN(len(z.lags)), owner); ok {
			return reply{records: rs, negative: z.negative}, true
		}
	}
	return reply{}, false
}

func isName(value string) bool { return value[len(value)-1] == '.' }

// behaviour is how a cache differs from one that only counts TTLs down.
type behaviour struct {
	min, max   float64 // minimum of the TTL kept, maximum of the TTL answered; 0: none
	firstTrue  bool    // the answer that caused the fetch has the true TTL (dnsmasq)
	staleFirst float64 // TTL of an expired record that is served before it is refreshed; -1: never
	serveStale float64 // TTL of an expired record that is served while the source fails; -1: never
	sawtooth   bool    // the TTL of expired records counts down and starts again
	frozen     bool    // answers with the original TTL
	ede        bool    // marks stale answers with EDE 3
	uniform    bool    // every record has the smallest TTL of the chain, at least 5 s (CoreDNS)
	popular    bool    // other clients ask too: entries are fetched again when they expire
	keepFor    float64 // how long expired records are kept
	extendBy   float64 // extends every entry by this long under honest-looking TTLs (a constant version of PowerDNS)
	late       float64 // probability that a refresh takes longer than the client that asks waits (RFC 8767)
	failPause  float64 // after a failed refresh, expired records are served for this long without another attempt
}

func honest() behaviour { return behaviour{staleFirst: -1, serveStale: -1} }

type entry struct {
	records []rec // with the TTL as fetched
	fetched float64
	kept    float64 // TTL kept
	pause   float64 // no refresh is attempted before this time
	stale   bool    // the source marked the answer stale
}

// cache is a resolver or a forwarder. It caches by owner name.
type cache struct {
	behaviour
	rnd     *rand.Rand
	from    source
	entries map[string]*entry
}

func newCache(rnd *rand.Rand, from source, h behaviour) *cache {
	return &cache{behaviour: h, rnd: rnd, from: from, entries: make(map[string]*entry)}
}

func (c *cache) fetch(now float64, owner string) *entry {
	r, ok := c.from.ask(now, owner)
	if !ok {
		return nil
	}
	if len(r.records) == 0 { // the name does not exist
		e := &entry{fetched: now, kept: r.negative, stale: r.stale}
		if delete(c.entries, owner); r.negative > 0 {
			c.entries[owner] = e
		}
		return e
	}
	e := &entry{records: r.records, fetched: now, kept: r.records[0].ttl, stale: r.stale}
	for _, x := range r.records {
		e.kept = min(e.kept, x.ttl)
	}
	e.kept = max(e.kept, c.min)
	if c.uniform {
		e.kept = max(e.kept, 5)
	}
	e.kept += c.extendBy
	c.entries[owner] = e
	return e
}

// ask implements source and follows CNAMEs.
func (c *cache) ask(now float64, owner string) (reply, bool) {
	var out reply
	for range 8 {
		r, ok := c.one(now, owner)
		if !ok {
			return reply{}, false
		}
		if len(r.records) == 0 {
			r.took += out.took
			return r, true
		}
		out.records = append(out.records, r.records...)
		out.stale, out.took = out.stale || r.stale, out.took+r.took
		last := r.records[len(r.records)-1]
		if !isName(last.value) {
			return out, true
		}
		owner = last.value
	}
	return reply{}, false
}

func (c *cache) one(now float64, owner string) (reply, bool) {
	e := c.entries[owner]
	if e != nil && c.popular {
		for attempt := e.fetched + e.kept + 0.01; now > attempt; {
			if next := c.fetch(attempt, owner); next != nil {
				e, attempt = next, next.fetched+next.kept+0.01
				continue
			}
			if c.failPause <= 0 {
				break
			}
			attempt = max(attempt, e.pause) + c.failPause
			e.pause = attempt
		}
	}
	switch {
	case e == nil:
		if e = c.fetch(now, owner); e == nil {
			return reply{}, false
		}
		return c.show(e, now, true), true
	case now <= e.fetched+e.kept:
		return c.show(e, now, false), true
	}
	old := e
	expired := now - (e.fetched + e.kept)
	if c.staleFirst >= 0 && expired < c.keepFor {
		r := c.constant(old, c.staleFirst)
		c.fetch(now, owner)
		return r, true
	}
	if c.serveStale >= 0 && expired < c.keepFor && c.late > 0 && c.rnd.Float64() < c.late {
		r := c.constant(old, c.serveStale)
		r.took = 1.8 // as RFC 8767 §5 recommends
		c.fetch(now, owner)
		return r, true
	}
	if now >= e.pause {
		if e = c.fetch(now, owner); e != nil {
			return c.show(e, now, true), true
		}
		old.pause = now + c.failPause
	}
	if c.serveStale >= 0 && expired < c.keepFor {
		ttl := min(c.serveStale, old.kept)
		if c.sawtooth {
			ttl = min(ttl, max(0, old.pause-now))
		}
		return c.constant(old, ttl), true
	}
	return reply{}, false
}

func (c *cache) constant(e *entry, ttl float64) reply {
	r := reply{records: make([]rec, len(e.records)), negative: ttl, stale: c.ede}
	for i, x := range e.records {
		r.records[i] = rec{x.owner, x.value, ttl}
	}
	return r
}

func (c *cache) show(e *entry, now float64, first bool) reply {
	r := reply{records: make([]rec, len(e.records)), negative: max(0, e.kept-(now-e.fetched)), stale: e.stale && c.ede}
	for i, x := range e.records {
		// Every record counts down from its own TTL, or from the minimum.
		ttl := max(x.ttl, c.min) + c.extendBy - (now - e.fetched)
		if c.uniform {
			ttl = e.kept - (now - e.fetched)
		}
		if c.extendBy > 0 && x.ttl > 0 {
			for ttl > x.ttl {
				ttl -= x.ttl
			}
		}
		if first && c.firstTrue || c.frozen {
			ttl = x.ttl
		}
		if c.max > 0 {
			ttl = min(ttl, c.max)
		}
		r.records[i] = rec{x.owner, x.value, max(0, ttl)}
	}
	return r
}

// farm is several caches behind one address.
type farm struct {
	rnd     *rand.Rand
	members []source
	pick    func(now float64) int // the member that answers; nil: at random
}

func (f *farm) ask(now float64, owner string) (reply, bool) {
	i := f.rnd.IntN(len(f.members))
	if f.pick != nil {
		i = f.pick(now)
	}
	return f.members[i].ask(now, owner)
}

// world is one simulation.
type world struct {
	rnd      *rand.Rand
	zone     *zone
	resolver source
	loss     float64 // probability that one exchange of the exporter is lost
	interval float64
	offsets  []float64 // of further scrapers within the interval, ascending
	visitor  bool      // a status page that is open now and then makes further rounds
	jitter   float64   // of the start of a round
	until    float64
	pauses   [][2]float64 // in which the exporter makes no rounds
	typ      uint16
	options  Options
	consts   Constants
	// reaches reports whether the resolver reaches the authoritative servers; nil: always.
	reaches func(now float64) bool
	// undecided gives no result of these tests, as when rounds end before the resolver answers.
	undecided bool
	// previous is the zone at the servers of an old delegation. The exporter samples both zones' servers (union), or
	// from moved on only the new ones.
	previous *zone
	union    bool
	moved    float64 // when the exporter finds the new servers, at the latest
	walkable float64 // from when on a walk from the parent zone finds them
	askOwner bool    // the last owner name of the chain is asked for by itself
	partial  bool    // the exporter does not know all servers
	lazy     bool    // requested samples are taken in the next round only
	toStale  bool    // ends at the first verdict stale
	blocked  measurement.SampleFailure
	keeps    float64 // the minimum TTL of a violator; 0: none

	addresses map[string]netip.Addr // parsed
}

// outcome is the result of a world. Times are -1 if the event never occurred.
type outcome struct {
	staleAt, suspectAt float64 // first time of the verdict
	lapsedAt           float64 // first time that it was no longer stale
	okAt, doubtAt      float64 // first time that it was ok, and that it was no longer ok
	last               Assessment
	firstStale         string // reason of the first verdict stale
	queries            int
	upstreamTests      int
}

var resolverAddr = netip.MustParseAddrPort("192.0.2.53:53")

func serverAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), 53)
}

// address parses an address once.
func (w *world) address(s string) netip.Addr {
	a, ok := w.addresses[s]
	if !ok {
		if w.addresses == nil {
			w.addresses = make(map[string]netip.Addr)
		}
		a = netip.MustParseAddr(s)
		w.addresses[s] = a
	}
	return a
}

func (w *world) record(r rec) measurement.Record {
	e := measurement.Record{Owner: r.owner, TTL: uint32(r.ttl)}
	if isName(r.value) {
		e.Type, e.Target = 5, r.value
		return e
	}
	e.Type, e.Addr = w.typ, w.address(r.value)
	return e
}

// servers are the authoritative servers that the exporter knows. Those of the previous zone come first.
func (w *world) servers(now float64) []netip.AddrPort {
	var out []netip.AddrPort
	if w.previous != nil && (w.union || now < w.moved) {
		for i := range w.previous.lags {
			out = append(out, serverAddr(100+i))
		}
		if !w.union {
			return out
		}
	}
	for i := range w.zone.lags {
		out = append(out, serverAddr(i))
	}
	return out
}

// sample takes a direct sample of the chain from one server.
func (w *world) sample(now float64, server int, walked bool, out *outcome) measurement.Sample {
	s := measurement.Sample{Type: w.typ, Asked: at(now), Walked: walked, Received: at(now + 0.02)}
	if w.blocked != "" {
		s.Failure = w.blocked
		return s
	}
	servers := w.servers(now)
	if server >= len(servers) {
		server = 0
	}
	z, index := w.zone, server
	if w.previous != nil && (w.union || now < w.moved) {
		if z = w.previous; server >= len(z.lags) {
			z, index = w.zone, server-len(z.lags)
		}
	}
	owner := host
	for range 8 {
		var rs []rec
		ok := false
		for range 2 {
			out.queries++
			if w.rnd.Float64() < w.loss {
				continue
			}
			if rs, ok = z.server(now, index, owner); ok {
				break
			}
		}
		if !ok {
			s.Failure = measurement.SampleSilent
			return s
		}
		st := measurement.SampleStep{Server: servers[server], Servers: servers, Incomplete: w.partial}
		for _, r := range rs {
			st.Records = append(st.Records, w.record(r))
		}
		s.Steps = append(s.Steps, st)
		if len(rs) == 0 {
			s.Failure = measurement.SampleNoAddress
			return s
		}
		if !isName(rs[0].value) {
			return s
		}
		owner = rs[0].value
	}
	s.Failure = measurement.SampleSilent
	return s
}

func (w *world) answer(now float64) *measurement.Answer { return w.answerFor(now, host) }

func (w *world) answerFor(now float64, name string) *measurement.Answer {
	a := &measurement.Answer{Server: resolverAddr, Name: name, Type: w.typ, Asked: at(now)}
	for try := range 2 {
		if w.rnd.Float64() < w.loss {
			now += 2 * float64(try+1)
			continue
		}
		r, ok := w.resolver.ask(now, name)
		a.Received = at(now + 0.01 + r.took)
		if !ok {
			a.Rcode, a.Failure = 2, measurement.DNSServFail
			return a
		}
		staleCode := uint16(edeStaleAnswer)
		if len(r.records) == 0 {
			a.Rcode, a.Failure, staleCode = rcodeNXDomain, measurement.DNSNXDomain, edeStaleNXDomain
		}
		for _, x := range r.records {
			a.Chain = append(a.Chain, w.record(x))
		}
		if r.stale {
			a.EDE = []measurement.EDE{{Code: staleCode}}
		}
		return a
	}
	a.Failure = measurement.DNSTimeout
	return a
}

// rounds yields the start of every round. Each is drawn when it is needed, between the draws of the rounds.
func (w *world) rounds(yield func(float64) bool) {
	last := -1.0
	for now := 0.0; now < w.until; now += w.interval {
		visits := []float64{0}
		visits = append(visits, w.offsets...)
		if w.visitor && w.rnd.IntN(20) == 0 {
			for n := range 1 + w.rnd.IntN(12) {
				visits = append(visits, w.interval*0.6+float64(n)*11)
			}
		}
		for _, offset := range visits {
			if offset > 0 && offset >= w.interval {
				break
			}
			if paused(w.pauses, now+offset) {
				continue
			}
			if last = max(last+1, now+offset+w.rnd.Float64()*w.jitter); !yield(last) {
				return
			}
		}
	}
}

// run simulates all rounds.
func (w *world) run() outcome {
	if w.typ == 0 {
		w.typ = 1
	}
	if w.consts == (Constants{}) {
		w.consts = defaults()
	}
	h := New(w.consts, w.options)
	out := outcome{staleAt: -1, suspectAt: -1, lapsedAt: -1, okAt: -1, doubtAt: -1}
	server := 0
	var wants []Request
	takeSamples := func(now float64) {
		for _, req := range wants {
			if req.Walk && now >= w.walkable {
				w.moved = min(w.moved, now)
			}
			for range req.Each {
				for s := range w.servers(now) {
					h.Sample(w.sample(now, s, req.Walk, &out))
				}
			}
		}
		wants = nil
	}
	for t := range w.rounds {
		h.Begin(at(t))
		if w.rnd.IntN(2) == 0 {
			h.Answer(w.answer(t))
		}
		valid := false
		servers := len(w.servers(t))
		for range servers {
			server = (server + 1) % servers
			s := w.sample(t, server, false, &out)
			if s.Failure == "" || s.Failure == measurement.SampleNoAddress || s.Failure == w.blocked {
				valid = true
				h.Sample(s)
				break
			}
		}
		if !valid && w.rnd.IntN(2) == 0 {
			h.Sample(measurement.Sample{Type: w.typ, Asked: at(t), Received: at(t), Failure: measurement.SampleSilent})
		}
		if c := h.resolver(resolverAddr).states[stateKey{w.typ, false}].current; c == nil || c.asked.Before(h.began) {
			h.Answer(w.answer(t + 0.05))
		}
		if name := h.LastOwner(w.typ); name != "" && w.askOwner {
			h.OwnerAnswer(w.answerFor(t+0.08, name))
		}
		if w.lazy {
			takeSamples(t + 0.1)
		}
		for turn := range maxTurns {
			wants = h.Wants(at(t + 0.2))
			if w.lazy {
				break
			}
			takeSamples(t + 0.3 + float64(turn)/10)
		}
		for _, r := range h.WantsUpstream(at(t + 0.9)) {
			out.upstreamTests++
			if !w.undecided {
				h.Upstream(r, at(t+0.9), w.reaches == nil || w.reaches(t+0.9))
			}
		}
		a := h.Assess(resolverAddr, at(t+1))
		out.last = a
		if a.Verdict == Stale && out.staleAt < 0 {
			out.staleAt, out.firstStale = t, fmt.Sprintf("%+v %v", a.Why, a.Counts)
			if w.toStale {
				return out
			}
		}
		if a.Verdict != Stale && out.staleAt >= 0 && out.lapsedAt < 0 {
			out.lapsedAt = t
		}
		if a.Verdict == OK && out.okAt < 0 {
			out.okAt = t
		}
		if a.Verdict != OK && out.okAt >= 0 && out.doubtAt < 0 {
			out.doubtAt = t
		}
		if a.Verdict == Suspect && out.suspectAt < 0 {
			out.suspectAt = t
		}
	}
	return out
}

func paused(pauses [][2]float64, now float64) bool {
	for _, p := range pauses {
		if now >= p[0] && now < p[1] {
			return true
		}
	}
	return false
}

// addr4 returns the n-th address of the simulated cloud.
func addr4(n int) string { return fmt.Sprintf("203.0.%d.%d", 113+n/200, 1+n%200) }

// moving returns a zone whose host has count addresses, all of which are replaced in every period.
func moving(rnd *rand.Rand, ttl float64, count int, period, until float64) *zone {
	z := &zone{rnd: rnd, lags: []float64{0, 0}, owners: map[string][]version{}}
	n := 0
	for from := -7200.0; from < until; from += period {
		v := version{from: from, ttl: ttl}
		for range count {
			v.values = append(v.values, addr4(n))
			n++
		}
		z.owners[host] = append(z.owners[host], v)
	}
	return z
}

// switched is a source that changes at a time.
type switched struct {
	at            float64
	before, after source
}

func (s *switched) ask(now float64, owner string) (reply, bool) {
	if now < s.at {
		return s.before.ask(now, owner)
	}
	return s.after.ask(now, owner)
}

// link is a source that is sometimes unreachable.
type link struct {
	source
	down [][2]float64
	loss float64 // probability that one question is lost
	rnd  *rand.Rand
}

// passes reports whether one of several tries of a question passes.
func (l *link) passes(tries int) bool {
	for range tries {
		if l.loss == 0 || l.rnd.Float64() >= l.loss {
			return true
		}
	}
	return false
}

func (l *link) up(now float64) bool { return !paused(l.down, now) }

func (l *link) ask(now float64, owner string) (reply, bool) {
	if !l.up(now) || !l.passes(1) {
		return reply{}, false
	}
	return l.source.ask(now, owner)
}
