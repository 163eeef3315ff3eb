package measurement

import (
	"net/netip"
	"time"
)

// DNSFailure is why a DNS exchange or look-up gave no address: a closed list, used as the label `reason`.
type DNSFailure string

const (
	DNSOK          DNSFailure = ""
	DNSNXDomain    DNSFailure = "nxdomain"    // the name does not exist
	DNSServFail    DNSFailure = "servfail"    // the server could not find out
	DNSRefused     DNSFailure = "refused"     // the server will not answer us
	DNSNoAddress   DNSFailure = "no_address"  // the name exists without an address of either family
	DNSTimeout     DNSFailure = "timeout"     // no answer in the time a look-up gets
	DNSUnreachable DNSFailure = "unreachable" // ICMP, or no route
	DNSMalformed   DNSFailure = "malformed"   // an answer that breaks the protocol or does not answer the question
	DNSLoop        DNSFailure = "loop"        // a CNAME chain that does not end
	DNSRcode       DNSFailure = "rcode"       // another response code
	DNSOutOfTime   DNSFailure = "out_of_time" // the round's deadline came first, or this machine had no socket left: says nothing of the server
)

// Record is one A, AAAA or CNAME record of an answer's chain.
type Record struct {
	Owner  string // lower case, with the final dot
	Type   uint16 // 1 A, 28 AAAA, 5 CNAME
	TTL    uint32 // seconds
	Addr   netip.Addr
	Target string // of a CNAME, lower case, with the final dot
}

// EDE is an Extended DNS Error (RFC 8914).
type EDE struct {
	Code uint16
	Text string
}

// Answer is what one server said to one question of one type.
type Answer struct {
	Server   netip.AddrPort
	Name     string // asked, lower case, with the final dot
	Type     uint16 // asked: 1 A, 28 AAAA
	Asked    time.Time
	Received time.Time // zero if nothing came
	Rcode    int
	AA       bool // authoritative answer (RFC 1035 §4.1.1)
	TCP      bool // came over TCP, after truncation
	Tries    int
	Chain    []Record // the chain that leads from Name to the addresses, in order; the rest of the message is dropped
	EDE      []EDE
	Failure  DNSFailure
	Detail   Detail // for a person; safe to show
}

// Addresses lists the addresses in the order given.
func (a *Answer) Addresses() []netip.Addr {
	var out []netip.Addr
	for _, r := range a.Chain {
		if r.Addr.IsValid() {
			out = append(out, r.Addr)
		}
	}
	return out
}

// TTL is the least TTL of the chain in seconds: how long the answer may be kept (RFC 2181 §8); ok is false without a record.
func (a *Answer) TTL() (ttl uint32, ok bool) {
	for _, r := range a.Chain {
		if !ok || r.TTL < ttl {
			ttl, ok = r.TTL, true
		}
	}
	return ttl, ok
}

// Lookup is one host at one resolver in one round: the answers for A and AAAA, taken together.
type Lookup struct {
	Resolver  netip.AddrPort
	Answers   []Answer // one per type asked, A first
	Took      time.Duration
	Addresses []netip.Addr  // of both families, IPv6 first, each family in the order given, without repeats
	TTL       time.Duration // least of the chains that led to addresses
	Failure   DNSFailure    // set only when there is no address at all
	Detail    Detail
}

// SampleFailure says why a direct sample of a zone shows nothing: a closed list. "" is a valid sample.
type SampleFailure string

const (
	// SampleSilent: none of the zone's servers answered, or they answered with an error (SERVFAIL). It may be an outage.
	SampleSilent SampleFailure = "silent"
	// SampleBlocked: port 53 to servers beyond the site is closed to us.
	SampleBlocked SampleFailure = "blocked"
	// SampleIntercepted: somebody else answers for any server on port 53.
	SampleIntercepted SampleFailure = "intercepted"
	// SampleNotAuthoritative: answers come without AA, from a cache or a proxy.
	SampleNotAuthoritative SampleFailure = "not_authoritative"
	// SampleRefused: what answers for the servers does not tell us: a resolver that port 53 is redirected to, and that
	// takes questions without recursion from nobody (Unbound's default), or servers that are not the zone's any more.
	SampleRefused SampleFailure = "refused"
	// SampleNoAddress: a valid, authoritative answer, which says that the name has no address of this type.
	SampleNoAddress SampleFailure = "no_address"
)

// Sample is one direct look at a host's zone: the whole chain for one type, from a server of each zone on the way.
type Sample struct {
	Type            uint16 // asked: 1 A, 28 AAAA
	Asked, Received time.Time
	Failure         SampleFailure
	Steps           []SampleStep // in the order of the chain, ending in addresses; none of a sample that failed
	Walked          bool         // every delegation on the way was walked anew, from the servers of the parent zone
}

// SampleStep is what one server of one zone said of its part of the chain.
type SampleStep struct {
	Server netip.AddrPort
	// Servers are all servers of that zone that we can speak to, Server among them, without those of a family that has no
	// route and those silent for long: a server listed here but never heard keeps an address from being proved
	// withdrawn, since the resolver may have it from there.
	Servers []netip.AddrPort
	Records []Record // of the chain, with the TTLs of the zone
}

// AuthorityPath is the exporter's own view of port 53 to servers beyond the site; a closed list, used as the label `state`;
// "" while nothing is known.
type AuthorityPath string

const (
	AuthorityPathOK               AuthorityPath = "ok"
	AuthorityPathBlocked          AuthorityPath = "blocked"
	AuthorityPathIntercepted      AuthorityPath = "intercepted"
	AuthorityPathNotAuthoritative AuthorityPath = "not_authoritative"
)
