package survey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// PathWalker walks one path to one address; in production it is a [path.Walker].
type PathWalker interface {
	Walk(ctx context.Context, t path.Target) measurement.Outcome
}

// Anchors provides the trust anchors of the configuration.
type Anchors interface {
	Get(name string) *trust.Anchor
	// Public is the anchor of the public web, whatever roots this machine has.
	Public() *trust.Anchor
	// Refresh reads changed files again. The error names those that could not be read, whose last good content stays
	// in use.
	Refresh() error
}

// Routes tells how this machine would reach an address; in production it is the site's [route.Uplink].
type Routes interface {
	// Source returns the address that getaddrinfo takes this machine to send from to a remote address and port; ok is
	// false if it finds no route.
	Source(remote netip.AddrPort) (local netip.Addr, ok bool)
	// HasRoute reports whether this machine has a route to a remote address and port over the network "tcp" or "udp".
	HasRoute(network string, remote netip.AddrPort) bool
}

// IdleSource returns how long a silent connection survives on a path; nil if that is not measured.
type IdleSource func(endpoint *config.Endpoint, p measurement.Path) *report.IdleBounds

// Site is one configuration and what was built from it. A reload builds a new one.
type Site struct {
	Config *config.Config
	// Source, Resolvers and Proxy are those of [report.Report].
	Source    string
	Resolvers []netip.AddrPort
	Proxy     report.Proxy

	Anchors Anchors
	Names   *resolve.Service
	Routes  Routes
	Walker  PathWalker
	// Restricted walks the paths of hosts that are not configured. It refuses addresses and ports that probe.allow and
	// probe.ports do not permit, in case the plan of a round is wrong. nil: Walker.
	Restricted PathWalker
	// CredentialConfigured is true if the client certificate is the site's own, so that its refusal is a failure.
	CredentialConfigured bool
	Idle                 IdleSource // nil: nothing is measured
}

// Options are what stays the same over reloads.
type Options struct {
	Name   string // name of this machine, for reports
	Logger *slog.Logger
	// Observe is called with the report of each round, which is that of one host. It must not block.
	Observe func(*report.Report)
}

// Survey makes rounds on demand and remembers the counts of paths. It is safe for concurrent use.
type Survey struct {
	opts         Options
	configured   *share.Group[string, *round] // by host
	unconfigured *share.Group[string, *round] // by host
	refreshes    *share.Group[*Site, *refresh]
	gate         *gate           // of all rounds together
	ctx          context.Context // ends when the survey is closed
	stop         context.CancelFunc

	mu        sync.Mutex
	site      *Site
	endpoints map[string][]*config.Endpoint // of site, by host
	counts    map[config.Key]endpointCounts // not changed once made
	asked     askedPaths
	last      map[string]*round // the last round of each host of site that has ended
	cause     report.Cause      // the common cause of all failures that was logged last
}

// Bounds of the rounds of hosts that are not configured, which every client of /probe can cause.
const (
	maxUnconfigured     = 16 // run at once
	maxUnconfiguredKept = 64 // kept for sharing, including those that run
)

// ErrBusy is returned when no new round of a host that is not configured may begin: too many run, or the host's last
// round made room for others and is still young.
var ErrBusy = fmt.Errorf("too many hosts that are not configured: at most %d are probed at once, and the rounds of %d are kept; "+
	"repeat the request after survey.min_interval, or configure the host under endpoints", maxUnconfigured, maxUnconfiguredKept)

// New returns a survey of a site.
func New(site *Site, opts Options) *Survey {
	s := &Survey{
		opts:         opts,
		configured:   share.NewGroup[string, *round](share.Options{}),
		unconfigured: share.NewGroup[string, *round](share.Options{MaxRunning: maxUnconfigured, MaxKept: maxUnconfiguredKept}),
		refreshes:    share.NewGroup[*Site, *refresh](share.Options{}),
		gate:         newGate(site.Config.Survey.Concurrency, socketsOf(DescriptorLimit())),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Reload(site)
	return s
}

// Reload changes what is watched. Rounds that run go on with the configuration that they began with. Paths of
// endpoints that stay (same service and host) keep their counts.
func (s *Survey) Reload(site *Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endpoints := make(map[string][]*config.Endpoint, len(site.Config.Endpoints))
	counts := make(map[config.Key]endpointCounts, len(site.Config.Endpoints))
	for i := range site.Config.Endpoints {
		endpoint := &site.Config.Endpoints[i]
		key := endpoint.Key()
		counts[key] = newEndpointCounts(endpoint, s.counts[key])
		endpoints[endpoint.Host] = append(endpoints[endpoint.Host], endpoint)
	}
	s.site, s.endpoints, s.counts = site, endpoints, counts
	s.asked, s.last = make(askedPaths), make(map[string]*round)
	s.gate.resize(site.Config.Survey.Concurrency)
	// The next caller gets rounds of the new configuration, however soon it comes.
	s.configured.Forget()
	s.unconfigured.Forget()
}

// Config is the configuration in force.
func (s *Survey) Config() *config.Config { return s.current().Config }

// current is the site in force.
func (s *Survey) current() *Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.site
}

// part is one endpoint of a report: a slot of its host's round.
type part struct {
	call  *share.Call[*round] // nil: the round has not begun, or ended is set, or the survey is closed
	ended bool                // the round ended before the caller came
	round *round
	slot  int                // index of the endpoint among those of its host
	paths []measurement.Path // those to report; nil: all
}

// Run surveys every endpoint. It returns when all rounds have ended or ctx is done, whichever is sooner, and then
// reports what is known. Callers that come closer together than survey.min_interval share the rounds.
func (s *Survey) Run(ctx context.Context) *report.Report { return s.Wait(ctx)() }

// Wait waits as [Survey.Run] does, and returns a function that makes the report of what is known when it is called. So
// callers that wait for their turn to use a report hold none.
func (s *Survey) Wait(ctx context.Context) (makeReport func() *report.Report) {
	s.mu.Lock()
	site := s.site
	parts := slices.DeleteFunc(s.joinAll(ctx), func(p part) bool { return p.call == nil })
	s.mu.Unlock()
	awaitRounds(ctx, parts)
	return func() *report.Report { return s.reportSite(ctx, site, parts, true) }
}

// joinAll joins the rounds of all endpoints. A part has no call if the survey is closed. s.mu is held.
func (s *Survey) joinAll(ctx context.Context) []part {
	parts := make([]part, len(s.site.Config.Endpoints))
	slots := make(map[string]int) // endpoints of a host so far
	for i := range parts {
		host := s.site.Config.Endpoints[i].Host
		parts[i].slot = slots[host]
		slots[host]++
		if call, err := s.join(ctx, host); err == nil {
			parts[i].call, parts[i].round = call, call.Computation()
		}
	}
	return parts
}

// reportSite reports all endpoints, with the state of port 53 and the counts of DNS queries, which are those of all
// rounds together. whole is false if a round is missing, so that the report does not show what has changed.
func (s *Survey) reportSite(ctx context.Context, site *Site, parts []part, whole bool) *report.Report {
	out := s.report(ctx, site, parts)
	if whole {
		s.logChanges(out, true)
	}
	addQueries(out, site)
	return out
}

// Progress counts hosts.
type Progress struct {
	Hosts    int // configured
	Measured int // with a round of the configuration in force that has ended
	Running  int // with a round that runs
}

// Latest begins the rounds that [Survey.Run] would begin and waits for none. It returns how far they are, and a
// function that reports the last round of each host that has ended. Hosts without one are not in the report.
func (s *Survey) Latest() (progress Progress, makeReport func() *report.Report) {
	ctx := context.Background() // no asker waits, so none shortens the patience of a look-up
	s.mu.Lock()
	site := s.site
	parts := s.joinAll(ctx)
	for i, p := range parts {
		ended := s.last[site.Config.Endpoints[i].Host]
		if p.slot == 0 {
			progress.Hosts++
			if p.call != nil && !p.call.Ended() {
				progress.Running++
			}
			if ended != nil {
				progress.Measured++
			}
		}
		parts[i] = part{round: ended, ended: true, slot: p.slot}
	}
	s.mu.Unlock()
	parts = slices.DeleteFunc(parts, func(p part) bool { return p.round == nil })
	whole := progress.Running == 0 && progress.Measured == progress.Hosts
	return progress, func() *report.Report { return s.reportSite(ctx, site, parts, whole) }
}

// remember keeps a round that has ended for [Survey.Latest], if its configuration is in force.
func (s *Survey) remember(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.site == s.site && !r.unconfigured {
		s.last[r.slots[0].endpoint.Host] = r
	}
}

// Status reports what is known about the exporter as a whole, without a round: the report has no hosts and no times.
func (s *Survey) Status() *report.Report {
	out := &report.Report{Site: s.opts.Name}
	addQueries(out, s.current())
	return out
}

// addQueries adds the state of port 53 and the counts of DNS queries, which are those of all rounds together.
func addQueries(out *report.Report, site *Site) {
	out.AuthorityPath = site.Names.Port53State()
	out.Queries = site.Names.Queries()
}

// RunHost surveys the endpoints of one host in the same way. If the host is not configured, it surveys the paths that
// are asked for, which probe.ports must permit; nothing of them is counted, and they are walked only at addresses that
// probe.allow permits. The only error is [ErrBusy]. The report has nothing about the exporter as a whole.
func (s *Survey) RunHost(ctx context.Context, host string, asked config.ProbeRequest) (*report.Report, error) {
	// Without a deadline a caller would wait for three quarters of min_interval, which can be an hour.
	waiting, cancel := context.WithTimeout(ctx, s.Config().Survey.Timeout)
	defer cancel()
	for {
		site, parts, current, err := s.joinHost(ctx, host, asked)
		if err != nil {
			return nil, err
		}
		if current == nil {
			awaitRounds(ctx, parts)
			out := s.report(ctx, site, parts)
			if len(site.Config.EndpointsOf(host)) > 0 { // nothing is remembered of others
				s.logChanges(out, false)
			}
			return out, nil
		}
		if !s.awaitNext(waiting, current) {
			return s.report(ctx, site, []part{s.notBegun(site, host, asked)}), nil
		}
	}
}

// joinHost joins the round of one host; there are no parts if the survey is closed. current is the round of a host that
// is not configured if it began before the paths were asked for: only the next one walks them. Otherwise it is nil. The
// only error is [ErrBusy].
func (s *Survey) joinHost(ctx context.Context, host string, asked config.ProbeRequest) (
	site *Site, parts []part, current *share.Call[*round], err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.endpoints[host]); n > 0 {
		if call, err := s.join(ctx, host); err == nil {
			for i := range n {
				parts = append(parts, part{call: call, round: call.Computation(), slot: i})
			}
		}
		return s.site, parts, nil, nil
	}
	s.asked.add(host, asked, time.Now())
	call, err := s.joinUnconfigured(ctx, host)
	switch {
	case errors.Is(err, share.ErrBusy):
		return nil, nil, nil, ErrBusy
	case err != nil:
		return s.site, nil, nil, nil
	}
	if slot, ok := call.Computation().covers(asked); ok {
		return s.site, []part{{call: call, round: call.Computation(), slot: slot, paths: asked.Paths}}, nil, nil
	}
	return s.site, nil, call, nil
}

// awaitNext waits until a host may have the round after the current one; false means that ctx or the survey ended
// first.
func (s *Survey) awaitNext(ctx context.Context, current *share.Call[*round]) bool {
	if !current.Wait(ctx) {
		return false
	}
	r := current.Computation()
	next := time.Until(r.started.Add(share.MaxAge(r.site.Config.Survey.MinInterval)))
	select {
	case <-time.After(next):
		return true
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return false
}

// notBegun is the part of a caller whose time ended before a round with its paths could begin: nothing is known.
func (s *Survey) notBegun(site *Site, host string, asked config.ProbeRequest) part {
	e := site.Config.Unconfigured(host, asked)
	return part{round: &round{
		survey: s, site: site, started: time.Now(), unconfigured: true, slots: []slot{{endpoint: e, counts: newEndpointCounts(e, nil)}},
	}}
}

// join joins the round of a configured host. s.mu is held.
func (s *Survey) join(ctx context.Context, host string) (*share.Call[*round], error) {
	bounds := &s.site.Config.Survey
	return s.configured.Join(host, share.MaxAge(bounds.MinInterval), bounds.Timeout, func() *round {
		r := s.newRound(ctx, host)
		for _, e := range s.endpoints[host] {
			r.slots = append(r.slots, slot{endpoint: e, counts: s.counts[e.Key()]})
		}
		return r
	})
}

// joinUnconfigured joins the round of a host that is not configured: of all paths that were asked for, at addresses
// that probe.allow permits. s.mu is held.
func (s *Survey) joinUnconfigured(ctx context.Context, host string) (*share.Call[*round], error) {
	bounds := &s.site.Config.Survey
	return s.unconfigured.Join(host, share.MaxAge(bounds.MinInterval), bounds.Timeout, func() *round {
		r := s.newRound(ctx, host)
		r.unconfigured = true
		for _, asked := range s.asked.of(host, r.started) {
			e := s.site.Config.Unconfigured(host, asked)
			r.slots = append(r.slots, slot{endpoint: e, counts: newEndpointCounts(e, nil)})
		}
		return r
	})
}

// currentRounds returns the rounds of other hosts with a service of r that run or are young enough to be shared.
func (s *Survey) currentRounds(r *round) (rounds []*round) {
	services := make(map[string]bool)
	for i := range r.slots {
		services[r.slots[i].endpoint.Service] = true
	}
	hosts := map[string]bool{r.slots[0].endpoint.Host: true}
	s.mu.Lock() // a caller of Run joins all rounds before one of them goes on here
	defer s.mu.Unlock()
	for i := range s.site.Config.Endpoints {
		e := &s.site.Config.Endpoints[i]
		if !services[e.Service] || hosts[e.Host] {
			continue
		}
		hosts[e.Host] = true
		if call, ok := s.configured.Current(e.Host, share.MaxAge(s.site.Config.Survey.MinInterval)); ok {
			rounds = append(rounds, call.Computation())
		}
	}
	return rounds
}

// newRound returns a round of one host, without slots; ctx is that of the asker. s.mu is held.
func (s *Survey) newRound(ctx context.Context, host string) *round {
	r := &round{survey: s, site: s.site, started: time.Now(), walked: make(chan struct{}), patience: lookupPatience(ctx, s.site.Config.Survey.Timeout)}
	if _, err := netip.ParseAddr(host); err != nil {
		r.names = s.site.Names.Host(host)
	}
	return r
}

// awaitRounds waits until rounds have ended or ctx is done.
func awaitRounds(ctx context.Context, parts []part) {
	for _, p := range parts {
		p.call.Wait(ctx)
	}
}

// report reports the endpoints of rounds as far as these have come. ctx is that of the caller who waited for them.
func (s *Survey) report(ctx context.Context, site *Site, parts []part) *report.Report {
	out := &report.Report{
		Site: s.opts.Name, Configuration: site.Source, Resolvers: site.Resolvers, Proxy: site.Proxy, Hosts: make([]report.Host, len(parts)),
	}
	for i, p := range parts {
		var finished time.Time
		r := p.round
		if p.ended || p.call != nil && p.call.Ended() {
			out.Hosts[i], finished = r.hosts[p.slot], r.finished
		} else {
			out.Hosts[i], finished = r.snapshot(p.slot), time.Now()
		}
		if p.paths != nil {
			out.Hosts[i] = onlyPaths(out.Hosts[i], p.paths)
		}
		if out.Started.IsZero() || r.started.Before(out.Started) {
			out.Started = r.started
		}
		if finished.After(out.Finished) {
			out.Finished = finished
		}
	}
	for _, p := range out.Paths() {
		if !p.Known {
			out.IncompletePaths++
		}
	}
	out.Interrupted = out.IncompletePaths > 0 && errors.Is(ctx.Err(), context.Canceled)
	if len(parts) == 0 {
		out.Started, out.Finished = time.Now(), time.Now()
	}
	// Again, because a round that ctx cuts off has not done it, and an old round may be reported with a new one.
	diagnose.SettleDoubt(out.Hosts)
	diagnose.Summarize(out)
	return out
}

// Close ends all rounds and waits for them.
func (s *Survey) Close() {
	s.stop()
	s.configured.Close()
	s.unconfigured.Close()
	s.refreshes.Close()
	s.current().Names.Close()
}

// refresh reads changed files of the trust anchors again, once for all rounds that begin at about the same time.
type refresh struct {
	anchors Anchors
	logger  *slog.Logger
}

// Run reads the files.
func (f *refresh) Run(context.Context) (keep bool) {
	if err := f.anchors.Refresh(); err != nil {
		f.logger.Warn("trust anchors not read again, the last good ones stay", "err", err)
	}
	return true
}
