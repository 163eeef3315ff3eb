//go:build realpeers || slow

package resolvers

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

const (
	zone = "cloud.test."
	host = "host.cloud.test."
	// stamp is a name whose address changes every second, so that it shows the true age of the resolver's data.
	stamp = "stamp.cloud.test."
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pace holds the times of a trial.
type pace struct {
	ttl       uint32
	lives     time.Duration // how long the zone keeps an address of host
	interval  time.Duration // between rounds
	constants config.Freshness
	rate      float64 // questions a second to one name server; 0: the usual
	// control is the number of rounds after which the true age of the resolver's data is measured. Measuring it each
	// time would keep the cache of a stale-first resolver fresh.
	control int
}

// world is one resolver and one zone, watched through the whole resolve service.
type world struct {
	pace
	epoch   time.Time
	servers []netip.AddrPort // of the zone; the resolver asks the first
	at      netip.AddrPort   // the resolver
	service *resolve.Service
	host    *config.Endpoint

	allowed      time.Duration     // how old the resolver's data may be
	anyView      bool              // single_view is not set
	waitFor      staleness.WhyKind // watching ends with this reason; "": it does not
	testUpstream bool              // a verdict becomes stale only if the resolver reaches the zone
}

// scene is the behaviour of a zone; the zero value is a host whose address changes every pace.lives.
type scene struct {
	records map[string]lab.RecordSet         // instead of host's own
	down    func(since time.Duration) bool   // when no server answers
	lags    []time.Duration                  // of the zone's servers; nil: one that does not lag
	ttl     func(since time.Duration) uint32 // of host; nil: the pace's

	// upstream is the server that the resolver asks, if we do not ask it.
	upstream *upstream
	anyView  bool // single_view is not set
}

// upstream is a server of the zone as only the resolver sees it.
type upstream struct {
	ttl     uint32                         // of host; 0: the zone's
	frozen  bool                           // it keeps the addresses of the start: the zone has moved to other servers
	other   bool                           // it has other addresses
	down    func(since time.Duration) bool // when it does not answer
	visible bool                           // we ask it too, since a resolver may still ask it
}

// build starts the zone's servers, the resolver, and a service that watches it.
func build(t *testing.T, c Config, p pace, s scene) *world {
	t.Helper()
	w := serve(t, p, s)
	c.Zone, c.Authority = zone, w.servers[0]
	if s.upstream != nil {
		c.Authority = w.serveUpstream(t, s)
	}
	w.ask(Start(t, c))
	return w
}

// serveUpstream starts the server that the resolver asks.
func (w *world) serveUpstream(t *testing.T, s scene) netip.AddrPort {
	t.Helper()
	set := lab.RecordSet{TTL: lab.TTL(w.ttl), Addresses: lab.Stamped(w.epoch, w.lives)}
	if s.upstream.ttl != 0 {
		set.TTL = lab.TTL(s.upstream.ttl)
	}
	if s.upstream.frozen {
		set.Addresses = lab.Stamped(w.epoch, time.Hour)
	}
	if s.upstream.other {
		theirs := set.Addresses
		set.Addresses = func(at time.Time, draw uint64) []netip.Addr { // one of ours, from before, and one that is not
			return append(theirs(at.Add(-2*w.lives), draw), netip.MustParseAddr("198.51.100.77"))
		}
	}
	server := &lab.NameServer{Zones: []*lab.Zone{{Origin: zone, Names: map[string]lab.RecordSet{
		host: set, stamp: {TTL: set.TTL, Addresses: lab.Stamped(w.epoch, time.Second)},
	}}}}
	if s.upstream.down != nil {
		server.Down = func(at time.Time) bool { return s.upstream.down(at.Sub(w.epoch)) }
	}
	address := serveOne(t, server)
	if s.upstream.visible {
		w.servers = append(w.servers, address)
	}
	w.testUpstream = s.upstream.down != nil
	w.allowed = time.Duration(max(w.ttl, s.upstream.ttl)) * time.Second
	return address
}

func serveOne(t *testing.T, server *lab.NameServer) netip.AddrPort {
	t.Helper()
	served, err := lab.ServeDNS(netip.MustParseAddrPort("127.0.0.1:0"), server, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := served.Close(); err != nil {
			t.Error(err)
		}
	})
	return served.Address
}

// serve starts the zone's servers.
func serve(t *testing.T, p pace, s scene) *world {
	t.Helper()
	w := &world{pace: p, epoch: time.Now().Truncate(time.Second), allowed: time.Duration(p.ttl) * time.Second, anyView: s.anyView}
	ttl := lab.TTL(p.ttl)
	if s.ttl != nil {
		ttl = func(at time.Time) uint32 { return s.ttl(at.Sub(w.epoch)) }
	}
	z := &lab.Zone{Origin: zone, Names: map[string]lab.RecordSet{
		host:  {TTL: ttl, Addresses: lab.Stamped(w.epoch, p.lives)},
		stamp: {TTL: lab.TTL(p.ttl), Addresses: lab.Stamped(w.epoch, time.Second)},
	}}
	for name, set := range s.records {
		if set.CNAME == "" && set.Addresses == nil { // at another name
			set = lab.RecordSet{TTL: ttl, Addresses: lab.Stamped(w.epoch, p.lives)}
		}
		z.Names[name] = set
	}
	if s.lags == nil {
		s.lags = []time.Duration{0}
	}
	for _, lag := range s.lags {
		server := &lab.NameServer{Zones: []*lab.Zone{z}, Lag: lag}
		if s.down != nil {
			server.Down = func(at time.Time) bool { return s.down(at.Sub(w.epoch)) }
		}
		w.servers = append(w.servers, serveOne(t, server))
	}
	return w
}

// ask creates the service that watches a resolver.
func (w *world) ask(at netip.AddrPort) {
	w.at = at
	w.host = &config.Endpoint{Service: "test", Host: host[:len(host)-1], SingleView: !w.anyView}
	cfg := &config.Config{
		Authority: config.AuthorityQueries{Mode: config.AuthorityServers, Servers: w.servers},
		Survey:    config.Survey{Timeout: 10 * time.Second},
		Freshness: w.constants,
		Endpoints: []config.Endpoint{*w.host},
	}
	w.service = resolve.New(resolve.Options{Config: cfg, Resolvers: []netip.AddrPort{w.at}, Rate: w.rate, NoUpstreamTest: !w.testUpstream})
}

// outcome is the result of watching.
type outcome struct {
	last     staleness.Assessment
	took     time.Duration // until stale, or all of it
	verdicts []staleness.Verdict
	reasons  []staleness.WhyKind
	answers  int
	// overdue is the most by which the resolver's data was truly older than the zone's TTL.
	overdue time.Duration
	// past is the longest time since the zone had withdrawn an address that the resolver still gave.
	past time.Duration
	// wronged lists addresses that were called withdrawn although the zone still had them.
	wronged []string
}

// held checks an outcome against the zone's own records.
func (o *outcome) held(t *testing.T) {
	t.Helper()
	t.Logf("%s after %v, on the way %v: %v; overdue by %v, gone for %v; %+v", o.last.Verdict, o.took.Round(100*time.Millisecond), o.verdicts,
		o.last.Counts, o.overdue.Round(100*time.Millisecond), o.past.Round(100*time.Millisecond), o.last.Why)
	if o.last.Verdict == staleness.Stale && o.overdue <= 0 {
		t.Error("called stale, but its data was never older than the zone allows")
	}
	if len(o.wronged) > 0 {
		t.Errorf("called withdrawn while the zone had them: %v", o.wronged)
	}
	if o.last.Staleness > o.past {
		t.Errorf("said to be stale by %v, in truth %v", o.last.Staleness, o.past)
	}
	if o.answers == 0 {
		t.Error("the resolver never gave an address")
	}
}

// watch makes rounds until the resolver is proved stale, or for the given time.
func (w *world) watch(ctx context.Context, patience time.Duration) outcome {
	var o outcome
	began := time.Now()
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	names := w.service.Host(w.host.Host)
	for n := 0; ; n++ {
		round, cancel := context.WithTimeout(ctx, 10*time.Second)
		r := names.Begin(round, dns.MaxPatience)
		if n%w.control == 0 {
			w.look(round, &o)
		}
		resolvers, _ := r.Finish()
		lookup := r.Lookups()[0]
		cancel()
		o.last, o.took = resolvers[0].Staleness, time.Since(began)
		o.answered(w, &lookup)
		if !slices.Contains(o.verdicts, o.last.Verdict) {
			o.verdicts = append(o.verdicts, o.last.Verdict)
		}
		if !slices.Contains(o.reasons, o.last.Why.Kind) {
			o.reasons = append(o.reasons, o.last.Why.Kind)
		}
		for _, a := range o.last.Withdrawn {
			if w.since(a, time.Now()) < 0 {
				o.wronged = append(o.wronged, a.String())
			}
		}
		if o.last.Verdict == staleness.Stale || o.took > patience || o.last.Why.Kind == w.waitFor || ctx.Err() != nil {
			return o
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// since is how long ago the zone withdrew an address; negative while it has it, 0 for addresses that are not stamped.
func (w *world) since(a netip.Addr, now time.Time) time.Duration {
	if !stamped.Contains(a) && !stamped6.Contains(a) {
		return 0
	}
	return now.Sub(lab.MadeAt(w.epoch, a).Add(w.lives))
}

// The prefixes of the addresses of [lab.Stamped].
var (
	stamped  = netip.MustParsePrefix("10.0.0.0/8")
	stamped6 = netip.MustParsePrefix("2001:db8::/96")
)

func (o *outcome) answered(w *world, l *measurement.Lookup) {
	if len(l.Addresses) > 0 {
		o.answers++
	}
	for _, a := range l.Addresses {
		o.past = max(o.past, w.since(a, time.Now()))
	}
}

// look asks for stamp, whose address shows the true age of the data.
func (w *world) look(ctx context.Context, o *outcome) {
	a := new(dns.Client).Exchange(ctx, w.at, dns.Query{Name: stamp, Type: miekg.TypeA, Recursive: true})
	for _, addr := range a.Addresses() {
		// The stamp changes once per second.
		over := a.Received.Sub(lab.MadeAt(w.epoch, addr)) - w.allowed - time.Second
		o.overdue = max(o.overdue, over)
	}
}
