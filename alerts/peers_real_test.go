//go:build realpeers

package alerts

import (
	"os/exec"
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
		{"page", "alertname=EndpointDnsStaleAtMostSites severity=critical scope=fleet"},
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
