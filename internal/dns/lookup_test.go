package dns

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestLookup(t *testing.T) {
	const (
		v4a = host + " 60 IN A 198.51.100.2"
		v4b = host + " 30 IN A 198.51.100.1"
		v6  = host + " 90 IN AAAA 2001:db8::1"
	)
	type said struct {
		records []string
		rcode   int
		silent  bool
	}
	for _, test := range []struct {
		name      string
		a, aaaa   said
		addresses string
		ttl       time.Duration
		failure   measurement.DNSFailure
	}{
		{"both families: IPv6 first, each family in its order", said{records: []string{v4a, v4b, v4a}}, said{records: []string{v6}},
			"[2001:db8::1 198.51.100.2 198.51.100.1]", 30 * time.Second, ""},
		{"IPv4 only", said{records: []string{v4a}}, said{}, "[198.51.100.2]", time.Minute, ""},
		{"IPv6 only", said{}, said{records: []string{v6}}, "[2001:db8::1]", 90 * time.Second, ""},
		{"the other family fails", said{records: []string{v4a}}, said{rcode: dns.RcodeServerFailure}, "[198.51.100.2]", time.Minute, ""},
		{"a CNAME without an address: its TTL does not count", said{records: []string{v4a}}, said{records: []string{host + " 5 IN CNAME mid.example."}},
			"[198.51.100.2]", time.Minute, ""},
		{"an IPv4-mapped IPv6 address: listed once", said{records: []string{v4a}}, said{records: []string{host + " 60 IN AAAA ::ffff:198.51.100.2"}},
			"[198.51.100.2]", time.Minute, ""},
		{"IPv4 silent, IPv6 good: libc gives up", said{silent: true}, said{records: []string{v6}}, "[]", 0, measurement.DNSTimeout},
		{"IPv6 silent, IPv4 good: the address", said{records: []string{v4a}}, said{silent: true}, "[198.51.100.2]", time.Minute, ""},
		{"no address of either family", said{}, said{}, "[]", 0, measurement.DNSNoAddress},
		{"no IPv4 address, and silence on IPv6", said{}, said{silent: true}, "[]", 0, measurement.DNSTimeout},
		{"NXDOMAIN tells more than silence", said{silent: true}, said{rcode: dns.RcodeNameError}, "[]", 0, measurement.DNSNXDomain},
		{"SERVFAIL tells more than no address", said{}, said{rcode: dns.RcodeServerFailure}, "[]", 0, measurement.DNSServFail},
		{"a TTL of 0", said{records: []string{host + " 0 IN A 198.51.100.2"}}, said{records: []string{v6}}, "[2001:db8::1 198.51.100.2]", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(lab.Network)
				n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					s := test.a
					if q.Question[0].Qtype == dns.TypeAAAA {
						s = test.aaaa
					}
					if s.silent {
						return nil
					}
					m := reply(q, s.records...)
					m.Rcode = s.rcode
					return m
				}))
				l := Lookup(context.Background(), &Client{Dial: n.Dial}, somewhere, host, 0, nil)
				if got := fmt.Sprint(l.Addresses); got != test.addresses || l.TTL != test.ttl || l.Failure != test.failure {
					t.Errorf("%s, TTL %v, failure %q", got, l.TTL, l.Failure)
				}
				if (l.Failure != "") != (l.Detail.Kind != "") || len(l.Answers) != 2 || l.Answers[0].Type != dns.TypeA || l.Resolver != somewhere {
					t.Errorf("%+v", l)
				}
			})
		})
	}
}

// TestLookupFiltered has a resolver explain that it filters the name.
func TestLookupFiltered(t *testing.T) {
	for _, test := range []struct {
		name  string
		code  uint16
		addr  string // "": NXDOMAIN
		found bool
		kind  measurement.DetailKind
	}{
		{"blocked, with the address 0.0.0.0: the explanation", dns.ExtendedErrorCodeBlocked, "0.0.0.0", true, measurement.DNSDetailFiltered},
		{"censored, with NXDOMAIN: the explanation of the failure", dns.ExtendedErrorCodeCensored, "", true, measurement.DNSDetailRcode},
		{"filtered, with an address: the explanation", dns.ExtendedErrorCodeFiltered, "198.51.100.1", true, measurement.DNSDetailFiltered},
		{"prohibited, with an address: nothing", dns.ExtendedErrorCodeProhibited, "198.51.100.1", false, ""},
		{"stale, with an address: nothing", dns.ExtendedErrorCodeStaleAnswer, "198.51.100.1", false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(lab.Network)
				n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					m := reply(q)
					switch {
					case test.addr == "":
						m.Rcode = dns.RcodeNameError
					case q.Question[0].Qtype == dns.TypeA:
						m = reply(q, host+" 60 IN A "+test.addr)
					}
					m.SetEdns0(1232, false)
					m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: test.code, ExtraText: "policy"})
					return m
				}))
				l := Lookup(context.Background(), &Client{Dial: n.Dial}, somewhere, host, 0, nil)
				ede, ok := l.Filtered()
				if ok != test.found || ok && ede != (measurement.EDE{Code: test.code, Text: "policy"}) || l.Detail.Kind != test.kind {
					t.Errorf("%+v, %v; detail %+v", ede, ok, l.Detail)
				}
				if ok && l.Detail.EDE != ede {
					t.Errorf("detail %+v", l.Detail)
				}
			})
		})
	}
}

func TestLookupFailureRank(t *testing.T) {
	for _, failure := range []measurement.DNSFailure{
		measurement.DNSNXDomain, measurement.DNSServFail, measurement.DNSRefused, measurement.DNSNoAddress, measurement.DNSTimeout, measurement.DNSUnreachable,
		measurement.DNSMalformed, measurement.DNSLoop, measurement.DNSRcode, measurement.DNSOutOfTime,
	} {
		l := measurement.Lookup{Answers: []measurement.Answer{{Type: dns.TypeA, Failure: failure}, {Type: dns.TypeAAAA, Failure: failure}}}
		if summarise(&l); l.Failure != failure {
			t.Errorf("%q became %q", failure, l.Failure)
		}
	}
}

func TestReadResolvConf(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	for _, test := range []struct {
		name, text string
		want       []netip.AddrPort
	}{
		{"as systemd writes it", "# a comment\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n", []netip.AddrPort{at("127.0.0.53:53")}},
		{"both families, with an interface", "nameserver 192.0.2.1\n nameserver\t2001:db8::1 ; trailing\nnameserver fe80::1%eth0\n",
			[]netip.AddrPort{at("192.0.2.1:53"), at("[2001:db8::1]:53"), at("[fe80::1%eth0]:53")}},
		{"more than libc reads", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver nonsense\n",
			[]netip.AddrPort{at("192.0.2.1:53"), at("192.0.2.2:53"), at("192.0.2.3:53")}},
		{"none", "search lan\n", nil},
		{"lines without an address: ignored", "nameserver dns.lan\nnameserver\nnameserver fe80::1\nnameserver 192.0.2.1\n", []netip.AddrPort{at("192.0.2.1:53")}},
		{"nothing that can be used", "nameserver fe80::1\n", nil},
		{"one of them twice", "nameserver 192.0.2.1\nnameserver ::ffff:192.0.2.1\nnameserver 192.0.2.2\n", []netip.AddrPort{at("192.0.2.1:53"), at("192.0.2.2:53")}},
		{"a line without end", "nameserver 192.0.2.1\n" + strings.Repeat("x", maxResolvConf+1), []netip.AddrPort{at("192.0.2.1:53")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readResolvConf(strings.NewReader(test.text))
			if fmt.Sprint(got) != fmt.Sprint(test.want) || err != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	c.add(Query{Recursive: true}, rcodeLabel(dns.RcodeNameError), 2)
	c.add(Query{}, rcodeLabel(4711), 1)
	c.add(Query{}, measurement.RcodeTimeout, 0)
	want := map[string]uint64{"resolver nxdomain": 2, "authority other": 1}
	all := c.All()
	for _, n := range all {
		if n.Count != want[n.Leg+" "+n.Rcode] {
			t.Errorf("%+v", n)
		}
	}
	if len(all) != 16 {
		t.Errorf("%d series", len(all))
	}
}
