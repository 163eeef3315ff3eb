package examples

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const image = "endpoint-exporter/endpoint_exporter:latest"

// read returns the content of an example.
func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode reads one YAML document into a type that has every key in use. It fails the test at any other key.
func decode(t *testing.T, name string, data []byte, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestEveryExampleIsStrictYAML(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".go") {
			return err
		}
		seen++
		if filepath.Base(name) == "nginx.conf" {
			return nil // a test runs nginx with it
		}
		if filepath.Ext(name) != ".yml" {
			t.Errorf("%s: no test knows this kind of file", name)
			return nil
		}
		decoder := yaml.NewDecoder(bytes.NewReader(read(t, name)))
		for {
			var document any // a key that is there twice is an error
			if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				return nil
			}
			if document == nil {
				t.Errorf("%s: an empty document", name)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("only %d examples found", seen)
	}
}

// TestPrometheusRule tests that the PrometheusRule has the alerts of alerts/endpoint.rules.yml.
func TestPrometheusRule(t *testing.T) {
	var rule struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct {
			Name   string
			Labels map[string]string
		}
		Spec map[string]any
	}
	var alerts map[string]any
	decode(t, "prometheus-rule.yml", read(t, "kubernetes/prometheus-rule.yml"), &rule)
	decode(t, "endpoint.rules.yml", read(t, "../../alerts/endpoint.rules.yml"), &alerts)
	if rule.APIVersion != "monitoring.coreos.com/v1" || rule.Kind != "PrometheusRule" {
		t.Errorf("not a PrometheusRule: %s %s", rule.APIVersion, rule.Kind)
	}
	if len(alerts["groups"].([]any)) == 0 || !reflect.DeepEqual(rule.Spec, alerts) {
		t.Error("kubernetes/prometheus-rule.yml differs from alerts/endpoint.rules.yml; run scripts/prometheus-rule")
	}
}

// TestGrafanaProvisioning compares the provisioning with the mounts of the Compose file. The dashboards are mounted
// where the packages install them.
func TestGrafanaProvisioning(t *testing.T) {
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			DisableDeletion    bool `yaml:"disableDeletion"`
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			Options            struct{ Path string }
		}
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
		}
	}
	decode(t, "dashboards.yml", read(t, "grafana/dashboards.yml"), &dashboards)
	decode(t, "datasource.yml", read(t, "grafana/datasource.yml"), &sources)
	if len(dashboards.Providers) != 1 || len(sources.Datasources) != 1 {
		t.Fatalf("%d providers and %d sources, not one of each", len(dashboards.Providers), len(sources.Datasources))
	}
	provider, source := dashboards.Providers[0], sources.Datasources[0]
	if dashboards.APIVersion != 1 || provider.Type != "file" || provider.Options.Path != "/usr/share/endpoint_exporter/dashboards" {
		t.Errorf("no file provider: %+v", provider)
	}
	if sources.APIVersion != 1 || source.Type != "prometheus" || source.Access != "proxy" || !source.IsDefault || source.UID == "" {
		t.Errorf("no default Prometheus: %+v", source)
	}
	services := composed(t)
	if want := "http://" + flagOf(t, services["prometheus"].Command, "web.listen-address"); source.URL != want {
		t.Errorf("Grafana asks %s, Prometheus is at %s", source.URL, want)
	}
	for target, want := range map[string]string{
		provider.Options.Path:                                "../../dashboards",
		"/etc/grafana/provisioning/datasources/endpoint.yml": "grafana/datasource.yml",
		"/etc/grafana/provisioning/dashboards/endpoint.yml":  "grafana/dashboards.yml",
	} {
		if got := mounts(t, services["grafana"])[target]; got != want {
			t.Errorf("Grafana finds %q at %s, not %s", got, target, want)
		}
	}
}
