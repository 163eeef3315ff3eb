//go:build realpeers && linux

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// BenchmarkAgainstBlackbox measures the processor time and the memory that one path costs the whole program, in a
// separate process. All run against labs in the same run: only the ratios count.
//
//   - walk=address: what both do. The hosts are addresses, so that nothing is resolved; a browser's handshake by either,
//     and a device's hello up to the judged flight (finish: false).
//   - walk=whole: what the exporter does by default. Names are resolved at the resolver and at the zone's server, A and
//     AAAA, and devices' sessions are finished and pinged, which has no counterpart.
func BenchmarkAgainstBlackbox(b *testing.B) {
	exporter := buildExporter(b)
	for _, walk := range []string{"address", "whole"} {
		for _, client := range []string{"web", "device", "device-udp"} {
			for _, paths := range []int{50, 1000} {
				b.Run(fmt.Sprintf("exporter=endpoint/walk=%s/client=%s/paths=%d", walk, client, paths), func(b *testing.B) {
					l := startLab(b, lab.Options{Hosts: manyHosts(paths, client)})
					config := l.Config() + "survey: {min_interval: 0s, timeout: 1m}\n"
					if walk == "address" {
						config = byAddress(l, config)
					}
					p := startProcess(b, exporter, "--config.file="+configFile(b, config))
					if up := countUp(p.get("/metrics"), "endpoint_tls_authentic"); up != paths {
						b.Fatalf("%d of %d paths show the right certificate", up, paths)
					}
					perPath(b, p, paths, func() { p.get("/metrics") })
				})
			}
		}
	}
	b.Run("exporter=blackbox/walk=address/client=web/paths=50", func(b *testing.B) {
		l := startLab(b, lab.Options{Hosts: manyHosts(50, "web")})
		config := configFile(b, "modules: {tls: {prober: tcp, timeout: 5s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}}\n")
		p := startProcess(b, "prometheus-blackbox-exporter", "--config.file="+config)
		probe := func() {
			for _, place := range l.Places() {
				if body := p.get(fmt.Sprintf("/probe?module=tls&target=%s", place.Address)); countUp(body, "probe_success") != 1 {
					b.Fatalf("%s", body)
				}
			}
		}
		probe()
		perPath(b, p, 50, probe)
	})
}

// byAddress makes a lab's configuration name addresses instead of hosts, and stop at the server's flight.
func byAddress(l *lab.Lab, config string) string {
	var names []string
	for _, p := range l.Places() {
		names = append(names, "host: "+p.Host.Name+"\n", "host: "+p.Address.Addr().String()+"\n")
	}
	config = strings.NewReplacer(names...).Replace(config)
	config = strings.ReplaceAll(config, "    coap_ping: true\n", "    finish: false\n")
	// A browser compares names, and the hosts have none: the anchor is a key.
	return config
}

// perPath reports the processor time of a program per path, and its memory at the end.
func perPath(b *testing.B, p *process, paths int, round func()) {
	before := p.cpu()
	rounds := 0
	for b.Loop() {
		round()
		rounds++
	}
	b.ReportMetric(float64((p.cpu()-before).Microseconds())/float64(rounds*paths), "cpu-µs/path")
	b.ReportMetric(float64(p.resident())/1e6, "MB-resident")
}
