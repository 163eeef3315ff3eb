package dns

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// wire is the hex form of the answer to coap.example A: the header with the counts of answer, authority and
// additional records, the question, and the records.
func wire(an, ns, ar string, records ...string) string {
	return "1234 8180 0001" + an + ns + ar + " 04636f6170 076578616d706c65 00 0001 0001" + strings.Join(records, "")
}

const (
	wireName = "c00c"
	wireA    = wireName + "0001 0001 0000003c 0004 cb00711f" // 60 A 203.0.113.31
	// wireECS is an OPT record with a client subnet option of address family 0.
	wireECS = "00 0029 04d0 00000000 000c 0008 0008 0000 1800 c6336400"
	// wireECSAndEDE has an Extended DNS Error 3 ("x") after it.
	wireECSAndEDE = "00 0029 04d0 00000000 0013 0008 0008 0000 1800 c6336400 000f 0003 0003 78"
)

// TestParse reads answers in wire format, as libc does: what is not needed from the answer section does not void the
// rest.
func TestParse(t *testing.T) {
	for _, test := range []struct {
		name    string
		wire    string
		state   parseState
		failure measurement.DNSFailure
		chain   string
		ede     []measurement.EDE
	}{
		{"an address", wire("0001", "0000", "0000", wireA), parsed, "", "coap.example. 60 203.0.113.31", nil},
		{"a bad option in the OPT record: the address", wire("0001", "0000", "0001", wireA, wireECS), parsed, "", "coap.example. 60 203.0.113.31", nil},
		{"a bad option before an EDE: the address and the EDE", wire("0001", "0000", "0001", wireA, wireECSAndEDE), parsed, "",
			"coap.example. 60 203.0.113.31", []measurement.EDE{{Code: 3, Text: "x"}}},
		{"a bad record in the authority section: the address", wire("0001", "0001", "0000", wireA, wireName+"0006 0001 0000003c 0002 ffff"), parsed, "",
			"coap.example. 60 203.0.113.31", nil},
		{"the additional section breaks off: the address", wire("0001", "0000", "0002", wireA, wireName+"0001 0001 00"), parsed, "",
			"coap.example. 60 203.0.113.31", nil},
		{"fewer authority records than announced: the address", wire("0001", "0003", "0000", wireA), parsed, "", "coap.example. 60 203.0.113.31", nil},
		{"a bad record of another type in the answer section: the address", wire("0002", "0000", "0000", wireName+"002e 0001 0000003c 0001 00", wireA), parsed, "",
			"coap.example. 60 203.0.113.31", nil},
		{"an address record of the wrong length: no address", wire("0001", "0000", "0000", wireName+"0001 0001 0000003c 0003 cb0071"), parsed,
			measurement.DNSNoAddress, "", nil},
		{"the answer section breaks off: broken", wire("0002", "0000", "0000", wireA), broken, "", "", nil},
		{"an answer longer than the packet: broken", wire("0001", "0000", "0000", wireName+"0001 0001 0000003c 0005 cb00711f"), broken, "", "", nil},
		{"a name that points to itself: broken", wire("0001", "0000", "0000", "c01e 0001 0001 0000003c 0004 cb00711f"), broken, "", "", nil},
		{"a CNAME with unusual bytes: followed and escaped", wire("0002", "0000", "0000",
			wireName+"0005 0001 0000003c 0008 03 00e92e 02 7a7a 00", "c02a 0001 0001 0000003c 0004 cb00711f"), parsed, "",
			`coap.example. 60 \000\233\..zz., \000\233\..zz. 60 203.0.113.31`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			packet, err := hex.DecodeString(strings.ReplaceAll(test.wire, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			q := Query{Name: "coap.example.", Type: dns.TypeA}
			m, state := parse(packet, 0x1234, q)
			if state != test.state {
				t.Fatalf("state %d, want %d", state, test.state)
			}
			if state != parsed {
				return
			}
			r := interpret(m, q)
			if got := chainText(r.Chain); got != test.chain || r.Failure != test.failure {
				t.Errorf("chain %q, failure %q", got, r.Failure)
			}
			if len(r.EDE) != len(test.ede) || len(r.EDE) > 0 && r.EDE[0] != test.ede[0] {
				t.Errorf("EDE %+v, want %+v", r.EDE, test.ede)
			}
		})
	}
}

// TestParseLikeLibrary checks that the reader agrees with the library's on messages that the library makes.
func TestParseLikeLibrary(t *testing.T) {
	q := new(dns.Msg)
	q.SetQuestion(host, dns.TypeA)
	m := reply(q, host+" 60 IN CNAME mid.example.", "mid.example. 5 IN A 192.0.2.1")
	m.Ns = append(m.Ns, &dns.NS{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 7}, Ns: "ns.example."})
	m.Extra = append(m.Extra, &dns.A{Hdr: dns.RR_Header{Name: "ns.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 7}, A: []byte{192, 0, 2, 9}})
	m.SetEdns0(1232, false)
	m.Rcode = dns.RcodeBadVers
	m.Authoritative, m.Compress = true, true
	got, state := parse(pack(m), m.Id, Query{Name: host, Type: dns.TypeA})
	if state != parsed || got.Rcode != dns.RcodeBadVers || !got.Authoritative || len(got.Answer) != 2 || len(got.Ns) != 1 || len(got.Extra) != 1 {
		t.Fatalf("state %d, %+v", state, got)
	}
	for i, rr := range got.Answer {
		if rr.String() != m.Answer[i].String() {
			t.Errorf("%v, want %v", rr, m.Answer[i])
		}
	}
}

// TestExchangeBadOPT asks a server whose OPT record the library cannot read.
func TestExchangeBadOPT(t *testing.T) {
	s := &rawServer{answer: func(q *dns.Msg) []byte { return packet(q, wire("0001", "0000", "0001", wireA, wireECS)) }}
	client := &Client{Dial: s.dial}
	r := client.Exchange(context.Background(), somewhere, Query{Name: "coap.example.", Type: dns.TypeA, Recursive: true})
	if r.Failure != "" || r.WithoutEDNS || r.Tries != 1 {
		t.Errorf("failure %q, without EDNS %v, %d tries", r.Failure, r.WithoutEDNS, r.Tries)
	}
}
