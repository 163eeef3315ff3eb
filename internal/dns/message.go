package dns

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what is kept of one message.
const (
	maxRecords = 64 // of a chain, or name servers
	maxCNAMEs  = 64 // of a chain; a longer one counts as endless (resolvers give up after 8 to 16, libc never)
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
	// Took is how long the server and the network took, by the clock of the kernel where there is one (package
	// sockclock), with the pauses before further questions.
	Took time.Duration
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

// chain follows the CNAME chain from the name asked for to its addresses, in the order of the records and without
// regard to their class, as glibc does. An address before the CNAME that leads to it does not count.
func (r *Reply) chain(m *message, q Query) {
	name, seen := q.Name, map[string]bool{q.Name: true}
	toItself := false
	for _, rr := range m.Answer {
		if dns.CanonicalName(rr.Header().Name) != name {
			continue
		}
		switch v := rr.(type) {
		case *dns.CNAME:
			if r.hasAddress() {
				continue
			}
			target := dns.CanonicalName(v.Target)
			if target == name {
				toItself = true // an address may follow
				continue
			}
			if seen[target] || len(seen) > maxCNAMEs {
				r.fail(measurement.DNSLoop, measurement.DNSDetailLoop)
				return
			}
			r.Records = append(r.Records, measurement.Record{Owner: name, Type: dns.TypeCNAME, TTL: ttlOf(rr), Target: target})
			name = target
			seen[name] = true
		case *dns.A:
			r.address(name, rr, v.A.To4(), q)
		case *dns.AAAA:
			r.address(name, rr, v.AAAA.To16(), q)
		}
		if r.Failure != "" {
			return
		}
	}
	switch {
	case r.hasAddress():
		r.Chain = r.Records
	case toItself:
		r.fail(measurement.DNSLoop, measurement.DNSDetailLoop)
	case q.Type != dns.TypeNS || len(r.NS) == 0:
		r.fail(measurement.DNSNoAddress, measurement.DNSDetailNoAddress)
	}
}

// address appends an address record of the type asked for.
func (r *Reply) address(owner string, rr dns.RR, ip []byte, q Query) {
	typ := rr.Header().Rrtype
	if typ != q.Type || len(r.Records) >= maxRecords {
		return
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		r.fail(measurement.DNSMalformed, measurement.DNSDetailBadAddress)
		return
	}
	r.Records = append(r.Records, measurement.Record{Owner: owner, Type: typ, TTL: ttlOf(rr), Addr: addr})
}

// hasAddress reports whether the chain has reached its addresses.
func (r *Reply) hasAddress() bool {
	return len(r.Records) > 0 && r.Records[len(r.Records)-1].Addr.IsValid()
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
