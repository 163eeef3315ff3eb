package main

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// TestProcessCollector compares the process metrics with those of client_golang's collector.
func TestProcessCollector(t *testing.T) {
	values := func(c prometheus.Collector) map[string]float64 {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(c)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[string]float64)
		for _, f := range families {
			out[f.GetName()+" "+f.GetType().String()+" "+f.GetHelp()] = valueOf(f.GetMetric()[0])
		}
		return out
	}
	got, want := values(newProcessCollector()), values(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for name, value := range want {
		switch mine, found := got[name]; {
		case name == "process_network_receive_bytes_total COUNTER Number of bytes received by the process over the network.",
			name == "process_network_transmit_bytes_total COUNTER Number of bytes sent by the process over the network.":
			if found {
				t.Errorf("%s is exposed", name)
			}
		case !found || math.Abs(mine-value) > max(8, value/2): // memory and open files change meanwhile
			t.Errorf("%s: %v, client_golang gives %v", name, mine, value)
		}
	}
	if len(got) != len(want)-2 {
		t.Errorf("%d metrics, client_golang gives %d", len(got), len(want))
	}
}
