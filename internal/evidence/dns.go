package evidence

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
	Detail   string // for a person; safe to show
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
	Detail    string
}
