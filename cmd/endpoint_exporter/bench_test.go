package main

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

// BenchmarkScrape makes whole scrapes, from the request to the exposition, of hosts with one path each. The lab's own
// work is in its figures, since it is in the same process; TestBenchPeers leaves it out.
func BenchmarkScrape(b *testing.B) {
	for _, client := range []string{"web", "device", "device-udp"} {
		b.Run(fmt.Sprintf("client=%s/paths=1000", client), func(b *testing.B) {
			l := labtest.Start(b, lab.Options{Hosts: manyHosts(1000, client)})
			e := startExporter(b, l.Config()+"survey: {min_interval: 0s, timeout: 1m}\n")
			b.ReportAllocs()
			for b.Loop() {
				if code, body := get(b, e, http.MethodGet, "/metrics"); code != http.StatusOK || countUp([]byte(body), "endpoint_path_up") != 1000 {
					b.Fatalf("%d, %d paths are up", code, countUp([]byte(body), "endpoint_path_up"))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*1000), "µs/path")
		})
	}
}

// manyHosts are hosts with one path each.
func manyHosts(n int, client string) []lab.Host {
	hosts := lab.Many(n, "tcp")
	for i := range hosts {
		switch client {
		case "web":
			hosts[i].Web, hosts[i].ByAddress, hosts[i].Authority = true, true, lab.ByWeb
			hosts[i].Paths = []lab.Path{{Transport: "tcp", Nominal: lab.NominalWeb}}
		case "device-udp":
			hosts[i].Paths = []lab.Path{{Transport: "udp", Nominal: lab.NominalDevice}}
		}
	}
	return hosts
}

// countUp counts the series of a metric that are 1.
func countUp(body []byte, metric string) (n int) {
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte(metric)) && bytes.HasSuffix(line, []byte(" 1\n")) {
			n++
		}
	}
	return n
}
