package collector

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// expose gathers collectors as a scrape does, with a registry that rejects inconsistent series, in the text format.
func expose(t testing.TB, collectors ...prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := registry.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func exposeReport(t testing.TB, rep *report.Report) string {
	t.Helper()
	return expose(t, New(rep, Options{Addresses: true, Histograms: histogramsOf(rep)}))
}

// reloaded has succeeded once and then failed.
func reloaded() *Reloads {
	r := NewReloads()
	r.Succeeded(noon.Add(-24*time.Hour + 250*ms))
	r.Failed()
	return r
}

// goldens are the expositions of the reports in this package.
func goldens(t testing.TB) map[string]string {
	return map[string]string{
		"healthy":  exposeReport(t, healthyReport()),
		"sick":     exposeReport(t, sickReport()),
		"exporter": expose(t, reloaded()),
	}
}

func TestExpositionGolden(t *testing.T) {
	var used []string
	for name, got := range goldens(t) {
		file := filepath.Join("testdata", name+".prom")
		used = append(used, file)
		t.Run(name, func(t *testing.T) { golden.Equal(t, file, got) })
	}
	golden.Exact(t, "testdata/*.prom", used)
}

func TestExpositionLint(t *testing.T) {
	for name, text := range goldens(t) {
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
		}
	}
}

// samples are the lines of an exposition except the comments.
func samples(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
