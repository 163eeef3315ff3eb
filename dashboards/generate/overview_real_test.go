//go:build realpeers

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSitesWithFault evaluates the table of sites, 40 minutes after the start, over what the alerting rules record of
// sites whose only host fails after 20 minutes.
func TestSitesWithFault(t *testing.T) {
	rank := func(name string) int { return slices.IndexFunc(faults, func(f fault) bool { return f.name == name }) }
	const (
		up          = "1x60"
		down        = "1x20 0x40"
		gone        = "1x20 stale"
		intercepted = `reason="wrong_issuer", class="interception"`
		blocked     = `reason="silent", class="blocked"`
	)
	type exporter struct{ site, instance, up, failure string }
	type row struct{ worst, who, begins int }
	intercept, unreachable, silent := rank("EndpointIntercepted"), rank("EndpointUnreachable"), rank("EndpointSiteSilent")
	var tests []any
	for _, tc := range []struct {
		exporters []exporter
		want      map[string]row
	}{
		{ // of six sites one intercepted, one silent, one without a label unreachable
			[]exporter{{"a", "one:1", down, intercepted}, {"b", "two:1", gone, ""}, {"c", "three:1", up, ""}, {"", "four:1", down, blocked},
				{"d", "five:1", up, ""}, {"e", "six:1", up, ""}},
			map[string]row{
				`{site="a", exporter="All"}`: {intercept, intercept, 23},
				`{site="b", exporter="All"}`: {silent, silent, 26},
				`{exporter="four:1"}`:        {unreachable, classOffset + 1, 26},
			},
		},
		{ // most sites intercepted at once, one of them with two exporters
			[]exporter{{"a", "one:1", down, intercepted}, {"a", "two:1", down, intercepted}, {"b", "three:1", down, intercepted}, {"c", "four:1", up, ""}},
			map[string]row{
				`{site="a", exporter="All"}`: {intercept, inIncident, 23},
				`{site="b", exporter="All"}`: {intercept, inIncident, 23},
			},
		},
	} {
		var input []any
		series := func(name, labels, values string) {
			input = append(input, map[string]string{"series": name + "{" + labels + "}", "values": values})
		}
		for _, e := range tc.exporters {
			const target, path = `, service="s", host="h"`, `, service="s", host="h", transport="tcp", port="443"`
			labels := `job="endpoint", site="` + e.site + `", instance="` + e.instance + `"`
			series("endpoint_survey_last_timestamp_seconds", labels, strings.NewReplacer(down, "0+60x60", up, "0+60x60", gone, "0+60x20 stale").Replace(e.up))
			series("endpoint_up", labels+target, e.up)
			series("endpoint_path_up", labels+path, e.up)
			if e.failure != "" {
				series("endpoint_path_failure", labels+path+", "+e.failure, "_x20 2x40")
			}
		}
		var expressions []any
		ask := func(letter string, value func(row) int) {
			var samples []any
			for labels, r := range tc.want {
				samples = append(samples, map[string]any{"labels": labels, "value": value(r)})
			}
			for _, p := range all(t)["overview.json"].Panels {
				for _, q := range p.Targets {
					if p.Title == "Sites with a fault" && q.RefID == letter {
						expressions = append(expressions, map[string]any{"expr": selectingAll(q.Expr), "eval_time": "40m", "exp_samples": samples})
					}
				}
			}
		}
		ask("A", func(r row) int { return r.worst })
		ask("B", func(r row) int { return r.who })
		ask("E", func(r row) int { return r.begins * 60 * 1000 })
		if len(expressions) != 3 {
			t.Fatalf("%d columns were found", len(expressions))
		}
		tests = append(tests, map[string]any{"interval": "1m", "input_series": input, "promql_expr_test": expressions})
	}
	rules, err := filepath.Abs("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, map[string]any{"rule_files": []string{rules}, "evaluation_interval": "1m", "tests": tests})
}
