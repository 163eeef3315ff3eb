package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/promql"
)

// TestQueries checks the PromQL queries of the documents, which blank lines separate, against the metrics and the
// recorded series that exist.
func TestQueries(t *testing.T) {
	known, err := promql.Known()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	if known, err = promql.CheckRules(rules, known); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range pages {
		for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
			for query := range strings.SplitSeq(block[1], "\n\n") {
				n++
				if err := promql.CheckExpr(query, known); err != nil {
					t.Errorf("%s: %v\n%s", page, err, query)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no query found")
	}
}

// TestNames tests that every metric and every alert that a document names exists.
func TestNames(t *testing.T) {
	known, err := promql.Known()
	if err != nil {
		t.Fatal(err)
	}
	rules := read(t, "../alerts/endpoint.rules.yml")
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text := read(t, page)
		for _, match := range regexp.MustCompile("`(endpoint_[a-z0-9_]+)[`{ ]").FindAllStringSubmatch(text, -1) {
			name := match[1]
			if name == "endpoint_exporter" || name == "endpoint_lab" || strings.HasSuffix(name, "_") {
				continue
			}
			n++
			if _, ok := known[name]; !ok {
				t.Errorf("%s: unknown metric %s", page, name)
			}
		}
		for _, match := range regexp.MustCompile("`(Endpoint[A-Z][A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
			n++
			if !strings.Contains(rules, "alert: "+match[1]+"\n") {
				t.Errorf("%s: unknown alert %s", page, match[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d names found", n)
	}
}
