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
)

// said runs a program that must succeed, and gives what it said.
func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPromtoolTakesTheRules(t *testing.T) {
	out := said(t, "promtool", "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	if !strings.Contains(out, "SUCCESS") {
		t.Error(out)
	}
}

func TestUnitTestsOfTheRules(t *testing.T) {
	for _, file := range []string{"site", "quiet", "lasting", "fleet", "shards"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			said(t, "promtool", "test", "rules", "tests/"+file+".yml")
		})
	}
}

func TestAmtoolTakesTheExample(t *testing.T) {
	said(t, "amtool", "check-config", "alertmanager.example.yml")
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct{ receiver, labels string }{
		{"page", "alertname=EndpointIntercepted severity=critical scope=site site=berlin job=endpoint instance=gw:15684"},
		{"page", "alertname=EndpointUnreachable severity=critical scope=site job=endpoint instance=gw:15684"},
		{"page", "alertname=EndpointDnsStaleAtManySites severity=critical scope=fleet"},
		{"ticket", "alertname=EndpointPathBlocked severity=warning scope=site site=berlin"},
		{"ticket", "alertname=EndpointExporterAbsent severity=warning scope=site"},
		{"nobody", "alertname=EndpointDnsSuspect severity=info scope=site site=berlin"},
		{"ticket", "alertname=EndpointOfTomorrow severity=dire"},
		{"ticket", "alertname=SomethingElse severity=info"},
	} {
		args := []string{"config", "routes", "test", "--config.file=alertmanager.example.yml", "--verify.receivers=" + tt.receiver}
		said(t, "amtool", append(args, strings.Fields(tt.labels)...)...)
	}
}

// The title of a page says where, also of a site without a label of its own.
func TestTitlesOfPages(t *testing.T) {
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
		got := said(t, "amtool", "template", "render", "--template.glob="+os.DevNull, "--template.data="+file, "--template.text="+string(title[1]))
		if got = strings.TrimSpace(got); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Each alert of the rules goes where its severity says.
func TestEveryAlertIsRouted(t *testing.T) {
	receiver := map[string]string{"critical": "page", "warning": "ticket", "info": "nobody"}
	for name, r := range readAlerts(t) {
		for _, site := range []string{"", "berlin"} {
			said(t, "amtool", "config", "routes", "test", "--config.file=alertmanager.example.yml", "--verify.receivers="+receiver[r.Labels["severity"]],
				"alertname="+name, "severity="+r.Labels["severity"], "scope="+r.Labels["scope"], "site="+site)
		}
	}
}
