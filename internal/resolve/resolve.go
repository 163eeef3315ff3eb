// Package resolve is the survey's name service: it asks the site's resolvers for each host, the zones' own servers beside
// them, and remembers from round to round what package staleness needs to judge the resolvers.
//
// What is asked is package dns's to know, what it means package staleness's. Here is the glue: one memory per host
// (memory.go), one exchange at a time that rounds close together share (exchange.go), and the address sets that each
// resolver gave (changes.go).
package resolve

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// Options say what a service works with. Only Config and Resolvers are needed.
type Options struct {
	Config    *config.Config
	Resolvers []netip.AddrPort // the site's, in the order in which devices ask them
	// Previous is the service of the configuration before a reload: what it remembers of the hosts that stay, and its
	// counts, are taken over. Its rounds that still run go on.
	Previous *Service
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged
	// Dial opens the sockets; nil: the kernel's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Usable says to which discovered name servers there is a way; nil: to unicast addresses beyond this machine that the
	// kernel has a route to.
	Usable func(netip.Addr) bool

	// The rest is for laboratories.
	Exchanger dns.Exchanger  // nil: the network
	Port      uint16         // of discovered name servers; 0: 53
	Nobody    netip.AddrPort // where nothing should answer; zero: 192.0.2.53:53
	Rate      float64        // questions a second to one name server; 0: dns.HostRate for each host
}

// Service implements [survey.NameService]. It is safe for concurrent use.
type Service struct {
	config    *config.Config
	resolvers []netip.AddrPort
	now       func() time.Time
	logger    *slog.Logger
	exchanger dns.Exchanger
	counts    *dns.Counts
	authority *dns.Authority // nil: not asked
	zones     *zones
	hosts     map[string]*memory // by host, not changed once made
}

var _ survey.NameService = (*Service)(nil)

// New makes the service of a configuration.
func New(o Options) *Service {
	s := &Service{
		config: o.Config, resolvers: slices.Clone(o.Resolvers), now: o.Now, logger: o.Logger,
		exchanger: o.Exchanger, counts: new(dns.Counts), zones: new(zones), hosts: make(map[string]*memory),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if o.Previous != nil {
		s.counts = o.Previous.counts
	}
	if s.exchanger == nil {
		s.exchanger = &dns.Client{Dial: o.Dial, Now: s.now, Counts: s.counts}
	}
	if o.Previous != nil && reflect.DeepEqual(o.Previous.config.Authority, o.Config.Authority) {
		s.authority, s.zones = o.Previous.authority, o.Previous.zones
	} else if o.Config.Authority.Mode != config.AuthorityOff {
		s.authority = dns.NewAuthority(s.authorityOptions(o))
	}
	for i := range o.Config.Endpoints {
		host := o.Config.Endpoints[i].Host
		if s.hosts[host] == nil {
			s.hosts[host] = s.remember(host, o.Previous)
		}
	}
	if s.authority != nil {
		s.authority.SetRate(cmp.Or(o.Rate, dns.HostRate*float64(max(1, len(s.hosts)))))
	}
	return s
}

func (s *Service) authorityOptions(o Options) dns.Options {
	out := dns.Options{
		Exchanger: s.exchanger, Now: s.now, Usable: o.Usable, InterceptionTest: o.Config.Authority.InterceptionTest,
		Nobody: o.Nobody, Port: o.Port,
	}
	if out.Usable == nil {
		out.Usable = reachable
	}
	if o.Config.Authority.Mode == config.AuthorityServers {
		out.Servers = slices.Clone(o.Config.Authority.Servers)
	}
	return out
}

// reachable says whether a name server found in somebody's zone may be asked: the machine itself and its neighbours by
// link-local address are no zone's servers.
func reachable(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && survey.HasRoute(addr)
}

// remember makes the memory of a configured host, or takes over what the service before knew of it.
func (s *Service) remember(host string, previous *Service) *memory {
	constants, options := s.constants(), s.options(host)
	if previous != nil {
		if m := previous.hosts[host]; m != nil && m.constants == constants && m.options == options {
			m.keep(s.resolvers)
			return m
		}
	}
	return newMemory(host, constants, options)
}

func (s *Service) constants() staleness.Constants {
	f := s.config.Freshness
	return staleness.Constants{
		Margin: f.Margin, Slack: f.Slack, AuthorityLag: f.AuthorityLag, Learning: f.Learning, Hold: f.Hold, Spacing: f.Spacing,
	}
}

// options join what the endpoints of one host say of its zone. A host has one memory: what one endpoint asserts holds for
// the name. Of several expected TTLs the longest is taken, so that none is held against a resolver wrongly.
func (s *Service) options(host string) staleness.Options {
	o := staleness.Options{NoAuthority: s.authority == nil}
	for _, e := range s.config.EndpointsOf(host) {
		o.SingleView = o.SingleView || e.SingleView
		o.ExpectedTTL = max(o.ExpectedTTL, e.ExpectedTTL)
	}
	return o
}

// Host returns the memory of an endpoint's host, which it shares with the host's other endpoints. For a host that is not
// configured (a stranger that /probe was asked for) it is made for this one caller and left to nobody: its resolvers are
// asked, its zone's servers are not.
func (s *Service) Host(endpoint *config.Endpoint) survey.HostNames {
	if m := s.hosts[endpoint.Host]; m != nil {
		return &hostNames{service: s, memory: m}
	}
	m := newMemory(endpoint.Host, s.constants(), staleness.Options{NoAuthority: true})
	m.stranger = true
	return &hostNames{service: s, memory: m}
}

// Path is the exporter's own view of port 53.
func (s *Service) Path() measurement.AuthorityPath {
	if s.authority == nil {
		return ""
	}
	return s.authority.Path()
}

// Queries counts what was asked since start, by leg and response code; those at 0 are there too.
func (s *Service) Queries() []report.QueryCount {
	all := s.counts.All()
	out := make([]report.QueryCount, len(all))
	for i, c := range all {
		out[i] = report.QueryCount{Leg: c.Leg, Rcode: c.Rcode, Count: c.N}
	}
	return out
}
