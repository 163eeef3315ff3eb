//go:build release

package packaging

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

const (
	packageName   = "endpoint-exporter"
	installed     = "/usr/bin/endpoint_exporter"
	configuration = "/etc/endpoint_exporter/config.yml"
	unit          = "/usr/lib/systemd/system/endpoint_exporter.service"
)

// quiet is a configuration that leads nowhere but to this machine.
const quiet = `catalogues: []
resolvers: ["127.0.0.1:1"]
authority: {mode: "off"}
trust: {own: {public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEO9P+sNmkcuEREVm6Bi34JtVlmKrPKl/Gh6VrDjAV6BIWSZDj+T75Pd71Wh8DRLuBeslxbWzCQjtV24atLMDP5A==}}
endpoints:
  - {service: nothing, host: 127.0.0.1, client: device, trust: own, paths: [{transport: tcp, port: 1}]}
`

// TestDebIsInstalledRunUpgradedAndRemoved goes the whole way that an administrator goes.
func TestDebIsInstalledRunUpgradedAndRemoved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test installs a package: it must be run as root")
	}
	if out, err := exec.CommandContext(t.Context(), "dpkg-query", "--status", packageName).Output(); err == nil {
		t.Fatalf("%s is installed already; purge it first:\n%s", packageName, out)
	}
	deb := only(t, "Linux Package", "deb")
	t.Cleanup(func() {
		if out, err := exec.Command("dpkg", "--purge", packageName).CombinedOutput(); err != nil {
			t.Errorf("purge: %v\n%s", err, out)
		}
	})
	run(t, "dpkg", "--install", deb)
	checkVersion(t, run(t, installed, "--version"))
	run(t, installed, "--config.file="+configuration, "--config.check")
	run(t, "systemd-analyze", "verify", "--man=yes", unit)
	manual := run(t, "man", "--warnings", "--encoding=UTF-8", "endpoint_exporter")
	for _, due := range []string{"--config.file", "--[no-]collector.addresses", "--no-collector.addresses"} {
		if !strings.Contains(manual, due) || strings.Contains(manual, "warning:") {
			t.Errorf("the manual page is\n%s\nwithout %s, or with a warning", manual, due)
		}
	}
	if said := run(t, "whatis", "--long", "endpoint_exporter"); !strings.Contains(said, "walk the path") {
		t.Errorf("whatis prints %s", said)
	}

	if err := os.WriteFile(configuration, []byte(quiet), 0o600); err != nil {
		t.Fatal(err)
	}
	address := program.Start(t, exec.Command(installed, "--config.file="+configuration, "--web.listen-address=127.0.0.1:0"))
	scrapeOnce(t, address)
	everyPathIsServed(t, address, manual)

	kept := func(when string) {
		t.Helper()
		if data, err := os.ReadFile(configuration); err != nil || string(data) != quiet {
			t.Errorf("%s: the configuration is %q, %v", when, data, err)
		}
	}
	run(t, "dpkg", "--install", deb)
	kept("after an upgrade")
	run(t, "dpkg", "--remove", packageName)
	kept("after removal")
	for _, file := range []string{installed, unit} {
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("after removal %s is there: %v", file, err)
		}
	}
	run(t, "dpkg", "--purge", packageName)
	for _, file := range []string{configuration, filepath.Dir(configuration), "/etc/default/endpoint_exporter"} {
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("after a purge %s is there: %v", file, err)
		}
	}
}

// everyPathIsServed requests the paths of the manual page from a running exporter.
func everyPathIsServed(t *testing.T, address, manual string) {
	t.Helper()
	_, section, _ := strings.Cut(manual, "\nHTTP\n")
	section, _, _ = strings.Cut(section, "\nEXIT STATUS\n")
	var named []string
	for _, tag := range regexp.MustCompile(`(?m)^ {7}(/.*?)(?: {2}.*)?$`).FindAllStringSubmatch(section, -1) {
		named = append(named, strings.Split(tag[1], ", ")...)
	}
	due := []string{"/", "/metrics", "/probe?target=HOST", "/sd", "/api/v1/report", "/-/reload", "/-/healthy", "/-/ready"}
	if !slices.Equal(named, due) {
		t.Errorf("the manual page names %q, not %q", named, due)
	}
	for _, path := range due {
		if status, _ := get(t, "http://"+address+path); status == http.StatusNotFound {
			t.Errorf("%s is not served", path)
		}
	}
}

// scrapeOnce asks a running exporter for what the quiet configuration yields.
func scrapeOnce(t *testing.T, address string) {
	t.Helper()
	for path, wants := range map[string][]string{
		"/-/healthy": {"healthy"},
		"/metrics": {
			`endpoint_path_failure{class="blocked",host="127.0.0.1",port="1",reason="refused",service="nothing",transport="tcp"} 1`,
			`version="` + about(t).Version + `"`, `revision="` + about(t).Commit + `"`,
		},
	} {
		status, body := get(t, "http://"+address+path)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", path, status)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s is\n%s\nwithout %s", path, body, want)
			}
		}
	}
}
