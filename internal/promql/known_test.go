package promql

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestKnownIsWhatTheExporterShows compares the known metrics with those that an exporter exposed for a lab, healthy and
// sick. (Its times are masked there.)
func TestKnownIsWhatTheExporterShows(t *testing.T) {
	known, err := Known()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../cmd/endpoint_exporter/testdata/*.prom")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expositions: %v", err)
	}
	for _, name := range files {
		shown, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(bytes.ReplaceAll(shown, []byte(" MEASURED\n"), []byte(" 0\n"))))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for metric, f := range families {
			want, ok := known[metric]
			if !ok {
				t.Errorf("%s: metric %s is not known", name, metric)
			}
			for _, m := range f.GetMetric() {
				var have []string
				for _, l := range m.GetLabel() {
					have = append(have, l.GetName())
				}
				slices.Sort(have)
				if !slices.Equal(have, slices.Sorted(slices.Values(want))) {
					t.Errorf("%s: %s has %q, known are %q", name, metric, have, want)
				}
			}
		}
	}
}
