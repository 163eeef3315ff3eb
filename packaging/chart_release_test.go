//go:build release

package packaging

import (
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestChartIsReleased checks that the release has the Helm chart with its checksum, and that chart and image have the
// version of the release. The tests of charts/test check what a packaged chart contains.
func TestChartIsReleased(t *testing.T) {
	version := about(t).Version
	name := "endpoint-exporter-" + version + ".tgz"
	file := filepath.Join("../dist-man", name)
	sum, _, _ := strings.Cut(run(t, "sha256sum", file), " ")
	if published := sums(t, dist)[name]; published != sum {
		t.Errorf("%s has the checksum %s, and checksums.txt has %q", name, sum, published)
	}
	var chart struct {
		Version    string
		AppVersion string `yaml:"appVersion"`
	}
	if err := yaml.Unmarshal([]byte(run(t, "helm", "show", "chart", file)), &chart); err != nil {
		t.Fatal(err)
	}
	if chart.Version != version || chart.AppVersion != version {
		t.Errorf("chart %s for the image %s, of the release %s", chart.Version, chart.AppVersion, version)
	}
	rendered := run(t, "helm", "template", "endpoint-exporter", file, "--kube-version=1.34.0")
	if image := "ghcr.io/endpoint-exporter/endpoint_exporter:" + version + `"`; !strings.Contains(rendered, image) {
		t.Errorf("the chart does not start %s", image)
	}
}
