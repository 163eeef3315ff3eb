package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// head is the text above the tables.
//
//go:embed head.md
var head []byte

// listed is the largest number of label values that a metric's row lists. The only longer list, of reasons, has its own
// table.
const listed = 12

// reference is the whole document.
func reference() []byte {
	out := bytes.NewBuffer(bytes.Clone(head))
	group := ""
	for _, m := range collector.Metrics() {
		if m.Group != group {
			group = m.Group
			fmt.Fprintf(out, "\n## %s\n\n| name | type | labels | meaning |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels(&m), m.Help)
	}
	out.WriteString("\n## Reasons\n\nThe label `reason` of `endpoint_path_failure` is one of these, each with its `class`.\n\n" +
		"| class | reason | meaning |\n|---|---|---|\n")
	for _, r := range reason.All() {
		fmt.Fprintf(out, "| %s | `%s` | %s |\n", r.Class, r.Reason, r.Meaning)
	}
	return out.Bytes()
}

// labels lists a metric's labels, with their values where the list is closed and short. The sets that most metrics
// share have a name, which the head of the document explains.
func labels(m *collector.Metric) string {
	var out []string
	rest := m.Labels
	for _, set := range []struct {
		name   string
		labels []string
	}{
		{"path", []string{"service", "host", "transport", "port"}},
		{"resolver", []string{"service", "host", "resolver"}},
		{"target", []string{"service", "host"}},
	} {
		if n := len(set.labels); len(rest) >= n && strings.Join(rest[:n], ",") == strings.Join(set.labels, ",") {
			out, rest = append(out, "*"+set.name+"*"), rest[n:]
			break
		}
	}
	for _, label := range rest {
		text := "`" + label + "`"
		if values := m.Values[label]; len(values) > listed {
			text += " ([list](#reasons))"
		} else if len(values) > 0 {
			text += " (`" + strings.Join(values, "`, `") + "`)"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
