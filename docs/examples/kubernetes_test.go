package examples

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
)

type labels struct {
	Name string `yaml:"app.kubernetes.io/name"`
}

type metadata struct {
	Name   string
	Labels labels
}

// named is how all objects of the example are called and found.
var named = metadata{Name: "endpoint-exporter", Labels: labels{"endpoint-exporter"}}

// matching selects by these labels.
type matching struct {
	MatchLabels labels `yaml:"matchLabels"`
}

type configMap struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Data       map[string]string
}

type daemonSet struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		Selector matching
		Template struct {
			Metadata struct{ Labels labels }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	HostNetwork     bool   `yaml:"hostNetwork"`
	DNSPolicy       string `yaml:"dnsPolicy"`
	Token           *bool  `yaml:"automountServiceAccountToken"`
	SecurityContext struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		RunAsUser      int                   `yaml:"runAsUser"`
		RunAsGroup     int                   `yaml:"runAsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []container
	Volumes    []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
	}
}

type container struct {
	Name, Image string
	Args        []string
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	Resources struct {
		Requests, Limits struct{ CPU, Memory string }
	}
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type kubernetesService struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		ClusterIP string `yaml:"clusterIP"`
		Selector  labels
		Ports     []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type serviceMonitor struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		Selector  matching
		Endpoints []struct {
			Port, Interval string
			ScrapeTimeout  string `yaml:"scrapeTimeout"`
			Relabelings    []relabeling
		}
	}
}

// probeObject is the operator's Probe.
type probeObject struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
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
	if p.APIVersion != "monitoring.coreos.com/v1" || p.Kind != "Probe" || p.Metadata != named {
		t.Errorf("not the Probe of this example: %s %s %v", p.APIVersion, p.Kind, p.Metadata)
	}
	return p
}

// relabeling is Prometheus' relabel, as the operator spells it.
type relabeling struct {
	SourceLabels               []string `yaml:"sourceLabels"`
	TargetLabel                string   `yaml:"targetLabel"`
	Action, Regex, Replacement string
}

// rendered is the relabeling as the operator writes it for Prometheus.
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

// rendered is the scrape job that the operator makes of the Probe (generateProbeConfig of version 0.83).
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

// manifests are the objects of the example.
type manifests struct {
	configMap configMap
	daemonSet daemonSet
	service   kubernetesService
	monitor   serviceMonitor
}

// kubernetes reads the example strictly: each document into the shape of its kind, each kind once.
func kubernetes(t *testing.T) manifests {
	t.Helper()
	const name = "kubernetes/endpoint-exporter.yml"
	var m manifests
	shapes := map[string]any{
		"v1 ConfigMap": &m.configMap, "apps/v1 DaemonSet": &m.daemonSet, "v1 Service": &m.service,
		"monitoring.coreos.com/v1 ServiceMonitor": &m.monitor,
	}
	decoder := yaml.NewDecoder(bytes.NewReader(read(t, name)))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   metadata
		}
		if err := document.Decode(&head); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kind := head.APIVersion + " " + head.Kind
		shape, ok := shapes[kind]
		if !ok || head.Metadata != named {
			t.Fatalf("%s: %s %v is not of this example, or there twice", name, kind, head.Metadata)
		}
		delete(shapes, kind)
		text, err := yaml.Marshal(&document)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		decode(t, fmt.Sprintf("%s: %s", name, kind), text, shape)
	}
	if len(shapes) > 0 {
		t.Fatalf("%s: without %v", name, reflect.ValueOf(shapes).MapKeys())
	}
	return m
}

func TestKubernetesFitsTogether(t *testing.T) {
	m := kubernetes(t)
	pod := m.daemonSet.Spec.Template
	for what, got := range map[string]labels{
		"DaemonSet": m.daemonSet.Spec.Selector.MatchLabels, "pod": pod.Metadata.Labels,
		"Service": m.service.Spec.Selector, "ServiceMonitor": m.monitor.Spec.Selector.MatchLabels,
	} {
		if got != named.Labels {
			t.Errorf("%s goes by %v, not %v", what, got, named.Labels)
		}
	}
	c, port15684, monitored := pod.Spec.Containers[0], m.service.Spec.Ports[0], m.monitor.Spec.Endpoints[0]
	if c.Image != image || c.Ports[0].ContainerPort != port || port15684.Port != port {
		t.Errorf("not image %s on port %d: %+v, %+v", image, port, c, port15684)
	}
	for what, got := range map[string]string{
		"service": port15684.TargetPort, "monitor": monitored.Port, "liveness": c.LivenessProbe.HTTPGet.Port, "readiness": c.ReadinessProbe.HTTPGet.Port,
	} {
		if got != c.Ports[0].Name || got != port15684.Name {
			t.Errorf("%s goes to port %q, not %q", what, got, c.Ports[0].Name)
		}
	}
	if c.LivenessProbe.HTTPGet.Path != "/-/healthy" || c.ReadinessProbe.HTTPGet.Path != "/-/ready" {
		t.Errorf("probes of %s and %s", c.LivenessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Path)
	}
	if node := monitored.Relabelings[0]; !slices.Equal(node.SourceLabels, []string{"__meta_kubernetes_pod_node_name"}) || node.TargetLabel != "site" {
		t.Errorf("a site is not the node: %+v", node)
	}
	if len(pod.Spec.Volumes) != 1 || pod.Spec.Volumes[0].ConfigMap.Name != m.configMap.Metadata.Name || pod.Spec.Volumes[0].Name != c.VolumeMounts[0].Name {
		t.Errorf("the configuration is not mounted: %+v", pod.Spec.Volumes)
	}
	if want := c.VolumeMounts[0].MountPath + "/config.yml"; flagOf(t, c.Args, "config.file") != want {
		t.Errorf("%q does not read %s", c.Args, want)
	}
}

// TestNoTargetLabelTakesTheNameOfAMetricsLabel holds the target labels that the operator gives, less those that the
// monitor drops, against the labels of the exporter's metrics: Prometheus would rename the metric's to exported_….
func TestNoTargetLabelTakesTheNameOfAMetricsLabel(t *testing.T) {
	var dropped []string
	given := []string{"job", "instance", "namespace", "service", "pod", "container", "endpoint"}
	for _, r := range kubernetes(t).monitor.Spec.Endpoints[0].Relabelings {
		if r.Action == "labeldrop" {
			dropped = append(dropped, r.Regex)
		} else {
			given = append(given, r.TargetLabel)
		}
	}
	if !slices.Equal(dropped, []string{"service"}) {
		t.Errorf("dropped are %q: namespace and pod say where an exporter runs", dropped)
	}
	for _, metric := range collector.Metrics() {
		for _, label := range metric.Labels {
			if slices.Contains(given, label) && !slices.Contains(dropped, label) {
				t.Errorf("%s: its label %s would become exported_%s", metric.Name, label, label)
			}
		}
	}
}

func TestKubernetesGivesNoRights(t *testing.T) {
	pod := kubernetes(t).daemonSet.Spec.Template.Spec
	if !pod.HostNetwork || pod.DNSPolicy != "Default" {
		t.Error("the pod does not see the network and the DNS servers of its node")
	}
	if s := pod.SecurityContext; !s.RunAsNonRoot || s.RunAsUser != nobody || s.RunAsGroup != nobody || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pod may do too much: %+v", s)
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem ||
		!slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || !c.VolumeMounts[0].ReadOnly {
		t.Errorf("the container may do too much: %+v", s)
	}
	if pod.Token == nil || *pod.Token {
		t.Error("the pod has a token that it does not need")
	}
	if c.Resources.Requests.CPU == "" || c.Resources.Requests.Memory == "" || c.Resources.Limits.Memory == "" {
		t.Errorf("no bounds: %+v", c.Resources)
	}
}

// TestKubernetesConfigurationIsGood reads what the ConfigMap holds as the exporter would.
func TestKubernetesConfigurationIsGood(t *testing.T) {
	cfg, err := config.Parse([]byte(kubernetes(t).configMap.Data["config.yml"]), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Endpoints) == 0 {
		t.Error("nothing is watched")
	}
}
