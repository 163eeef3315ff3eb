package resolve

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	endpointdns "github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// site is a network in memory and in virtual time: a root and a zone with two servers, a resolver that knows both,
// and the service under test.
type site struct {
	network  *lab.Network
	zone     *lab.Zone
	servers  *lab.NameServer // both addresses
	resolver *lab.Resolver
	config   *config.Config
	service  *Service
	log      *strings.Builder
	asked    sync.Map // by address: *atomic.Int64
}

var (
	resolver1 = netip.MustParseAddrPort("192.0.2.10:53")
	resolver2 = netip.MustParseAddrPort("192.0.2.11:53")
	root      = netip.MustParseAddrPort("203.0.113.100:53")
	ns1       = netip.MustParseAddrPort("203.0.113.1:53")
	ns2       = netip.MustParseAddrPort("203.0.113.2:53")
	noServer  = netip.MustParseAddrPort("192.0.2.53:53") // where the interception test asks
)

// counted counts the questions to an address and delays the answers as a network does.
type counted struct {
	lab.Answerer
	n *atomic.Int64
}

func (c counted) Answer(q *dns.Msg, now time.Time) *dns.Msg {
	c.n.Add(1)
	m := c.Answerer.Answer(q, now)
	pass(5 * time.Millisecond)
	return m
}

// pass waits in virtual time.
func pass(d time.Duration) { <-time.After(d) }

type silence struct{}

func (silence) Answer(*dns.Msg, time.Time) *dns.Msg { return nil }

func (s *site) put(at netip.AddrPort, a lab.Answerer) {
	n, _ := s.asked.LoadOrStore(at, new(atomic.Int64))
	s.network.Put(at, counted{a, n.(*atomic.Int64)})
}

// count is the number of questions to an address so far.
func (s *site) count(at netip.AddrPort) int64 {
	n, ok := s.asked.Load(at)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// toZone is the number of questions to the zone's servers.
func (s *site) toZone() int64 { return s.count(ns1) + s.count(ns2) }

// newSite returns a site whose host.example. has the given records.
func newSite(records lab.RecordSet, habits lab.Habits) *site {
	servers := []lab.Server{{Name: "ns1.example.", Address: ns1.Addr()}, {Name: "ns2.example.", Address: ns2.Addr()}}
	rootServers := []lab.Server{{Name: "root.", Address: root.Addr()}}
	s := &site{network: new(lab.Network), log: new(strings.Builder)}
	s.zone = &lab.Zone{Origin: "example.", Servers: servers, Names: map[string]lab.RecordSet{
		"host.example.": records, "*.example.": records,
	}}
	s.servers = &lab.NameServer{Zones: []*lab.Zone{s.zone}}
	s.resolver = lab.NewResolver(&lab.NameServer{Zones: []*lab.Zone{s.zone, {Origin: ".", Servers: rootServers}}}, habits, 1)
	s.put(resolver1, s.resolver)
	s.put(ns1, s.servers)
	s.put(ns2, s.servers)
	s.put(root, &lab.NameServer{Zones: []*lab.Zone{{Origin: ".", Servers: rootServers, Below: map[string][]lab.Server{"example.": servers}}}})
	s.config = config.Default()
	s.config.Endpoints = []config.Endpoint{{Service: "one", Host: "host.example", SingleView: true}}
	return s
}

// start makes the service. If it ran before, it is reloaded.
func (s *site) start(resolvers ...netip.AddrPort) *site {
	if len(resolvers) == 0 {
		resolvers = []netip.AddrPort{resolver1}
	}
	s.service = New(Options{
		Config: s.config, Resolvers: resolvers, Previous: s.service, Dial: s.network.Dial,
		Usable: func(netip.Addr) bool { return true },
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
	})
	return s
}

// names is the host of the n-th endpoint.
func (s *site) names(n int) *Host { return s.service.Host(s.config.Endpoints[n].Host) }

// result is the result of a round.
type result struct {
	lookups   []measurement.Lookup
	resolvers []report.Resolver
	authority report.Zone
	looked    time.Duration // until the look-ups were there
	took      time.Duration
}

// patience is that of a look-up in a round of 6.25 s and more.
const patience = endpointdns.MaxPatience

// round makes a round with the given time.
func (s *site) round(within time.Duration, names *Host) result {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	began := time.Now()
	r := names.Begin(ctx, patience)
	for range r.Arrivals() {
	}
	out := result{lookups: r.Lookups()}
	out.looked = time.Since(began)
	out.resolvers, out.authority = r.Finish()
	out.took = time.Since(began)
	return out
}

// moving is a host whose address changes regularly.
func moving(every time.Duration) lab.RecordSet {
	return lab.RecordSet{TTL: lab.TTL(60), Addresses: lab.Stamped(epoch, every)}
}

// epoch is one day before the start of virtual time.
var epoch = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)

func inBubble(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, run)
}
