// Package collector turns a survey's report into Prometheus metrics. It is the only package that knows Prometheus.
//
// metrics.go has every metric's name, help text, type and labels. The reference in docs/metrics.md, the dashboards and
// the tests read them with [Metrics].
//
// [New] makes a collector of one report. [Histograms] keeps what must last from round to round, and [Reloads] the
// result of the last reload of the configuration.
//
// # Rules
//
//   - What is not known has no series: a phase that did not run, a verdict that the deadline cut off, a counter that
//     could not be read in time. A counter that fell to 0 for one round would look like a restart.
//   - Each series appears at most once, whatever the report contains.
//   - Every label value is valid UTF-8 of at most 200 bytes (measurement.Text).
package collector

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// defaultMaxAddresses is the default of survey.max_addresses.
const defaultMaxAddresses = 8

// Options selects what a collector shows of a report.
type Options struct {
	// Addresses adds one series for each address that a resolver gave.
	Addresses bool
	// MaxAddresses bounds these per host and resolver: survey.max_addresses; 0 means its default.
	MaxAddresses int
	// Histograms, if not nil, adds the histograms of the report's paths.
	Histograms *Histograms
}

// New makes a collector of one report. It is immutable, like its report, and safe for concurrent use.
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

// aboutExporter are the metrics that are not about a report.
var aboutExporter = []name{reloadSuccessful, reloadTime, buildInfo}

// ExporterMetrics lists the metrics that describe the exporter as a whole: the scrape of one host at /probe does not have
// them, and a scrape with collect[]=exporter has no others of the table.
func ExporterMetrics() []string {
	var out []string
	for _, n := range append(slices.Clone(aboutExporter), dnsAuthorityPath, dnsQueries) {
		out = append(out, table[n].Name)
	}
	return out
}

// Describe implements [prometheus.Collector].
func (c *reportCollector) Describe(ch chan<- *prometheus.Desc) {
	for n, desc := range descs {
		if !slices.Contains(aboutExporter, name(n)) {
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

// series sends the series of one report.
type series struct {
	out     chan<- prometheus.Metric
	options Options
	values  []string // label values of the series that is being sent; reused
}

// add sends one series: a metric's value for a target, a path or a resolver (of), with the values of further labels.
func (s *series) add(n name, value float64, of []string, more ...string) {
	s.values = append(append(s.values[:0], of...), more...)
	s.out <- constant(n, value, s.values...)
}

// seconds sends a duration, unless it is zero, which means "not known".
func (s *series) seconds(n name, d time.Duration, of []string) {
	if d > 0 {
		s.add(n, d.Seconds(), of)
	}
}

// at sends a time, unless it is zero, which means "not known".
func (s *series) at(n name, t time.Time, of []string) {
	if !t.IsZero() {
		s.add(n, unix(t), of)
	}
}

// oneOf sends a series for each value of a metric's last label: 1 for the current one, 0 for the others. If current is
// empty, it sends none.
func (s *series) oneOf(n name, current string, of []string) {
	if current == "" {
		return
	}
	labels := table[n].Labels
	for _, v := range table[n].Values[labels[len(labels)-1]] {
		s.add(n, number(v == current), of, v)
	}
}

// constant is one sample. Label values that client_golang rejects become an error of the scrape, not a panic.
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

// survey sends the series about the round itself.
func (s *series) survey(r *report.Report) {
	if !r.Started.IsZero() && !r.Finished.IsZero() {
		s.add(surveyDuration, max(0, r.Finished.Sub(r.Started).Seconds()), nil)
	}
	s.at(surveyLast, r.Finished, nil)
	if !r.Finished.IsZero() { // a report without a round has no paths
		s.add(surveyIncomplete, float64(r.IncompletePaths), nil)
	}
	s.oneOf(dnsAuthorityPath, string(r.AuthorityPath), nil)
	s.queries(r.Queries)
}

// host sends the series of one endpoint.
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
	paths := make(map[measurement.Path]bool, len(h.Paths))
	for i := range h.Paths {
		p := &h.Paths[i]
		if !paths[p.Path] {
			paths[p.Path] = true
			s.path(with(target, measurement.Text(string(p.Transport)), strconv.Itoa(int(p.Port))), p)
		}
	}
}
