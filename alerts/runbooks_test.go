package alerts

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/promql"
)

// parts are the paragraphs that every runbook has, in this order.
var parts = []string{"**Means.**", "**Sure?**", "**Look.**", "**Ask.**", "**Ends**", "**Not it.**"}

// Every alert has its runbook, every runbook its alert, and all are built alike.
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
			t.Errorf("%s is the runbook of no alert", name)
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
				t.Errorf("%s: no %s in its place", name, part)
			}
			last = found
		}
	}
	for name := range alerts {
		t.Errorf("%s has no runbook", name)
	}
}

// What a runbook tells people to type is what the programs take, and what it tells them to ask for is there.
func TestCommandsOfRunbooks(t *testing.T) {
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
			t.Errorf("%s is no metric of the exporter", name)
		}
	}
}

// Every query that a runbook gives is one that Prometheus takes, of series and labels that exist: one that is mistyped
// would answer nothing, which reads as "not it".
func TestQueriesOfRunbooks(t *testing.T) {
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
