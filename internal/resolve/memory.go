package resolve

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// memory is what is remembered of one host from round to round. Its size is bounded: package staleness bounds its own, and
// each resolver of the configuration has one view of bounded size.
type memory struct {
	host      string
	constants staleness.Constants
	options   staleness.Options
	stranger  bool // nobody will ask again: only the resolvers are asked

	mu      sync.Mutex // guards what follows; staleness.Host is not safe for concurrent use
	judge   *staleness.Host
	views   map[netip.AddrPort]*view
	last    map[netip.AddrPort]staleness.Assessment // of the newest exchange that ended
	turn    int                                     // whose turn among the zone's servers
	zone    []netip.Addr                            // of the newest round with a valid sample
	sought  time.Time                               // when the zone's servers were last asked to confirm
	current *exchange                               // the newest
}

func newMemory(host string, c staleness.Constants, o staleness.Options) *memory {
	return &memory{
		host: host, constants: c, options: o, judge: staleness.New(c, o),
		views: make(map[netip.AddrPort]*view), last: make(map[netip.AddrPort]staleness.Assessment),
	}
}

// keep forgets resolvers that are not asked any more.
func (m *memory) keep(resolvers []netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.judge.Keep(resolvers)
	maps.DeleteFunc(m.views, func(at netip.AddrPort, _ *view) bool { return !slices.Contains(resolvers, at) })
	maps.DeleteFunc(m.last, func(at netip.AddrPort, _ staleness.Assessment) bool { return !slices.Contains(resolvers, at) })
}

// name is the host as it is asked for.
func (m *memory) name() string { return m.host + "." }

// zones is what all hosts together know of the way to the zones' servers.
type zones struct {
	// answered: some resolver has answered once. Nothing is sent to a zone's servers before.
	answered atomic.Bool
}

// hostNames is one host's memory as one configuration uses it.
type hostNames struct {
	service *Service
	memory  *memory
}

// Begin starts an exchange with every resolver and the zone's servers, or joins one that runs or has just been made:
// rounds closer together than survey.min_interval are told the same. (A quarter of it is allowed for, since a round may
// have waited for its turn at the survey's gate when the last one did not.)
func (h *hostNames) Begin(ctx context.Context) survey.NameRound {
	m := h.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.current
	if x == nil || !x.joinable(h.service) {
		x = newExchange(h.service, m)
		m.current = x
		m.judge.Begin(x.started)
		go x.run()
	}
	return x.join(ctx)
}

// asked takes one resolver's answers.
func (m *memory) asked(l *measurement.Lookup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range l.Answers {
		m.judge.Answer(&l.Answers[i])
	}
}

// sampled takes direct samples.
func (m *memory) sampled(samples []measurement.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range samples {
		m.judge.Sample(s)
	}
}

// disbelieve drops what the zone's servers seem to have said: somebody else answers for them.
func (m *memory) disbelieve(now time.Time) {
	samples := make([]measurement.Sample, len(dns.Types))
	for i, typ := range dns.Types {
		samples[i] = measurement.Sample{Type: typ, Asked: now, Received: now, Failure: measurement.SampleIntercepted}
	}
	m.sampled(samples)
}

// wants asks what would confirm or refute what the round's answers raise. Once a resolver is proved to be stale, and while
// no other is suspect, its answers need not be confirmed in every round to keep it so: that spares the zone's servers.
func (m *memory) wants(now time.Time) []staleness.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	proved, suspected := false, false
	for _, a := range m.last {
		proved = proved || a.Verdict == staleness.Stale
		suspected = suspected || a.Verdict == staleness.Suspect
	}
	if proved && !suspected && now.Sub(m.sought) < 2*m.constants.Spacing {
		return nil
	}
	out := m.judge.Wants(now)
	if len(out) > 0 {
		m.sought = now
	}
	return out
}

// takeTurn counts the rounds, so that each asks another of the zone's servers.
func (m *memory) takeTurn() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn++
	return m.turn
}

// addressesOf lists the addresses that samples lead to, sorted and bounded.
func addressesOf(samples []measurement.Sample) []netip.Addr {
	var out []netip.Addr
	for _, s := range samples {
		for _, step := range s.Steps {
			for _, r := range step.Records {
				if r.Addr.IsValid() && len(out) < maxZoneAddresses && !slices.Contains(out, r.Addr.Unmap()) {
					out = append(out, r.Addr.Unmap())
				}
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// maxZoneAddresses bounds what is told of one host's zone.
const maxZoneAddresses = 256
