package lab

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Answerer answers DNS queries at a given time; it returns nil for silence.
type Answerer interface {
	Answer(q *dns.Msg, now time.Time) *dns.Msg
}

// Habits are the deviations of a resolver, with the options of the products that have them; the zero value has none.
type Habits struct {
	MinTTL     uint32     // keeps records at least that long (Unbound cache-min-ttl, dnsmasq min-cache-ttl)
	MaxTTL     uint32     // shows at most that TTL, however long the record is kept (dnsmasq max-ttl); 0: no limit
	FrozenTTL  bool       // shows the zone's TTL unaged (Unbound serve-original-ttl, CoreDNS keepttl)
	ServeStale bool       // answers with expired records while the authority is silent (RFC 8767)
	StaleFirst bool       // answers with expired records at once and refreshes afterwards
	StaleTTL   uint32     // the TTL shown on expired records
	EDE        bool       // adds EDE 3 to them, and EDE 22 to SERVFAIL (RFC 8914)
	DropShare  float64    // share of questions left unanswered
	Sinkhole   netip.Addr // every name resolves to this address
	Rcode      int        // not 0: the response code of every answer
	Silent     bool       // never answers
}

// Resolver is a caching resolver. It queries Upstream for what is not in its cache. The caller gives the time. It is
// safe for concurrent use.
type Resolver struct {
	Upstream Answerer

	mu     sync.Mutex
	habits Habits
	cache  map[cacheKey]*cached
	random *rand.Rand
}

// NewResolver returns a resolver with an empty cache; seed determines which queries DropShare loses.
func NewResolver(upstream Answerer, habits Habits, seed uint64) *Resolver {
	return &Resolver{Upstream: upstream, habits: habits, cache: make(map[cacheKey]*cached), random: rand.New(rand.NewPCG(seed, seed))}
}

// Behave changes the habits; the cache stays.
func (r *Resolver) Behave(habits Habits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.habits = habits
}

// Flush empties the cache.
func (r *Resolver) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cache)
}

type cacheKey struct {
	name string
	kind uint16
}

// cached is one RRset, or a negative answer.
type cached struct {
	records []dns.RR
	rcode   int
	at      time.Time
	keep    uint32 // seconds that it stays in the cache
}

func (c *cached) age(now time.Time) uint32 { return uint32(max(0, now.Sub(c.at)/time.Second)) }
func (c *cached) expired(now time.Time) bool {
	return now.Sub(c.at) >= time.Duration(c.keep)*time.Second
}

// alias is where a CNAME leads; "" for another RRset.
func (c *cached) alias() string {
	if len(c.records) == 1 {
		if cname, ok := c.records[0].(*dns.CNAME); ok {
			return dns.CanonicalName(cname.Target)
		}
	}
	return ""
}

// maxCached bounds the cache; a full one is emptied.
const maxCached = 100_000

// Answer answers q at the given time; it returns nil for silence.
func (r *Resolver) Answer(q *dns.Msg, now time.Time) *dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.habits
	if len(q.Question) != 1 || h.Silent || (h.DropShare > 0 && r.random.Float64() < h.DropShare) {
		return nil
	}
	m := reply(q)
	m.RecursionAvailable = true
	name, kind := dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	switch {
	case h.Rcode != dns.RcodeSuccess:
		m.Rcode = h.Rcode
		return m
	case h.Sinkhole.IsValid():
		m.Answer = addressRecords(name, kind, negativeTTL, []netip.Addr{h.Sinkhole})
		return m
	}
	stale := false
	for range maxChain {
		set, old := r.find(name, kind, now)
		if set == nil {
			m.Answer, m.Rcode = nil, dns.RcodeServerFailure
			r.explain(m, dns.ExtendedErrorCodeNoReachableAuthority)
			return m
		}
		stale = stale || old
		m.Answer = append(m.Answer, r.show(set, old, now)...)
		m.Rcode = set.rcode
		if name = set.alias(); name == "" || kind == dns.TypeCNAME {
			break
		}
	}
	if stale {
		r.explain(m, dns.ExtendedErrorCodeStaleAnswer)
	}
	return m
}

// find returns the RRset for name from the cache or from upstream; nil if neither has it. stale is true if it had
// expired.
func (r *Resolver) find(name string, kind uint16, now time.Time) (set *cached, stale bool) {
	var expired *cached
	for _, k := range []uint16{dns.TypeCNAME, kind} {
		switch have := r.cache[cacheKey{name, k}]; {
		case have == nil:
		case !have.expired(now):
			return have, false
		case expired == nil || have.at.After(expired.at):
			expired = have
		}
	}
	fresh := r.fetch(name, kind, now)
	switch {
	case expired != nil && r.habits.StaleFirst:
		return expired, true
	case fresh != nil:
		return fresh, false
	case expired != nil && r.habits.ServeStale:
		return expired, true
	default:
		return nil, false
	}
}

// fetch queries upstream and caches each RRset of the answer separately.
func (r *Resolver) fetch(name string, kind uint16, now time.Time) *cached {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(maxUDP, false)
	m := r.Upstream.Answer(q, now)
	if m == nil || (m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError) {
		return nil
	}
	if len(r.cache) > maxCached {
		clear(r.cache)
	}
	sets := make(map[cacheKey]*cached)
	for _, rr := range m.Answer {
		key := cacheKey{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
		set := sets[key]
		if set == nil {
			set = &cached{at: now, keep: max(rr.Header().Ttl, r.habits.MinTTL)}
			sets[key] = set
		}
		set.records = append(set.records, rr)
	}
	for key, set := range sets {
		if key.kind == dns.TypeCNAME {
			delete(r.cache, cacheKey{key.name, kind}) // it held addresses before
		}
		r.cache[key] = set
	}
	alias, own := cacheKey{name, dns.TypeCNAME}, cacheKey{name, kind}
	switch {
	case sets[alias] != nil:
		return sets[alias]
	case sets[own] != nil:
		delete(r.cache, alias)
	default:
		r.cache[own] = &cached{at: now, keep: negativeTTL, rcode: m.Rcode}
	}
	return r.cache[own]
}

// show copies an RRset with the TTL that this resolver returns.
func (r *Resolver) show(set *cached, stale bool, now time.Time) []dns.RR {
	ttl := set.keep - min(set.keep, set.age(now))
	if stale {
		ttl = r.habits.StaleTTL
	}
	out := make([]dns.RR, 0, len(set.records))
	for _, rr := range set.records {
		shown := dns.Copy(rr)
		if r.habits.FrozenTTL {
			ttl = rr.Header().Ttl
		}
		if r.habits.MaxTTL > 0 {
			ttl = min(ttl, r.habits.MaxTTL)
		}
		shown.Header().Ttl = ttl
		out = append(out, shown)
	}
	return out
}

// explain adds an Extended DNS Error if this resolver supports it and the query had an OPT record.
func (r *Resolver) explain(m *dns.Msg, code uint16) {
	if opt := m.IsEdns0(); opt != nil && r.habits.EDE {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code})
	}
}
