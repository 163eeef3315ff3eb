package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// internet is a network in memory: a root, two zones with one or two servers each, and the site's resolver, which
// knows all zones.
//
//	host.example.  300 CNAME edge.other.      ns1, ns2.example.  at 203.0.113.1, .2 (and 2001:db8::2)
//	edge.other.     60 198.51.100.1           ns.other.          at 203.0.113.3
type internet struct {
	*lab.Network
	client     *Client
	zoneClient *ZoneClient
	root       *lab.Zone
	zones      map[string]*lab.Zone
	servers    map[string]*lab.NameServer // by address
	log        *questions
}

// questions logs the questions to all servers.
type questions struct {
	mu   sync.Mutex
	seen []question
}

type question struct {
	at        netip.AddrPort
	name      string
	kind      uint16
	recursive bool
	when      time.Time
}

// noting logs every question to an answerer.
type noting struct {
	lab.Answerer
	at  netip.AddrPort
	log *questions
}

func (n noting) Answer(q *dns.Msg, now time.Time) *dns.Msg {
	n.log.mu.Lock()
	n.log.seen = append(n.log.seen, question{n.at, q.Question[0].Name, q.Question[0].Qtype, q.RecursionDesired, now})
	n.log.mu.Unlock()
	return n.Answerer.Answer(q, now)
}

// to returns the questions to one address since a point in time.
func (q *questions) to(at string, since time.Time) []question {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []question
	for _, s := range q.seen {
		if s.at == netip.MustParseAddrPort(at) && !s.when.Before(since) {
			out = append(out, s)
		}
	}
	return out
}

const (
	resolver = "192.0.2.10:53"
	root     = "203.0.113.100:53"
	ns1      = "203.0.113.1:53"
	ns2      = "203.0.113.2:53"
	nsOther  = "203.0.113.3:53"
	noServer = "192.0.2.53:53"
)

var resolvers = []netip.AddrPort{netip.MustParseAddrPort(resolver)}

func addr(s string) netip.Addr { return netip.MustParseAddrPort(s).Addr() }

func newInternet(o Options) *internet {
	example := []lab.Server{{Name: "ns1.example.", Address: addr(ns1)}, {Name: "ns2.example.", Address: addr(ns2)}}
	other := []lab.Server{{Name: "ns.other.", Address: addr(nsOther)}}
	n := &internet{Network: new(lab.Network), log: new(questions), servers: make(map[string]*lab.NameServer)}
	n.zones = map[string]*lab.Zone{
		"example.": {Origin: "example.", Servers: example, Names: map[string]lab.RecordSet{
			"host.example.":  {TTL: lab.TTL(300), CNAME: "edge.other."},
			"plain.example.": {TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.7"))},
			"alias.example.": {TTL: lab.TTL(20), CNAME: "plain.example."},
			"loop.example.":  {TTL: lab.TTL(20), CNAME: "loop.other."},
		}},
		"other.": {Origin: "other.", Servers: other, Names: map[string]lab.RecordSet{
			"edge.other.": {TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.1"))},
			"loop.other.": {TTL: lab.TTL(20), CNAME: "loop.example."},
		}},
	}
	n.root = &lab.Zone{Origin: ".", Servers: []lab.Server{{Name: "root.", Address: addr(root)}},
		Below: map[string][]lab.Server{"example.": example, "other.": other}}
	// The resolver reaches every zone, including the root.
	whole := &lab.Zone{Origin: ".", Servers: n.root.Servers}
	n.put(resolver, lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{n.zones["example."], n.zones["other."], whole}}, lab.Habits{}, 1))
	n.server(root, n.root)
	n.server(ns1, n.zones["example."])
	n.server(ns2, n.zones["example."])
	n.server(nsOther, n.zones["other."])
	n.client = &Client{Dial: n.Dial, Counts: new(Counts)}
	o.Exchanger = n.client
	n.zoneClient = NewZoneClient(o)
	return n
}

func (n *internet) put(at string, a lab.Answerer) {
	n.Put(netip.MustParseAddrPort(at), noting{a, netip.MustParseAddrPort(at), n.log})
}

func (n *internet) server(at string, zones ...*lab.Zone) *lab.NameServer {
	s := &lab.NameServer{Zones: zones}
	n.servers[at] = s
	n.put(at, s)
	return s
}

func (n *internet) silence(at ...string) {
	for _, a := range at {
		n.put(a, answers(func(*dns.Msg, time.Time) *dns.Msg { return nil }))
	}
}

func (n *internet) sample(name string, turn int) (measurement.Sample, bool) {
	return n.sampleOf(context.Background(), resolvers, name, dns.TypeA, turn)
}

// sampleOf takes a sample of one type.
func (n *internet) sampleOf(ctx context.Context, resolvers []netip.AddrPort, name string, typ uint16, turn int) (measurement.Sample, bool) {
	for _, s := range n.zoneClient.Sample(ctx, resolvers, name, []uint16{typ}, turn) {
		return s, true
	}
	return measurement.Sample{}, false
}

// steps formats a sample's steps: the server, the zone's servers, and the records.
func steps(s measurement.Sample) string {
	var out []string
	for _, step := range s.Steps {
		var list []string
		for _, at := range step.Servers {
			list = append(list, at.Addr().String())
		}
		out = append(out, fmt.Sprintf("%s of %s: %s", step.Server.Addr(), strings.Join(list, " "), chainText(step.Records)))
	}
	return strings.Join(out, "; ")
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, o Options, run func(t *testing.T, n *internet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(o)
		defer n.zoneClient.Close()
		run(t, n)
	})
}

func TestSampleAcrossZones(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		// Servers of example. that also serve a private zone other. are not authoritative for it.
		lie := &lab.Zone{Origin: "other.", Names: map[string]lab.RecordSet{
			"edge.other.": {TTL: lab.TTL(9999), Addresses: lab.Fixed(netip.MustParseAddr("192.0.2.66"))}}}
		n.server(ns1, n.zones["example."], lie)
		n.server(ns2, n.zones["example."], lie)
		for turn, server := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.1"} {
			s, ok := n.sample(host, turn)
			want := server + " of 203.0.113.1 203.0.113.2: host.example. 300 edge.other.; " +
				"203.0.113.3 of 203.0.113.3: edge.other. 60 198.51.100.1"
			if !ok || s.Failure != "" || steps(s) != want || s.Walked {
				t.Errorf("turn %d: %v %+v\n%s\nwant\n%s", turn, ok, s, steps(s), want)
			}
		}
		if got := n.zoneClient.Port53State(); got != measurement.Port53OK {
			t.Errorf("path %q", got)
		}
		for _, at := range []string{ns1, ns2, nsOther} {
			for _, q := range n.log.to(at, time.Time{}) {
				if q.recursive {
					t.Errorf("asked recursively: %+v", q)
				}
			}
		}
	})
}

func TestSampleWithinZone(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		s, ok := n.sample("alias.example.", 0)
		if want := "203.0.113.1 of 203.0.113.1 203.0.113.2: alias.example. 20 plain.example., plain.example. 60 198.51.100.7"; !ok || steps(s) != want {
			t.Errorf("%s, want %s", steps(s), want)
		}
	})
}

func TestSampleUnusableServers(t *testing.T) {
	refuse := func(s *lab.NameServer) { s.Rcode = dns.RcodeRefused }
	noAA := func(s *lab.NameServer) { s.NoAA = true }
	for _, test := range []struct {
		name     string
		ns1, ns2 func(*lab.NameServer) // nil: silent
		failure  measurement.SampleFailure
		by       string // who gave the sample
	}{
		{"one is silent: a sample from the other", nil, func(*lab.NameServer) {}, "", "203.0.113.2"},
		{"one refuses: a sample from the other", refuse, func(*lab.NameServer) {}, "", "203.0.113.2"},
		{"one answers without AA: a sample from the other", noAA, func(*lab.NameServer) {}, "", "203.0.113.2"},
		{"both are silent: silent", nil, nil, measurement.SampleSilent, ""},
		{"both refuse: refused", refuse, refuse, measurement.SampleRefused, ""},
		{"one is silent, the other refuses: refused", nil, refuse, measurement.SampleRefused, ""},
		{"one refuses, the other answers without AA: not authoritative", refuse, noAA, measurement.SampleNotAuthoritative, ""},
		{"both answer without AA: not authoritative", noAA, noAA, measurement.SampleNotAuthoritative, ""},
		{"one is silent, the other answers without AA: not authoritative", nil, noAA, measurement.SampleNotAuthoritative, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				for at, change := range map[string]func(*lab.NameServer){ns1: test.ns1, ns2: test.ns2} {
					if change == nil {
						n.silence(at)
					} else {
						change(n.servers[at])
					}
				}
				began := time.Now()
				s, ok := n.sample("plain.example.", 0)
				if !ok || s.Failure != test.failure || !strings.HasPrefix(steps(s), test.by) {
					t.Errorf("%v %q %s, want %q by %s", ok, s.Failure, steps(s), test.failure, test.by)
				}
				if took := time.Since(began); took > samplePatience {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestSampleNoAddress(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		for _, name := range []string{"plain.example.", host, "none.example."} {
			s, ok := n.sampleOf(context.Background(), resolvers, name, dns.TypeAAAA, 0)
			if !ok || s.Failure != measurement.SampleNoAddress || len(s.Steps) == 0 {
				t.Errorf("%s: %v %+v", name, ok, s)
				continue
			}
			if last := s.Steps[len(s.Steps)-1]; len(last.Records) != 0 || len(last.Servers) == 0 || !last.Server.IsValid() {
				t.Errorf("%s: the last step is %+v", name, last)
			}
		}
		if s, ok := n.sample("loop.example.", 0); !ok || s.Failure != measurement.SampleSilent {
			t.Errorf("a loop: %v %+v", ok, s)
		}
	})
}

func TestZoneCacheSearchesHourly(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		discovered := func() int {
			since := time.Now()
			if _, ok := n.sample("plain.example.", 0); !ok {
				t.Fatal("no sample")
			}
			return len(n.log.to(resolver, since))
		}
		if first := discovered(); first == 0 {
			t.Error("found the servers without the resolver")
		}
		pass(59 * time.Minute)
		if again := discovered(); again != 0 {
			t.Errorf("%d questions within the hour", again)
		}
		pass(2 * time.Minute)
		if again := discovered(); again == 0 {
			t.Error("not discovered again after an hour")
		}
		// If the resolver becomes silent, the servers found before are kept.
		n.silence(resolver)
		pass(2 * time.Hour)
		began := time.Now()
		for range 2 {
			if s, ok := n.sample("plain.example.", 0); !ok || s.Failure != "" {
				t.Errorf("with the resolver silent: %v %+v", ok, s)
			}
		}
		if took := time.Since(began); took > 2*searchBudget {
			t.Errorf("took %v", took)
		}
	})
}

func TestZoneCacheResolverDropsNS(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		n.silence(resolver)
		began := time.Now()
		if _, ok := n.sample(host, 0); ok {
			t.Fatal("a sample without servers")
		}
		if took := time.Since(began); took > searchBudget {
			t.Errorf("took %v", took)
		}
		again := time.Now()
		if _, ok := n.sample(host, 0); ok || time.Since(again) > 0 {
			t.Errorf("searched again at once, for %v", time.Since(again))
		}
	})
}

// TestNameServersRate requests many samples: a server gets at most two questions per second and host, averaged over
// ten seconds.
func TestNameServersRate(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		var all sync.WaitGroup
		for range 12 {
			for range 6 {
				all.Go(func() {
					n.zoneClient.Confirm(context.Background(), resolvers, "plain.example.", dns.TypeA, 5, time.Time{})
				})
			}
			pass(3 * time.Second)
		}
		all.Wait()
		for _, at := range []string{ns1, ns2} {
			asked := n.log.to(at, time.Time{})
			if len(asked) < 60 {
				t.Errorf("%s: only %d questions", at, len(asked))
			}
			for i := range asked {
				within := 0
				for _, q := range asked[i:] {
					if q.when.Sub(asked[i].when) <= 10*time.Second {
						within++
					}
				}
				if within > 2*burstSeconds*HostRate+1 {
					t.Fatalf("%s: %d questions in 10 s", at, within)
				}
			}
		}
	})
}

func TestNameServersBound(t *testing.T) {
	s := newNameServers(time.Now, HostRate)
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 53)
	}
	start := time.Now()
	for i := range maxNameServers {
		s.get(at(i), start.Add(time.Duration(i)*time.Second))
	}
	spent := s.get(at(maxNameServers), start.Add(time.Hour))
	spent.limiter.AllowN(start.Add(time.Hour), s.burst())
	if len(s.known) != maxNameServers || s.known[at(0)] != nil || s.known[at(1)] == nil {
		t.Errorf("%d known, the first %v, the second %v", len(s.known), s.known[at(0)], s.known[at(1)])
	}
	if k := s.get(at(maxNameServers), start.Add(time.Hour)); k.limiter.AllowN(start.Add(time.Hour), 1) {
		t.Error("a server beyond the bound gets questions without limit")
	}
}

func TestConfirm(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		samples := n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 2, time.Time{})
		by := map[string]int{}
		for _, s := range samples {
			if s.Walked || s.Failure != "" {
				t.Errorf("%+v", s)
			}
			for _, step := range s.Steps {
				by[step.Server.String()]++
			}
		}
		if by[ns1] < 2 || by[ns2] < 2 || by[nsOther] < 2 {
			t.Errorf("%v", by)
		}
	})
}

func TestConfirmWalksDelegation(t *testing.T) {
	const moved = "203.0.113.9:53"
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		if _, ok := n.sample(host, 0); !ok {
			t.Fatal("no sample")
		}
		// The zone moves to another server; its old servers go on to answer with the old records.
		now := *n.zones["example."]
		now.Names = map[string]lab.RecordSet{"host.example.": {TTL: lab.TTL(3600), CNAME: "edge.other."}}
		n.server(moved, &now)
		n.root.Below["example."] = []lab.Server{{Name: "ns9.example.", Address: addr(moved)}}
		pass(time.Minute)
		since := time.Now()
		samples := n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 1, since)
		seen := map[string]bool{}
		for _, s := range samples {
			if !s.Walked || s.Failure != "" || s.Asked.Before(since) {
				t.Errorf("%+v", s)
			}
			seen[s.Steps[0].Server.String()] = true
			if !slices.Contains(s.Steps[0].Servers, netip.MustParseAddrPort(moved)) {
				t.Errorf("the new server is not listed: %v", s.Steps[0].Servers)
			}
		}
		if !seen[moved] || !seen[ns1] || !seen[ns2] {
			t.Errorf("asked %v: want the new server and the old ones", seen)
		}
		if walks := len(n.log.to(root, since)); walks != 2 {
			t.Errorf("the root was asked %d times, want once for each of two zones", walks)
		}
		n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 1, since)
		if walks := len(n.log.to(root, since)); walks != 2 {
			t.Errorf("walked again for the same moment: the root was asked %d times", walks)
		}
	})
}

func TestConfirmParentSilent(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		n.silence(root)
		samples := n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 5, time.Now())
		if len(samples) != 1 {
			t.Errorf("%d samples: one is enough where none confirms", len(samples))
		}
		began := time.Now()
		n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 1, time.Now())
		if took := time.Since(began); took > 0 {
			t.Errorf("walked again at once, for %v", took)
		}
		for _, s := range samples {
			if s.Walked {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestNameServersBackoff(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		n.silence(ns1)
		listed := func() int {
			s, ok := n.sample("plain.example.", 0)
			if !ok || s.Failure != "" {
				t.Fatalf("%v %+v", ok, s)
			}
			return len(s.Steps[0].Servers)
		}
		for range 3 {
			if got := listed(); got != 2 {
				t.Errorf("%d servers listed: it has not been silent for long", got)
			}
			pass(time.Minute)
		}
		for range 7 {
			listed()
			pass(time.Minute)
		}
		if got := listed(); got != 1 {
			t.Errorf("%d servers listed after ten minutes of silence", got)
		}
		n.put(ns1, n.servers[ns1])
		pass(6 * time.Minute)
		listed()
		if got := listed(); got != 2 {
			t.Errorf("%d servers listed after it came back", got)
		}
	})
}

func TestPort53StateBlocked(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		n.silence(ns1, ns2, nsOther, root)
		var last measurement.Sample
		for range 4 {
			last, _ = n.sample("plain.example.", 0)
			pass(15 * time.Second)
		}
		if last.Failure != measurement.SampleBlocked || n.zoneClient.Port53State() != measurement.Port53Blocked {
			t.Errorf("%q, path %q", last.Failure, n.zoneClient.Port53State())
		}
		for at, s := range n.servers {
			n.put(at, s)
		}
		if s, _ := n.sample("plain.example.", 0); s.Failure != "" || n.zoneClient.Port53State() != measurement.Port53OK {
			t.Errorf("opened again: %q, path %q", s.Failure, n.zoneClient.Port53State())
		}
	})
}

func TestInterception(t *testing.T) {
	inBubble(t, Options{InterceptionTest: true}, func(t *testing.T, n *internet) {
		ctx := context.Background()
		n.zoneClient.TestInterception(ctx, host, false)()
		if asked := n.log.to(noServer, time.Time{}); len(asked) != 0 {
			t.Error("tested before any server had answered")
		}
		n.silence(noServer)
		test := func(beforeVerdict bool) int {
			since := time.Now()
			n.zoneClient.TestInterception(ctx, host, beforeVerdict)()
			return len(n.log.to(noServer, since))
		}
		n.sample(host, 0)
		if test(false) == 0 || n.zoneClient.Port53State() != measurement.Port53OK {
			t.Errorf("path %q", n.zoneClient.Port53State())
		}
		pass(6 * time.Minute)
		if test(false) != 0 || test(true) == 0 {
			t.Error("a test must hold for five minutes before a verdict, and for an hour otherwise")
		}
		// Now an interceptor answers for any address.
		n.put(noServer, answers(func(q *dns.Msg, _ time.Time) *dns.Msg { return reply(q, host+" 60 IN A 192.0.2.66") }))
		pass(time.Hour)
		test(false)
		since := time.Now()
		s, ok := n.sample(host, 0)
		if !ok || s.Failure != measurement.SampleIntercepted || n.zoneClient.Port53State() != measurement.Port53Intercepted {
			t.Errorf("%v %+v, path %q", ok, s, n.zoneClient.Port53State())
		}
		if len(n.log.to(ns1, since))+len(n.log.to(ns2, since)) != 0 {
			t.Error("the zone's servers are asked although port 53 is intercepted")
		}
		n.silence(noServer)
		pass(11 * time.Minute)
		test(false)
		if s, ok := n.sample(host, 0); !ok || s.Failure != "" {
			t.Errorf("no longer intercepted: %v %+v", ok, s)
		}
	})
}

// TestTestInterceptionIsShared has several callers at once. The one with little time gets no result, and the others do.
func TestTestInterceptionIsShared(t *testing.T) {
	inBubble(t, Options{InterceptionTest: true}, func(t *testing.T, n *internet) {
		n.silence(noServer)
		n.sample(host, 0)
		began := time.Now()
		short, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if n.zoneClient.TestInterception(short, host, false)() || time.Since(began) != time.Second/2 {
				t.Errorf("valid after %v, although the caller's time is over", time.Since(began))
			}
		})
		for range 3 {
			all.Go(func() {
				pass(100 * time.Millisecond)
				if !n.zoneClient.TestInterception(context.Background(), "plain.example.", true)() {
					t.Error("there was time for a test")
				}
				if took := time.Since(began); took != AuthorityTimers.Patience {
					t.Errorf("took %v", took)
				}
			})
		}
		all.Wait()
		if asked := n.log.to(noServer, time.Time{}); len(asked) != 2 { // one question, sent twice
			t.Errorf("asked %d times", len(asked))
		}
		over, end := context.WithCancel(context.Background())
		end()
		if !n.zoneClient.TestInterception(over, host, false)() {
			t.Error("the test of a second ago does not hold")
		}
	})
}

// TestTestInterceptionWithoutSockets has this machine fail to make a test, which must not count as one.
func TestTestInterceptionWithoutSockets(t *testing.T) {
	inBubble(t, Options{InterceptionTest: true}, func(t *testing.T, n *internet) {
		n.sample(host, 0)
		n.client.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.EMFILE }
		if n.zoneClient.TestInterception(context.Background(), host, false)() {
			t.Error("valid without a question")
		}
		n.client.Dial = n.Dial
		n.silence(noServer)
		if !n.zoneClient.TestInterception(context.Background(), host, false)() || len(n.log.to(noServer, time.Time{})) == 0 {
			t.Error("not repeated")
		}
	})
}

// TestZoneCacheSearchOutlivesCaller has a caller without time begin a search, which must succeed for the next caller.
func TestZoneCacheSearchOutlivesCaller(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		over, end := context.WithCancel(context.Background())
		end()
		if _, ok := n.sampleOf(over, resolvers, "plain.example.", dns.TypeA, 0); ok {
			t.Fatal("a sample without time")
		}
		if s, ok := n.sample("plain.example.", 0); !ok || s.Failure != "" {
			t.Errorf("the next caller: %v %+v", ok, s)
		}
	})
}

func TestSampleConfiguredServers(t *testing.T) {
	own := netip.MustParseAddrPort("192.0.2.99:5353")
	inBubble(t, Options{Servers: []netip.AddrPort{own}}, func(t *testing.T, n *internet) {
		n.server(own.String(), n.zones["example."], n.zones["other."])
		s, ok := n.sample(host, 0)
		if want := "192.0.2.99 of 192.0.2.99: host.example. 300 edge.other., edge.other. 60 198.51.100.1"; !ok || steps(s) != want {
			t.Errorf("%s", steps(s))
		}
		for _, s := range n.zoneClient.Confirm(context.Background(), resolvers, host, dns.TypeA, 1, time.Now()) {
			if !s.Walked {
				t.Errorf("%+v", s)
			}
		}
	})
}

// TestSampleUnlistedServers has configured servers that are not all of the zone's.
func TestSampleUnlistedServers(t *testing.T) {
	list := func(texts ...string) (out []netip.AddrPort) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddrPort(text))
		}
		return out
	}
	const otherPort, ns2v6 = "203.0.113.1:5353", "[2001:db8::2]:53"
	for name, test := range map[string]struct {
		servers  []netip.AddrPort
		host     string
		unlisted []netip.AddrPort
	}{
		"all are listed":                             {list(ns1, ns2), "plain.example.", nil},
		"one of two is listed":                       {list(ns1), "plain.example.", list(ns2, ns2v6)},
		"listed with another port":                   {list(otherPort, ns2), "plain.example.", nil},
		"one of a server's addresses is listed":      {list(ns1, ns2v6), "plain.example.", nil},
		"those of the zone of a CNAME's target lack": {list(ns1, ns2), host, list(nsOther)},
		"the name has no zone that can be found":     {list(ns1), "nowhere.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Servers: test.servers}, func(t *testing.T, n *internet) {
				example := n.zones["example."]
				example.Servers = append(example.Servers, lab.Server{Name: "ns2.example.", Address: netip.MustParseAddr("2001:db8::2")})
				for _, at := range test.servers {
					n.server(at.String(), example, n.zones["other."])
				}
				s, ok := n.sample(test.host, 0)
				if !ok {
					t.Fatal("no sample")
				}
				for _, step := range s.Steps {
					if !slices.Equal(step.Unlisted, test.unlisted) || step.Incomplete != (len(test.unlisted) > 0) {
						t.Errorf("unlisted %v, incomplete %v, want %v", step.Unlisted, step.Incomplete, test.unlisted)
					}
				}
				pass(time.Second)
				since := time.Now()
				n.sample(test.host, 1)
				if asked := len(n.log.to(resolver, since)); asked != 0 {
					t.Errorf("the next sample asked the resolver %d times", asked)
				}
			})
		})
	}
}

func TestSampleUnreachableServers(t *testing.T) {
	inBubble(t, Options{Usable: func(a netip.Addr) bool { return a != addr(ns2) }}, func(t *testing.T, n *internet) {
		for turn := range 3 {
			s, ok := n.sample("plain.example.", turn)
			if want := "203.0.113.1 of 203.0.113.1: plain.example. 60 198.51.100.7"; !ok || steps(s) != want {
				t.Errorf("%s", steps(s))
			}
		}
	})
}

func TestSampleRoundEnds(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		if _, ok := n.sample("plain.example.", 0); !ok {
			t.Fatal("no sample")
		}
		n.silence(ns1, ns2)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		if s, ok := n.sampleOf(ctx, resolvers, "plain.example.", dns.TypeA, 0); ok {
			t.Errorf("took %+v for a sample", s)
		}
	})
}

// TestSampleBusy has other samples use all slots: this one waits for its share of a round, once.
func TestSampleBusy(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		if _, ok := n.sample("plain.example.", 0); !ok {
			t.Fatal("no sample")
		}
		for range maxInFlight {
			n.zoneClient.servers.slots <- struct{}{}
		}
		began := time.Now()
		if s, ok := n.sample("plain.example.", 0); ok || time.Since(began) != samplePatience {
			t.Errorf("%v %+v after %v, want none after %v", ok, s, time.Since(began), samplePatience)
		}
	})
}

// TestSampleOldZone has the resolvers be silent when the servers of a zone are to be searched again: a sample waits for
// one search only, and uses those found before.
func TestSampleOldZone(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, n *internet) {
		if _, ok := n.sample("plain.example.", 0); !ok {
			t.Fatal("no sample")
		}
		pass(2 * foundLifetime)
		n.silence(resolver)
		began := time.Now()
		two := []netip.AddrPort{resolvers[0], netip.MustParseAddrPort("192.0.2.11:53")}
		s, ok := n.sampleOf(context.Background(), two, "plain.example.", dns.TypeA, 0)
		if took := time.Since(began); !ok || s.Failure != "" || took > searchBudget {
			t.Errorf("%v %q after %v", ok, s.Failure, took)
		}
	})
}

func TestSameView(t *testing.T) {
	egress := func(a string) lab.RecordSet {
		return lab.RecordSet{TTL: lab.TTL(1), Addresses: lab.Fixed(netip.MustParseAddr(a))}
	}
	for name, theirs := range map[string]string{"same": "198.51.100.44", "another": "198.51.100.45"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				ours := *n.zones["other."]
				ours.Names = map[string]lab.RecordSet{"whoami.other.": egress("198.51.100.44")}
				n.zones["other."].Names["whoami.other."] = egress(theirs)
				n.server(nsOther, &ours)
				for range 3 {
					if got := n.zoneClient.SameView(context.Background(), resolvers[0], "whoami.other."); got != (name == "same") {
						t.Errorf("%v", got)
					}
				}
				if asked := n.log.to(nsOther, time.Time{}); len(asked) > 6 {
					t.Errorf("asked %d times within the hour", len(asked))
				}
			})
		})
	}
}

// pass waits in virtual time.
func pass(d time.Duration) { <-time.After(d) }

// TestSampleTypes takes samples of A and AAAA at once.
func TestSampleTypes(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::7")
	for _, test := range []struct {
		name    string
		prepare func(n *internet)
		a, aaaa string // the steps
		took    time.Duration
		asked   int // questions to the first server, of the two samples
	}{
		{"both have addresses: two questions", func(n *internet) {
			n.zones["example."].Names["plain.example."] = lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.7"), v6)}
		}, "203.0.113.1 of 203.0.113.1 203.0.113.2: plain.example. 60 198.51.100.7",
			"203.0.113.1 of 203.0.113.1 203.0.113.2: plain.example. 60 2001:db8::7", 0, 2},
		{"no AAAA: the sample of it has none", func(*internet) {},
			"203.0.113.1 of 203.0.113.1 203.0.113.2: plain.example. 60 198.51.100.7", "203.0.113.1 of 203.0.113.1 203.0.113.2: ", 0, 2},
		{"the first server is silent: the next one, after the patience of one question", func(n *internet) { n.silence(ns1) },
			"203.0.113.2 of 203.0.113.1 203.0.113.2: plain.example. 60 198.51.100.7", "203.0.113.2 of 203.0.113.1 203.0.113.2: ",
			AuthorityTimers.Patience, 4},
		{"a rate that allows no two questions at once: one after the other", func(n *internet) {
			n.zoneClient.SetRate(1)
			n.zoneClient.servers.mu.Lock()
			defer n.zoneClient.servers.mu.Unlock()
			k := n.zoneClient.servers.get(netip.MustParseAddrPort(ns1), time.Now())
			k.limiter.SetBurst(1)
		}, "203.0.113.1 of 203.0.113.1 203.0.113.2: plain.example. 60 198.51.100.7", "203.0.113.1 of 203.0.113.1 203.0.113.2: ", time.Second, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Options{}, func(t *testing.T, n *internet) {
				if _, ok := n.sample("plain.example.", 1); !ok { // finds the zone, and asks the second server
					t.Fatal("no sample")
				}
				test.prepare(n)
				began := time.Now()
				samples := n.zoneClient.Sample(context.Background(), resolvers, "plain.example.", Types[:], 0)
				took := time.Since(began)
				var got []string
				for _, s := range samples {
					got = append(got, steps(s))
					if s.Asked.Before(began) || s.Asked.After(began.Add(test.took)) || s.Received.Before(s.Asked) {
						t.Errorf("asked %v and received %v after the begin", s.Asked.Sub(began), s.Received.Sub(began))
					}
				}
				if want := []string{test.a, test.aaaa}; !slices.Equal(got, want) || took != test.took {
					t.Errorf("%q in %v, want %q in %v", got, took, want, test.took)
				}
				if asked := n.log.to(ns1, began); len(asked) != test.asked {
					t.Errorf("%d questions to the first server, want %d", len(asked), test.asked)
				}
			})
		})
	}
}
