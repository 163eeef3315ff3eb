package examples

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
)

// The renderings of the Helm chart: the plain Kubernetes example with a PodMonitor, and one with a ServiceMonitor. The
// tests of charts/test decode all objects strictly and check how they fit together.
const (
	kubernetesExample = "kubernetes/endpoint-exporter.yml"
	stackRendering    = "../../charts/test/testdata/stack.golden.yaml"
)

// manifests has the parts of a rendering that these tests use.
type manifests struct {
	config      string       // the exporter's configuration
	args        []string     // of the container
	relabelings []relabeling // of the PodMonitor or the ServiceMonitor
	given       []string     // the target labels that the operator sets, before the relabelings
}

// relabeling is a relabel_config of Prometheus with the keys of the Prometheus operator.
type relabeling struct {
	SourceLabels []string `yaml:"sourceLabels"`
	TargetLabel  string   `yaml:"targetLabel"`
	Replacement  string
	Action       string
	Regex        string
}

// rendered returns the relabeling as the operator writes it for Prometheus.
func (r relabeling) rendered() map[string]any {
	out := make(map[string]any)
	for key, value := range map[string]string{"target_label": r.TargetLabel, "action": r.Action, "regex": r.Regex, "replacement": r.Replacement} {
		if value != "" {
			out[key] = value
		}
	}
	if len(r.SourceLabels) > 0 {
		out["source_labels"] = r.SourceLabels
	}
	return out
}

// rendered returns the scrape job that the operator generates from the Probe (generateProbeConfig of version 0.83).
func (p *probeObject) rendered() map[string]any {
	static := p.Spec.Targets.StaticConfig
	labels := maps.Clone(static.Labels)
	labels["namespace"] = "default"
	relabelings := []map[string]any{
		{"source_labels": []string{"job"}, "target_label": "__tmp_prometheus_job_name"},
		{"target_label": "job", "replacement": p.Spec.JobName},
		{"source_labels": []string{"__address__"}, "target_label": "__param_target"},
		{"source_labels": []string{"__param_target"}, "target_label": "instance"},
		{"target_label": "__address__", "replacement": p.Spec.Prober.URL},
	}
	for _, r := range static.RelabelingConfigs {
		relabelings = append(relabelings, r.rendered())
	}
	return map[string]any{
		"job_name": "probe/default/" + p.Metadata.Name, "honor_timestamps": true, "metrics_path": p.Spec.Prober.Path,
		"scrape_interval": p.Spec.Interval, "scrape_timeout": p.Spec.ScrapeTimeout,
		"static_configs":  []any{map[string]any{"targets": static.Static, "labels": labels}},
		"relabel_configs": relabelings,
	}
}

// probeObject is the operator's Probe.
type probeObject struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		JobName       string `yaml:"jobName"`
		Interval      string
		ScrapeTimeout string `yaml:"scrapeTimeout"`
		Prober        struct{ URL, Path string }
		Targets       struct {
			StaticConfig struct {
				Static            []string
				Labels            map[string]string
				RelabelingConfigs []relabeling `yaml:"relabelingConfigs"`
			} `yaml:"staticConfig"`
		}
	}
}

// kubernetesProbe reads the example of a Probe strictly.
func kubernetesProbe(t *testing.T) *probeObject {
	t.Helper()
	p := new(probeObject)
	decode(t, "probe.yml", read(t, "kubernetes/probe.yml"), p)
	if p.APIVersion != "monitoring.coreos.com/v1" || p.Kind != "Probe" {
		t.Errorf("not a Probe: %s %s", p.APIVersion, p.Kind)
	}
	return p
}

// kubernetes reads a rendering of the chart.
func kubernetes(t *testing.T, name string) manifests {
	t.Helper()
	type endpoint struct{ Relabelings []relabeling }
	var m manifests
	for decoder := yaml.NewDecoder(bytes.NewReader(read(t, name))); ; {
		var object struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct{ Containers []struct{ Args []string } }
				}
				PodMetricsEndpoints []endpoint `yaml:"podMetricsEndpoints"`
				Endpoints           []endpoint
			}
		}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch object.Kind {
		case "ConfigMap":
			if text, ok := object.Data["config.yml"]; ok {
				m.config = text
			}
		case "DaemonSet", "Deployment":
			m.args = object.Spec.Template.Spec.Containers[0].Args
		case "PodMonitor":
			m.relabelings = object.Spec.PodMetricsEndpoints[0].Relabelings
			m.given = []string{"job", "instance", "namespace", "pod", "container", "endpoint"}
		case "ServiceMonitor":
			m.relabelings = object.Spec.Endpoints[0].Relabelings
			m.given = []string{"job", "instance", "namespace", "service", "pod", "container", "endpoint"}
		}
	}
	if m.config == "" || len(m.args) == 0 || len(m.relabelings) == 0 {
		t.Fatalf("%s: no configuration, no arguments, or no monitor: %+v", name, m)
	}
	return m
}

// TestTargetLabels compares the target labels that the operator and the relabelings set
// with the labels of the exporter's metrics: Prometheus would rename the metric's label to exported_….
func TestTargetLabels(t *testing.T) {
	for _, name := range []string{kubernetesExample, stackRendering} {
		m := kubernetes(t, name)
		given := m.given
		for _, r := range m.relabelings {
			if r.Action == "labeldrop" {
				given = slices.DeleteFunc(given, func(label string) bool { return label == r.Regex })
			} else {
				given = append(given, r.TargetLabel)
			}
		}
		if !slices.Contains(given, "site") || !slices.Contains(given, "namespace") || !slices.Contains(given, "pod") {
			t.Errorf("%s: target labels %q do not identify the exporter", name, given)
		}
		for _, metric := range collector.Metrics() {
			for _, label := range metric.Labels {
				if slices.Contains(given, label) {
					t.Errorf("%s: %s: its label %s would become exported_%s", name, metric.Name, label, label)
				}
			}
		}
	}
}

// TestKubernetesConfiguration reads the configuration in the ConfigMap as the exporter does.
func TestKubernetesConfiguration(t *testing.T) {
	for _, name := range []string{kubernetesExample, stackRendering, "../../charts/test/testdata/probes.golden.yaml"} {
		cfg, err := config.Parse([]byte(kubernetes(t, name).config), t.TempDir())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(cfg.Endpoints) == 0 && len(cfg.Probe.Allow) == 0 {
			t.Errorf("%s: no endpoints and no hosts for /probe", name)
		}
	}
}
