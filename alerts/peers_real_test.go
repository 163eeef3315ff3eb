//go:build realpeers

package alerts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// output runs a program that must succeed, and returns its output.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPromtoolChecksRules(t *testing.T) {
	for _, release := range program.PrometheusReleases(t, "..") {
		for _, file := range []string{rulesFile, "endpoint.override.example.yml"} {
			if out := output(t, release.Promtool, "check", "rules", "--lint=all", "--lint-fatal", file); !strings.Contains(out, "SUCCESS") {
				t.Errorf("promtool %s: %s", release.Version, out)
			}
		}
	}
}

func TestPromtoolUnitTests(t *testing.T) {
	files, err := filepath.Glob("tests/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no unit tests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			output(t, "promtool", "test", "rules", file)
		})
	}
}

// TestPrometheus3UnitTests evaluates the unit tests that follow every alert by Prometheus 3. A range there excludes the
// sample at its start; ranges that are a millisecond longer include it, and everything else is as in Prometheus 2.
func TestPrometheus3UnitTests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tests"), 0o700); err != nil {
		t.Fatal(err)
	}
	const unitTest = "tests/lifecycle.yml"
	ranges := regexp.MustCompile(`\[(?:\d+[smhdw])+`)
	for _, file := range []string{rulesFile, unitTest} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), ranges.ReplaceAll(text, []byte("${0}1ms")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, release := range program.PrometheusReleases(t, "..") {
		if release.Version == "3" {
			output(t, release.Promtool, "test", "rules", filepath.Join(dir, unitTest))
		}
	}
}

func TestAmtoolChecksExample(t *testing.T) {
	output(t, "amtool", "check-config", "alertmanager.example.yml")
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct{ receiver, labels string }{
		{"page", "alertname=EndpointIntercepted severity=critical scope=site site=berlin job=endpoint instance=gw:15684"},
		{"page", "alertname=EndpointUnreachable severity=critical scope=site job=endpoint instance=gw:15684"},
		{"page", "alertname=EndpointSiteSilent severity=critical scope=site site=berlin"},
		{"page", "alertname=EndpointDnsStaleAtManySites severity=critical scope=fleet"},
		{"ticket", "alertname=EndpointPathBlocked severity=warning scope=site site=berlin"},
		{"ticket", "alertname=EndpointExporterAbsent severity=warning scope=site"},
		{"ticket", "alertname=EndpointWarningAtManySites severity=warning scope=fleet fault=EndpointPathBlocked"},
		{"none", "alertname=EndpointSessionsUnproven severity=info scope=fleet"},
		{"ticket", "alertname=EndpointOfTomorrow severity=dire"},
		{"ticket", "alertname=SomethingElse severity=info"},
	} {
		args := []string{"config", "routes", "test", "--config.file=alertmanager.example.yml", "--verify.receivers=" + tt.receiver}
		output(t, "amtool", append(args, strings.Fields(tt.labels)...)...)
	}
}

// TestPageTitle tests that the title of a page names the site, also of a site without the label.
func TestPageTitle(t *testing.T) {
	text, err := os.ReadFile("alertmanager.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	title := regexp.MustCompile(`description: '(.+)'`).FindSubmatch(text)
	if title == nil {
		t.Fatal("the page has no title")
	}
	for want, common := range map[string]labels{
		"EndpointUnreachable berlin: S":     {"alertname": "EndpointUnreachable", "site": "berlin", "instance": "b:15684"},
		"EndpointUnreachable b:15684: S":    {"alertname": "EndpointUnreachable", "instance": "b:15684"},
		"EndpointUnreachableAtManySites: S": {"alertname": "EndpointUnreachableAtManySites"},
	} {
		data, err := json.Marshal(map[string]any{"commonLabels": common, "commonAnnotations": labels{"summary": "S"}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "data.json")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got := output(t, "amtool", "template", "render", "--template.glob="+os.DevNull, "--template.data="+file, "--template.text="+string(title[1]))
		if got = strings.TrimSpace(got); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestAlertsAreRouted tests that every alert goes to the receiver of its severity.
func TestAlertsAreRouted(t *testing.T) {
	receiver := map[string]string{"critical": "page", "warning": "ticket", "info": "none"}
	for name, r := range readAlerts(t) {
		for _, site := range []string{"", "berlin"} {
			output(t, "amtool", "config", "routes", "test", "--config.file=alertmanager.example.yml", "--verify.receivers="+receiver[r.Labels["severity"]],
				"alertname="+name, "severity="+r.Labels["severity"], "scope="+r.Labels["scope"], "site="+site)
		}
	}
}
