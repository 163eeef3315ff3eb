package survey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

var resolver = netip.MustParseAddrPort("192.0.2.53:53")

// world is a scripted network with its names, in virtual time.
type world struct {
	addresses map[string][]netip.Addr  // of a host; none: the name does not exist
	lookup    time.Duration            // that a look-up takes
	silent    netip.AddrPort           // a resolver that does not answer
	resolvers []netip.AddrPort         // nil: resolver
	walk      map[string]time.Duration // that a walk to an address takes; default: no time
	outcome   map[string]measurement.Failure

	anchor, public *trust.Anchor

	lookups, walks atomic.Int64 // look-ups of a host, and walks to an address
	most           atomic.Int64 // walks in flight at once
	inFlight       atomic.Int64
	refreshed      atomic.Int64
	refreshErr     error
}

// ExchangeTypes asks for the types at the same time.
func (w *world) ExchangeTypes(ctx context.Context, server netip.AddrPort, q dns.Query, types []uint16) []dns.Reply {
	replies := make([]dns.Reply, len(types))
	var all sync.WaitGroup
	for i, typ := range types {
		q := q
		q.Type = typ
		all.Go(func() { replies[i] = w.Exchange(ctx, server, q) })
	}
	all.Wait()
	return replies
}

// Exchange answers as a resolver that knows w.addresses.
func (w *world) Exchange(ctx context.Context, server netip.AddrPort, q dns.Query) dns.Reply {
	if q.Type == dns.Types[0] {
		w.lookups.Add(1)
	}
	r := dns.Reply{Answer: measurement.Answer{Server: server, Name: q.Name, Type: q.Type, Asked: time.Now()}}
	takes := w.lookup
	if server == w.silent {
		takes = time.Hour
	}
	q.Tracker.Report(q.Type, dns.Progress{Asked: time.Now(), Sent: 2, Until: time.Now().Add(min(takes, q.Patience))})
	defer q.Tracker.Report(q.Type, dns.Progress{})
	switch {
	case !wait(ctx, min(takes, q.Patience)):
		r.Failure = measurement.DNSOutOfTime
		return r
	case takes >= q.Patience:
		r.Failure = measurement.DNSTimeout
		return r
	}
	r.Received = time.Now()
	for _, addr := range w.addresses[strings.TrimSuffix(q.Name, ".")] {
		if addr.Is4() == (q.Type == dns.Types[0]) {
			r.Chain = append(r.Chain, measurement.Record{Owner: q.Name, Type: q.Type, TTL: 60, Addr: addr})
		}
	}
	if len(r.Chain) == 0 {
		r.Failure = measurement.DNSNXDomain
	}
	return r
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *world) Walk(ctx context.Context, t path.Target) measurement.Outcome {
	w.walks.Add(1)
	now := w.inFlight.Add(1)
	defer w.inFlight.Add(-1)
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); most = w.most.Load() {
	}
	out := measurement.Outcome{Address: t.Address, Transport: t.Transport, Client: t.Client}
	if !wait(ctx, w.walk[t.Address.Addr().String()]) {
		out.Failure, out.FailedIn = measurement.OutOfTime, measurement.Hello
		return out
	}
	// Without certificates, a path that reached the ping carries a device.
	out.Failure, out.FailedIn = w.outcome[t.Address.Addr().String()], measurement.Hello
	if out.Failure == measurement.Completed {
		out.FailedIn = measurement.Ping
	}
	return out
}

func (w *world) Get(string) *trust.Anchor { return w.anchor }
func (w *world) Public() *trust.Anchor    { return w.public }
func (w *world) Refresh() error {
	w.refreshed.Add(1)
	return w.refreshErr
}

// open returns a survey of hosts, each with one TCP path, with the default configuration as altered by change.
func (w *world) open(t *testing.T, change func(*config.Config), hosts ...string) (*Survey, *records) {
	t.Helper()
	logged := &records{}
	s := New(w.site(change, hosts...), Options{Name: "site", Logger: slog.New(logged)})
	t.Cleanup(s.Close)
	return s, logged
}

func (w *world) site(change func(*config.Config), hosts ...string) *Site {
	cfg := *config.Default()
	cfg.Endpoints = nil
	for _, host := range hosts {
		cfg.Endpoints = append(cfg.Endpoints, config.Endpoint{
			Service: "s", Host: host, Client: measurement.Device, Addresses: config.AddressesAny,
			Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}},
		})
	}
	if change != nil {
		change(&cfg)
	}
	cfg.Authority.Mode = config.AuthorityOff
	if w.resolvers == nil {
		w.resolvers = []netip.AddrPort{resolver}
	}
	names := resolve.New(resolve.Options{Config: &cfg, Resolvers: w.resolvers, Exchanger: w})
	return &Site{Config: &cfg, Anchors: w, Names: names, Routes: everywhere, Walker: w}
}

// records counts log records by message.
type records struct {
	mu   sync.Mutex
	said []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, record.Message)
	return nil
}
func (r *records) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r *records) WithGroup(string) slog.Handler      { return r }

func (r *records) count(message string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, said := range r.said {
		if said == message {
			n++
		}
	}
	return n
}

// routes is the answer to [Routes.Source]. No path has a route where getaddrinfo finds none.
type routes func(remote netip.AddrPort) (local netip.Addr, ok bool)

func (f routes) Source(remote netip.AddrPort) (netip.Addr, bool) { return f(remote) }
func (f routes) HasRoute(string, netip.AddrPort) bool            { return false }

var everywhere = routes(func(netip.AddrPort) (netip.Addr, bool) { return netip.Addr{}, true })

func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// TestRunShares has a scrape arrive some time after the first one began.
func TestRunShares(t *testing.T) {
	const min = 10 * time.Second // survey.min_interval
	for _, test := range []struct {
		name  string
		walk  time.Duration // that the round takes
		after time.Duration
		walks int64 // in all
	}{
		{"at the same time: one round", time.Second, 0, 1},
		{"while the round runs: one round", 9 * time.Second, 8 * time.Second, 1},
		{"after the round, younger than three quarters of min_interval: one round", time.Second, min*3/4 - 1, 1},
		{"three quarters of min_interval later: a new round", time.Second, min * 3 / 4, 2},
		{"min_interval later: a new round", time.Second, min, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": test.walk}}
				s, _ := w.open(t, nil, "a.test")
				var both sync.WaitGroup
				reports := make([]*report.Report, 2)
				both.Go(func() { reports[0] = s.Run(context.Background()) })
				<-time.After(test.after)
				synctest.Wait()
				both.Go(func() { reports[1] = s.Run(context.Background()) })
				both.Wait()
				if w.walks.Load() != test.walks || w.lookups.Load() != test.walks {
					t.Errorf("%d walks, %d look-ups", w.walks.Load(), w.lookups.Load())
				}
				shared := reports[0].Started.Equal(reports[1].Started) && reports[0].Finished.Equal(reports[1].Finished)
				if !reports[1].Hosts[0].Up || shared != (test.walks == 1) {
					t.Errorf("up %v, of the same time: %v", reports[1].Hosts[0].Up, shared)
				}
			})
		})
	}
}

// TestRunEveryMinInterval has a scrape_interval that equals survey.min_interval, with the jitter of a busy server:
// every scrape gets another round, with other look-ups.
func TestRunEveryMinInterval(t *testing.T) {
	const interval = 10 * time.Second // survey.min_interval
	for name, scrape := range map[string]func(s *Survey) (*report.Report, error){
		"all hosts":                     func(s *Survey) (*report.Report, error) { return s.Run(context.Background()), nil },
		"one host":                      func(s *Survey) (*report.Report, error) { return s.RunHost(context.Background(), "a.test", web443) },
		"a host that is not configured": func(s *Survey) (*report.Report, error) { return s.RunHost(context.Background(), "b.test", web443) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{
					addresses: map[string][]netip.Addr{"a.test": addrs("8.8.8.8"), "b.test": addrs("8.8.8.8")},
					walk:      map[string]time.Duration{"8.8.8.8": 3 * time.Second}, lookup: time.Second,
				}
				s, _ := w.open(t, nil, "a.test")
				began := time.Now()
				for i, jitter := range []time.Duration{0, time.Second, -time.Second, time.Second, 0, 0} {
					at := began.Add(time.Duration(i)*interval + jitter)
					<-time.After(time.Until(at))
					rep, err := scrape(s)
					if err != nil || !rep.Started.Equal(at) || w.walks.Load() != int64(i+1) || w.lookups.Load() != int64(i+1) {
						t.Errorf("scrape %d at %v: %v, round of %v; %d walks, %d look-ups", i, at, err, rep.Started, w.walks.Load(), w.lookups.Load())
					}
				}
			})
		})
	}
}

// TestRunWithLittleTime has scrapes with less time than the round takes: they return at their deadline with what is
// known, and the round goes on for the next one.
func TestRunWithLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			addresses: map[string][]netip.Addr{"fast.test": addrs("198.51.100.1"), "slow.test": addrs("198.51.100.2")},
			walk:      map[string]time.Duration{"198.51.100.2": 3 * time.Second},
		}
		s, logged := w.open(t, nil, "fast.test", "slow.test")
		short := func() *report.Report {
			ctx, cancel := within(360 * time.Millisecond)
			defer cancel()
			started := time.Now()
			defer func() {
				if took := time.Since(started); took > 360*time.Millisecond {
					t.Errorf("a scrape with 360 ms took %v", took)
				}
			}()
			return s.Run(ctx)
		}
		for range 5 { // asking again and again causes no further round
			rep := short()
			fast, slow := rep.Hosts[0], rep.Hosts[1]
			if !fast.Up || !fast.Known || slow.Known || slow.Up || rep.IncompletePaths != 1 {
				t.Errorf("fast %v/%v, slow %v/%v, %d incomplete", fast.Up, fast.Known, slow.Up, slow.Known, rep.IncompletePaths)
			}
			if len(slow.Resolvers) != 1 || len(slow.Resolvers[0].Lookup.Addresses) != 1 {
				t.Errorf("the look-up is known, and not reported: %+v", slow.Resolvers)
			}
			if got := slow.Paths[0].Finding.Reason; got != reason.OutOfTime {
				t.Errorf("what the deadline cut off is %q", got)
			}
			if slow.Paths[0].Failed != 0 || logged.count("path does not carry a device") != 0 {
				t.Error("a path that was cut off was counted or logged as failed")
			}
		}
		if rep := s.Run(context.Background()); !rep.Hosts[1].Up || rep.Hosts[1].Paths[0].OK != 1 || w.walks.Load() != 2 {
			t.Errorf("up %v, %d rounds counted, %d walks", rep.Hosts[1].Up, rep.Hosts[1].Paths[0].OK, w.walks.Load())
		}
	})
}

func TestRunEndsAtSurveyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": time.Hour}}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.Timeout = 3 * time.Second }, "a.test")
		started := time.Now()
		rep := s.Run(context.Background())
		if took := time.Since(started); took != 3*time.Second || rep.IncompletePaths != 1 {
			t.Errorf("took %v, %d incomplete", took, rep.IncompletePaths)
		}
	})
}

// TestLookupPatience has the only resolver silent: every scrape of 5 s and more, less the half second that the
// exporter keeps, gets the verdict, in a round of its own and in one that another scrape has begun.
func TestLookupPatience(t *testing.T) {
	for _, test := range []struct {
		scrape, timeout time.Duration // scrape_timeout and survey.timeout
		want            time.Duration // of the patience in a round of its own
	}{
		{5 * time.Second, 10 * time.Second, 4 * time.Second},
		{10 * time.Second, 10 * time.Second, 5 * time.Second},
		{15 * time.Second, 10 * time.Second, 5 * time.Second},
		{30 * time.Second, 30 * time.Second, 5 * time.Second},
		{6 * time.Second, 30 * time.Second, 4400 * time.Millisecond},
		{10 * time.Second, 3 * time.Second, 2400 * time.Millisecond},
		{20 * time.Millisecond, 10 * time.Second, 4 * time.Second}, // an attacker shortens it by a second
	} {
		for joins, begun := range map[string]time.Duration{
			"alone": -1, "joins a round that begins": 0, "joins a round after 0.2 s": 200 * time.Millisecond, "joins a round after 3 s": 3 * time.Second,
		} {
			t.Run(fmt.Sprintf("scrape_timeout %v, survey.timeout %v, %s", test.scrape, test.timeout, joins), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, silent: resolver}
					s, _ := w.open(t, func(c *config.Config) { c.Survey.Timeout = test.timeout }, "a.test")
					var other sync.WaitGroup
					if begun >= 0 {
						other.Go(func() { s.Run(context.Background()) })
						<-time.After(begun)
						synctest.Wait()
					}
					ctx, cancel := within(test.scrape - min(test.scrape/2, time.Second/2))
					defer cancel()
					if got := lookupPatience(ctx, test.timeout); got != test.want {
						t.Errorf("patience %v, want %v", got, test.want)
					}
					p := s.Run(ctx).Hosts[0].Paths[0]
					known := test.scrape >= 5*time.Second || begun >= test.timeout
					if p.Known != known || known != (p.Finding.Reason == reason.DNSFailed) {
						t.Errorf("known %v, reason %q", p.Known, p.Finding.Reason)
					}
					other.Wait()
					if n := w.lookups.Load(); n != 1 {
						t.Errorf("%d rounds", n)
					}
				})
			})
		}
	}
}

// TestWalksDoNotWaitForSilentResolver has one of two resolvers silent: the walks begin with the addresses from the
// other.
func TestWalksDoNotWaitForSilentResolver(t *testing.T) {
	other := netip.MustParseAddrPort("192.0.2.54:53")
	for _, test := range []struct {
		name   string
		silent netip.AddrPort
	}{{"the first is silent", resolver}, {"the second is silent", other}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{
					addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, lookup: time.Second / 2,
					silent: test.silent, resolvers: []netip.AddrPort{resolver, other},
					walk: map[string]time.Duration{"198.51.100.1": time.Second},
				}
				s, _ := w.open(t, func(c *config.Config) { c.Survey.Concurrency = 1 }, "a.test")
				ctx, cancel := within(2 * time.Second)
				defer cancel()
				h := s.Run(ctx).Hosts[0]
				if !h.Up || w.walks.Load() != 1 || len(h.Resolvers) != 1 {
					t.Errorf("after 2 s: up %v, %d walks, %d resolvers", h.Up, w.walks.Load(), len(h.Resolvers))
				}
				h = s.Run(context.Background()).Hosts[0]
				failures := 0
				for i := range h.Resolvers {
					if l := h.Resolvers[i].Lookup; l.Failure == measurement.DNSTimeout && l.Resolver == test.silent {
						failures++
					}
				}
				if !h.Up || w.walks.Load() != 1 || len(h.Resolvers) != 2 || failures != 1 {
					t.Errorf("at the end: up %v, %d walks, %d resolvers, %d of them silent", h.Up, w.walks.Load(), len(h.Resolvers), failures)
				}
			})
		})
	}
}

// TestIPVersions has devices that use IPv4 only.
func TestIPVersions(t *testing.T) {
	for _, test := range []struct {
		name      string
		addresses []netip.Addr
		reason    reason.Reason
		walks     int64
	}{
		{"both families: the IPv4 address is walked", addrs("2001:db8::1", "198.51.100.1"), reason.OK, 1},
		{"IPv6 only: the name has no address for the devices", addrs("2001:db8::1"), reason.DNSFailed, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{addresses: map[string][]netip.Addr{"a.test": test.addresses}}
				s, _ := w.open(t, func(c *config.Config) { c.Endpoints[0].IPVersions = []config.IPVersion{config.IPv4} }, "a.test")
				p := s.Run(context.Background()).Hosts[0].Paths[0]
				if p.Finding.Reason != test.reason || w.walks.Load() != test.walks || p.Omitted != 0 {
					t.Errorf("%q after %d walks, %d omitted", p.Finding.Reason, w.walks.Load(), p.Omitted)
				}
			})
		})
	}
}

// TestOneFamilyBroken has 8 addresses of each family and a network that rejects one of them.
func TestOneFamilyBroken(t *testing.T) {
	var addresses []netip.Addr
	for i := range 8 {
		addresses = append(addresses, addrs(fmt.Sprintf("2001:db8::%d", i+1), fmt.Sprintf("198.51.100.%d", i+1))...)
	}
	for _, test := range []struct {
		name   string
		broken config.IPVersion
		up     bool
	}{
		{"IPv4, which devices would use last", config.IPv4, true},
		{"IPv6, which devices use first", config.IPv6, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{addresses: map[string][]netip.Addr{"a.test": addresses}, outcome: make(map[string]measurement.Failure)}
				for _, addr := range addresses {
					if config.VersionOf(addr) == test.broken {
						w.outcome[addr.String()] = measurement.Refused
					}
				}
				s, _ := w.open(t, nil, "a.test")
				report := s.Run(context.Background())
				p, advice := report.Hosts[0].Paths[0], report.Summary.Advice
				if report.Summary.State != "down" {
					t.Errorf("the site is %s", report.Summary.State)
				}
				if p.Up != test.up || len(p.Walks) != 8 || p.Omitted != 8 {
					t.Errorf("up %v, %d addresses walked, %d omitted", p.Up, len(p.Walks), p.Omitted)
				}
				if len(advice) != 1 || advice[0].Kind != reason.RepairFamily || advice[0].Family != test.broken || len(advice[0].Places[0].Addresses) != 4 {
					t.Errorf("advice %+v", advice)
				}
			})
		})
	}
}

// TestRouteByPort has a policy rule that routes port 5684 only.
func TestRouteByPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}}
		s, _ := w.open(t, nil, "a.test")
		s.site.Routes = routes(func(to netip.AddrPort) (netip.Addr, bool) { return netip.Addr{}, to.Port() == 5684 })
		if p := s.Run(context.Background()).Hosts[0].Paths[0]; !p.Up || p.Omitted != 0 {
			t.Errorf("%q, %d omitted", p.Finding.Reason, p.Omitted)
		}
	})
}

// TestSourceOncePerRound has two resolvers and two endpoints with a host: each address and port is asked for once, and
// the only address of another host not at all.
func TestSourceOncePerRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1", "198.51.100.2"), "b.test": addrs("198.51.100.3")},
			resolvers: []netip.AddrPort{resolver, netip.MustParseAddrPort("192.0.2.54:53")},
		}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.MinInterval = 0 }, "a.test", "a.test", "b.test")
		var mu sync.Mutex
		asked := make(map[netip.AddrPort]int)
		s.site.Routes = routes(func(to netip.AddrPort) (netip.Addr, bool) {
			mu.Lock()
			defer mu.Unlock()
			asked[to]++
			return netip.Addr{}, true
		})
		for round := 1; round <= 2; round++ {
			s.Run(context.Background())
			for to, n := range asked {
				if n != round || len(asked) != 2 {
					t.Errorf("%v was asked for %d times in %d rounds, of %d", to, n, round, len(asked))
				}
			}
			<-time.After(time.Second)
		}
	})
}

// TestSlowResolver has a resolver answer after 3 s, as a forwarder does whose first upstream is dead.
func TestSlowResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, lookup: 3 * time.Second}
		s, _ := w.open(t, nil, "a.test")
		ctx, cancel := within(9500 * time.Millisecond)
		defer cancel()
		if h := s.Run(ctx).Hosts[0]; !h.Up {
			t.Errorf("%+v", h.Paths[0].Finding)
		}
	})
}

func TestHostIsUnknownIfOpenPathWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{}}
		s, _ := w.open(t, func(c *config.Config) {
			c.Endpoints[0].Paths = append(c.Endpoints[0].Paths, measurement.Path{Transport: measurement.UDP, Port: 5684})
		}, "a.test")
		s.site.Walker = walkerFunc(func(ctx context.Context, target path.Target) measurement.Outcome {
			o := measurement.Outcome{Address: target.Address, Transport: target.Transport, Failure: measurement.Refused, FailedIn: measurement.Connect}
			if target.Transport == measurement.UDP {
				<-ctx.Done()
				o.Failure = measurement.OutOfTime
			}
			return o
		})
		ctx, cancel := within(time.Second)
		defer cancel()
		if h := s.Run(ctx).Hosts[0]; h.Known || h.Up || !h.Paths[0].Known || h.Paths[1].Known {
			t.Errorf("host known %v up %v, paths known %v %v", h.Known, h.Up, h.Paths[0].Known, h.Paths[1].Known)
		}
	})
}

type walkerFunc func(context.Context, path.Target) measurement.Outcome

func (f walkerFunc) Walk(ctx context.Context, t path.Target) measurement.Outcome { return f(ctx, t) }

// TestRunOfSeveralCallers has one caller run out of time and one hang up: the round of the third is not shortened.
func TestRunOfSeveralCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": 2 * time.Second}}
		s, _ := w.open(t, nil, "a.test")
		var long, short *report.Report
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := within(time.Second)
			defer cancel()
			short = s.Run(ctx)
		})
		all.Go(func() {
			ctx, hangUp := context.WithCancel(context.Background())
			time.AfterFunc(time.Second/2, hangUp)
			s.Run(ctx)
		})
		all.Go(func() { long = s.Run(context.Background()) })
		all.Wait()
		if !long.Hosts[0].Up || short.Hosts[0].Known || w.walks.Load() != 1 {
			t.Errorf("long up %v, short known %v, %d walks", long.Hosts[0].Up, short.Hosts[0].Known, w.walks.Load())
		}
	})
}

func TestRunCapsWorkInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{}, walk: map[string]time.Duration{}}
		var many []netip.Addr
		for i := range 8 {
			a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			many = append(many, a)
			w.walk[a.String()] = time.Second
		}
		hosts := []string{"a.test", "b.test", "c.test", "d.test"}
		for _, host := range hosts {
			w.addresses[host] = many
		}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.Concurrency = 5 }, hosts...)
		rep := s.Run(context.Background())
		if w.most.Load() != 5 || w.walks.Load() != 32 || rep.IncompletePaths != 0 {
			t.Errorf("%d in flight at most, %d walks, %d incomplete", w.most.Load(), w.walks.Load(), rep.IncompletePaths)
		}
	})
}

func TestPathHasFindingOfFirstAddress(t *testing.T) {
	w := &world{
		addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1", "198.51.100.2")},
		outcome:   map[string]measurement.Failure{"198.51.100.2": measurement.Reset},
	}
	s, _ := w.open(t, nil, "a.test")
	p := s.Run(t.Context()).Hosts[0].Paths[0]
	if !p.Up || len(p.Walks) != 2 || p.Walks[1].Finding.Reason != reason.Reset {
		t.Errorf("first good, second bad: up %v, walks %+v", p.Up, p.Walks)
	}
	w.addresses["a.test"] = addrs("198.51.100.2", "198.51.100.1")
	s.Reload(w.site(nil, "a.test"))
	rep := s.Run(t.Context())
	if p := rep.Hosts[0].Paths[0]; p.Up || p.Finding.Reason != reason.Reset {
		t.Errorf("first bad, second good: up %v, reason %q", p.Up, p.Finding.Reason)
	}
	if len(rep.Hosts[0].Advice) == 0 {
		t.Error("nothing is said of one address of two that fails")
	}
}

func TestSinkholeIsNotWalked(t *testing.T) {
	w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("127.0.0.1")}}
	s, _ := w.open(t, func(c *config.Config) { c.Endpoints[0].Addresses = config.AddressesPublic }, "a.test")
	p := s.Run(t.Context()).Hosts[0].Paths[0]
	if p.Finding.Reason != reason.Sinkhole || w.walks.Load() != 0 || len(p.Walks) != 1 {
		t.Errorf("reason %q after %d walks", p.Finding.Reason, w.walks.Load())
	}
}

func TestHostWithWithdrawnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1", "198.51.100.9")},
			outcome:   map[string]measurement.Failure{"198.51.100.9": measurement.Refused},
		}
		s, _ := w.open(t, nil, "a.test")
		s.Run(context.Background())
		call, err := s.join(context.Background(), "a.test") // the round of just now
		if err != nil {
			t.Fatal(err)
		}
		r := call.Computation()
		r.resolvers[0].Staleness.Withdrawn = addrs("198.51.100.9")
		h := r.snapshot(0)
		if walks := h.Paths[0].Walks; walks[0].Withdrawn || !walks[1].Withdrawn || walks[1].Finding.Reason != reason.Refused {
			t.Errorf("walks %+v", walks)
		}
		if len(h.Advice) != 0 {
			t.Errorf("the withdrawn address counts among the host's: %+v", h.Advice)
		}
	})
}

func TestReasonWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			addresses: map[string][]netip.Addr{"six.test": addrs("2001:db8::1")},
			outcome:   map[string]measurement.Failure{"2001:db8::1": measurement.Unreachable},
		}
		s, _ := w.open(t, nil, "none.test", "six.test")
		s.site.Routes = routes(func(to netip.AddrPort) (netip.Addr, bool) { return netip.Addr{}, to.Addr().Is4() })
		rep := s.Run(context.Background())
		if got := rep.Hosts[0].Paths[0].Finding.Reason; got != reason.DNSFailed {
			t.Errorf("a name that does not exist: %q", got)
		}
		if p := rep.Hosts[1].Paths[0]; p.Finding.Reason != reason.Unreachable || p.Finding.Advice != reason.FindRoute || p.Omitted != 0 || w.walks.Load() != 1 {
			t.Errorf("no route: %q, %d omitted, %d walks", p.Finding.Reason, p.Omitted, w.walks.Load())
		}
		w.lookup = time.Hour
		<-time.After(time.Minute)
		ctx, cancel := within(time.Second)
		defer cancel()
		if got := s.Run(ctx).Hosts[1].Paths[0].Finding.Reason; got != reason.OutOfTime {
			t.Errorf("a look-up that the deadline cut off: %q", got)
		}
	})
}

func TestReloadKeepsCountsOfPathsThatStay(t *testing.T) {
	w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1"), "b.test": addrs("198.51.100.1")}}
	s, _ := w.open(t, nil, "a.test")
	s.Run(t.Context())
	s.Reload(w.site(nil, "a.test", "b.test"))
	rep := s.Run(t.Context())
	if a, b := rep.Hosts[0].Paths[0].OK, rep.Hosts[1].Paths[0].OK; a != 2 || b != 1 {
		t.Errorf("attempts of the path that stayed %d, of the new one %d", a, b)
	}
	s.Reload(w.site(nil, "b.test"))
	s.Reload(w.site(nil, "a.test", "b.test"))
	if got := s.Run(t.Context()).Hosts[0].Paths[0].OK; got != 1 {
		t.Errorf("a path that was gone remembers %d attempts", got)
	}
}

func TestChangeOfStateIsLoggedOnce(t *testing.T) {
	w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, outcome: map[string]measurement.Failure{}}
	s, logged := w.open(t, func(c *config.Config) { c.Survey.MinInterval = 0 }, "a.test")
	for _, failure := range []measurement.Failure{"", measurement.Reset, measurement.Reset, "", ""} {
		w.outcome["198.51.100.1"] = failure
		s.Run(t.Context())
	}
	if down, up := logged.count("path does not carry a device"), logged.count("path carries a device again"); down != 1 || up != 1 {
		t.Errorf("logged down %d times, up %d times", down, up)
	}
}

// TestOfflineStartIsLoggedOnce: while one cause explains why no path carries a device, only the cause is logged.
func TestOfflineStartIsLoggedOnce(t *testing.T) {
	const down, up, cause, ended = "path does not carry a device", "path carries a device again", "no path carries a device", "the common cause of all failures has ended"
	synctest.Test(t, func(t *testing.T) {
		w := &world{silent: resolver, outcome: map[string]measurement.Failure{}}
		s, logged := w.open(t, func(c *config.Config) { c.Survey.MinInterval = 0 }, "a.test", "b.test", "c.test")
		var makeReport func() *report.Report
		for step, round := range []struct {
			change func()
			timing time.Duration // of the round's context; 0: as long as it takes
			want   map[string]int
		}{
			{nil, 0, map[string]int{cause: 1}},
			{nil, 0, map[string]int{cause: 1}},
			{func() { w.lookup, w.silent = 20*time.Second, netip.AddrPort{} }, time.Second, map[string]int{cause: 1}}, // cut off
			{func() { w.lookup = 0 }, 0, map[string]int{cause: 2}},                                                    // names that do not exist
			{func() {
				w.addresses = map[string][]netip.Addr{"a.test": addrs("198.51.100.1"), "b.test": addrs("198.51.100.2"), "c.test": addrs("198.51.100.3")}
				w.outcome["198.51.100.2"] = measurement.Reset
			}, 0, map[string]int{cause: 2, ended: 1, down: 1}},
			{func() { clear(w.outcome) }, 0, map[string]int{cause: 2, ended: 1, down: 1, up: 1}},
		} {
			if round.change != nil {
				round.change()
			}
			ctx := t.Context()
			if round.timing > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, round.timing)
				defer cancel()
			}
			makeReport = s.Wait(ctx)
			makeReport()
			for text := range map[string]bool{down: true, up: true, cause: true, ended: true} {
				if got := logged.count(text); got != round.want[text] {
					t.Errorf("round %d: %q is logged %d times, want %d", step+1, text, got, round.want[text])
				}
			}
			<-time.After(time.Minute)
		}
		old := makeReport
		w.outcome["198.51.100.1"] = measurement.Reset
		s.Run(t.Context())
		old() // is no news
		if n := logged.count(down); n != 2 {
			t.Errorf("after a report of an older round: logged %d times", n)
		}
		if n := logged.count(up); n != 1 {
			t.Errorf("after a report of an older round: up logged %d times", n)
		}
	})
}

func TestRefreshErrorIsLogged(t *testing.T) {
	w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, refreshErr: errors.New("gone")}
	s, logged := w.open(t, nil, "a.test")
	if !s.Run(t.Context()).Hosts[0].Up || logged.count("trust anchors not read again, the last good ones stay") != 1 {
		t.Errorf("logged %q", logged.said)
	}
}

func TestRunHostUnconfigured(t *testing.T) {
	w := &world{addresses: map[string][]netip.Addr{"out.test": addrs("8.8.8.8"), "in.test": addrs("10.0.0.1", "8.8.8.8")}}
	s, _ := w.open(t, nil, "a.test")
	probe := func(host string) report.Path {
		rep, err := s.RunHost(t.Context(), host, web443)
		if err != nil {
			t.Fatal(err)
		}
		return rep.Hosts[0].Paths[0]
	}
	if p := probe("out.test"); len(p.Walks) != 1 || w.walks.Load() != 1 {
		t.Errorf("a public address: %+v", p.Walks)
	}
	p := probe("in.test")
	if p.Finding.Reason != reason.Sinkhole || w.walks.Load() != 2 {
		t.Errorf("a private address: %q, %d walks in all", p.Finding.Reason, w.walks.Load())
	}
	if len(s.counts) != 1 {
		t.Errorf("%d endpoints are counted", len(s.counts))
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": time.Hour}}
		s, _ := w.open(t, nil, "a.test")
		var scrape sync.WaitGroup
		scrape.Go(func() { s.Run(context.Background()) })
		synctest.Wait()
		s.Close()
		scrape.Wait()
		if rep := s.Run(context.Background()); len(rep.Hosts) != 0 || w.inFlight.Load() != 0 {
			t.Errorf("%d hosts, %d walks in flight", len(rep.Hosts), w.inFlight.Load())
		}
	})
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": time.Second}}
		var seen []*report.Report
		s := New(w.site(nil, "a.test"), Options{
			Name: "site", Logger: slog.New(&records{}),
			Observe: func(r *report.Report) { seen = append(seen, r) },
		})
		defer s.Close()
		ctx, cancel := within(time.Millisecond)
		defer cancel()
		s.Run(ctx) // its caller leaves before it ends
		s.Run(context.Background())
		s.Run(context.Background())
		if len(seen) != 1 || len(seen[0].Hosts) != 1 || seen[0].Hosts[0].Paths[0].OK != 1 {
			t.Errorf("observed %d reports", len(seen))
		}
	})
}

// TestLatest asks for the last rounds while walks take a second.
func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1"), "b.test": addrs("198.51.100.2")},
			walk:      map[string]time.Duration{"198.51.100.1": time.Second, "198.51.100.2": 3 * time.Second},
		}
		s, _ := w.open(t, nil, "a.test", "b.test")
		start := time.Now()
		ask := func(name string, want Progress, ended ...time.Duration) {
			t.Helper()
			progress, makeReport := s.Latest()
			rep := makeReport()
			if progress != want || len(rep.Hosts) != len(ended) || rep.IncompletePaths > 0 || rep.Interrupted {
				t.Fatalf("%s: %+v with %d hosts, want %+v with %d", name, progress, len(rep.Hosts), want, len(ended))
			}
			for i, h := range rep.Hosts {
				if !h.Paths[0].Up || len(h.Paths[0].Walks) != 1 {
					t.Errorf("%s: %s is not measured", name, h.Endpoint.Host)
				}
				if rep.Finished.Sub(start) < ended[i] {
					t.Errorf("%s: the report ended after %v, %s after %v", name, rep.Finished.Sub(start), h.Endpoint.Host, ended[i])
				}
			}
		}
		ask("the first caller", Progress{Hosts: 2, Running: 2})
		time.Sleep(2 * time.Second) //nolint:forbidigo // virtual time
		ask("after one host", Progress{Hosts: 2, Measured: 1, Running: 1}, time.Second)
		time.Sleep(2 * time.Second) //nolint:forbidigo // virtual time
		ask("after both", Progress{Hosts: 2, Measured: 2}, time.Second, 3*time.Second)
		walks := w.walks.Load()
		ask("within the interval", Progress{Hosts: 2, Measured: 2}, time.Second, 3*time.Second)
		synctest.Wait()
		if n := w.walks.Load(); n != walks {
			t.Errorf("%d walks within the interval", n-walks)
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
		ask("after the interval", Progress{Hosts: 2, Measured: 2, Running: 2}, time.Second, 3*time.Second)
		s.Reload(w.site(nil, "a.test", "b.test"))
		time.Sleep(5 * time.Second)                           //nolint:forbidigo // virtual time
		ask("after a reload", Progress{Hosts: 2, Running: 2}) // the rounds of the configuration before it do not count
	})
}

// TestRoundThatEndsBeforeLookup has look-ups of one host at a time begin, and slow ones, so that the deadline comes
// while hosts still wait.
func TestRoundThatEndsBeforeLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: make(map[string][]netip.Addr), lookup: 3 * time.Second}
		var hosts []string
		for i := range byte(24) {
			host := fmt.Sprintf("h%d.test", i)
			hosts, w.addresses[host] = append(hosts, host), []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, i})}
		}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.Concurrency = 1 }, hosts...)
		ctx, cancel := within(4 * time.Second)
		defer cancel()
		rep := s.Run(ctx)
		if asked := w.lookups.Load(); asked >= int64(len(hosts)) {
			t.Errorf("all %d hosts were looked up", asked)
		}
		unknown := 0
		for _, h := range rep.Hosts {
			if p := h.Paths[0]; p.Finding.Reason == reason.DNSFailed || p.Known && !p.Up {
				t.Errorf("%s: %q, known %v", h.Endpoint.Host, p.Finding.Reason, p.Known)
			} else if !p.Known {
				unknown++
			}
		}
		if unknown == 0 || rep.IncompletePaths != unknown {
			t.Errorf("%d paths without a verdict, %d counted", unknown, rep.IncompletePaths)
		}
	})
}

func TestCapOfAllRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{}, walk: map[string]time.Duration{}}
		var hosts []string
		for i := range 20 {
			a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			host := "h" + string(rune('a'+i)) + ".test"
			hosts, w.addresses[host], w.walk[a.String()] = append(hosts, host), []netip.Addr{a}, time.Second
		}
		s, _ := w.open(t, func(c *config.Config) { c.Survey.Concurrency = 3 }, hosts...)
		var all sync.WaitGroup
		for _, host := range hosts {
			all.Go(func() {
				if _, err := s.RunHost(context.Background(), host, web443); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if w.most.Load() != 3 || w.walks.Load() != 20 {
			t.Errorf("%d walks at once, %d in all", w.most.Load(), w.walks.Load())
		}
	})
}

func TestRunHostUnconfiguredIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, lookup: time.Second}
		s, logged := w.open(t, nil, "a.test")
		var all sync.WaitGroup
		var refused atomic.Int64
		for i := range maxUnconfigured + 5 {
			all.Go(func() {
				if _, err := s.RunHost(context.Background(), string(rune('a'+i))+".unconfigured.test", web443); errors.Is(err, ErrBusy) {
					refused.Add(1)
				}
			})
			synctest.Wait()
		}
		if _, err := s.RunHost(context.Background(), "a.test", web443); err != nil {
			t.Errorf("a configured host: %v", err)
		}
		all.Wait()
		if refused.Load() != 5 {
			t.Errorf("%d refused, want 5", refused.Load())
		}
		if n := logged.count("path does not carry a device"); n != 0 {
			t.Errorf("unconfigured hosts that fail are logged %d times as changes of state", n)
		}
		if _, err := s.RunHost(context.Background(), "z.unconfigured.test", web443); err != nil {
			t.Errorf("after all are done: %v", err)
		}
	})
}

func TestRunHostUnconfiguredWithoutEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"x.unconfigured.test": addrs("8.8.8.8")}}
		s, _ := w.open(t, nil)
		if n := len(s.Run(context.Background()).Hosts); n != 0 {
			t.Errorf("%d hosts", n)
		}
		if rep, err := s.RunHost(context.Background(), "x.unconfigured.test", web443); err != nil || len(rep.Hosts) != 1 || w.walks.Load() != 1 {
			t.Errorf("%+v, %v after %d walks", rep, err, w.walks.Load())
		}
	})
}

// TestRunHostUnconfiguredAddresses has the owner of an allowed name choose its addresses.
func TestRunHostUnconfiguredAddresses(t *testing.T) {
	for name, test := range map[string]struct {
		addresses []netip.Addr
		noRoute   bool
		walked    int64
		reasons   []reason.Reason
	}{
		"a public address":                    {addrs("8.8.8.8"), false, 1, []reason.Reason{reason.OK}},
		"a private one, dressed as NAT64's":   {addrs("fd12:3456::808:808", "8.8.8.8"), false, 1, []reason.Reason{reason.Sinkhole, reason.OK}},
		"a public one by NAT64":               {addrs("64:ff9b::808:808", "8.8.8.8"), false, 2, []reason.Reason{reason.OK, reason.OK}},
		"a private one by NAT64":              {addrs("64:ff9b::a00:1"), false, 0, []reason.Reason{reason.Sinkhole}},
		"a private one, which is not reached": {addrs("10.1.2.3"), true, 0, []reason.Reason{reason.Sinkhole}},
		"a private one after a public one":    {addrs("8.8.8.8", "10.1.2.3"), false, 1, []reason.Reason{reason.OK, reason.Sinkhole}},
		"a public address without a route":    {addrs("8.8.8.8"), true, 1, []reason.Reason{reason.OK}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{addresses: map[string][]netip.Addr{"x.unconfigured.test": test.addresses}}
				s, _ := w.open(t, nil)
				s.site.Routes = routes(func(netip.AddrPort) (netip.Addr, bool) { return netip.Addr{}, !test.noRoute })
				rep, err := s.RunHost(context.Background(), "x.unconfigured.test", web443)
				if err != nil {
					t.Fatal(err)
				}
				var reasons []reason.Reason
				for _, walk := range rep.Hosts[0].Paths[0].Walks {
					reasons = append(reasons, walk.Finding.Reason)
				}
				slices.SortFunc(reasons, func(a, b reason.Reason) int { return strings.Compare(string(a), string(b)) })
				slices.SortFunc(test.reasons, func(a, b reason.Reason) int { return strings.Compare(string(a), string(b)) })
				if !slices.Equal(reasons, test.reasons) || w.walks.Load() != test.walked {
					t.Errorf("%v after %d walks, want %v after %d", reasons, w.walks.Load(), test.reasons, test.walked)
				}
			})
		})
	}
}

func TestReloadDuringRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1")}, walk: map[string]time.Duration{"198.51.100.1": 2 * time.Second}}
		s, _ := w.open(t, nil, "a.test")
		time.AfterFunc(time.Second, func() { s.Reload(w.site(nil, "a.test")) })
		if got := s.Run(context.Background()).Hosts[0].Paths[0].OK; got != 1 {
			t.Errorf("%d attempts in the round that was under way", got)
		}
		if got := s.Run(context.Background()).Hosts[0].Paths[0].OK; got != 2 {
			t.Errorf("%d attempts in the next", got)
		}
	})
}

// TestRunHostShares asks for a host by Run and by RunHost: it has one round.
func TestRunHostShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1"), "b.test": addrs("198.51.100.2")}}
		s, _ := w.open(t, nil, "a.test", "b.test")
		w.walk = map[string]time.Duration{"198.51.100.1": time.Second}
		rep, err := s.RunHost(context.Background(), "b.test", web443)
		if err != nil || len(rep.Hosts) != 1 || rep.Hosts[0].Endpoint.Host != "b.test" || rep.Queries != nil || w.walks.Load() != 1 {
			t.Errorf("%v, %d hosts, queries %v, %d walks", err, len(rep.Hosts), rep.Queries, w.walks.Load())
		}
		<-time.After(time.Second)
		whole := s.Run(context.Background())
		if len(whole.Hosts) != 2 || whole.Hosts[0].Endpoint.Host != "a.test" || whole.Queries == nil || w.walks.Load() != 2 {
			t.Errorf("%d hosts, queries %v, %d walks", len(whole.Hosts), whole.Queries, w.walks.Load())
		}
		if rep, err := s.RunHost(context.Background(), "a.test", web443); err != nil || !rep.Hosts[0].Up || w.walks.Load() != 2 {
			t.Errorf("%v, %d walks for a host of a young round of all", err, w.walks.Load())
		}
		<-time.After(10 * time.Second)
		if _, err := s.RunHost(context.Background(), "b.test", web443); err != nil || w.walks.Load() != 3 {
			t.Errorf("%v, %d walks when the rounds are old", err, w.walks.Load())
		}
	})
}

// TestRunOfHostWithTwoEndpoints checks that they share one look-up and keep the order of the configuration.
func TestRunOfHostWithTwoEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{addresses: map[string][]netip.Addr{"a.test": addrs("198.51.100.1"), "b.test": addrs("198.51.100.2")}}
		s, _ := w.open(t, func(c *config.Config) {
			c.Endpoints[2].Service, c.Endpoints[2].Paths = "other", []measurement.Path{{Transport: measurement.UDP, Port: 5684}}
		}, "a.test", "b.test", "a.test")
		rep := s.Run(context.Background())
		for i, want := range []string{"s a.test tcp", "s b.test tcp", "other a.test udp"} {
			h := rep.Hosts[i]
			if got := fmt.Sprint(h.Endpoint.Service, " ", h.Endpoint.Host, " ", h.Paths[0].Transport); got != want || !h.Up || len(h.Resolvers) != 1 {
				t.Errorf("endpoint %d: %s, up %v, %d resolvers", i, got, h.Up, len(h.Resolvers))
			}
		}
		if w.lookups.Load() != 2 || w.walks.Load() != 3 {
			t.Errorf("%d look-ups, %d walks", w.lookups.Load(), w.walks.Load())
		}
		rep, err := s.RunHost(context.Background(), "a.test", web443)
		if err != nil || len(rep.Hosts) != 2 || rep.Hosts[1].Endpoint.Service != "other" {
			t.Errorf("%v, %d endpoints of the host", err, len(rep.Hosts))
		}
	})
}
