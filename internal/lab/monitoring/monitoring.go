// Package monitoring runs Debian's Prometheus and Alertmanager on loopback for tests: samples go through the
// shipped rules and routes, and the notifications arrive at a [Recorder].
//
// Rules wait for minutes and hours. [ScaleRules] and [ScaleAlertmanager] divide these times, so that a complete test
// takes about a minute. The servers are stopped by their process handles when the test ends; a program that is
// missing fails the test.
package monitoring

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// Options say what to run.
type Options struct {
	// Targets are the exporters to scrape, under the job "endpoint".
	Targets []Target
	// Rules and Alertmanager are the contents of a rules file and of a configuration of Alertmanager, as the servers
	// are to take them: scaled, and with receivers that lead to Recorder.
	Rules        []byte
	Alertmanager []byte
	// Every is the time between two scrapes of a target, and between two evaluations of the rules.
	Every time.Duration
	// Lookback is how old a sample may be that still counts as the value of now (Prometheus' own default is 5 minutes).
	Lookback time.Duration
}

// Target is an exporter.
type Target struct {
	Address string // HOST:PORT
	Labels  map[string]string
}

// Stack is Prometheus and Alertmanager at work together.
type Stack struct {
	Prometheus   *Server
	Alertmanager *Server
}

// Start runs both and waits until they are ready.
func Start(tb testing.TB, o Options) *Stack {
	tb.Helper()
	alertmanager := StartAlertmanager(tb, o.Alertmanager)
	return &Stack{Prometheus: startPrometheus(tb, o, alertmanager), Alertmanager: alertmanager}
}

// StartAlertmanager runs an Alertmanager without a Prometheus.
func StartAlertmanager(tb testing.TB, config []byte) *Server {
	tb.Helper()
	return start(tb, "prometheus-alertmanager", map[string][]byte{"alertmanager.yml": config},
		"--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=")
}

func startPrometheus(tb testing.TB, o Options, alertmanager *Server) *Server {
	tb.Helper()
	var all []map[string]any
	for _, target := range o.Targets {
		all = append(all, map[string]any{"targets": []string{target.Address}, "labels": target.Labels})
	}
	targets, err := json.Marshal(all) // JSON is YAML
	if err != nil {
		tb.Fatal(err)
	}
	every := milliseconds(o.Every)
	config := fmt.Sprintf(`global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}
rule_files: [rules.yml]
alerting:
  alertmanagers: [{static_configs: [{targets: [%[2]q]}]}]
scrape_configs: [{job_name: endpoint, static_configs: %[3]s}]
`, every, alertmanager.Address, targets)
	return start(tb, "prometheus", map[string][]byte{"prometheus.yml": []byte(config), "rules.yml": o.Rules},
		"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--query.lookback-delta="+milliseconds(o.Lookback))
}

// milliseconds writes a duration as Prometheus takes it, which knows no fractions.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
