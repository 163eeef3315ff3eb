package freshness

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// Constants are the numbers of the proof; docs/configuration.md has them under `freshness`. All must be positive.
type Constants struct {
	Margin       time.Duration // an answered TTL this much above the zone's is no rounding, nor a CoreDNS hop's 5 s
	Slack        time.Duration // σ: rounding of TTLs, time on the wire
	AuthorityLag time.Duration // π: how long one of the zone's servers may lag behind another
	Learning     time.Duration // how long to watch before a promise of the resolver is held against it
	Hold         time.Duration // how long a verdict outlives its last piece of evidence
	Spacing      time.Duration // least time between two pieces of evidence of one kind
}

// DefaultConstants are those of the documentation.
func DefaultConstants() Constants {
	return Constants{
		Margin: 10 * time.Second, Slack: 10 * time.Second, AuthorityLag: 120 * time.Second,
		Learning: 15 * time.Minute, Hold: 15 * time.Minute, Spacing: 30 * time.Second,
	}
}

// Options are what the configuration says of one host.
type Options struct {
	// SingleView asserts that the zone's servers give the same answers to the resolver as to us. Without it, and
	// without [Host.SameView], a withdrawn address is only suspect: the zone may serve it to the resolver's region.
	SingleView bool
	// ExpectedTTL, if not 0, is the TTL asserted for the whole chain: TTLs are held against it, not against samples.
	ExpectedTTL time.Duration
	// NoAuthority says that the zone's servers are not asked at all (authority.mode: off), for the words only.
	NoAuthority bool
}

// Invalid says why a direct sample shows nothing; a closed list. "" is a valid sample.
type Invalid string

const (
	// Silent: none of the zone's servers answered, or they answered with an error. It may be an outage.
	Silent Invalid = "silent"
	// Blocked: port 53 to servers beyond the site is closed to us.
	Blocked Invalid = "blocked"
	// Intercepted: somebody else answers for any server on port 53.
	Intercepted Invalid = "intercepted"
	// NotAuthoritative: answers come without AA, from a cache or a proxy.
	NotAuthoritative Invalid = "not_authoritative"
	// NoAddress: a valid, authoritative answer, which says that the name has no address of this type.
	NoAddress Invalid = "no_address"
)

// Step is what one authoritative server of one zone said of its part of the chain.
type Step struct {
	Server netip.AddrPort
	// Servers are all servers of that zone that we can speak to, Server among them. Leave out those of a family
	// without a route, and those silent for long: a server listed here but never heard keeps an address from being
	// proved withdrawn, since the resolver may have it from there.
	Servers []netip.AddrPort
	// Records are those of the chain, with the TTLs of the zone.
	Records []evidence.Record
}

// Sample is one direct look at the zone: the whole chain for one type, from the servers of each zone on the way.
type Sample struct {
	Type            uint16 // asked: 1 A, 28 AAAA
	Asked, Received time.Time
	Invalid         Invalid // why not; Steps is then not read
	Steps           []Step  // in the order of the chain, ending in addresses
	// Walked says that the delegation was walked anew for this sample, from the servers of the parent zone.
	Walked bool
}

// Request is what the caller should ask of the zone's servers now, still in this round if its deadline allows, else in
// the next, and hand back through [Host.Sample]. Samples asked for are one for each server, each time Each.
type Request struct {
	Type uint16
	// Walk: walk the delegation anew first; an old delegation would lie. Set Walked on the samples.
	Walk bool
	// Each is how many samples from each server of every zone on the chain (at most 2 queries a second each).
	Each int
}

// Zone is what is known of the zone itself.
type Zone struct {
	TTL       time.Duration // least of the chain by the newest valid samples (both types); meaningless without LastValid
	Addresses int           // distinct addresses seen in the last 30 minutes
	LastValid time.Time     // zero: never
	Invalid   Invalid       // of the newest sample
}

// Host remembers one host name: the zone's own view of it, and each resolver's answers. It is not safe for concurrent
// use. Its memory is bounded whatever comes in.
//
// In every round: [Host.Begin]; [Host.Answer] for each resolver and type, [Host.Sample] for each type, in any order;
// then [Host.Wants], its samples back through [Host.Sample], and again until it wants nothing or time is up (two turns
// are enough); then [Host.Assess] for each resolver. All times come from one clock; with their monotonic reading, if
// they have one, steps of the clock are seen (and everything learnt is forgotten then).
type Host struct {
	c Constants
	o Options
}

// New makes a Host that knows nothing yet.
func New(c Constants, o Options) *Host { return &Host{c: c, o: o} }

// Begin marks the start of a round. The time between rounds, the interval, is learnt from it.
func (h *Host) Begin(now time.Time) {}

// Sample takes a direct sample.
func (h *Host) Sample(s Sample) {}

// SameView says whether resolver's egress and ours were shown to be the same (by a whoami name).
func (h *Host) SameView(resolver netip.AddrPort, same bool) {}

// Answer takes an answer (or the lack of one) of the resolver a.Server.
func (h *Host) Answer(a *evidence.Answer) {}

// Wants says what would confirm or refute what this round's answers raise; nil if nothing is open.
func (h *Host) Wants(now time.Time) []Request { return nil }

// Assess says what is known of the host at this resolver. Call it once for each resolver at the end of a round.
func (h *Host) Assess(resolver netip.AddrPort, now time.Time) Assessment {
	return Assessment{Verdict: Unknown, Why: "nothing seen yet", Counts: counts()}
}

// Zone says what is known of the zone.
func (h *Host) Zone(now time.Time) Zone { return Zone{} }

// counts is a fresh count of every kind.
func counts() map[Evidence]uint64 {
	m := make(map[Evidence]uint64, len(Kinds))
	for _, k := range Kinds {
		m[k] = 0
	}
	return m
}
