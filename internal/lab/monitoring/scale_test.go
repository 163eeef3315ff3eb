package monitoring

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScaleExpression(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`up`, `up`},
		{`max_over_time(up[5m]) == 0`, `max_over_time(up[5s]) == 0`},
		{`rate(a[1h30m]) > 60 * rate(b[1d] offset 2h)`, `rate(a[1m30s]) > 60 * rate(b[24m] offset 2m)`},
		{`max_over_time((a and b == 0)[10m:1m])`, `max_over_time((a and b == 0)[10s:1s])`},
		{`max_over_time(a[10m:])`, `max_over_time(a[10s:])`},
		{`a{x="1h", y="offset"}[30s]`, `a{x="1h", y="offset"}[500ms]`},
		{`a[10ms]`, `a[1ms]`},
		{"Signed by [{{ $labels.issuer }}] {{ with printf `a{b=%q}[10m]` $x | query }}", "Signed by [{{ $labels.issuer }}] {{ with printf `a{b=%q}[10s]` $x | query }}"},
	} {
		if got, err := scaleExpression(tt.in, 60); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	if got, err := scaleExpression("a[soon]", 60); err == nil {
		t.Errorf("a range that is not a duration: %s", got)
	}
}

func TestScaleRules(t *testing.T) {
	const rules = `groups:
  - name: a
    interval: 5m
    rules:
      - record: limit:seconds
        expr: vector(60)
      - record: limit:ratio
        expr: vector(3)
      - alert: A
        expr: |
          min_over_time(a[1h])
          > 60
        for: 2m
        keep_firing_for: 1d
        labels: {severity: critical}
        annotations: {summary: "within 10m", description: "{{ query ` + "`a[10m]`" + ` }}"}
`
	const want = `groups:
    - name: a
      interval: 5s
      rules:
        - record: limit:seconds
          expr: vector(1.5)
        - record: limit:ratio
          expr: vector(3)
        - alert: A
          expr: |
            min_over_time(a[1m])
            > 60
          for: 2s
          keep_firing_for: 24m
          labels: {severity: critical}
          annotations: {summary: "within 10m", description: "{{ query ` + "`a[10s]`" + ` }}"}
`
	got, err := ScaleRules([]byte(rules), 60, map[string]float64{"limit:seconds": 1.5})
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	for name, bad := range map[string]string{
		"no YAML":           "groups: [",
		"no duration":       "groups: [{rules: [{alert: A, for: soon}]}]",
		"no range":          "groups: [{rules: [{alert: A, expr: 'a[soon]'}]}]",
		"threshold missing": "groups: []",
	} {
		if got, err := ScaleRules([]byte(bad), 60, map[string]float64{"limit:seconds": 1}); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What is shipped has no time that the scaling overlooks, and keeps its rules.
func TestScaleShippedRules(t *testing.T) {
	file, err := os.ReadFile("../../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	scaled, err := ScaleRules(file, 1440, nil) // 30 days are then half an hour
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(scaled, &tree); err != nil {
		t.Fatal(err)
	}
	comments := regexp.MustCompile(`(?m)#.*$`)
	long := regexp.MustCompile(`[\[: ](\d+[hd])[\]:\n]`)
	for _, line := range strings.Split(comments.ReplaceAllString(string(scaled), "")+"\n", "\n") {
		if m := long.FindStringSubmatch(line + "\n"); m != nil {
			t.Errorf("%s is left in: %s", m[1], line)
		}
	}
	rule := regexp.MustCompile(`(?m)^\s*- (alert|record):`)
	if got, want := len(rule.FindAll(scaled, -1)), len(rule.FindAll(file, -1)); got != want || got == 0 {
		t.Errorf("%d rules of %d", got, want)
	}
}

func TestScaleAlertmanager(t *testing.T) {
	const config = `route:
  receiver: page
  group_wait: 30s
  routes:
    - {receiver: nobody, group_interval: 5m, repeat_interval: 7d}
receivers:
  - name: page
    pagerduty_configs: [{routing_key_file: /key}]
  - {opsgenie_configs: [{api_key_file: /key}], name: other}
  - name: nobody
`
	const want = `route:
    receiver: page
    group_wait: 300ms
    routes:
        - {receiver: nobody, group_interval: 3s, repeat_interval: 1h40m48s}
receivers:
    - name: page
      webhook_configs:
        - send_resolved: true
          url: http://127.0.0.1:1/
    - {name: other, webhook_configs: [{send_resolved: true, url: 'http://127.0.0.1:1/'}]}
    - name: nobody
`
	got, err := ScaleAlertmanager([]byte(config), 100, "http://127.0.0.1:1/")
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}
