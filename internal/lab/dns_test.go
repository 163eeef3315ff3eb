package lab

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var epoch = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func ask(name string, kind uint16) *dns.Msg {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(maxUDP, false)
	return q
}

// seen is what a test looks at in an answer: its addresses, the TTL of the last record, and its EDE code (-1: none).
type seen struct {
	rcode     int
	addresses []netip.Addr
	ttl       uint32
	ede       int
}

func look(t *testing.T, m *dns.Msg) seen {
	t.Helper()
	if m == nil {
		t.Fatal("no answer")
	}
	s := seen{rcode: m.Rcode, ede: -1}
	for _, rr := range m.Answer {
		s.ttl = rr.Header().Ttl
		switch r := rr.(type) {
		case *dns.A:
			a, _ := netip.AddrFromSlice(r.A.To4())
			s.addresses = append(s.addresses, a)
		case *dns.AAAA:
			a, _ := netip.AddrFromSlice(r.AAAA)
			s.addresses = append(s.addresses, a)
		}
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				s.ede = int(ede.InfoCode)
			}
		}
	}
	return s
}

// stampedServer publishes host.example. with an address per second and the TTL given.
func stampedServer(ttl uint32) *NameServer {
	return &NameServer{Zones: []*Zone{{
		Origin:  "example.",
		Servers: []Server{{"ns1.example.", netip.MustParseAddr("127.0.0.53")}},
		Names:   map[string]RecordSet{"host.example.": {TTL: TTL(ttl), Addresses: Stamped(epoch, time.Second)}},
	}}}
}

func TestResolverHabits(t *testing.T) {
	const ttl = 60
	type step struct {
		at  int // seconds after epoch
		ttl uint32
		age int // seconds since the address was made
		ede int
	}
	for _, test := range []struct {
		habit string
		down  bool // the authority falls silent after 30 s
		steps []step
	}{
		{"honest", false, []step{{1, 60, 0, -1}, {4, 57, 3, -1}, {60, 1, 59, -1}, {61, 60, 0, -1}}},
		{"min_ttl:300", false, []step{{1, 300, 0, -1}, {4, 297, 3, -1}, {300, 1, 299, -1}, {301, 300, 0, -1}}},
		{"max_ttl:300", false, []step{{1, 60, 0, -1}, {4, 60, 3, -1}, {290, 11, 289, -1}, {301, 60, 0, -1}}},
		{"stale_first:30", false, []step{{1, 60, 0, -1}, {67, 30, 66, 3}, {68, 59, 1, -1}}},
		{"serve_stale:30", true, []step{{1, 60, 0, -1}, {60, 1, 59, -1}, {90, 30, 89, 3}}},
		{"serve_stale:30", false, []step{{1, 60, 0, -1}, {90, 60, 0, -1}}},
		{"frozen_ttl", false, []step{{1, 60, 0, -1}, {58, 60, 57, -1}, {61, 60, 0, -1}}},
	} {
		t.Run(test.habit, func(t *testing.T) {
			habits, err := ParseHabits(test.habit)
			if err != nil {
				t.Fatal(err)
			}
			server := stampedServer(ttl)
			if test.down {
				server.Down = func(at time.Time) bool { return at.After(epoch.Add(30 * time.Second)) }
			}
			r := NewResolver(server, habits, 1)
			for _, step := range test.steps {
				now := epoch.Add(time.Duration(step.at) * time.Second)
				got := look(t, r.Answer(ask("host.example.", dns.TypeA), now))
				if len(got.addresses) != 1 {
					t.Fatalf("at %d s: %+v", step.at, got)
				}
				age := int(now.Sub(MadeAt(epoch, got.addresses[0])).Seconds())
				if got.ttl != step.ttl || age != step.age || got.ede != step.ede {
					t.Errorf("at %d s: TTL %d, age %d, EDE %d; want %d, %d, %d", step.at, got.ttl, age, got.ede, step.ttl, step.age, step.ede)
				}
			}
		})
	}
}

func TestParseHabits(t *testing.T) {
	for habit, says := range map[string]string{
		"helpful":        `no such habit of a resolver: "helpful"`,
		"honest:foo":     "honest takes no argument",
		"silent:1":       "silent takes no argument",
		"min_ttl:soon":   "argument of min_ttl",
		"lossy:200":      "argument of lossy: 200 percent are more than all",
		"sinkhole:cloud": "argument of sinkhole",
	} {
		if _, err := ParseHabits(habit); !errors.Is(err, ErrHabit) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", habit, err, says)
		}
	}
}

func TestResolverRefusals(t *testing.T) {
	for habit, want := range map[string]int{"nxdomain": dns.RcodeNameError, "servfail": dns.RcodeServerFailure} {
		habits, err := ParseHabits(habit)
		if err != nil {
			t.Fatal(err)
		}
		if got := look(t, NewResolver(stampedServer(60), habits, 1).Answer(ask("host.example.", dns.TypeA), epoch)); got.rcode != want {
			t.Errorf("%s: rcode %d, want %d", habit, got.rcode, want)
		}
	}
	silent := NewResolver(stampedServer(60), Habits{Silent: true}, 1)
	if m := silent.Answer(ask("host.example.", dns.TypeA), epoch); m != nil {
		t.Errorf("a silent resolver answered %v", m)
	}
	sinkhole := NewResolver(stampedServer(60), Habits{Sinkhole: netip.MustParseAddr("192.0.2.1")}, 1)
	if got := look(t, sinkhole.Answer(ask("host.example.", dns.TypeA), epoch)); len(got.addresses) != 1 || got.addresses[0].String() != "192.0.2.1" {
		t.Errorf("sinkhole gave %+v", got)
	}
	down := stampedServer(60)
	down.Down = func(time.Time) bool { return true }
	if got := look(t, NewResolver(down, Habits{EDE: true}, 1).Answer(ask("host.example.", dns.TypeA), epoch)); got.rcode != dns.RcodeServerFailure || got.ede != 22 {
		t.Errorf("silent authority gave %+v, want SERVFAIL with EDE 22", got)
	}
}

func TestNameServer(t *testing.T) {
	child := Server{"ns1.child.example.", netip.MustParseAddr("127.0.0.54")}
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")
	server := &NameServer{Zones: []*Zone{
		{
			Origin:  "example.",
			Servers: []Server{{"ns1.example.", netip.MustParseAddr("127.0.0.53")}},
			Names: map[string]RecordSet{
				"alias.example.":    {TTL: TTL(300), CNAME: "host.other."},
				"away.example.":     {TTL: TTL(300), CNAME: "host.elsewhere."},
				"two.example.":      {TTL: TTL(60), Addresses: Fixed(a, b, c)},
				"moved.example.":    {TTL: TTLChange(60, 5, epoch), Addresses: Fixed(a)},
				"rotating.example.": {TTL: TTL(60), Addresses: Rotating(1, a, b)},
			},
			Below: map[string][]Server{"child.example.": {child}},
		},
		{Origin: "other.", Names: map[string]RecordSet{"host.other.": {TTL: TTL(20), Addresses: Fixed(a)}}},
	}}
	for _, test := range []struct {
		name               string
		kind               uint16
		rcode              int
		aa                 bool
		answer, ns, extras int
		ttl                uint32
	}{
		{"two.example.", dns.TypeA, 0, true, 2, 0, 1, 60},
		{"TWO.example.", dns.TypeAAAA, 0, true, 1, 0, 1, 60},
		{"alias.example.", dns.TypeA, 0, true, 2, 0, 1, 20},
		{"away.example.", dns.TypeA, 0, true, 1, 0, 1, 300},
		{"moved.example.", dns.TypeA, 0, true, 1, 0, 1, 5},
		{"moved.example.", dns.TypeAAAA, 0, true, 0, 1, 1, 0},
		{"none.example.", dns.TypeA, dns.RcodeNameError, true, 0, 1, 1, 0},
		{"example.", dns.TypeNS, 0, true, 1, 0, 2, 3600},
		{"ns1.example.", dns.TypeA, 0, true, 1, 0, 1, 3600},
		{"x.child.example.", dns.TypeA, 0, false, 0, 1, 2, 0},
		{"foreign.", dns.TypeA, dns.RcodeRefused, false, 0, 0, 1, 0},
	} {
		m := server.Answer(ask(test.name, test.kind), epoch)
		got := look(t, m)
		if m.Rcode != test.rcode || m.Authoritative != test.aa || len(m.Answer) != test.answer || len(m.Ns) != test.ns ||
			len(m.Extra) != test.extras || got.ttl != test.ttl {
			t.Errorf("%s %s:\n%v", test.name, dns.TypeToString[test.kind], m)
		}
	}
	both := map[netip.Addr]bool{}
	for range 50 {
		for _, address := range look(t, server.Answer(ask("rotating.example.", dns.TypeA), epoch)).addresses {
			both[address] = true
		}
	}
	if len(both) != 2 {
		t.Errorf("50 rotating answers held %v", both)
	}
}

func TestNameServerLag(t *testing.T) {
	server := stampedServer(60)
	server.Lag = 50 * time.Second
	now := epoch.Add(2 * time.Minute)
	got := look(t, server.Answer(ask("host.example.", dns.TypeAAAA), now))
	if age := now.Sub(MadeAt(epoch, got.addresses[0])); age != server.Lag {
		t.Errorf("age %v, want %v", age, server.Lag)
	}
}

// TestTruncation asks for more than a datagram holds: the client must repeat the question over TCP.
func TestTruncation(t *testing.T) {
	var many []netip.Addr
	address := netip.MustParseAddr("10.0.0.1")
	for range 200 {
		many = append(many, address)
		address = address.Next()
	}
	server := &NameServer{Zones: []*Zone{{Origin: "example.", Names: map[string]RecordSet{"many.example.": {TTL: TTL(1), Addresses: Fixed(many...)}}}}}
	s, err := ServeDNS(netip.MustParseAddrPort("127.0.0.1:0"), server, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for transport, want := range map[string]int{"udp": 0, "tcp": len(many)} {
		client := dns.Client{Net: transport, Timeout: 30 * time.Second}
		m, _, err := client.Exchange(ask("many.example.", dns.TypeA), s.Address.String())
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Answer) != want || m.Truncated != (transport == "udp") {
			t.Errorf("%s: %d records, TC %v", transport, len(m.Answer), m.Truncated)
		}
	}
}

func TestLabDNS(t *testing.T) {
	l := startLab(t, Options{Addresses: 3, Records: map[string]RecordSet{
		"bootstrap." + Domain: {TTL: TTL(7)},
		"gateways." + Domain:  {CNAME: "bootstrap." + Domain + "."},
	}})
	client := dns.Client{Timeout: 30 * time.Second}
	for name, server := range map[string]string{"resolver": l.ResolverAddress.String(), "name server": l.NameServerAddress.String()} {
		m, _, err := client.Exchange(ask("lwm2m."+Domain+".", dns.TypeA), server)
		if err != nil {
			t.Fatal(err)
		}
		if got := look(t, m); len(got.addresses) != 3 || got.ttl != 60 || m.Authoritative != (name == "name server") {
			t.Errorf("%s: %v", name, m)
		}
	}
	m, _, err := client.Exchange(ask("gateways."+Domain+".", dns.TypeA), l.ResolverAddress.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := look(t, m); len(got.addresses) != 3 || got.ttl != 7 {
		t.Errorf("scripted records: %v", m)
	}
}
