//go:build realpeers

package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// TestPrometheus3 scrapes in each format that Prometheus 3 can ask for, with native histograms and without, and with a
// target label that Prometheus 2 does not take. The rules are evaluated without an error.
func TestPrometheus3(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	rules, err := filepath.Abs("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs []any
	const protobuf = "PrometheusProto"
	formats := []string{protobuf, "OpenMetricsText1.0.0", "PrometheusText1.0.0", "PrometheusText0.0.4"}
	for _, format := range formats {
		jobs = append(jobs, map[string]any{
			"job_name": format, "scrape_protocols": []string{format}, "scrape_native_histograms": format == protobuf,
			"static_configs": []any{map[string]any{"targets": []string{s.address}, "labels": map[string]string{"site": format, "gebäude.nr": "7"}}},
		})
	}
	text, err := yaml.Marshal(map[string]any{
		"global":         map[string]any{"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "5s"},
		"rule_files":     []string{rules},
		"scrape_configs": jobs,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var at string
	for _, release := range program.PrometheusReleases(t, root) {
		if release.Version == "3" {
			at = startPrometheus(t, release, "--config.file="+config, "--storage.tsdb.path="+t.TempDir())
		}
	}
	awaitTargets(t, at, len(formats))
	for _, format := range formats {
		awaitCount(t, []string{at}, fmt.Sprintf(`count(endpoint_up{job=%q,"gebäude.nr"="7"} == 1)`, format), len(s.hosts))
		buckets := fmt.Sprintf(`count(count by (host) (endpoint_handshake_duration_seconds_bucket{job=%q}))`, format)
		if format == protobuf { // a native histogram has no series of its buckets
			buckets = fmt.Sprintf(`count(count by (host) (histogram_count(endpoint_handshake_duration_seconds{job=%q}) > 0))`, format)
		}
		awaitCount(t, []string{at}, buckets, len(s.hosts))
		awaitCount(t, []string{at}, fmt.Sprintf(`count(endpoint:up:avg5m{job=%q,"gebäude.nr"="7"} == 1)`, format), len(s.hosts))
	}
	awaitRules(t, at)
}

// awaitRules waits until a Prometheus has evaluated every group of rules with an interval of up to a minute. No rule
// may fail.
func awaitRules(t *testing.T, at string) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Name     string
				Interval float64 // seconds
				Rules    []struct{ Name, Health, LastError string }
			}
		}
	}
	await(t, func() error {
		if err := ask(t, at, "/api/v1/rules", &answer); err != nil {
			return err
		}
		for _, group := range answer.Data.Groups {
			for _, rule := range group.Rules {
				switch {
				case rule.Health == "err":
					t.Fatalf("rule %s: %s", rule.Name, rule.LastError)
				case rule.Health != "ok" && group.Interval <= 60:
					return fmt.Errorf("rule %s of %s is %s", rule.Name, group.Name, rule.Health)
				}
			}
		}
		return nil
	})
}
