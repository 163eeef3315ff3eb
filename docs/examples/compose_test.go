package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// service is one container of the Compose file.
type service struct {
	Image       string
	Build       string
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

// flagOf returns the value of a program's flag.
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

// unset matches a variable that the caller of compose may set, with its default.
var unset = regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)

// mounts maps paths in the container to files of the repository or of the machine; all are mounted read-only.
func mounts(t *testing.T, s service) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, volume := range s.Volumes {
		parts := strings.Split(unset.ReplaceAllString(volume, "$1"), ":")
		if len(parts) != 3 || parts[2] != "ro" {
			t.Errorf("%s is not mounted read-only", volume)
			continue
		}
		out[parts[1]] = parts[0]
		if !filepath.IsAbs(parts[0]) {
			out[parts[1]] = filepath.Join("compose", parts[0])
		}
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

// TestComposeFitsTogether tests that each program listens where the others connect, and that the mounted files and the
// Dockerfile exist.
func TestComposeFitsTogether(t *testing.T) {
	services := composed(t)
	for name, s := range services {
		if s.NetworkMode != "host" || s.Restart != "unless-stopped" {
			t.Errorf("%s: not on the host's network, or not restarted: %+v", name, s)
		}
		for _, file := range mounts(t, s) {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s mounts a file that does not exist: %v", name, err)
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
	receivers := mounts(t, services["alertmanager"])
	if got := receivers[flagOf(t, services["alertmanager"].Command, "config.file")]; got != "../../alerts/alertmanager.example.yml" {
		t.Errorf("Alertmanager has its routes from %q", got)
	}
	secrets := regexp.MustCompile(`_file: (\S+)`).FindAllStringSubmatch(string(read(t, "../../alerts/alertmanager.example.yml")), -1)
	for _, secret := range secrets {
		if receivers[secret[1]] == "" {
			t.Errorf("Alertmanager does not find %s", secret[1])
		}
	}
	if len(secrets) == 0 {
		t.Error("no receiver has a secret")
	}
	if _, err := os.Stat(filepath.Join("compose", services["endpoint_exporter"].Build, "Dockerfile")); err != nil {
		t.Errorf("the image has no Dockerfile: %v", err)
	}
}

// TestImageName tests that the README, the Makefile, the Dockerfile, the release and the examples name the same image,
// and that the README mounts the configuration that it passes to the container.
func TestImageName(t *testing.T) {
	name, _, _ := strings.Cut(image, ":")
	for file, want := range map[string]string{
		"../../README.md":       " " + name + " --config.file=/etc/endpoint_exporter/config.yml\n",
		"../../Makefile":        "IMAGE    ?= " + name + "\n",
		"../../Dockerfile":      "docker build -t " + name + " .\n",
		"../../.goreleaser.yml": `envOrDefault "IMAGE" "` + name + `"`,
	} {
		if !strings.Contains(string(read(t, file)), want) {
			t.Errorf("%s does not contain %q", file, want)
		}
	}
	if !strings.Contains(string(read(t, "../../README.md")), ":/etc/endpoint_exporter/config.yml:ro") {
		t.Error("README.md does not mount the configuration that it has a container read")
	}
}
