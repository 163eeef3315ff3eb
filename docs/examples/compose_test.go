package examples

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// service is what the compose file says of one container.
type service struct {
	Image       string
	NetworkMode string   `yaml:"network_mode"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Command     []string
	Environment map[string]string
	Volumes     []string
	Restart     string
}

func composed(t *testing.T) map[string]service {
	t.Helper()
	var file struct{ Services map[string]service }
	decode(t, "compose.yml", read(t, "compose/compose.yml"), &file)
	return file.Services
}

// flagOf gives the value of a program's flag.
func flagOf(t *testing.T, args []string, name string) string {
	t.Helper()
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	t.Fatalf("no --%s in %q", name, args)
	return ""
}

// mounts maps places in the container to files beside the examples; all are mounted read-only.
func mounts(t *testing.T, s service) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, volume := range s.Volumes {
		parts := strings.Split(volume, ":")
		if len(parts) != 3 || parts[2] != "ro" {
			t.Errorf("%s is not mounted read-only", volume)
			continue
		}
		out[parts[1]] = filepath.Join("compose", parts[0])
	}
	return out
}

func TestComposeRunsTheExporterWithoutRights(t *testing.T) {
	exporter := composed(t)["endpoint_exporter"]
	if exporter.Image != image || exporter.NetworkMode != "host" || !exporter.ReadOnly ||
		!slices.Equal(exporter.CapDrop, []string{"ALL"}) || !slices.Equal(exporter.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Errorf("not the image, the host's network and no rights: %+v", exporter)
	}
}

// TestComposeFitsTogether holds that each program is where the others look for it, and that what is mounted is there.
func TestComposeFitsTogether(t *testing.T) {
	services := composed(t)
	for name, s := range services {
		if s.NetworkMode != "host" || s.Restart != "unless-stopped" {
			t.Errorf("%s: not on the host's network, or not restarted: %+v", name, s)
		}
		for _, file := range mounts(t, s) {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
	config := scrapeConfig(t, "compose/prometheus.yml")
	target := func(groups []targets) string { return groups[0].Targets[0] }
	for asked, served := range map[string]string{
		target(config.ScrapeConfigs[0].StaticConfigs):          flagOf(t, services["endpoint_exporter"].Command, "web.listen-address"),
		target(config.Alerting.Alertmanagers[0].StaticConfigs): flagOf(t, services["alertmanager"].Command, "web.listen-address"),
	} {
		if asked != served {
			t.Errorf("Prometheus asks %s, which is at %s", asked, served)
		}
	}
	if got := mounts(t, services["prometheus"])["/etc/prometheus/endpoint.rules.yml"]; got != "../../alerts/endpoint.rules.yml" {
		t.Errorf("Prometheus has the rules from %q", got)
	}
}
