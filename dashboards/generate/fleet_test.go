//go:build fleet

package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// scrapeInterval is the time between two samples of every series of a fleet.
const scrapeInterval = 30 * time.Second

// fleet simulates what a Prometheus holds about many sites, each with one exporter on the built-in catalogue and two
// DNS servers. Times are sample numbers: 0 is the start, samples the end.
type fleet struct {
	end     time.Time
	samples int
	sites   []*site
}

// site is one site of a fleet with its faults.
type site struct {
	number int
	labels []string // the target's
	faults []outage
	// restarted is the sample of the exporter's last restart, reloaded that of the last reload.
	restarted, reloaded int
	addressChanges      []int
	idleLost            bool // the network drops idle connections before the keepalive
}

// outage is a fault of a site over a time. Empty fields select everything.
type outage struct {
	from, to                 int
	service, transport, port string
	resolver                 string // of a fault of the name service
	kind                     faultKind
	reason                   reason.Reason
}

type faultKind int

const (
	pathFails     faultKind = iota // every address fails
	pathPartly                     // one of two addresses fails, not the first
	pathUnproved                   // the session ends without a TLS alert
	pathCutOff                     // the deadline ends the path
	exporterGone                   // no samples
	resolverStale                  // records are given past their TTL
	resolverFails                  // no address
	familyFails                    // no answer for AAAA
	port53Blocked                  // the zones' own servers cannot be asked
)

// catalogue is the built-in one: host by host, with its paths.
var catalogue = []struct {
	service string
	device  bool
	paths   [][2]string
}{
	{"bootstrap", true, [][2]string{{"tcp", "5684"}, {"udp", "5684"}, {"tcp", "443"}}},
	{"containers", false, [][2]string{{"tcp", "443"}}},
	{"edge-k8s", false, [][2]string{{"tcp", "443"}}},
	{"gateways", false, [][2]string{{"tcp", "443"}}},
	{"lwm2m", true, [][2]string{{"tcp", "5684"}, {"udp", "5684"}, {"tcp", "443"}}},
	{"tcp-lwm2m", true, [][2]string{{"tcp", "5684"}, {"tcp", "443"}}},
	{"udp-lwm2m", true, [][2]string{{"udp", "5684"}}},
}

var resolvers = []string{"10.0.0.53:53", "10.0.1.53:53"}

// failEverywhere makes every path of every site fail for the last 20 hours.
func (f *fleet) failEverywhere() {
	all := outage{from: max(f.samples-int(20*time.Hour/scrapeInterval), 0), to: f.samples, kind: pathFails, reason: reason.Unreachable}
	for _, s := range f.sites {
		s.faults = slices.Insert(s.faults, 0, all)
	}
}

// newFleet simulates sites over a time that ends at end. A sick one has some faults now; a healthy one has only those
// of the past: an outage of one path at all sites, and an interception at some.
func newFleet(sites int, over time.Duration, end time.Time, sick bool) *fleet {
	f := &fleet{end: end.Truncate(scrapeInterval), samples: int(over / scrapeInterval)}
	ago := func(d time.Duration) int { return max(f.samples-int(d/scrapeInterval), 0) }
	for i := range sites {
		name := fmt.Sprintf("s%03d", i+1)
		f.sites = append(f.sites, &site{
			number: i, labels: []string{"job", "endpoint", "site", name, "instance", "gateway." + name + ".example.net:15684"},
			restarted: ago(20 * 24 * time.Hour), reloaded: ago(7*time.Hour + time.Duration(i%10)*time.Minute),
			addressChanges: []int{ago(5 * time.Hour)}, idleLost: sick && i%125 == 5,
		})
	}
	now := f.samples
	add := func(s *site, more ...outage) { s.faults = append(s.faults, more...) }
	few := func(n int) int { return max(min(n, n*sites/500), 1) } // of 500 sites
	next := 0
	some := func(n int, do func(s *site)) {
		for range few(n) {
			do(f.sites[(next*37+3)%sites])
			next++
		}
	}
	if sick {
		inspected := func(s *site, from, to int) {
			for _, service := range []string{"bootstrap", "lwm2m", "tcp-lwm2m"} {
				add(s, outage{from: from, to: to, service: service, transport: "tcp", kind: pathFails, reason: reason.WrongIssuer})
			}
		}
		if sites < 100 {
			inspected(f.sites[1%sites], ago(40*time.Minute), now)
			add(f.sites[3%sites], outage{from: ago(11 * time.Hour), to: now, transport: "udp", kind: pathFails, reason: reason.Silent},
				outage{from: ago(90 * time.Minute), to: now, service: "bootstrap", resolver: resolvers[0], kind: resolverStale})
			add(f.sites[4%sites], outage{from: ago(25 * time.Minute), to: now, kind: exporterGone})
		} else {
			some(9, func(s *site) { inspected(s, ago(40*time.Minute), now) })
			some(4, func(s *site) {
				add(s, outage{from: ago(3 * time.Hour), to: now, kind: pathFails, reason: reason.Unreachable})
			})
			some(6, func(s *site) {
				add(s, outage{from: ago(11 * time.Hour), to: now, transport: "udp", kind: pathFails, reason: reason.Silent})
			})
			some(3, func(s *site) {
				add(s, outage{from: ago(90 * time.Minute), to: now, service: "bootstrap", resolver: resolvers[0], kind: resolverStale},
					outage{from: ago(90 * time.Minute), to: now, service: "lwm2m", resolver: resolvers[0], kind: resolverStale})
			})
			some(2, func(s *site) {
				add(s, outage{from: ago(2 * time.Hour), to: now, resolver: resolvers[1], kind: resolverFails})
			})
			some(1, func(s *site) {
				add(s, outage{from: ago(30 * time.Minute), to: now, service: "lwm2m", transport: "tcp", port: "5684", kind: pathPartly, reason: reason.Refused})
			})
			some(1, func(s *site) {
				add(s, outage{from: ago(time.Hour), to: now, service: "containers", kind: pathCutOff, reason: reason.OutOfTime})
			})
			some(2, func(s *site) {
				add(s, outage{from: ago(8 * time.Hour), to: now, service: "bootstrap", transport: "tcp", kind: pathUnproved})
			})
			some(2, func(s *site) {
				add(s, outage{from: ago(20 * time.Hour), to: now, service: "edge-k8s", resolver: resolvers[1], kind: familyFails})
			})
			some(3, func(s *site) { add(s, outage{from: ago(40 * time.Hour), to: now, kind: port53Blocked}) })
			some(6, func(s *site) { add(s, outage{from: ago(25 * time.Minute), to: now, kind: exporterGone}) })
		}
	}
	for _, s := range f.sites { // the cloud's own outage
		add(s, outage{from: ago(9 * time.Hour), to: ago(9*time.Hour - 25*time.Minute), service: "lwm2m", transport: "udp", kind: pathFails, reason: reason.Silent})
	}
	some(60, func(s *site) { // a company's inspection, for twenty minutes
		add(s, outage{from: ago(14 * time.Hour), to: ago(14*time.Hour - 20*time.Minute), service: "gateways", kind: pathFails, reason: reason.WrongIssuer})
	})
	some(5, func(s *site) { // down for four of every five minutes
		for m := range 36 {
			from := ago(4*time.Hour) + m*10
			add(s, outage{from: from, to: from + 8, service: "containers", kind: pathFails, reason: reason.Reset})
		}
	})
	some(12, func(s *site) { s.restarted = ago(2 * time.Hour) })
	return f
}

// part is a run of samples of a series, from one number to before the other.
type part struct {
	from, to int
	value    float64
	slope    float64 // added with each sample
	noise    float64 // the part of value that is random
}

// series is one series of a fleet. Its parts are in order and do not overlap.
type series struct {
	labels labels.Labels
	parts  []part
	every  int // there is a sample only at each multiple of this number; 0 is 1
}

// evaluationEvery is the number of samples of the exporters between two evaluations of the rules: a minute.
const evaluationEvery = 2

// series gives every series of the exporters and of the rules that a dashboard can ask for.
func (f *fleet) series() []series {
	all := slices.Concat(f.exposed(), f.recorded())
	for i, s := range all {
		if name := s.labels.Get(model.MetricNameLabel); strings.Contains(name, ":") || strings.HasPrefix(name, "ALERTS") {
			all[i].every = evaluationEvery
		}
	}
	return all
}

// exposed gives every series of the exporters that a dashboard or a rule can ask for.
func (f *fleet) exposed() []series {
	var out []series
	for _, s := range f.sites {
		out = append(out, f.ofSite(s)...)
	}
	return out
}

// edges are the samples at which something changes at the site, the first and the last included.
func (f *fleet) edges(s *site) []int {
	out := []int{0, f.samples, s.restarted, s.reloaded}
	for _, change := range s.addressChanges {
		out = append(out, change, change+int(5*time.Minute/scrapeInterval))
	}
	for _, x := range s.faults {
		out = append(out, x.from, x.to)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// active gives the first fault of the kinds at a sample for which the fault is also of the path or the resolver.
func (s *site) active(at int, service, transport, port, resolver string, kinds ...faultKind) (outage, bool) {
	matches := func(of, with string) bool { return of == "" || of == with }
	for _, x := range s.faults {
		if x.from <= at && at < x.to && slices.Contains(kinds, x.kind) && matches(x.service, service) && matches(x.transport, transport) &&
			matches(x.port, port) && matches(x.resolver, resolver) {
			return x, true
		}
	}
	return outage{}, false
}

func (s *site) silent(at int) bool {
	_, silent := s.active(at, "", "", "", "", exporterGone)
	return silent
}

// recorder collects the series of one site.
type recorder struct {
	site  *site
	edges []int
	out   []series
}

// add is a series whose value changes only at the edges; value returns false for a time without samples.
func (r *recorder) add(name string, value func(at int) (part, bool), more ...string) {
	s := series{labels: labels.FromStrings(slices.Concat([]string{model.MetricNameLabel, name}, r.site.labels, more)...)}
	for i := range len(r.edges) - 1 {
		from, to := r.edges[i], r.edges[i+1]
		if r.site.silent(from) {
			continue
		}
		p, ok := value(from)
		if !ok {
			continue
		}
		p.from, p.to = from, to
		if n := len(s.parts); n > 0 && s.parts[n-1].to == from && p.slope == 0 && s.parts[n-1].slope == 0 && s.parts[n-1].value == p.value {
			s.parts[n-1].to = to
			continue
		}
		s.parts = append(s.parts, p)
	}
	if len(s.parts) > 0 {
		r.out = append(r.out, s)
	}
}

// gauge is a series of constant values between the edges.
func (r *recorder) gauge(name string, value func(at int) (float64, bool), more ...string) {
	r.add(name, func(at int) (part, bool) { v, ok := value(at); return part{value: v}, ok }, more...)
}

// counter is a series that rises by rate with each sample.
func (r *recorder) counter(name string, rate func(at int) float64, more ...string) {
	total, last, slope := 0.0, 0, 0.0
	r.add(name, func(at int) (part, bool) {
		total += slope * float64(at-last)
		last, slope = at, rate(at)
		return part{value: total, slope: slope}, true
	}, more...)
}

func always(v float64) func(int) (float64, bool) {
	return func(int) (float64, bool) { return v, true }
}

func noisy(v, noise float64) func(int) (part, bool) {
	return func(int) (part, bool) { return part{value: v, noise: noise}, true }
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is the time of a sample in seconds.
func (f *fleet) unix(at int) float64 {
	return float64(f.end.Add(time.Duration(at-f.samples) * scrapeInterval).Unix())
}

func (f *fleet) ofSite(s *site) []series {
	r := &recorder{site: s, edges: f.edges(s)}
	for _, h := range catalogue {
		host := h.service + ".us-east-1.mbedcloud.com"
		target := []string{"service", h.service, "host", host}
		r.gauge("endpoint_up", func(at int) (float64, bool) {
			unknown := false
			for _, p := range h.paths {
				up, ok := s.pathUp(at, h.service, p)
				if up == 1 {
					return 1, true
				}
				unknown = unknown || !ok
			}
			return 0, !unknown
		}, target...)
		for _, p := range h.paths {
			f.path(r, h.service, host, h.device, p)
		}
		if h.device {
			r.gauge("endpoint_keepalive_seconds", always(540), target...)
		}
		r.gauge("endpoint_dns_authority_ttl_seconds", always(60), target...)
		r.gauge("endpoint_dns_authority_addresses", always(2), target...)
		r.add("endpoint_dns_authority_last_valid_timestamp_seconds",
			func(at int) (part, bool) { return part{value: f.unix(at), slope: scrapeInterval.Seconds()}, true }, target...)
		for _, resolver := range resolvers {
			f.resolver(r, h.service, host, resolver)
		}
	}
	f.exporter(r)
	return r.out
}

func (s *site) pathUp(at int, service string, p [2]string) (float64, bool) {
	x, failing := s.active(at, service, p[0], p[1], "", pathFails, pathCutOff)
	return oneIf(!failing), x.kind != pathCutOff
}

const inspection = "O=Corporate Security, CN=SSLInspect"

func (f *fleet) path(r *recorder, service, host string, device bool, p [2]string) {
	s, path := r.site, []string{"service", service, "host", host, "transport", p[0], "port", p[1]}
	with := func(more ...string) []string { return slices.Concat(path, more) }
	failing := func(at int) (outage, bool) {
		return s.active(at, service, p[0], p[1], "", pathFails, pathPartly, pathCutOff)
	}
	down := func(at int) bool { _, down := s.active(at, service, p[0], p[1], "", pathFails); return down }
	cut := func(at int) bool { _, cut := s.active(at, service, p[0], p[1], "", pathCutOff); return cut }
	intercepted := func(at int) bool {
		x, _ := s.active(at, service, p[0], p[1], "", pathFails)
		return x.reason.Class() == reason.Interception
	}
	handshake := func(at int) bool { return !cut(at) && (!down(at) || intercepted(at)) }

	r.gauge("endpoint_path_up", func(at int) (float64, bool) { return s.pathUp(at, service, p) }, path...)
	reasons := map[reason.Reason]bool{}
	for _, x := range s.faults {
		if x.reason != reason.OK {
			reasons[x.reason] = true
		}
	}
	for because := range reasons {
		r.gauge("endpoint_path_failure", func(at int) (float64, bool) {
			x, failing := failing(at)
			return map[faultKind]float64{pathFails: 2, pathPartly: 1, pathCutOff: 2}[x.kind], failing && x.reason == because
		}, with("reason", string(because), "class", string(because.Class()))...)
	}
	for i, result := range []string{"ok", "failed", "omitted"} {
		r.gauge("endpoint_path_addresses", func(at int) (float64, bool) {
			counts := [3]float64{2, 0, 0}
			if x, failing := failing(at); failing {
				counts = map[faultKind][3]float64{pathFails: {0, 2, 0}, pathPartly: {1, 1, 0}, pathCutOff: {0, 0, 2}}[x.kind]
			}
			return counts[i], true
		}, with("result", result)...)
	}
	r.counter("endpoint_path_attempts_total", func(at int) float64 { return oneIf(!down(at) && !cut(at)) }, with("result", "ok")...)
	r.counter("endpoint_path_attempts_total", func(at int) float64 { return oneIf(down(at)) }, with("result", "failed")...)
	r.gauge("endpoint_path_behind_nat", always(1), path...)
	if device {
		r.gauge("endpoint_path_finished", func(at int) (float64, bool) { return 1, handshake(at) }, path...)
		r.gauge("endpoint_path_unproven", func(at int) (float64, bool) {
			_, unproved := s.active(at, service, p[0], p[1], "", pathUnproved)
			return oneIf(unproved), handshake(at)
		}, path...)
		r.gauge("endpoint_coap_up", func(at int) (float64, bool) { return 1, handshake(at) }, path...)
	}
	phases := map[string]float64{"connect": 0.032, "hello": 0.041}
	if p[0] == "udp" {
		phases = map[string]float64{"hello": 0.071}
	}
	if device {
		phases["finish"], phases["ping"] = 0.038, 0.031
	}
	for phase, duration := range phases {
		r.add("endpoint_path_duration_seconds", func(at int) (part, bool) { return part{value: duration, noise: 0.2}, handshake(at) }, with("phase", phase)...)
	}
	for i, le := range []string{"0.01", "0.025", "0.05", "0.1", "0.2", "0.4", "0.8", "1.6", "3.2", "6.4", "12.8", "+Inf"} {
		r.counter("endpoint_handshake_duration_seconds_bucket", func(at int) float64 { return oneIf(handshake(at) && i > 2) }, with("le", le)...)
	}
	if p[0] == "udp" {
		r.add("endpoint_path_first_reply_seconds", noisy(0.033, 0.1), path...)
		r.gauge("endpoint_udp_retransmissions", func(at int) (float64, bool) { return 0, !cut(at) }, path...)
	} else {
		r.add("endpoint_tcp_rtt_seconds", noisy(0.031, 0.1), path...)
	}

	authority := "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM LwM2M CA"
	switch {
	case service == "bootstrap":
		authority = "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM Bootstrap CA"
	case !device:
		authority = "C=US, O=Amazon, CN=Amazon RSA 2048 M03"
	}
	r.gauge("endpoint_tls_authentic", func(at int) (float64, bool) { return oneIf(!intercepted(at)), handshake(at) }, path...)
	for i, issuer := range []string{authority, inspection} {
		r.gauge("endpoint_tls_issuer_info", func(at int) (float64, bool) { return 1, handshake(at) && intercepted(at) == (i == 1) },
			with("issuer", issuer, "subject", "CN="+host, "public_key_sha256", fmt.Sprintf("%064x", fnvOf(host+issuer)))...)
	}
	end := f.unix(0) + 240*86400
	if service == "containers" {
		end = f.unix(0) + 8*86400 // overdue
	}
	authentic := func(at int) bool { return handshake(at) && !intercepted(at) }
	r.gauge("endpoint_tls_not_before_timestamp_seconds", func(at int) (float64, bool) { return f.unix(0) - 40*86400, handshake(at) }, path...)
	r.gauge("endpoint_tls_not_after_timestamp_seconds", func(at int) (float64, bool) { return end, handshake(at) }, path...)
	r.gauge("endpoint:tls_authentic:not_before", func(at int) (float64, bool) { return f.unix(0) - 40*86400, authentic(at) }, path...)
	r.gauge("endpoint:tls_authentic:not_after", func(at int) (float64, bool) { return end, authentic(at) }, path...)
	version := map[string]string{"tcp": "TLS 1.2", "udp": "DTLS 1.2"}[p[0]]
	info := []string{"version", version, "cipher", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "client", "device"}
	if !device {
		info = []string{"version", "TLS 1.3", "cipher", "TLS_AES_128_GCM_SHA256", "client", "web"}
	}
	r.gauge("endpoint_tls_info", func(at int) (float64, bool) { return 1, handshake(at) }, with(info...)...)
	r.gauge("endpoint_tls_client_certificate_requested", func(at int) (float64, bool) { return oneIf(device), handshake(at) }, path...)
	r.gauge("endpoint_tls_server_flight_bytes", func(at int) (float64, bool) { return 1184, handshake(at) && device }, path...)
	if device {
		r.add("endpoint_idle_last_round_timestamp_seconds",
			func(at int) (part, bool) { return part{value: f.unix(at) - 900, slope: scrapeInterval.Seconds()}, true }, path...)
		if s.idleLost {
			r.gauge("endpoint_idle_survived_seconds", always(240), path...)
			r.gauge("endpoint_idle_lost_seconds", always(300), path...)
		} else {
			r.gauge("endpoint_idle_survived_seconds", always(720), path...)
		}
	}
}

func (f *fleet) resolver(r *recorder, service, host, resolver string) {
	s, of := r.site, []string{"service", service, "host", host, "resolver", resolver}
	with := func(more ...string) []string { return slices.Concat(of, more) }
	is := func(at int, kind faultKind) bool { _, is := s.active(at, service, "", "", resolver, kind); return is }
	r.gauge("endpoint_dns_up", func(at int) (float64, bool) { return oneIf(!is(at, resolverFails)), true }, of...)
	r.gauge("endpoint_dns_failure", func(at int) (float64, bool) { return 1, is(at, resolverFails) }, with("reason", "servfail")...)
	r.gauge("endpoint_dns_family_failure", func(at int) (float64, bool) { return 1, is(at, familyFails) }, with("family", "ipv6", "reason", "servfail")...)
	r.add("endpoint_dns_lookup_duration_seconds", noisy(0.004, 0.5), of...)
	r.add("endpoint_dns_ttl_seconds", func(at int) (part, bool) { return part{value: 40, noise: 0.5}, !is(at, resolverFails) }, of...)
	for i, family := range []string{"ipv4", "ipv6"} {
		r.gauge("endpoint_dns_addresses", func(at int) (float64, bool) { return 2 * oneIf(i == 0), !is(at, resolverFails) }, with("family", family)...)
	}
	for i := range 2 {
		moved := func(at int) bool { return len(s.addressChanges) > 0 && at >= s.addressChanges[0] }
		for j, block := range []string{"192.0.2.", "198.51.100."} {
			r.gauge("endpoint_dns_address_info", func(at int) (float64, bool) { return 1, !is(at, resolverFails) && moved(at) == (j == 1) },
				with("address", block+strconv.Itoa(10+i))...)
		}
	}
	r.gauge("endpoint_dns_address_changes_total", func(at int) (float64, bool) {
		changes := 0.0
		for _, change := range s.addressChanges {
			changes += 2 * oneIf(at >= change)
		}
		return changes, true
	}, of...)
	r.gauge("endpoint_dns_last_change_timestamp_seconds", func(at int) (float64, bool) {
		if len(s.addressChanges) == 0 || at < s.addressChanges[0] {
			return 0, false
		}
		return f.unix(s.addressChanges[0]), true
	}, of...)
	r.gauge("endpoint_dns_stale", func(at int) (float64, bool) { return oneIf(is(at, resolverStale)), true }, of...)
	for _, verdict := range []string{"ok", "stale", "suspect", "unknown"} {
		r.gauge("endpoint_dns_verdict", func(at int) (float64, bool) {
			now := "ok"
			if is(at, resolverStale) {
				now = "stale"
			} else if _, blocked := s.active(at, "", "", "", "", port53Blocked); blocked {
				now = "unknown"
			}
			return oneIf(now == verdict), true
		}, with("verdict", verdict)...)
	}
	for _, evidence := range []string{"ede_stale", "stale_first", "ttl_frozen", "ttl_inflated", "view_unproven", "withdrawn_address"} {
		r.counter("endpoint_dns_evidence_total", func(at int) float64 { return 0.1 * oneIf(evidence == "ttl_frozen" && is(at, resolverStale)) }, with("evidence", evidence)...)
	}
	r.gauge("endpoint_dns_ttl_excess_seconds", func(at int) (float64, bool) { return 240 * oneIf(is(at, resolverStale)), true }, of...)
	r.gauge("endpoint_dns_staleness_seconds", func(at int) (float64, bool) { return 213 * oneIf(is(at, resolverStale)), true }, of...)
	r.gauge("endpoint_dns_withdrawn_addresses", always(0), of...)
}

func (f *fleet) exporter(r *recorder) {
	s := r.site
	is := func(at int, kind faultKind) bool { _, is := s.active(at, "", "", "", "", kind); return is }
	cut := func(at int) bool {
		return slices.ContainsFunc(s.faults, func(x outage) bool { return x.kind == pathCutOff && x.from <= at && at < x.to })
	}
	for _, state := range []string{"ok", "blocked", "intercepted", "not_authoritative"} {
		r.gauge("endpoint_dns_authority_path", func(at int) (float64, bool) {
			now := "ok"
			if is(at, port53Blocked) {
				now = "blocked"
			}
			return oneIf(now == state), true
		}, "state", state)
	}
	for _, leg := range []string{"resolver", "authority"} {
		for _, rcode := range []string{"noerror", "nxdomain", "servfail", "refused", "formerr", "notimp", "other", "timeout"} {
			r.counter("endpoint_dns_queries_total", func(int) float64 { return 28 * oneIf(rcode == "noerror") }, "leg", leg, "rcode", rcode)
		}
	}
	r.add("endpoint_survey_duration_seconds", noisy(0.21+0.001*float64(s.number%50), 0.3))
	r.add("endpoint_survey_last_timestamp_seconds",
		func(at int) (part, bool) { return part{value: f.unix(at) - 0.2, slope: scrapeInterval.Seconds()}, true })
	r.gauge("endpoint_survey_incomplete_paths", func(at int) (float64, bool) { return oneIf(cut(at)), true })
	r.gauge("endpoint_exporter_config_last_reload_successful", func(int) (float64, bool) { return oneIf(s.number != 44), true })
	r.gauge("endpoint_exporter_config_last_reload_success_timestamp_seconds",
		func(at int) (float64, bool) {
			if at >= s.reloaded {
				return f.unix(s.reloaded), true
			}
			return f.unix(0) - 3*86400, true
		})
	r.gauge("endpoint_exporter_build_info", always(1), "version", "0.1.0", "revision", "73262e1c2d0b4d1f9a1bb2e5d9c44e7a32b7f0aa", "branch", "main",
		"goversion", "go1.26.8", "goos", "linux", "goarch", []string{"amd64", "arm64"}[s.number%2], "tags", "unknown")
	r.gauge("up", always(1))
	r.add("scrape_duration_seconds", noisy(0.25, 0.2))
	r.add("process_resident_memory_bytes", noisy(31e6, 0.05))
	r.counter("process_cpu_seconds_total", func(int) float64 { return 0.04 })
	r.gauge("process_open_fds", always(24))
	r.gauge("process_max_fds", always(1024))
	r.gauge("process_start_time_seconds", func(at int) (float64, bool) {
		if s.restarted > 0 && at >= s.restarted {
			return f.unix(s.restarted), true
		}
		return f.unix(0) - 9*86400, true
	})
	r.add("go_goroutines", noisy(31, 0.2))
}

// condition is a fault that the rules record.
type condition struct {
	site     *site
	from, to int
	name     string
	labels   []string // besides those of the target
}

// conditions gives the faults of a site as the rules record them: with the time that each condition waits for.
func (f *fleet) conditions(s *site) []condition {
	var out []condition
	for _, h := range catalogue {
		for _, p := range h.paths {
			if s.idleLost && h.device && p[0] == "tcp" {
				out = append(out, condition{s, 0, f.samples, "EndpointIdleTimeShorterThanKeepalive",
					[]string{"service", h.service, "host", h.service + ".us-east-1.mbedcloud.com", "transport", p[0], "port", p[1]}})
			}
		}
	}
	for _, x := range s.faults {
		add := func(wait time.Duration, name string, more ...string) {
			if from := x.from + int(wait/scrapeInterval); from < x.to {
				out = append(out, condition{s, from, x.to, name, more})
			}
		}
		if x.kind == exporterGone {
			add(5*time.Minute, "EndpointSiteSilent")
		}
		if x.kind == port53Blocked {
			add(time.Hour, "EndpointStalenessUnwatched")
		}
		if x.kind == pathCutOff {
			add(10*time.Minute, "EndpointSurveyIncomplete")
		}
		for _, h := range catalogue {
			if x.service != "" && x.service != h.service {
				continue
			}
			host := []string{"service", h.service, "host", h.service + ".us-east-1.mbedcloud.com"}
			var hit [][2]string
			for _, p := range h.paths {
				if (x.transport == "" || x.transport == p[0]) && (x.port == "" || x.port == p[1]) {
					hit = append(hit, p)
				}
			}
			eachPath := func(wait time.Duration, name string) {
				for _, p := range hit {
					add(wait, name, slices.Concat(host, []string{"transport", p[0], "port", p[1]})...)
				}
			}
			switch {
			case x.kind == resolverStale:
				add(0, "EndpointDnsStale", append(host, "resolver", x.resolver)...)
			case x.kind == resolverFails:
				add(10*time.Minute, "EndpointResolverFails", append(host, "resolver", x.resolver)...)
			case x.kind == pathPartly:
				eachPath(8*time.Minute, "EndpointAddressFails")
			case x.kind == pathUnproved:
				eachPath(10*time.Minute, "EndpointPathUnproven")
			case x.kind == pathCutOff:
				add(10*time.Minute, "EndpointHostWithoutVerdict", host...)
			case x.kind == pathFails && x.reason.Class() == reason.Interception && len(hit) > 0:
				add(150*time.Second, "EndpointIntercepted", host...)
			case x.kind == pathFails && len(hit) == len(h.paths):
				add(150*time.Second, "EndpointUnreachable", host...)
			case x.kind == pathFails:
				eachPath(10*time.Minute, "EndpointPathBlocked")
			}
		}
	}
	return out
}

// incidentSites is the number of sites that makes an incident: a fault of the simulated fleet begins at all its sites
// together.
const incidentSites = 2

// critical has the faults that page. The others are warnings.
var critical = map[string]bool{"EndpointIntercepted": true, "EndpointUnreachable": true, "EndpointDnsStale": true}

// recorded gives what the rules record that the dashboards ask for, and the alerts that fire: those of the fleet for
// faults at two sites or more.
func (f *fleet) recorded() []series {
	var out []series
	record := func(name string, parts []part, more ...string) {
		out = append(out, series{labels: labels.FromStrings(append([]string{model.MetricNameLabel, name}, more...)...), parts: parts})
	}
	for name, value := range map[string]float64{
		"rounds": 2, "certificate_remaining_ratio": 0.2, "certificate_remaining_seconds": 30 * 86400, "records_excess_seconds": 60,
	} {
		record("endpoint:threshold:"+name, []part{{from: 0, to: f.samples, value: value}})
	}
	sitesOf, first := map[string]map[*site]bool{}, map[string]condition{}
	// Faults that begin within an hour are one incident.
	key := func(c condition) string { return fmt.Sprint(c.name, c.labels, c.from/int(time.Hour/scrapeInterval)) }
	var all []condition
	for _, s := range f.sites {
		for _, c := range f.conditions(s) {
			all = append(all, c)
			if sitesOf[key(c)] == nil {
				sitesOf[key(c)], first[key(c)] = map[*site]bool{}, c
			}
			sitesOf[key(c)][s] = true
		}
	}
	slices.SortStableFunc(all, func(a, b condition) int { return a.from - b.from })
	merged := map[string]*series{} // faults that overlap are one series
	merge := func(p part, more ...string) {
		l := labels.FromStrings(more...)
		s := merged[l.String()]
		if s == nil {
			s = &series{labels: l}
			merged[l.String()] = s
		}
		if n := len(s.parts); n > 0 && p.from <= s.parts[n-1].to {
			s.parts[n-1].to = max(s.parts[n-1].to, p.to)
			return
		}
		s.parts = append(s.parts, p)
	}
	firing := func(c condition, name, severity, scope string, more ...string) {
		common := slices.Concat(more, []string{"alertname", name, "severity", severity, "scope", scope})
		merge(part{from: c.from, to: c.to, value: f.unix(c.from)}, append([]string{model.MetricNameLabel, "ALERTS_FOR_STATE"}, common...)...)
		merge(part{from: min(c.from+4, c.to-1), to: c.to, value: 1}, append([]string{model.MetricNameLabel, "ALERTS", "alertstate", "firing"}, common...)...)
	}
	for _, c := range all {
		target := c.site.labels
		if c.name == "EndpointSiteSilent" {
			target = c.site.labels[2:4] // the rules know the site only
		}
		merge(part{from: c.from, to: c.to}, slices.Concat([]string{model.MetricNameLabel, "endpoint:fault", "fault", c.name}, target, c.labels)...)
		merge(part{from: c.from, to: c.to, value: 1}, slices.Concat([]string{model.MetricNameLabel, "endpoint:site:fault", "fault", c.name}, c.site.labels[2:4])...)
		merge(part{from: c.from, to: c.to, value: f.unix(c.from)},
			slices.Concat([]string{model.MetricNameLabel, "endpoint:fault:since", "fault", c.name}, c.site.labels[2:4], c.labels[:min(len(c.labels), 4)])...)
		if len(sitesOf[key(c)]) >= incidentSites {
			merge(part{from: c.from, to: c.to, value: f.unix(first[key(c)].from)},
				slices.Concat([]string{model.MetricNameLabel, "endpoint:incident:member", "fault", c.name}, c.site.labels[2:4], c.labels[:min(len(c.labels), 4)])...)
		}
		severity := map[bool]string{true: "critical", false: "warning"}[critical[c.name]]
		switch sites := len(sitesOf[key(c)]); {
		case sites < incidentSites:
			firing(c, c.name, severity, "site", slices.Concat(target, c.labels)...)
		case first[key(c)].site != c.site:
		case severity == "critical" || c.name == "EndpointSiteSilent":
			firing(c, c.name+"AtManySites", severity, "fleet", c.labels...)
		default:
			firing(c, "EndpointWarningAtManySites", severity, "fleet", append(c.labels, "fault", c.name)...)
		}
	}
	for _, s := range merged {
		out = append(out, *s)
	}
	for _, s := range f.sites {
		r := &recorder{site: s, edges: f.edges(s)}
		for _, h := range catalogue {
			for _, p := range h.paths {
				f.recordedPath(r, h.service, p)
			}
			for _, resolver := range resolvers {
				r.gauge("endpoint:dns_address_changes:increase5m", func(at int) (float64, bool) { return 2, slices.Contains(s.addressChanges, at) },
					"service", h.service, "host", h.service+".us-east-1.mbedcloud.com", "resolver", resolver)
			}
		}
		out = append(out, r.out...)
	}
	return out
}

// recordedPath gives what the rules record of one path.
func (f *fleet) recordedPath(r *recorder, service string, p [2]string) {
	s, host := r.site, service+".us-east-1.mbedcloud.com"
	path := []string{"service", service, "host", host, "transport", p[0], "port", p[1]}
	r.gauge("endpoint:path_state", func(at int) (float64, bool) {
		x, failing := s.active(at, service, p[0], p[1], "", pathFails, pathPartly, pathCutOff)
		if x.kind == pathPartly {
			return 2, failing
		}
		if x.kind == pathCutOff {
			return 4, failing
		}
		return 3 * oneIf(x.reason.Class() == reason.Interception), failing
	}, path...)
	r.gauge("endpoint:issuer:not_authentic", func(at int) (float64, bool) {
		x, down := s.active(at, service, p[0], p[1], "", pathFails)
		return 1, down && x.reason.Class() == reason.Interception
	}, slices.Concat(path, []string{"issuer", inspection, "subject", "CN=" + host, "public_key_sha256", fmt.Sprintf("%064x", fnvOf(host+inspection))})...)
}

func fnvOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

// at is the value of a sample.
func (p part) at(i int, random func() float64) float64 {
	v := p.value + p.slope*float64(i-p.from)
	if p.noise > 0 {
		v *= 1 + p.noise*(random()-0.5)
		digits := math.Pow(10, 3-math.Ceil(math.Log10(math.Abs(p.value)))) // three digits, as a clock of milliseconds has
		v = math.Round(v*digits) / digits
	}
	return v
}
