package dns

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// FuzzAnswer parses arbitrary packets: what is kept of them is bounded and safe to show, and a chain leads from the
// name asked for to addresses.
func FuzzAnswer(f *testing.F) {
	q := new(dns.Msg)
	q.SetQuestion(host, dns.TypeA)
	ns := new(dns.Msg)
	ns.SetQuestion("example.", dns.TypeNS)
	ns.Response = true
	ns.Ns = append(ns.Ns, &dns.NS{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 1}, Ns: "ns.example."})
	ns.Extra = append(ns.Extra, &dns.A{Hdr: dns.RR_Header{Name: "ns.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: []byte{192, 0, 2, 1}})
	for _, m := range []*dns.Msg{
		reply(q, good), reply(q, host+" 60 IN CNAME mid.example.", "mid.example. 60 IN CNAME "+host), ns,
		reply(q, host+" 60 IN CNAME mid.example.", "mid.example. 5 IN A 192.0.2.1"),
	} {
		f.Add(pack(m))
		f.Add(pack(m)[:20])
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: 3, ExtraText: "stale"})
		f.Add(pack(m))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		var id uint16
		if len(packet) >= 2 {
			id = binary.BigEndian.Uint16(packet)
		}
		for _, q := range []Query{{Name: host, Type: dns.TypeA}, {Name: host, Type: dns.TypeAAAA}, {Name: "example.", Type: dns.TypeNS}} {
			m, state := parse(packet, id, q)
			if state != parsed {
				continue
			}
			hold(t, interpret(m, q), q)
		}
	})
}

// hold checks what the type Reply promises.
func hold(t *testing.T, r Reply, q Query) {
	t.Helper()
	if len(r.Records) > maxRecords+maxCNAMEs || len(r.NS) > maxRecords || len(r.EDE) > maxEDE {
		t.Fatalf("%d records, %d servers, %d EDE", len(r.Records), len(r.NS), len(r.EDE))
	}
	at := q.Name
	for i, record := range r.Records {
		if record.Owner != at {
			t.Fatalf("record %d of %+v is not of %s", i, r.Records, at)
		}
		for _, name := range []string{record.Owner, record.Target} {
			if len(name) > 4*255 || strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
				t.Fatalf("name %q", name)
			}
		}
		if record.TTL >= 1<<31 {
			t.Fatalf("record %+v", record)
		}
		if !record.Addr.IsValid() {
			at = record.Target
		}
	}
	switch {
	case (len(r.Chain) > 0) != (r.Failure == "" && q.Type != dns.TypeNS):
		t.Fatalf("chain %+v with failure %q", r.Chain, r.Failure)
	case len(r.Chain) > 0 && !r.Chain[len(r.Chain)-1].Addr.IsValid():
		t.Fatalf("the chain %+v leads nowhere", r.Chain)
	}
	texts := []string{r.Detail.Text}
	for _, e := range r.EDE {
		texts = append(texts, e.Text)
	}
	for _, s := range texts {
		if len(s) > measurement.MaxText || !utf8.ValidString(s) {
			t.Fatalf("text %q", s)
		}
	}
	for _, name := range r.NS {
		if _, ok := hostName(name); !ok || !dns.IsSubDomain(r.Zone, q.Name) {
			t.Fatalf("server %q of %q", name, r.Zone)
		}
	}
}
