// Package collector turns a survey's report into Prometheus metrics. It is the only package that knows Prometheus.
//
// metrics.go holds every metric's name, help text, type and labels; [Metrics] gives them to whoever has to name one (the
// reference in docs/metrics.md, the dashboards' generator, tests).
//
// [New] shows one report. What is kept from round to round beside the survey's own counters is in [Histograms], what
// became of the configuration in [Reloads].
//
// # Rules
//
//   - What is not known has no series: a phase that did not run, a verdict that the deadline cut off, a counter that could
//     not be read in time. A counter that fell to 0 for one round would be read as a restart.
//   - A series is there at most once, whatever the report holds.
//   - Every label's value is valid UTF-8 of at most 200 bytes (measurement.Text).
package collector

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// defaultMaxAddresses is survey.max_addresses where the configuration says nothing.
const defaultMaxAddresses = 8

// Options say what of a report is shown.
type Options struct {
	// Addresses shows each address that a resolver gave in a series of its own.
	Addresses bool
	// MaxAddresses bounds these per host and resolver: survey.max_addresses; 0 is its default.
	MaxAddresses int
	// Histograms, if given, adds those of the report's paths.
	Histograms *Histograms
}

// New shows one report. The collector is immutable like its report and safe for concurrent use.
func New(rep *report.Report, options Options) prometheus.Collector {
	if options.MaxAddresses <= 0 {
		options.MaxAddresses = defaultMaxAddresses
	}
	return &reportCollector{report: rep, options: options}
}

type reportCollector struct {
	report  *report.Report
	options Options
}

// Describe implements [prometheus.Collector].
func (c *reportCollector) Describe(ch chan<- *prometheus.Desc) {
	for n, desc := range descs {
		switch name(n) {
		case reloadSuccessful, reloadTime, buildInfo: // of the exporter, not of a report
		default:
			ch <- desc
		}
	}
}

// Collect implements [prometheus.Collector].
func (c *reportCollector) Collect(ch chan<- prometheus.Metric) {
	s := &series{out: ch, options: c.options}
	s.survey(c.report)
	shown := make(map[[2]string]bool, len(c.report.Hosts))
	for i := range c.report.Hosts {
		h := &c.report.Hosts[i]
		target := [2]string{measurement.Text(h.Endpoint.Service), measurement.Text(h.Endpoint.Host)}
		if !shown[target] {
			shown[target] = true
			s.host(target[:], h)
		}
	}
}

// series makes the series of one report.
type series struct {
	out     chan<- prometheus.Metric
	options Options
	values  []string // of the labels of the series being made
}

// add makes one series: the value of a metric for a target, a path or a resolver, and further labels.
func (s *series) add(n name, value float64, of []string, more ...string) {
	s.values = append(append(s.values[:0], of...), more...)
	s.out <- constant(n, value, s.values...)
}

// seconds makes a series of a duration, unless it is zero, which is "not known".
func (s *series) seconds(n name, d time.Duration, of []string) {
	if d > 0 {
		s.add(n, d.Seconds(), of)
	}
}

// at makes a series of a time, unless it is zero, which is "not known".
func (s *series) at(n name, t time.Time, of []string) {
	if !t.IsZero() {
		s.add(n, unix(t), of)
	}
}

// oneOf makes a series for each value of a metric's last label: 1 for the one that holds, 0 for the others. There are
// none if nothing holds.
func (s *series) oneOf(n name, holds string, of []string) {
	if holds == "" {
		return
	}
	labels := table[n].Labels
	for _, v := range table[n].Values[labels[len(labels)-1]] {
		s.add(n, number(v == holds), of, v)
	}
}

// constant is one sample. Label values that client_golang refuses become an error of the scrape, not a panic.
func constant(n name, value float64, labels ...string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if table[n].Type == Counter {
		kind = prometheus.CounterValue
	}
	m, err := prometheus.NewConstMetric(descs[n], kind, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(descs[n], err)
	}
	return m
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time in seconds, to the millisecond.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// survey makes the series of the round itself.
func (s *series) survey(r *report.Report) {
	if !r.Started.IsZero() && !r.Finished.IsZero() {
		s.add(surveyDuration, max(0, r.Finished.Sub(r.Started).Seconds()), nil)
	}
	s.at(surveyLast, r.Finished, nil)
	s.add(surveyIncomplete, float64(r.IncompletePaths), nil)
	s.oneOf(dnsAuthorityPath, string(r.AuthorityPath), nil)
	s.queries(r.Queries)
}

// host makes the series of one endpoint.
func (s *series) host(target []string, h *report.Host) {
	if h.Known {
		s.add(up, number(h.Up), target)
	}
	s.seconds(keepalive, h.Endpoint.Keepalive, target)
	s.authority(target, &h.Zone)
	resolvers := make(map[netip.AddrPort]bool, len(h.Resolvers))
	for i := range h.Resolvers {
		r := &h.Resolvers[i]
		if !resolvers[r.Lookup.Resolver] {
			resolvers[r.Lookup.Resolver] = true
			s.resolver(with(target, measurement.Text(r.Lookup.Resolver.String())), r, h.Zone.Known)
		}
	}
	type way struct {
		transport measurement.Transport
		port      uint16
	}
	paths := make(map[way]bool, len(h.Paths))
	for i := range h.Paths {
		p := &h.Paths[i]
		w := way{p.Transport, p.Port}
		if !paths[w] {
			paths[w] = true
			s.path(with(target, measurement.Text(string(p.Transport)), strconv.Itoa(int(p.Port))), p)
		}
	}
}
