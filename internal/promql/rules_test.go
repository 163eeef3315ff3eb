package promql

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const someRules = `
groups:
  - name: example
    rules:
      - record: endpoint:bad:twice # uses what is recorded below it
        expr: endpoint:bad * 2
      - record: endpoint:bad
        expr: max without (reason, class) (endpoint_path_failure)
      - alert: Bad
        expr: endpoint:bad:twice > 2
        labels: {severity: critical}
        annotations:
          description: >-
            {{ $labels.host }} {{ $labels.severity }} {{ with printf ` + "`count by (reason) (endpoint_path_failure{host=%q})`" + ` $labels.host | query }}
            {{ range sortByLabel "reason" . }}{{ .Labels.reason }}{{ end }}{{ end }}
`

func TestRulesTogetherWithWhatTheyRecord(t *testing.T) {
	known, err := CheckRules([]byte(someRules), someMetrics)
	if err != nil {
		t.Fatal(err)
	}
	path := []string{"host", "instance", "job", "port", "service", "site", "transport"}
	if got := known["endpoint:bad:twice"]; !slices.Equal(got, path) {
		t.Errorf("the recorded series has %q, want %q", got, path)
	}
	if err := CheckExpr(`ALERTS{alertname="Bad", alertstate="firing", severity="critical", port="443"}`, known); err != nil {
		t.Error(err)
	}
	if _, ok := someMetrics["ALERTS"]; ok {
		t.Error("the caller's table was changed")
	}
}

func TestFaultsOfRules(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"groups:", "groups: [", "read the rules"},
		{"(endpoint_path_failure)", "(endpoint_failure)", `endpoint:bad: metric "endpoint_failure" does not exist`},
		{"endpoint:bad:twice > 2", "endpoint:worse > 2", `Bad: metric "endpoint:worse" does not exist`},
		{"$labels.host }}", "$labels.reason }}", `Bad: description: the alert has no label "reason"`},
		{"{host=%q}", "{name=%q}", `label "name" cannot be in`},
		{".Labels.reason", ".Labels.issuer", `no query of the text gives a label "issuer"`},
		{`sortByLabel "reason"`, `sortByLabel "class"`, `no query of the text gives a label "class"`},
		{"printf `", "print `", "1 queries, of which 0"},
	} {
		_, err := CheckRules([]byte(strings.Replace(someRules, c.old, c.new, 1)), someMetrics)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s instead of %s: %v, want %s", c.new, c.old, err, c.want)
		}
	}
}

// The alerts that are shipped ask for what the exporter has.
func TestAlertsAskForWhatTheExporterHas(t *testing.T) {
	file, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	known, err := Known()
	if err != nil {
		t.Fatal(err)
	}
	all, err := CheckRules(file, known)
	if err != nil {
		t.Error(err)
	}
	if len(all["ALERTS"]) == 0 || len(all) < len(known)+10 {
		t.Errorf("the file yields only %d series", len(all)-len(known))
	}
}
