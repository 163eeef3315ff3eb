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
	DNSServFail    DNSFailure = "servfail"    // the server failed to resolve the name
	DNSRefused     DNSFailure = "refused"     // the server refuses to answer this machine
	DNSNoAddress   DNSFailure = "no_address"  // the name exists, but has no address
	DNSTimeout     DNSFailure = "timeout"     // no answer arrived within the time that a look-up gets
	DNSUnreachable DNSFailure = "unreachable" // ICMP error, or no route
	DNSMalformed   DNSFailure = "malformed"   // the answer breaks the protocol
	DNSLoop        DNSFailure = "loop"        // the CNAME chain does not end
	DNSRcode       DNSFailure = "rcode"       // another response code
	DNSOutOfTime   DNSFailure = "out_of_time" // the round ended first, or this machine could not ask: says nothing
)

// DNSFailures lists every failure.
var DNSFailures = []DNSFailure{
	DNSNXDomain, DNSServFail, DNSRefused, DNSNoAddress, DNSTimeout, DNSUnreachable, DNSMalformed, DNSLoop, DNSRcode, DNSOutOfTime,
}

// Record is one A, AAAA or CNAME record of an answer's chain.
type Record struct {
	Owner  string // lower case, in presentation format (unusual bytes escaped), with the final dot
	Type   uint16 // 1 A, 28 AAAA, 5 CNAME
	TTL    uint32 // seconds
	Addr   netip.Addr
	Target string // of a CNAME, as Owner
}

// EDE is an Extended DNS Error (RFC 8914).
type EDE struct {
	Code uint16
	Text string // safe to show, see [Text]
}

// Answer is one server's answer to one question.
type Answer struct {
	Server   netip.AddrPort
	Name     string // the name asked for, lower case, with the final dot
	Type     uint16 // the type asked for: 1 A, 28 AAAA
	Asked    time.Time
	Received time.Time // zero if no answer arrived
	Rcode    int
	AA       bool // authoritative answer (RFC 1035 §4.1.1)
	TCP      bool // arrived over TCP, after a truncated answer over UDP
	Tries    int  // questions sent
	// WithoutEDNS: the question that was answered had no OPT record, so that the answer could hold no EDE.
	WithoutEDNS bool
	Chain       []Record // the records that lead from Name to its addresses, in order; other records are dropped
	EDE         []EDE
	Failure     DNSFailure
	Detail      Detail
}

// Addresses lists the addresses in the order of the answer.
func (a *Answer) Addresses() []netip.Addr {
	var out []netip.Addr
	for _, r := range a.Chain {
		if r.Addr.IsValid() {
			out = append(out, r.Addr)
		}
	}
	return out
}

// TTL is the least TTL of the chain in seconds, which bounds how long the answer may be cached (RFC 2181 §8). ok is
// false without a record.
func (a *Answer) TTL() (ttl uint32, ok bool) {
	for _, r := range a.Chain {
		if !ok || r.TTL < ttl {
			ttl, ok = r.TTL, true
		}
	}
	return ttl, ok
}

// Lookup is the look-up of one host at one resolver: the answers for A and AAAA together.
type Lookup struct {
	Resolver  netip.AddrPort
	Answers   []Answer // one per type, A first
	Took      time.Duration
	Addresses []netip.Addr  // of both families, IPv6 first, each family in the order of its answer, without duplicates
	TTL       time.Duration // least TTL of the chains that lead to addresses
	Failure   DNSFailure    // set only if there is no address at all
	Detail    Detail
}

// FamilyFailure returns the answer that failed where the one of the other family has addresses; nil if neither did, or
// if the failure states nothing about the server. That a name has no address of a family is not a failure.
func (l *Lookup) FamilyFailure() *Answer {
	if len(l.Addresses) == 0 {
		return nil
	}
	for i := range l.Answers {
		a := &l.Answers[i]
		if a.Failure != DNSOK && a.Failure != DNSNoAddress && a.Failure != DNSOutOfTime {
			return a
		}
	}
	return nil
}

// The Extended DNS Errors of a server that filters names: blocked, censored and filtered (RFC 8914 §4.16 to §4.18).
const (
	edeBlocked  = 15
	edeFiltered = 17
)

// Filtered returns the Extended DNS Error with which the resolver states that it filters the name; ok is false
// without one.
func (l *Lookup) Filtered() (ede EDE, ok bool) {
	for i := range l.Answers {
		for _, e := range l.Answers[i].EDE {
			if edeBlocked <= e.Code && e.Code <= edeFiltered {
				return e, true
			}
		}
	}
	return EDE{}, false
}

// SampleFailure is why a direct sample of a zone is not valid: a closed list. "" is a valid sample.
type SampleFailure string

const (
	// SampleSilent: no authoritative server answered, or they answered with an error such as SERVFAIL.
	SampleSilent SampleFailure = "silent"
	// SampleBlocked: no server beyond the site answers on port 53.
	SampleBlocked SampleFailure = "blocked"
	// SampleIntercepted: something on the path answers on port 53 for any address.
	SampleIntercepted SampleFailure = "intercepted"
	// SampleNotAuthoritative: answers arrive without AA, from a cache or a proxy.
	SampleNotAuthoritative SampleFailure = "not_authoritative"
	// SampleRefused: the answer is REFUSED: from a resolver that port 53 is redirected to and that refuses questions
	// without recursion (Unbound's default), or from servers that no longer serve the zone.
	SampleRefused SampleFailure = "refused"
	// SampleNoAddress: a valid authoritative answer states that the name has no address of this type.
	SampleNoAddress SampleFailure = "no_address"
)

// Sample is one direct look at a host's zone: the whole chain for one type, from one server of each zone on the way.
type Sample struct {
	Type            uint16 // 1 A, 28 AAAA
	Asked, Received time.Time
	Failure         SampleFailure
	// Steps are in the order of the chain and end in addresses. If Failure is SampleNoAddress the last step has no
	// records; of other failures there are none.
	Steps  []SampleStep
	Walked bool // every delegation on the way was walked again, from the servers of the parent zone
}

// SampleStep is the part of the chain that one server of one zone answered.
type SampleStep struct {
	Server netip.AddrPort
	// Servers are all servers of that zone that this machine can ask, Server among them, without those of a family
	// that has no route and those that have been silent for long. They are the union of the servers that any resolver
	// may still ask: those of the parent zone, and those learnt through every resolver. A server that is listed and
	// never heard prevents a proof that an address is withdrawn, because the resolver may have the address from it.
	Servers []netip.AddrPort
	// Incomplete is true if the zone has more servers than Servers lists: an RRset or a TTL that none of them publishes
	// may still be that of another server.
	Incomplete bool
	// Unlisted are the servers that are missing because the configuration lists others only.
	Unlisted []netip.AddrPort
	Records  []Record // of the chain, with the TTLs of the zone
}

// Port53State is whether this machine reaches authoritative servers beyond the site on port 53: a closed list, used
// as the label `state`; "" while nothing is known.
type Port53State string

const (
	Port53OK               Port53State = "ok"
	Port53Blocked          Port53State = "blocked"
	Port53Intercepted      Port53State = "intercepted"
	Port53NotAuthoritative Port53State = "not_authoritative" // answers arrive without AA
)

// Port53States lists every state.
var Port53States = []Port53State{Port53OK, Port53Blocked, Port53Intercepted, Port53NotAuthoritative}

// DNSLegs are the kinds of server that a question goes to: a closed list, used as the label `leg`.
var DNSLegs = []string{LegResolver, LegAuthority}

const (
	LegResolver  = "resolver"  // one of the site's resolvers
	LegAuthority = "authority" // an authoritative server of a zone
)

// DNSRcodes are the outcomes of a question that are counted: a closed list, used as the label `rcode`. The first six
// stand in the order of their response codes (RFC 1035 §4.1.1).
var DNSRcodes = []string{"noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", RcodeTimeout, RcodeOther}

const (
	RcodeTimeout = "timeout" // no answer arrived
	RcodeOther   = "other"   // another code, a broken answer, ICMP, or cut off by the end of the round
)

// QueryCount is how many questions of one leg had one outcome since start.
type QueryCount struct {
	Leg, Rcode string
	Count      uint64
}
