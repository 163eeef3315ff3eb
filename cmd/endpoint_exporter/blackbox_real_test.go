//go:build realpeers && linux

package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// BenchmarkAgainstBlackbox measures the processor time that one path costs the whole program: a scrape of 50 web hosts by
// endpoint_exporter, the same hosts by one probe each of blackbox_exporter, and 50 device hosts walked to the pong, which
// has no counterpart. All against the same lab, in the same run; take the ratio, not the numbers.
func BenchmarkAgainstBlackbox(b *testing.B) {
	const hosts = 50
	many := func(web bool) []lab.Host {
		all := lab.Many(hosts, "tcp")
		for i := range all {
			if web {
				all[i].Web, all[i].Authority, all[i].Paths = true, lab.ByWeb, []lab.Path{{Transport: "tcp", Nominal: lab.NominalWeb}}
			}
		}
		return all
	}
	exporter := buildExporter(b)
	scrapes := func(b *testing.B, l *lab.Lab) {
		address := freeAddress(b)
		config := configFile(b, l.Config()+"survey: {min_interval: 0s}\n")
		p := startWebProgram(b, address, "/-/healthy", exporter, "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
		if up := bytes.Count(p.get("/metrics"), []byte("\nendpoint_path_up")); up != hosts {
			b.Fatalf("%d paths of %d", up, hosts)
		}
		perPath(b, p, hosts, func() { p.get("/metrics") })
	}
	b.Run("exporter=endpoint/client=web", func(b *testing.B) { scrapes(b, startLab(b, lab.Options{Hosts: many(true)})) })
	b.Run("exporter=endpoint/client=device", func(b *testing.B) { scrapes(b, startLab(b, lab.Options{Hosts: many(false)})) })
	b.Run("exporter=blackbox/client=web", func(b *testing.B) {
		l := startLab(b, lab.Options{Hosts: many(true)})
		address := freeAddress(b)
		config := configFile(b, "modules: {tls: {prober: tcp, timeout: 5s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}}\n")
		p := startWebProgram(b, address, "/-/healthy", "prometheus-blackbox-exporter", "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
		probe := func() {
			for _, place := range l.Places() {
				if body := p.get(fmt.Sprintf("/probe?module=tls&target=%s", place.Address)); !bytes.Contains(body, []byte("\nprobe_success 1")) {
					b.Fatalf("%s", body)
				}
			}
		}
		perPath(b, p, hosts, probe)
	})
}

// perPath reports the processor time of a program per path, and its memory at the end.
func perPath(b *testing.B, p *program, paths int, round func()) {
	before := p.cpu()
	rounds := 0
	for b.Loop() {
		round()
		rounds++
	}
	b.ReportMetric(float64((p.cpu()-before).Microseconds())/float64(rounds*paths), "cpu-µs/path")
	b.ReportMetric(float64(p.resident())/1e6, "MB-resident")
}
