package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Zone is the content of a zone as a function of time. It must not change once it is served.
type Zone struct {
	Origin  string               // lower case with the final dot
	Servers []Server             // its NS records, with glue
	Names   map[string]RecordSet // by owner, lower case with the final dot; "*." plus Origin answers for the rest
	Below   map[string][]Server  // delegations: child zone → its servers
}

// Server is one name server of a zone.
type Server struct {
	Name    string // with the final dot
	Address netip.Addr
}

// RecordSet is what one owner name holds: a CNAME, or addresses.
type RecordSet struct {
	TTL       func(at time.Time) uint32 // seconds
	CNAME     string                    // with the final dot; "" for addresses
	Addresses Script
}

// Script returns the addresses of a name at a time. draw counts the answers, so that a script can rotate;
// one that ignores it returns the same set to every query.
type Script func(at time.Time, draw uint64) []netip.Addr

// TTL is a TTL that never changes.
func TTL(seconds uint32) func(time.Time) uint32 {
	return func(time.Time) uint32 { return seconds }
}

// TTLChange is before until the moment given and after from then on.
func TTLChange(before, after uint32, moment time.Time) func(time.Time) uint32 {
	return func(at time.Time) uint32 {
		if at.Before(moment) {
			return before
		}
		return after
	}
}

// Fixed is a set that never changes.
func Fixed(addresses ...netip.Addr) Script {
	return func(time.Time, uint64) []netip.Addr { return addresses }
}

// Rotating returns k random addresses of the pool to each query, as a load balancer with many addresses does.
func Rotating(k int, pool ...netip.Addr) Script {
	return func(_ time.Time, draw uint64) []netip.Addr {
		order := rand.New(rand.NewPCG(draw, uint64(len(pool)))).Perm(len(pool))
		out := make([]netip.Addr, 0, k)
		for _, i := range order[:min(k, len(pool))] {
			out = append(out, pool[i])
		}
		return out
	}
}

// Stamped gives one address per family that encodes the moment it was made: a new one every period since epoch.
// [MadeAt] then gives the true age of an answer that passed through caches.
func Stamped(epoch time.Time, period time.Duration) Script {
	return func(at time.Time, _ uint64) []netip.Addr {
		made := uint32(max(0, at.Sub(epoch)/period)) * uint32(period/time.Second)
		v4 := [4]byte{10, byte(made >> 16), byte(made >> 8), byte(made)}
		v6 := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8}
		binary.BigEndian.PutUint32(v6[12:], made)
		return []netip.Addr{netip.AddrFrom4(v4), netip.AddrFrom16(v6)}
	}
}

// MadeAt is the moment that an address of [Stamped] was made, to the second.
func MadeAt(epoch time.Time, address netip.Addr) time.Time {
	b := address.As16()
	seconds := binary.BigEndian.Uint32(b[12:])
	if address.Is4() {
		seconds &= 1<<24 - 1 // without the 10 of the address
	}
	return epoch.Add(time.Duration(seconds) * time.Second)
}

// NameServer is one authoritative server. The zero value of each field is the honest one.
type NameServer struct {
	Zones []*Zone
	Lag   time.Duration           // it serves the state of that long ago
	Down  func(at time.Time) bool // while true it does not answer
	NoAA  bool                    // it does not claim authority
	Rcode int                     // not 0: the response code of every answer

	draws   atomic.Uint64
	queries atomic.Uint64
}

// Queries counts the questions received, answered or not.
func (s *NameServer) Queries() uint64 { return s.queries.Load() }

// maxChain bounds the CNAMEs followed in one answer.
const maxChain = 16

// Answer answers q at the given time; it returns nil for silence.
func (s *NameServer) Answer(q *dns.Msg, now time.Time) *dns.Msg {
	s.queries.Add(1)
	if len(q.Question) != 1 || (s.Down != nil && s.Down(now)) {
		return nil
	}
	m := reply(q)
	if s.Rcode != dns.RcodeSuccess {
		m.Rcode = s.Rcode
		return m
	}
	name, kind := dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	zone := s.zone(name)
	if zone == nil {
		m.Rcode = dns.RcodeRefused
		return m
	}
	if zone.refer(m, name) {
		return m
	}
	m.Authoritative = !s.NoAA
	at, draw := now.Add(-s.Lag), s.draws.Add(1)
	for range maxChain {
		found, next := zone.add(m, name, kind, at, draw)
		if !found {
			m.Ns = append(m.Ns, zone.soa())
			if name != zone.Origin {
				m.Rcode = dns.RcodeNameError
			}
			return m
		}
		if next == "" {
			return m
		}
		name = next
		if zone = s.zone(name); zone == nil {
			return m // another server has the rest
		}
	}
	return m
}

// zone returns the most specific zone that contains name; nil if none does.
func (s *NameServer) zone(name string) *Zone {
	var best *Zone
	for _, z := range s.Zones {
		if dns.IsSubDomain(z.Origin, name) && (best == nil || len(z.Origin) > len(best.Origin)) {
			best = z
		}
	}
	return best
}

// refer fills in a referral if name lies in a zone that was delegated away (RFC 1034 §4.3.2).
func (z *Zone) refer(m *dns.Msg, name string) bool {
	for child, servers := range z.Below {
		if dns.IsSubDomain(child, name) {
			for _, server := range servers {
				m.Ns = append(m.Ns, ns(child, server))
				m.Extra = append(glue(server), m.Extra...)
			}
			return true
		}
	}
	return false
}

// add appends the records of name; next is where a CNAME leads.
func (z *Zone) add(m *dns.Msg, name string, kind uint16, at time.Time, draw uint64) (found bool, next string) {
	if name == z.Origin && kind == dns.TypeNS {
		for _, server := range z.Servers {
			m.Answer = append(m.Answer, ns(name, server))
			m.Extra = append(glue(server), m.Extra...)
		}
		return len(z.Servers) > 0, ""
	}
	for _, server := range z.Servers { // one with several addresses has several entries
		if server.Name == name {
			m.Answer = append(m.Answer, addressRecords(name, kind, nsTTL, []netip.Addr{server.Address})...)
			found = true
		}
	}
	if found {
		return true, ""
	}
	set, ok := z.Names[name]
	if !ok {
		if set, ok = z.Names["*."+z.Origin]; !ok {
			return false, ""
		}
	}
	ttl := set.TTL(at)
	if set.CNAME != "" {
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: header(name, dns.TypeCNAME, ttl), Target: set.CNAME})
		if kind == dns.TypeCNAME {
			return true, ""
		}
		return true, strings.ToLower(set.CNAME)
	}
	records := addressRecords(name, kind, ttl, set.Addresses(at, draw))
	m.Answer = append(m.Answer, records...)
	if len(records) == 0 {
		m.Ns = append(m.Ns, z.soa())
	}
	return true, ""
}

// nsTTL is that of NS records and their glue, and of negative answers: an hour and a minute as zones of clouds have it.
const (
	nsTTL       = 3600
	negativeTTL = 60
)

func (z *Zone) soa() dns.RR {
	return &dns.SOA{Hdr: header(z.Origin, dns.TypeSOA, negativeTTL), Ns: "ns." + z.Origin, Mbox: "lab." + z.Origin,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: negativeTTL}
}

func header(name string, kind uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

func ns(zone string, server Server) dns.RR {
	return &dns.NS{Hdr: header(zone, dns.TypeNS, nsTTL), Ns: server.Name}
}

func glue(server Server) []dns.RR {
	kind := dns.TypeA
	if server.Address.Is6() {
		kind = dns.TypeAAAA
	}
	return addressRecords(server.Name, kind, nsTTL, []netip.Addr{server.Address})
}

func addressRecords(name string, kind uint16, ttl uint32, addresses []netip.Addr) []dns.RR {
	var out []dns.RR
	for _, a := range addresses {
		switch {
		case kind == dns.TypeA && a.Is4():
			out = append(out, &dns.A{Hdr: header(name, kind, ttl), A: a.AsSlice()})
		case kind == dns.TypeAAAA && a.Is6():
			out = append(out, &dns.AAAA{Hdr: header(name, kind, ttl), AAAA: a.AsSlice()})
		}
	}
	return out
}

// reply is an empty answer to q, with an OPT record if q has one.
func reply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(maxUDP, opt.Do())
	}
	return m
}
