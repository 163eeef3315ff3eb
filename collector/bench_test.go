package collector

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// BenchmarkCollect collects a report of 1,000 paths: far more than a site has.
func BenchmarkCollect(b *testing.B) {
	report := &survey.Report{Started: noon, Finished: noon}
	for i := range 500 {
		report.Hosts = append(report.Hosts, survey.Host{
			Endpoint: endpoint("mds", fmt.Sprintf("host-%d.example.com", i), evidence.Device, tcp(5684), udp(5684)), Up: true, Known: true,
			Resolvers: []survey.Resolver{resolved(office, cloud6, cloud4)},
			Paths: []survey.Path{
				path(tcp(5684), 1, 0, goodWalk(evidence.TCP, cloud6, 5684), goodWalk(evidence.TCP, cloud4, 5684)),
				path(udp(5684), 1, 0, goodWalk(evidence.UDP, cloud6, 5684), goodWalk(evidence.UDP, cloud4, 5684)),
			},
		})
	}
	c := New(report, Options{Addresses: true, Histograms: histogramsOf(report)})
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
