// Package collector turns a survey's report into Prometheus metrics. It is the only package that knows Prometheus.
//
// metrics.go has every metric's name, help text, type and labels. The reference in docs/metrics.md, the dashboards and
// the tests read them with [Metrics].
//
// [New] collects the series of one report into an [Exposition], which writes them in the text format or gives them to
// client_golang's encoders. [Histograms] keeps what must last from round to round, and [Reloads] the result of the last
// reload of the configuration.
//
// # Rules
//
//   - What is not known has no series: a phase that did not run, a verdict that the deadline cut off, a counter that
//     could not be read in time. A counter that fell to 0 for one round would look like a restart.
//   - Each series appears at most once, whatever the report contains. No registry checks that; the tests do.
//   - Every label value is valid UTF-8 of at most 200 bytes (measurement.Text).
package collector

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Options selects what a collector shows of a report.
type Options struct {
	// MaxAddresses is how many of the addresses that a resolver gave for a host have a series; 0: none.
	MaxAddresses int
	// Histograms, if not nil, adds the histograms of the report's paths.
	Histograms *Histograms
}

// New collects the series of a report.
func New(rep *report.Report, options Options) *Exposition {
	s := &series{options: options, out: newExposition(rep)}
	s.survey(rep)
	shown := make(map[[2]string]bool, len(rep.Hosts))
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		target := [2]string{measurement.Text(h.Endpoint.Service), measurement.Text(h.Endpoint.Host)}
		if !shown[target] {
			shown[target] = true
			s.host(&subject{target[:]}, h)
		}
	}
	return s.out
}

// ExporterMetrics lists the metrics that describe the exporter as a whole: the scrape of one host at /probe does not
// have them, and a scrape with collect[]=exporter has no others of the table.
func ExporterMetrics() []string {
	var out []string
	for _, n := range []name{reloadSuccessful, reloadTime, buildInfo, dnsAuthorityPath, dnsQueries} {
		out = append(out, table[n].Name)
	}
	return out
}

// series collects the series of one report.
type series struct {
	out     *Exposition
	options Options
}

// add adds one series: a metric's value for a target, a path or a resolver (of), with the values of further labels.
func (s *series) add(n name, value float64, of *subject, more ...string) {
	s.out.add(n, value, of, more)
}

// seconds adds a duration, unless it is zero, which means "not known".
func (s *series) seconds(n name, d time.Duration, of *subject) {
	if d > 0 {
		s.add(n, d.Seconds(), of)
	}
}

// at adds a time, unless it is zero, which means "not known".
func (s *series) at(n name, t time.Time, of *subject) {
	if !t.IsZero() {
		s.add(n, unix(t), of)
	}
}

// oneOf adds a series for each value of a metric's last label: 1 for the current one, 0 for the others. If current is
// empty, it adds none.
func (s *series) oneOf(n name, current string, of *subject) {
	if current == "" {
		return
	}
	labels := table[n].Labels
	for _, v := range table[n].Values[labels[len(labels)-1]] {
		s.add(n, number(v == current), of, v)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time in seconds, to the millisecond.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// survey adds the series about the round itself.
func (s *series) survey(r *report.Report) {
	round := new(subject)
	if !r.Started.IsZero() && !r.Finished.IsZero() {
		s.add(surveyDuration, max(0, r.Finished.Sub(r.Started).Seconds()), round)
	}
	s.at(surveyLast, r.Finished, round)
	if !r.Finished.IsZero() { // a report without a round has no paths
		s.add(surveyIncomplete, float64(r.IncompletePaths), round)
	}
	s.oneOf(dnsAuthorityPath, string(r.AuthorityPath), round)
	s.queries(round, r.Queries)
}

// host adds the series of one endpoint.
func (s *series) host(target *subject, h *report.Host) {
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
			s.resolver(target.with(measurement.Text(r.Lookup.Resolver.String())), r, h.Zone.Known)
		}
	}
	paths := make(map[measurement.Path]bool, len(h.Paths))
	for i := range h.Paths {
		p := &h.Paths[i]
		if !paths[p.Path] {
			paths[p.Path] = true
			s.path(target.with(measurement.Text(string(p.Transport)), strconv.Itoa(int(p.Port))), p)
		}
	}
}
