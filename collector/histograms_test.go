package collector

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// sums are the histograms' counts and sums in a scrape of a report.
func sums(t *testing.T, rep *report.Report, h *Histograms) (out []string) {
	t.Helper()
	for _, line := range samples(expose(t, New(rep, Options{Histograms: h}))) {
		if strings.HasPrefix(line, "endpoint_handshake_duration_seconds_count") || strings.HasPrefix(line, "endpoint_handshake_duration_seconds_sum") {
			out = append(out, strings.TrimPrefix(line, "endpoint_handshake_duration_seconds_"))
		}
	}
	slices.Sort(out)
	return out
}

// reportOf is a round of one host.
func reportOf(host string, paths ...report.Path) *report.Report {
	e := endpoint("s", host, measurement.Device)
	for _, p := range paths {
		e.Paths = append(e.Paths, p.Path)
	}
	return &report.Report{Started: noon, Finished: noon, Hosts: []report.Host{{Endpoint: e, Paths: paths}}}
}

func TestHistogramsObserve(t *testing.T) {
	slow := goodWalk(measurement.TCP, cloud4b, 1)
	slow.Outcome.Times = times(measurement.TCP, 100*ms, 100*ms)
	rep := reportOf("h", path(tcp(1), 1, 0, goodWalk(measurement.TCP, cloud4, 1), slow), path(udp(1), 1, 0, goodWalk(measurement.UDP, cloud4, 1)))
	h := histogramsOf(rep)
	h.Observe(rep)
	want(t, sums(t, rep, h),
		`count{host="h",port="1",service="s",transport="tcp"} 2`, `count{host="h",port="1",service="s",transport="udp"} 2`,
		`sum{host="h",port="1",service="s",transport="tcp"} 0.07`, `sum{host="h",port="1",service="s",transport="udp"} 0.064`)
}

func TestHistogramsObserveWithoutHandshake(t *testing.T) {
	withdrawn := goodWalk(measurement.TCP, moved, 1)
	withdrawn.Withdrawn = true
	for name, p := range map[string]report.Path{
		"no hello":   path(tcp(1), 1, 0, badWalk(measurement.TCP, cloud4, 1, measurement.Silent, reason.Silent, 5*ms)),
		"no address": emptyPath(tcp(1), reason.DNSFailed),
		"withdrawn":  path(tcp(1), 1, 0, withdrawn, goodWalk(measurement.TCP, cloud4, 1)),
	} {
		rep := reportOf("h", p)
		t.Run(name, func(t *testing.T) {
			want(t, sums(t, rep, histogramsOf(rep)),
				`count{host="h",port="1",service="s",transport="tcp"} 0`, `sum{host="h",port="1",service="s",transport="tcp"} 0`)
		})
	}
}

func TestHistogramsKeep(t *testing.T) {
	a := reportOf("a", path(tcp(1), 1, 0, goodWalk(measurement.TCP, cloud4, 1)))
	b := reportOf("b", path(tcp(1), 1, 0, goodWalk(measurement.TCP, cloud4, 1)))
	h := NewHistograms()
	h.Observe(a)
	want(t, sums(t, a, h)) // nothing is kept yet, as for an unconfigured host at /probe
	h.Keep(append(endpointsOf(a), endpointsOf(b)...))
	h.Observe(a)
	h.Observe(b)
	h.Keep(endpointsOf(a)) // a path that stays keeps its counts
	want(t, sums(t, a, h), `count{host="a",port="1",service="s",transport="tcp"} 1`, `sum{host="a",port="1",service="s",transport="tcp"} 0.035`)
	h.Observe(b) // a round that was running while b was dropped
	want(t, sums(t, b, h))
	h.Keep(endpointsOf(b)) // begins empty
	want(t, sums(t, b, h), `count{host="b",port="1",service="s",transport="tcp"} 0`, `sum{host="b",port="1",service="s",transport="tcp"} 0`)
	want(t, sums(t, a, h))
}

func TestHistogramsNative(t *testing.T) {
	rep := reportOf("h", path(tcp(1), 1, 0, goodWalk(measurement.TCP, cloud4, 1)))
	for _, f := range gather(t, New(rep, Options{Histograms: histogramsOf(rep)})) {
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

// TestHistogramsConcurrent runs scrapes, rounds and reloads at the same time, for the race detector.
func TestHistogramsConcurrent(t *testing.T) {
	h := NewHistograms()
	reports := []*report.Report{healthyReport(), sickReport()}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			rep := reports[i%2]
			for range 20 {
				h.Keep(endpointsOf(rep))
				h.Observe(rep)
				e := New(rep, Options{Histograms: h})
				if err := e.WriteText(io.Discard, func(string) bool { return true }); err != nil {
					t.Error(err)
				}
				if _, err := e.Gather(); err != nil {
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

// TestHistogramClassic compares the classic buckets with those of client_golang, at and around every bound.
func TestHistogramClassic(t *testing.T) {
	h := newHistogram()
	observe := func(values ...float64) {
		for _, v := range values {
			h.observe(v)
		}
	}
	observe(0, 1e-9, 100)
	for _, bound := range handshakeBuckets {
		observe(bound, math.Nextafter(bound, 0), math.Nextafter(bound, 100), bound)
	}
	var m dto.Metric
	if err := h.native.Write(&m); err != nil {
		t.Fatal(err)
	}
	got, want := h.snapshot(), m.GetHistogram()
	var count uint64
	for i, b := range want.GetBucket() {
		if count += got.counts[i]; count != b.GetCumulativeCount() || handshakeBuckets[i] != b.GetUpperBound() {
			t.Errorf("%d observations up to %v, client_golang counts %d up to %v", count, handshakeBuckets[i], b.GetCumulativeCount(), b.GetUpperBound())
		}
	}
	if count += got.counts[len(handshakeBuckets)]; count != want.GetSampleCount() || got.sum != want.GetSampleSum() {
		t.Errorf("%d observations, sum %v; client_golang: %d, %v", count, got.sum, want.GetSampleCount(), want.GetSampleSum())
	}
}
