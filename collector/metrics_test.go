package collector

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestTableComplete(t *testing.T) {
	names := make(map[string]bool)
	group := ""
	var groups []string
	for i, m := range Metrics() {
		if !strings.HasPrefix(m.Name, "endpoint_") || names[m.Name] {
			t.Errorf("metric %d: name %q is foreign or taken", i, m.Name)
		}
		names[m.Name] = true
		if m.Help == "" || strings.ContainsAny(m.Help, "|\n") {
			t.Errorf("%s: help %q", m.Name, m.Help)
		}
		if !slices.Contains([]Type{Gauge, Counter, Histogram}, m.Type) || (m.Type == Counter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s: type %q", m.Name, m.Type)
		}
		for label, values := range m.Values {
			if !slices.Contains(m.Labels, label) || len(values) < 2 {
				t.Errorf("%s: closed list %v of label %s", m.Name, values, label)
			}
		}
		if m.Group != group {
			if slices.Contains(groups, m.Group) || m.Group == "" {
				t.Errorf("%s: group %q is torn apart", m.Name, m.Group)
			}
			group, groups = m.Group, append(groups, m.Group)
		}
	}
}

// TestClosedLists checks that the rows of the table use every closed list, and name no other.
func TestClosedLists(t *testing.T) {
	used := make(map[string]bool)
	for _, r := range rows {
		for label := range strings.FieldsSeq(r.labels) {
			name, list, other := strings.Cut(label, "=")
			if other && closedLists[list] == nil {
				t.Errorf("%s: the list %q of label %s does not exist", r.name, list, name)
			}
			used[cmp.Or(list, name)] = true
		}
	}
	for list := range closedLists {
		if !used[list] {
			t.Errorf("no metric uses the list %q", list)
		}
	}
}

// check compares what gatherers expose with the table, in any order, and returns the names that it found.
func check(t tester, gatherers ...prometheus.Gatherer) map[string]bool {
	t.Helper()
	families := gather(t, gatherers...)
	seen := make(map[string]bool)
	for _, f := range families {
		i := slices.IndexFunc(table[:], func(m Metric) bool { return m.Name == f.GetName() })
		if i < 0 {
			t.Errorf("%s is exposed and not in the table", f.GetName())
			continue
		}
		m := table[i]
		seen[m.Name] = true
		if got := strings.ToLower(f.GetType().String()); got != string(m.Type) {
			t.Errorf("%s is a %s, in the table a %s", m.Name, got, m.Type)
		}
		if name(i) != buildInfo && f.GetHelp() != m.Help {
			t.Errorf("%s: help %q, in the table %q", m.Name, f.GetHelp(), m.Help)
		}
		for _, sample := range f.GetMetric() {
			var labels []string
			for _, l := range sample.GetLabel() {
				labels = append(labels, l.GetName())
				value := l.GetValue()
				if !utf8.ValidString(value) || len(value) > measurement.MaxText {
					t.Errorf("%s: label %s has the unsafe value %q", m.Name, l.GetName(), value)
				}
				if closed, ok := m.Values[l.GetName()]; ok && !slices.Contains(closed, value) {
					t.Errorf("%s: label %s has the value %q, not one of %q", m.Name, l.GetName(), value, closed)
				}
			}
			if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(labels, want) {
				t.Errorf("%s has the labels %q, in the table %q", m.Name, labels, want)
			}
			for _, v := range []float64{sample.GetGauge().GetValue(), sample.GetCounter().GetValue(), sample.GetHistogram().GetSampleSum()} {
				if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
					t.Errorf("%s has the value %v", m.Name, v)
				}
			}
		}
	}
	return seen
}

func TestTableMatchesExposition(t *testing.T) {
	seen := make(map[string]bool)
	healthy, sick := healthyReport(), sickReport()
	for _, g := range []prometheus.Gatherer{
		New(healthy, Options{MaxAddresses: 8, Histograms: histogramsOf(healthy)}),
		New(sick, Options{MaxAddresses: 8, Histograms: histogramsOf(sick)}),
		registered(t, reloaded(), versioncollector.NewCollector("endpoint_exporter")),
	} {
		for name := range check(t, g) {
			seen[name] = true
		}
	}
	for _, m := range Metrics() {
		if !seen[m.Name] {
			t.Errorf("%s is in the table and never exposed", m.Name)
		}
	}
}

// TestScrapeConsistent tests that the series of a report and those of the exporter do not collide.
func TestScrapeConsistent(t *testing.T) {
	report := healthyReport()
	check(t, New(report, Options{Histograms: histogramsOf(report)}), registered(t, reloaded(), versioncollector.NewCollector("endpoint_exporter")))
}
