//go:build realpeers

package alerts

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

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
	t.Parallel()
	files, err := filepath.Glob("tests/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no unit tests: %v", err)
	}
	for _, file := range files {
		runUnitTests(t, "promtool", file, func(text []byte) []byte { return text })
	}
}

// TestPrometheus3UnitTests evaluates the unit tests that follow every alert by Prometheus 3. A range there excludes the
// sample at its start; ranges that are a millisecond longer include it, and everything else is as in Prometheus 2.
func TestPrometheus3UnitTests(t *testing.T) {
	t.Parallel()
	ranges := regexp.MustCompile(`\[(?:\d+[smhdw])+`)
	for _, release := range program.PrometheusReleases(t, "..") {
		if release.Version == "3" {
			runUnitTests(t, release.Promtool, "tests/lifecycle.yml", func(text []byte) []byte { return ranges.ReplaceAll(text, []byte("${0}1ms")) })
		}
	}
}

// runUnitTests runs each test of a file by itself, with the rules on which its expectations depend, since promtool
// needs time for every rule. "promtool test rules" runs them with all rules. adapt changes the text of the rules and
// of the test.
func runUnitTests(t *testing.T, promtool, file string, adapt func(text []byte) []byte) {
	t.Helper()
	groups := readGroups(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	rules := []string{"rules.yml"}
	for _, other := range all["rule_files"].([]any) {
		if other == "../"+rulesFile {
			continue
		}
		absolute, err := filepath.Abs(filepath.Join("tests", other.(string)))
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, absolute)
	}
	for _, test := range all["tests"].([]any) {
		t.Run(fmt.Sprintf("%s/%s", filepath.Base(file), test.(map[string]any)["name"]), func(t *testing.T) {
			t.Parallel()
			one := maps.Clone(all)
			one["tests"], one["rule_files"] = []any{test}, rules
			dir := t.TempDir()
			for name, content := range map[string]any{"rules.yml": map[string]any{"groups": neededGroups(t, groups, test)}, "test.yml": one} {
				text, err := yaml.Marshal(content)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), adapt(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Join(dir, "test.yml"))
			command.Env = append(os.Environ(), "GOGC=1000") // the heap is small
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// neededGroups returns the groups with the rules on which the expectations of a test depend: the alerts that it names,
// or all if it asks for alerts of any name, and the recorded series that these, or the test, read.
func neededGroups(t *testing.T, groups []group, test any) []group {
	t.Helper()
	text, err := yaml.Marshal(test)
	if err != nil {
		t.Fatal(err)
	}
	recorded := regexp.MustCompile(`endpoint:[\w:]+`)
	asked := regexp.MustCompile(`\bALERTS(?:_FOR_STATE)?\b(?:\{[^}]*alertname="(\w+)")?`).FindAllStringSubmatch(string(text), -1)
	var body unitTest
	if err := yaml.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	for _, a := range body.AlertRuleTests {
		asked = append(asked, []string{"", a.Alert})
	}
	anyAlert := slices.ContainsFunc(asked, func(m []string) bool { return m[1] == "" })
	need := make(map[string]bool)
	for _, name := range recorded.FindAllString(string(text), -1) {
		need[name] = true
	}
	needs := func(r rule) bool {
		return need[r.Record] || need[r.Record[:strings.LastIndex(r.Record, ":")+1]] || // a prefix in a regular expression
			r.Alert != "" && (anyAlert || slices.ContainsFunc(asked, func(m []string) bool { return m[1] == r.Alert }))
	}
	for before := -1; before != len(need); {
		before = len(need)
		for _, g := range groups {
			for _, r := range g.Rules {
				if needs(r) {
					for _, name := range recorded.FindAllString(r.Expr+strings.Join(slices.Collect(maps.Values(r.Annotations)), " "), -1) {
						need[name] = true
					}
				}
			}
		}
	}
	var out []group
	for _, g := range groups {
		g.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r rule) bool { return !needs(r) })
		out = append(out, g)
	}
	return out
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
