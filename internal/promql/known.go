package promql

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
)

// Known lists all series that come from a scrape of the exporter, with their own labels: those of the collector's
// table, Go's and the process' own, and those that Prometheus adds to every scrape.
func Known() (map[string][]string, error) {
	known := map[string][]string{
		"up":                      nil,
		"scrape_duration_seconds": nil,
	}
	for _, m := range collector.Metrics() {
		known[m.Name] = m.Labels // of a histogram: the native one
		if m.Type == collector.Histogram {
			known[m.Name+"_bucket"] = union(m.Labels, []string{"le"})
			known[m.Name+"_sum"] = m.Labels
			known[m.Name+"_count"] = m.Labels
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather Go's own metrics: %w", err)
	}
	for _, f := range families {
		var own []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			own = append(own, l.GetName())
		}
		known[f.GetName()] = own
	}
	return known, nil
}

// closedValues gives, for a metric of the collector's table, all values of its labels whose list is closed.
func closedValues(metric string) map[string][]string {
	for _, m := range collector.Metrics() {
		if m.Name == metric {
			return m.Values
		}
	}
	return nil
}
