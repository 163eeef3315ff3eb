package collector

import (
	"fmt"
	"io"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// BenchmarkExposition exposes a report of 1,000 paths: far more than a site has.
func BenchmarkExposition(b *testing.B) {
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
	options := Options{MaxAddresses: 8, Histograms: histogramsOf(rep)}
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		var size counter
		for b.Loop() {
			size = 0
			if err := New(rep, options).WriteText(&size, func(string) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(size), "bytes/op")
	})
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			families, err := New(rep, options).Gather()
			if err != nil {
				b.Fatal(err)
			}
			encoder := expfmt.NewEncoder(io.Discard, expfmt.NewFormat(expfmt.TypeProtoDelim))
			for _, f := range families {
				if err := encoder.Encode(f); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// counter counts the bytes that are written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
