package alerts

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/promql"
)

// parts are the paragraphs of every runbook, in this order.
var parts = []string{"**Means.**", "**Sure?**", "**Look.**", "**Ask.**", "**Ends**", "**Not it.**"}

// TestRunbooks tests that every alert has its runbook, every runbook its alert, and that all have the same parts.
func TestRunbooks(t *testing.T) {
	text, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	alerts := readAlerts(t)
	sections := regexp.MustCompile(`(?m)^## (Endpoint\w*)$`).FindAllSubmatchIndex(text, -1)
	for i, at := range sections {
		end := len(text)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		name, section := string(text[at[2]:at[3]]), string(text[at[0]:end])
		r, known := alerts[name]
		if !known {
			t.Errorf("%s has a runbook, and is not an alert", name)
			continue
		}
		delete(alerts, name)
		if !strings.HasPrefix(strings.SplitN(section, "\n", 4)[2], "*"+r.Labels["severity"]) {
			t.Errorf("%s: the line after the heading does not begin with its severity, %s", name, r.Labels["severity"])
		}
		last := 0
		for _, part := range parts {
			found := strings.Index(section, "\n"+part)
			if found <= last {
				t.Errorf("%s: %s is missing or out of order", name, part)
			}
			last = found
		}
	}
	for name := range alerts {
		t.Errorf("%s has no runbook", name)
	}
}

// TestRunbookCommands tests that the commands of runbooks have flags and metrics that exist.
func TestRunbookCommands(t *testing.T) {
	text, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"--output=markdown", "--watch=30m", "--config.check", "--config.file=FILE", "--keepalive=540s"}
	for _, flag := range regexp.MustCompile(`\s(--[a-z.]+(?:=\w+)?)`).FindAllSubmatch(text, -1) {
		if !slices.Contains(flags, string(flag[1])) {
			t.Errorf("%s is not among the flags that runbooks use: %q", flag[1], flags)
		}
	}
	for _, command := range regexp.MustCompile("(?m)(?:`|^)endpoint_exporter .*").FindAllString(string(text), -1) {
		if !strings.Contains(command, "endpoint_exporter --config.file=FILE ") {
			t.Errorf("%s does not name the exporter's configuration", command)
		}
	}
	known, err := promql.Known()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`endpoint_[a-z_]+`).FindAllString(string(text), -1) {
		if _, ok := known[name]; !ok && name != "endpoint_exporter" {
			t.Errorf("the exporter has no metric %s", name)
		}
	}
}

// TestAnnotationCommands tests that each command that an alert prints is one of the runbooks, which are run by the
// tests of the program.
func TestAnnotationCommands(t *testing.T) {
	text, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	inRunbooks := strings.ReplaceAll(string(text), " --config.file=FILE", "")
	printed := 0
	for name, r := range readAlerts(t) {
		for _, m := range regexp.MustCompile(`"(endpoint_exporter [^"]+)"`).FindAllStringSubmatch(r.Annotations["description"], -1) {
			printed++
			command := regexp.QuoteMeta(strings.ReplaceAll(m[1], "{{ $labels.host }}", "HOST"))
			if !regexp.MustCompile("(?m)(?:`|^)" + command + "(?:`|$| >)").MatchString(inRunbooks) {
				t.Errorf("%s: no runbook has %s", name, m[1])
			}
		}
	}
	if printed < 8 {
		t.Errorf("only %d commands were found", printed)
	}
}

// TestRunbookQueries tests that every query of a runbook selects series and labels that exist: a mistyped one would
// return nothing, which reads as "not it".
func TestRunbookQueries(t *testing.T) {
	text, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	known, err := promql.Known()
	if err != nil {
		t.Fatal(err)
	}
	if known, err = promql.CheckRules(rules, known); err != nil {
		t.Fatal(err)
	}
	ofSeries := regexp.MustCompile(`\bendpoint[_:]|\bup\b`)
	queries := 0
	for _, code := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(bytes.ReplaceAll(text, []byte("```"), nil), -1) {
		query := string(code[1])
		if !ofSeries.MatchString(strings.ReplaceAll(query, "endpoint_exporter", "")) {
			continue
		}
		queries++
		if err := promql.CheckExpr(query, known); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	if queries < 30 {
		t.Errorf("only %d queries were found", queries)
	}
}

// TestReadmeNamesEveryAlert tests that README.md lists every alert; those of a fault at many sites share a row.
func TestReadmeNamesEveryAlert(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range readAlerts(t) {
		if base, ok := strings.CutSuffix(name, "AtManySites"); ok && name != "EndpointWarningAtManySites" {
			name = base
		}
		if !bytes.Contains(text, []byte("`"+name+"`")) {
			t.Errorf("%s is not in README.md", name)
		}
	}
}

// TestRunbookEnds compares when an alert ends, by its runbook, with the promtool test that follows it: from the end of
// the fault, which the test's name gives, to the first evaluation without the alert.
func TestRunbookEnds(t *testing.T) {
	text, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	promised := make(map[string]time.Duration)
	for _, m := range regexp.MustCompile(`(?s)\n## (Endpoint\w+)\n.*?\n\*\*Ends\*\* within (\d+) minutes`).FindAllSubmatch(text, -1) {
		minutes, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		promised[string(m[1])] = time.Duration(minutes) * time.Minute
	}
	name := regexp.MustCompile(`^(Endpoint\w+), fault from (\d+)m to (\d+)m: `)
	for _, test := range unitTests(t) {
		m := name.FindStringSubmatch(test.Name)
		if m == nil {
			continue
		}
		over, err := strconv.Atoi(m[3])
		if err != nil {
			t.Fatal(err)
		}
		var firing, ended time.Duration
		for _, a := range test.AlertRuleTests {
			if at := time.Duration(a.EvalTime); a.Alert == m[1] && len(a.Expected) > 0 {
				firing = max(firing, at)
			} else if a.Alert == m[1] {
				ended = max(ended, at)
			}
		}
		took := ended - time.Duration(over)*time.Minute
		limit, ok := promised[m[1]]
		switch {
		case !ok:
			t.Errorf("%s: the runbook does not say within how many minutes it ends", m[1])
		case firing == 0 || ended < firing:
			t.Errorf("%s: %s: it does not fire and end", m[1], test.Name)
		case took > limit || limit > took+took/2+5*time.Minute:
			t.Errorf("%s ends %s after its fault; its runbook says within %s", m[1], took, limit)
		}
		delete(promised, m[1])
	}
	for name := range promised {
		t.Errorf("no unit test of tests/lifecycle.yml shows when %s ends", name)
	}
}
