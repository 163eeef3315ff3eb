package dns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what is kept of one message.
const (
	maxRecords = 64 // addresses, or name servers
	maxCNAMEs  = 16 // of a chain: longer ones count as endless (BIND gives up after 16 too)
	maxEDE     = 8
)

// Reply is what one server said to one question. Every name in it is one that a host can have: lower case letters,
// digits, hyphens, underscores and dots, at most 254 bytes.
type Reply struct {
	measurement.Answer
	// Records is the chain as far as the message goes. Answer.Chain is the same if it ends in addresses, else empty.
	Records []measurement.Record
	// NS names the servers of Zone: the answer to a question of type NS, or a referral.
	Zone string
	NS   []string
	Glue map[string][]netip.Addr // addresses of NS that came along
	// SOA is the owner of the SOA record of a negative answer: the zone that said no (RFC 2308 §3).
	SOA string
}

// state is what a packet is.
type state int

const (
	notOurs state = iota // another id, another question, no answer at all
	broken               // answers our question, but breaks the protocol
	fine
)

const headerSize = 12 // RFC 1035 §4.1.1

// parse reads a packet in answer to q. What does not carry our id and question is not ours: a late answer to an earlier
// question, or somebody's guess.
func parse(packet []byte, id uint16, q Query) (*dns.Msg, state) {
	if len(packet) < headerSize || binary.BigEndian.Uint16(packet) != id || packet[2]&0x80 == 0 {
		return nil, notOurs
	}
	m := new(dns.Msg)
	// What was truncated may end within a record: the header and the question are all that is needed of it (RFC 2181 §9).
	if err := m.Unpack(packet); err != nil && (!m.Response || !m.Truncated) {
		return nil, broken
	}
	if len(m.Question) == 0 && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		return m, fine // a server that cannot read a question need not repeat it
	}
	if m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 {
		return nil, notOurs
	}
	asked := m.Question[0]
	if !strings.EqualFold(asked.Name, q.Name) || asked.Qtype != q.Type || asked.Qclass != dns.ClassINET {
		return nil, notOurs
	}
	return m, fine
}

// interpret takes from a message what answers q, and drops the rest.
func interpret(m *dns.Msg, q Query) Reply {
	r := Reply{Answer: measurement.Answer{Name: q.Name, Type: q.Type, Rcode: m.Rcode, AA: m.Authoritative, EDE: edes(m)}}
	r.servers(m, q)
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && r.SOA == "" {
			r.SOA, _ = hostName(soa.Hdr.Name)
		}
	}
	switch m.Rcode {
	case dns.RcodeSuccess:
		r.chain(m, q)
		return r
	case dns.RcodeNameError:
		r.Failure = measurement.DNSNXDomain
	case dns.RcodeServerFailure:
		r.Failure = measurement.DNSServFail
	case dns.RcodeRefused:
		r.Failure = measurement.DNSRefused
	default:
		r.Failure = measurement.DNSRcode
	}
	r.Detail = measurement.Detail{Text: said(m.Rcode, r.EDE)}
	return r
}

// chain follows the CNAMEs from the name asked to its addresses. The order of the records in the message means nothing.
func (r *Reply) chain(m *dns.Msg, q Query) {
	owners := make(map[string][]dns.RR)
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Class == dns.ClassINET && (h.Rrtype == q.Type || h.Rrtype == dns.TypeCNAME) {
			owner := dns.CanonicalName(h.Name)
			owners[owner] = append(owners[owner], rr)
		}
	}
	name, seen := q.Name, map[string]bool{}
	for {
		if seen[name] || len(seen) > maxCNAMEs {
			r.fail(measurement.DNSLoop, "the chain of CNAMEs does not end")
			return
		}
		seen[name] = true
		next, found := r.link(name, owners[name])
		switch {
		case r.Failure != "":
			return
		case found:
			r.Chain = r.Records
			return
		case next == "":
			if len(r.NS) == 0 || q.Type != dns.TypeNS {
				r.fail(measurement.DNSNoAddress, "no address of this family")
			}
			return
		}
		name = next
	}
}

// link takes the records of one owner: addresses, or the CNAME to go on with.
func (r *Reply) link(owner string, records []dns.RR) (next string, addresses bool) {
	for _, rr := range records {
		record := measurement.Record{Owner: owner, TTL: ttlOf(rr)}
		switch v := rr.(type) {
		case *dns.A:
			record.Type = dns.TypeA
			record.Addr, _ = netip.AddrFromSlice(v.A.To4())
		case *dns.AAAA:
			record.Type = dns.TypeAAAA
			record.Addr, _ = netip.AddrFromSlice(v.AAAA.To16())
		default:
			continue
		}
		if !record.Addr.IsValid() {
			r.fail(measurement.DNSMalformed, "an address record without an address")
			return "", false
		}
		if addresses = true; len(r.Records) < maxRecords {
			r.Records = append(r.Records, record)
		}
	}
	if addresses {
		return "", true
	}
	for _, rr := range records {
		if v, ok := rr.(*dns.CNAME); ok {
			target, ok := hostName(v.Target)
			if !ok {
				r.fail(measurement.DNSMalformed, "a CNAME leads to a name that no host can have")
				return "", false
			}
			r.Records = append(r.Records, measurement.Record{Owner: owner, Type: dns.TypeCNAME, TTL: ttlOf(rr), Target: target})
			return target, false
		}
	}
	return "", false
}

// ttlOf is a record's TTL; one with the high bit set counts as 0 (RFC 2181 §8).
func ttlOf(rr dns.RR) uint32 {
	if ttl := rr.Header().Ttl; ttl < 1<<31 {
		return ttl
	}
	return 0
}

func (r *Reply) fail(why measurement.DNSFailure, detail string) {
	r.Failure, r.Detail = why, measurement.Detail{Text: detail}
}

// servers reads a set of NS records: asked for, or a referral.
func (r *Reply) servers(m *dns.Msg, q Query) {
	section := m.Ns
	if q.Type == dns.TypeNS {
		section = append(append([]dns.RR(nil), m.Answer...), m.Ns...)
	}
	for _, rr := range section {
		ns, ok := rr.(*dns.NS)
		if !ok || ns.Hdr.Class != dns.ClassINET || len(r.NS) >= maxRecords {
			continue
		}
		zone, ok := zoneName(ns.Hdr.Name)
		name, ok2 := hostName(ns.Ns)
		if !ok || !ok2 || (r.Zone != "" && r.Zone != zone) || !dns.IsSubDomain(zone, q.Name) {
			continue
		}
		r.Zone, r.NS = zone, append(r.NS, name)
	}
	if len(r.NS) == 0 {
		return
	}
	r.Glue = make(map[string][]netip.Addr)
	for _, name := range r.NS {
		r.Glue[name] = nil
	}
	for i, rr := range m.Extra {
		owner := dns.CanonicalName(rr.Header().Name)
		have, wanted := r.Glue[owner]
		if !wanted || i >= 2*maxRecords {
			continue
		}
		var addr netip.Addr
		switch v := rr.(type) {
		case *dns.A:
			addr, _ = netip.AddrFromSlice(v.A.To4())
		case *dns.AAAA:
			addr, _ = netip.AddrFromSlice(v.AAAA.To16())
		}
		if addr.IsValid() {
			r.Glue[owner] = append(have, addr)
		}
	}
}

// edes reads the Extended DNS Errors (RFC 8914); there is none without an OPT record.
func edes(m *dns.Msg) []measurement.EDE {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	var out []measurement.EDE
	for _, option := range opt.Option {
		if e, ok := option.(*dns.EDNS0_EDE); ok && len(out) < maxEDE {
			out = append(out, measurement.EDE{Code: e.InfoCode, Text: measurement.Text(e.ExtraText)})
		}
	}
	return out
}

// said puts a response code and what explains it into words.
func said(rcode int, explained []measurement.EDE) string {
	words, ok := dns.RcodeToString[rcode]
	if !ok {
		words = fmt.Sprintf("response code %d", rcode)
	}
	for _, e := range explained {
		name, ok := dns.ExtendedErrorCodeToString[e.Code]
		if !ok {
			name = fmt.Sprintf("extended error %d", e.Code)
		}
		if words += ": " + name; e.Text != "" {
			words += " (" + e.Text + ")"
		}
	}
	return measurement.Text(words)
}

// hostName is a name in lower case with its final dot; ok is false if no host can have it (RFC 1123 §2.1, and the
// underscore that is found in use). It keeps whatever else the network sends out of names.
func hostName(name string) (string, bool) {
	name = dns.CanonicalName(name)
	if len(name) < 2 || len(name) > 254 {
		return "", false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return "", false
		}
	}
	return name, true
}

// zoneName is hostName with the root allowed.
func zoneName(name string) (string, bool) {
	if name == "." {
		return name, true
	}
	return hostName(name)
}
