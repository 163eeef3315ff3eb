package collector

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// sums are the histograms' counts and sums in a scrape of a report.
func sums(t *testing.T, report *survey.Report, h *Histograms) (out []string) {
	t.Helper()
	for _, line := range samples(expose(t, New(report, Options{Histograms: h}))) {
		if strings.HasPrefix(line, "endpoint_handshake_duration_seconds_count") || strings.HasPrefix(line, "endpoint_handshake_duration_seconds_sum") {
			out = append(out, strings.TrimPrefix(line, "endpoint_handshake_duration_seconds_"))
		}
	}
	slices.Sort(out)
	return out
}

// reportOf is a round of one host.
func reportOf(host string, paths ...survey.Path) *survey.Report {
	e := endpoint("s", host, evidence.Device)
	for _, p := range paths {
		e.Paths = append(e.Paths, catalogue.Path{Transport: p.Transport, Port: p.Port})
	}
	return &survey.Report{Started: noon, Finished: noon, Hosts: []survey.Host{{Endpoint: e, Paths: paths}}}
}

func TestHistogramsObserveTheFirstHandshake(t *testing.T) {
	slow := goodWalk(evidence.TCP, cloud4b, 1)
	slow.Outcome.Times = times(evidence.TCP, 100*ms, 100*ms)
	report := reportOf("h", path(tcp(1), 1, 0, goodWalk(evidence.TCP, cloud4, 1), slow), path(udp(1), 1, 0, goodWalk(evidence.UDP, cloud4, 1)))
	h := histogramsOf(report)
	h.Observe(report)
	want(t, sums(t, report, h),
		`count{host="h",port="1",service="s",transport="tcp"} 2`, `count{host="h",port="1",service="s",transport="udp"} 2`,
		`sum{host="h",port="1",service="s",transport="tcp"} 0.07`, `sum{host="h",port="1",service="s",transport="udp"} 0.064`)
}

func TestHistogramsPassOverWhatIsNoHandshake(t *testing.T) {
	withdrawn := goodWalk(evidence.TCP, moved, 1)
	withdrawn.Withdrawn = true
	for name, p := range map[string]survey.Path{
		"no hello":   path(tcp(1), 1, 0, badWalk(evidence.TCP, cloud4, 1, evidence.Silent, diagnose.Silent, 5*ms)),
		"no address": emptyPath(tcp(1), diagnose.DNSFailed),
		"withdrawn":  path(tcp(1), 1, 0, withdrawn, goodWalk(evidence.TCP, cloud4, 1)),
	} {
		report := reportOf("h", p)
		t.Run(name, func(t *testing.T) {
			want(t, sums(t, report, histogramsOf(report)),
				`count{host="h",port="1",service="s",transport="tcp"} 0`, `sum{host="h",port="1",service="s",transport="tcp"} 0`)
		})
	}
}

func TestHistogramsHoldWhatIsKept(t *testing.T) {
	a := reportOf("a", path(tcp(1), 1, 0, goodWalk(evidence.TCP, cloud4, 1)))
	b := reportOf("b", path(tcp(1), 1, 0, goodWalk(evidence.TCP, cloud4, 1)))
	h := NewHistograms()
	h.Observe(a)
	want(t, sums(t, a, h)) // nothing is kept yet: a stranger asked of /probe
	h.Keep(append(endpointsOf(a), endpointsOf(b)...))
	h.Observe(a)
	h.Observe(b)
	h.Keep(endpointsOf(a)) // what stays goes on
	want(t, sums(t, a, h), `count{host="a",port="1",service="s",transport="tcp"} 1`, `sum{host="a",port="1",service="s",transport="tcp"} 0.035`)
	h.Observe(b) // a round that ran while b was let go
	want(t, sums(t, b, h))
	h.Keep(endpointsOf(b)) // begins anew
	want(t, sums(t, b, h), `count{host="b",port="1",service="s",transport="tcp"} 0`, `sum{host="b",port="1",service="s",transport="tcp"} 0`)
	want(t, sums(t, a, h))
}

func TestHistogramsAreNativeToo(t *testing.T) {
	report := reportOf("h", path(tcp(1), 1, 0, goodWalk(evidence.TCP, cloud4, 1)))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(New(report, Options{Histograms: histogramsOf(report)}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "endpoint_handshake_duration_seconds" {
			got := f.GetMetric()[0].GetHistogram()
			if got.Schema == nil || len(got.GetPositiveSpan()) == 0 || len(got.GetBucket()) != len(handshakeBuckets) {
				t.Errorf("native schema %v, spans %v; %d classic buckets", got.Schema, got.GetPositiveSpan(), len(got.GetBucket()))
			}
			return
		}
	}
	t.Error("no histogram")
}

// Scrapes, rounds and reloads come at the same time; the race detector watches.
func TestHistogramsAreSafeForConcurrentUse(t *testing.T) {
	h := NewHistograms()
	reports := []*survey.Report{healthyReport(), sickReport()}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			report := reports[i%2]
			for range 20 {
				h.Keep(endpointsOf(report))
				h.Observe(report)
				registry := prometheus.NewPedanticRegistry()
				registry.MustRegister(New(report, Options{Histograms: h}))
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	h.Keep(nil)
	if got := fmt.Sprint(sums(t, reports[0], h)); got != "[]" {
		t.Errorf("left: %s", got)
	}
}
