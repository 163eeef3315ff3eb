package collector

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// tester is a test or a draw of a property test.
type tester interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}

// registered is a gatherer of collectors that rejects what does not match their descriptions.
func registered(t tester, collectors ...prometheus.Collector) prometheus.Gatherer {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := registry.Register(c); err != nil {
			t.Fatalf("register: %v", err)
		}
	}
	return registry
}

// gather merges gatherers. The test fails for a series that occurs twice, has an invalid label or a different type than
// its metric, and for an [Exposition] whose own text is not that of client_golang's encoder.
func gather(t tester, gatherers ...prometheus.Gatherer) []*dto.MetricFamily {
	t.Helper()
	families, err := prometheus.Gatherers(gatherers).Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	for _, g := range gatherers {
		if e, ok := g.(*Exposition); ok {
			own, err := e.Gather()
			if err != nil {
				t.Fatalf("gather: %v", err)
			}
			var text bytes.Buffer
			if err := e.WriteText(&text, func(string) bool { return true }); err != nil {
				t.Fatalf("write: %v", err)
			}
			if diff := cmp.Diff(encode(t, own), text.String()); diff != "" {
				t.Errorf("text of the exposition (+) and of expfmt (-):\n%s", diff)
			}
		}
	}
	return families
}

// encode writes families with client_golang's encoder of the text format.
func encode(t tester, families []*dto.MetricFamily) string {
	t.Helper()
	var out strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatalf("encode: %v", err)
		}
	}
	return out.String()
}

// expose is what gatherers expose, in the text format, sorted as a registry sorts it.
func expose(t testing.TB, gatherers ...prometheus.Gatherer) string {
	t.Helper()
	return encode(t, gather(t, gatherers...))
}

func exposeReport(t testing.TB, rep *report.Report) string {
	t.Helper()
	return expose(t, New(rep, Options{MaxAddresses: 8, Histograms: histogramsOf(rep)}))
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
		"exporter": expose(t, registered(t, reloaded())),
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

// TestExpositionSelected tests that the names select metrics, and the error of a writer.
func TestExpositionSelected(t *testing.T) {
	e := New(healthyReport(), Options{})
	var out bytes.Buffer
	if err := e.WriteText(&out, func(metric string) bool { return metric == "endpoint_path_up" }); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&out)
	if err != nil || len(families) != 1 || len(families["endpoint_path_up"].GetMetric()) == 0 {
		t.Errorf("%v, %v", families, err)
	}
	broken := errors.New("broken")
	if err := e.WriteText(failing{broken}, func(string) bool { return true }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// failing is a writer that fails.
type failing struct{ err error }

func (w failing) Write([]byte) (int, error) { return 0, w.err }
