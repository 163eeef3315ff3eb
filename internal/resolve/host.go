package resolve

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Host is one host as one configuration resolves it.
type Host struct {
	service *Service
	state   *hostState
}

// hostState is what is remembered of one host from round to round. Its size is bounded: package staleness bounds its
// own part, and there is one history of bounded size per configured resolver.
type hostState struct {
	host         string
	constants    staleness.Constants
	options      staleness.Options
	unconfigured bool // only the resolvers are asked, and nothing is remembered

	mu            sync.Mutex // guards the fields below; staleness.Host is not safe for concurrent use
	judge         *staleness.Host
	service       *Service                                // of the newest round
	counting      *rate.Limiter                           // of the rounds of this service that count for the proof
	histories     map[netip.AddrPort]*addressHistory      // by resolver
	latest        map[netip.AddrPort]staleness.Assessment // by resolver, of the newest round that ended
	turn          int                                     // selects the authoritative server of the next sample
	zone          []netip.Addr                            // addresses of the newest round with a valid sample
	unlisted      []netip.AddrPort                        // servers of the zone that the configuration does not list
	lastRequested time.Time                               // when samples were last requested to confirm a suspicion
}

func newHostState(host string, c staleness.Constants, o staleness.Options) *hostState {
	return &hostState{
		host: host, constants: c, options: o, judge: staleness.New(c, o),
		histories: make(map[netip.AddrPort]*addressHistory), latest: make(map[netip.AddrPort]staleness.Assessment),
	}
}

// keep forgets resolvers that are no longer configured.
func (h *hostState) keep(resolvers []netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.judge.Keep(resolvers)
	maps.DeleteFunc(h.histories, func(at netip.AddrPort, _ *addressHistory) bool { return !slices.Contains(resolvers, at) })
	maps.DeleteFunc(h.latest, func(at netip.AddrPort, _ staleness.Assessment) bool { return !slices.Contains(resolvers, at) })
}

// name is the host as a DNS name, with the final dot.
func (h *hostState) name() string { return h.host + "." }

// begin starts a round, and reports whether it counts for the proof. More rounds than the rate of the zone's servers
// allows do not. After a reload the resolvers and the zone's servers may be others, so that the next round counts.
func (h *hostState) begin(now time.Time, s *Service) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.service != s {
		h.service, h.counting = s, rate.NewLimiter(s.roundRate, roundBurst)
	}
	if !h.counting.AllowN(now, 1) {
		return false
	}
	h.judge.Begin(now)
	return true
}

// recordAnswers records the answers of one resolver.
func (h *hostState) recordAnswers(l *measurement.Lookup) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range l.Answers {
		h.judge.Answer(&l.Answers[i])
	}
}

// lastOwner is the owner of the host's addresses of a type, by the samples of earlier rounds; "" if it is the host.
func (h *hostState) lastOwner(typ uint16) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.judge.LastOwner(typ)
}

// recordOwnerAnswer records the answer of a resolver to the question for lastOwner.
func (h *hostState) recordOwnerAnswer(a *measurement.Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.judge.OwnerAnswer(a)
}

// wantsUpstream returns the resolvers that must show that they reach the zone.
func (h *hostState) wantsUpstream(now time.Time) []netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.judge.WantsUpstream(now)
}

// recordUpstream records whether a resolver reaches the zone.
func (h *hostState) recordUpstream(resolver netip.AddrPort, asked time.Time, reaches bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.judge.Upstream(resolver, asked, reaches)
}

// recordSamples records direct samples.
func (h *hostState) recordSamples(samples []measurement.Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range samples {
		h.judge.Sample(s)
	}
}

// recordInterception records that something on the path answers for the authoritative servers, which voids this round's
// samples.
func (h *hostState) recordInterception(now time.Time) {
	samples := make([]measurement.Sample, len(dns.Types))
	for i, typ := range dns.Types {
		samples[i] = measurement.Sample{Type: typ, Asked: now, Received: now, Failure: measurement.SampleIntercepted}
	}
	h.recordSamples(samples)
}

// wants returns the samples that would confirm or refute a suspicion against a resolver. Once a resolver is proved to
// be stale, and while no other is suspect, its answers are not confirmed in every round, which spares the
// authoritative servers.
func (h *hostState) wants(now time.Time) []staleness.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	proved, suspected := false, false
	for _, a := range h.latest {
		proved = proved || a.Verdict == staleness.Stale
		suspected = suspected || a.Verdict == staleness.Suspect
	}
	if proved && !suspected && now.Sub(h.lastRequested) < 2*h.constants.Spacing {
		return nil
	}
	out := h.judge.Wants(now)
	if len(out) > 0 {
		h.lastRequested = now
	}
	return out
}

// nextTurn selects another authoritative server for each round.
func (h *hostState) nextTurn() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn++
	return h.turn
}

// zoneReport reports the host's zone. h.mu is held.
func (h *hostState) zoneReport(now time.Time, asked bool) report.Zone {
	zone := h.judge.Zone(now)
	out := report.Zone{
		Known: !zone.LastValid.IsZero(), TTL: zone.TTL, Addresses: slices.Clone(h.zone), LastValid: zone.LastValid,
	}
	switch {
	case h.options.ExpectedTTL > 0:
		out.Known, out.TTL = true, h.options.ExpectedTTL
	case h.unconfigured:
		out.Failure = report.ZoneUnconfigured
	case !asked:
		out.Failure = report.ZoneNotAsked
	case zone.Failure != "":
		out.Failure = report.ZoneFailure(zone.Failure)
	case !out.Known:
		out.Failure = report.ZoneNotFound
	}
	return out
}

// maxZoneAddresses bounds the addresses reported of one host's zone.
const maxZoneAddresses = 256

// addressesOf lists the addresses of samples, sorted and bounded.
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
	slices.SortStableFunc(out, netip.Addr.Compare)
	return out
}
