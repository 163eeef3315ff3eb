package dns

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what is kept of one message.
const (
	maxRecords = 64 // addresses, or name servers
	maxCNAMEs  = 16 // of a chain; a longer one counts as endless (BIND has the same limit)
	maxEDE     = 8
)

// Reply is one server's reply to one question. The names in Records are in presentation format, in which every byte
// that is not printable ASCII is escaped (RFC 4343 §2.1). All other names are host names.
type Reply struct {
	measurement.Answer
	// Records is the CNAME chain as far as the message contains it. Answer.Chain is the same if the chain ends in
	// addresses, else empty.
	Records []measurement.Record
	// NS names the servers of Zone: the answer to a question of type NS, or a referral.
	Zone string
	NS   []string
	Glue map[string][]netip.Addr // addresses of NS in the additional section
	// SOA is the owner of the SOA record of a negative answer: the apex of the zone that answered (RFC 2308 §3).
	SOA string
}

// interpret returns what a message answers to q, and drops everything else in it.
func interpret(m *message, q Query) Reply {
	r := Reply{Answer: measurement.Answer{Name: q.Name, Type: q.Type, Rcode: m.Rcode, AA: m.Authoritative, EDE: m.ede}}
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
	r.Detail = measurement.Detail{Kind: measurement.DNSDetailRcode, N: m.Rcode}
	if len(r.EDE) > 0 {
		r.Detail.EDE = r.EDE[0]
	}
	return r
}

// chain follows the CNAME chain from the name asked for to its addresses. The order of the records in the message has
// no meaning.
func (r *Reply) chain(m *message, q Query) {
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
			r.fail(measurement.DNSLoop, measurement.DNSDetailLoop)
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
				r.fail(measurement.DNSNoAddress, measurement.DNSDetailNoAddress)
			}
			return
		}
		name = next
	}
}

// link appends the records of one owner: its addresses, or the CNAME that leads to next.
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
			r.fail(measurement.DNSMalformed, measurement.DNSDetailBadAddress)
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
			target := dns.CanonicalName(v.Target)
			r.Records = append(r.Records, measurement.Record{Owner: owner, Type: dns.TypeCNAME, TTL: ttlOf(rr), Target: target})
			return target, false
		}
	}
	return "", false
}

// ttlOf returns a record's TTL; one with the high bit set counts as 0 (RFC 2181 §8).
func ttlOf(rr dns.RR) uint32 {
	if ttl := rr.Header().Ttl; ttl < 1<<31 {
		return ttl
	}
	return 0
}

func (r *Reply) fail(why measurement.DNSFailure, detail measurement.DetailKind) {
	r.Failure, r.Detail = why, measurement.Detail{Kind: detail}
}

// servers reads a set of NS records: the answer to a question of type NS, or a referral.
func (r *Reply) servers(m *message, q Query) {
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

// hostName returns a name in lower case with its final dot. ok is false if it is not a valid host name (RFC 1123
// §2.1, with the underscore that is in use), so that no other bytes from the network get into names.
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

// zoneName is hostName that also accepts the root.
func zoneName(name string) (string, bool) {
	if name == "." {
		return name, true
	}
	return hostName(name)
}
