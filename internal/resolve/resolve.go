// Package resolve resolves the configured hosts for the survey: it asks the site's resolvers for each host, takes
// direct samples from the authoritative servers of its zone at the same time, and keeps what package staleness needs
// from round to round to judge the resolvers.
//
// Package dns knows how to ask, package staleness what the answers mean. This package joins the two:
//
//   - resolve.go: the service of one configuration
//   - host.go: what is remembered of one host
//   - round.go: one round of one host
//   - history.go: the addresses that a resolver has given for a host
package resolve

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

const dnsPort = 53 // of discovered authoritative servers

// Options configure a [Service]. Only Config and Resolvers are required.
type Options struct {
	Config    *config.Config
	Resolvers []netip.AddrPort // the site's resolvers, in the order in which devices ask them
	// Previous is the service of the configuration before a reload. The new service takes over its counts and what it
	// remembers of the hosts that stay. Rounds of the previous service that run go on.
	Previous *Service
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged
	// Uplink is what the questions leave by.
	Uplink route.Uplink
	// Dial opens the sockets; nil: by the uplink.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Usable reports whether a discovered authoritative server can be reached at an address; nil: at global unicast
	// addresses that this machine has a route to.
	Usable func(netip.Addr) bool

	// The remaining fields are for tests.
	Exchanger  dns.Exchanger  // nil: the network
	Port       uint16         // of discovered authoritative servers; 0: 53
	Unanswered netip.AddrPort // where nothing should answer; zero: 192.0.2.53:53
	Rate       float64        // questions per second to one authoritative server for one host; 0: dns.HostRate
	// NoUpstreamTest proves staleness without testing that the resolver reaches the zone, which takes ten minutes.
	NoUpstreamTest bool
}

// roundBurst is how many rounds of a host may count for the proof at once. The others count at the rate at which the
// zone's servers may be asked the questions of an ordinary round. So these need not wait, unless confirmations or a
// chain over several zones have used up the rate of a server.
const roundBurst = 10

// Service resolves hosts for one configuration. It is safe for concurrent use.
type Service struct {
	config     *config.Config
	resolvers  []netip.AddrPort
	now        func() time.Time
	logger     *slog.Logger
	exchanger  dns.Exchanger
	counts     *dns.Counts
	zoneClient *dns.ZoneClient // nil: authoritative servers are not asked
	roundRate  rate.Limit      // of a host's rounds that count for the proof of staleness
	nat64      *dns.NAT64
	// answered is set when a resolver has answered for the first time: authoritative servers are not asked before.
	answered *atomic.Bool
	upstream bool                  // resolvers are tested before a verdict becomes stale
	hosts    map[string]*hostState // by host; not changed after New
}

// New returns the service of a configuration. It must be closed, unless it becomes the Previous of another service.
func New(o Options) *Service {
	s := &Service{
		config: o.Config, resolvers: slices.Clone(o.Resolvers), now: o.Now, logger: o.Logger,
		exchanger: o.Exchanger, counts: new(dns.Counts), answered: new(atomic.Bool), hosts: make(map[string]*hostState),
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
		dial := o.Dial
		if dial == nil {
			dial = o.Uplink.Dialer(net.Dialer{})
		}
		s.exchanger = &dns.Client{Dial: dial, Now: s.now, Counts: s.counts}
	}
	s.upstream = !o.NoUpstreamTest
	if o.Previous != nil {
		s.nat64 = o.Previous.nat64
	} else {
		s.nat64 = dns.NewNAT64(s.exchanger, s.now)
	}
	switch {
	case o.Previous != nil && reflect.DeepEqual(o.Previous.config.Authority, o.Config.Authority):
		s.zoneClient, s.answered = o.Previous.zoneClient, o.Previous.answered
	case o.Config.Authority.Mode != config.AuthorityOff:
		s.zoneClient = dns.NewZoneClient(s.zoneOptions(o))
	}
	if o.Previous != nil && o.Previous.zoneClient != nil && o.Previous.zoneClient != s.zoneClient {
		o.Previous.zoneClient.Close()
	}
	for i := range o.Config.Endpoints {
		host := o.Config.Endpoints[i].Host
		if s.hosts[host] == nil {
			s.hosts[host] = s.stateOf(host, o.Previous)
		}
	}
	perHost := cmp.Or(o.Rate, dns.HostRate)
	s.roundRate = rate.Limit(perHost / float64(len(dns.Types)))
	if s.zoneClient != nil {
		s.zoneClient.SetRate(perHost * float64(max(1, len(s.hosts))))
	}
	return s
}

func (s *Service) zoneOptions(o Options) dns.Options {
	out := dns.Options{
		Exchanger: s.exchanger, Now: s.now, Usable: o.Usable, InterceptionTest: o.Config.Authority.InterceptionTest,
		Unanswered: o.Unanswered, Port: o.Port,
	}
	if out.Usable == nil {
		out.Usable = func(addr netip.Addr) bool {
			return reachable(o.Uplink, netip.AddrPortFrom(addr, cmp.Or(o.Port, dnsPort)))
		}
	}
	if o.Config.Authority.Mode == config.AuthorityServers {
		out.Servers = slices.Clone(o.Config.Authority.Servers)
	}
	return out
}

// reachable reports whether a discovered authoritative server may be asked: loopback and link-local addresses belong
// to no server of a zone.
func reachable(uplink route.Uplink, at netip.AddrPort) bool {
	return at.Addr().IsGlobalUnicast() && uplink.HasRoute("udp", at)
}

// stateOf returns the state of a configured host, taken over from the previous service if its options are the same.
func (s *Service) stateOf(host string, previous *Service) *hostState {
	constants, options := s.constants(), s.options(host)
	if previous != nil {
		if h := previous.hosts[host]; h != nil && h.constants == constants && h.options == options {
			h.keep(s.resolvers)
			return h
		}
	}
	return newHostState(host, constants, options)
}

func (s *Service) constants() staleness.Constants {
	f := s.config.Freshness
	return staleness.Constants{
		Margin: f.Margin, Slack: f.Slack, AuthorityLag: f.AuthorityLag, Learning: f.Learning, Hold: f.Hold, Spacing: f.Spacing,
	}
}

// options combines what the endpoints of one host assert about its zone: an assertion of one endpoint holds for the
// name. Of several expected TTLs the longest counts, so that none is a false accusation of a resolver.
func (s *Service) options(host string) staleness.Options {
	o := staleness.Options{NoAuthority: s.zoneClient == nil, UpstreamTest: s.zoneClient != nil && s.upstream}
	for _, e := range s.config.EndpointsOf(host) {
		o.SingleView = o.SingleView || e.SingleView
		o.ExpectedTTL = max(o.ExpectedTTL, e.ExpectedTTL)
	}
	return o
}

// Host returns the host of the given name. If no endpoint has that host (/probe was asked for it), its state belongs
// to the caller only: its resolvers are asked, its authoritative servers are not, and nothing of it is remembered.
func (s *Service) Host(name string) *Host {
	if h := s.hosts[name]; h != nil {
		return &Host{service: s, state: h}
	}
	h := newHostState(name, s.constants(), staleness.Options{NoAuthority: true})
	h.unconfigured = true
	return &Host{service: s, state: h}
}

// Port53State is whether this machine reaches authoritative servers on port 53; "" if they are not asked.
func (s *Service) Port53State() measurement.Port53State {
	if s.zoneClient == nil {
		return ""
	}
	return s.zoneClient.Port53State()
}

// Sockets is how many sockets the look-ups of a host have open at once: one per resolver and address type.
func (s *Service) Sockets() int { return len(s.resolvers) * len(dns.Types) }

// Queries counts the questions asked since start, by leg and outcome, including the counts that are 0.
func (s *Service) Queries() []measurement.QueryCount { return s.counts.All() }

// Close ends the searches that run, and waits for them. Rounds must have ended.
func (s *Service) Close() {
	s.nat64.Close()
	if s.zoneClient != nil {
		s.zoneClient.Close()
	}
}
