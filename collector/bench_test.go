package collector

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// BenchmarkCollect collects a report of 1,000 paths: far more than a site has.
func BenchmarkCollect(b *testing.B) {
	rep := &report.Report{Started: noon, Finished: noon}
	for i := range 500 {
		rep.Hosts = append(rep.Hosts, report.Host{
			Endpoint: endpoint("mds", fmt.Sprintf("host-%d.example.com", i), measurement.Device, tcp(5684), udp(5684)), Up: true, Known: true,
			Resolvers: []report.Resolver{resolved(office, cloud6, cloud4)},
			Paths: []report.Path{
				path(tcp(5684), 1, 0, goodWalk(measurement.TCP, cloud6, 5684), goodWalk(measurement.TCP, cloud4, 5684)),
				path(udp(5684), 1, 0, goodWalk(measurement.UDP, cloud6, 5684), goodWalk(measurement.UDP, cloud4, 5684)),
			},
		})
	}
	c := New(rep, Options{Addresses: true, Histograms: histogramsOf(rep)})
	ch := make(chan prometheus.Metric, 1024)
	count := make(chan int)
	go func() {
		n := 0
		for range ch {
			n++
		}
		count <- n
	}()
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		c.Collect(ch)
		rounds++
	}
	close(ch)
	b.ReportMetric(float64(<-count)/float64(rounds), "series/op")
}
