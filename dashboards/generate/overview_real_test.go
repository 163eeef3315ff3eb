//go:build realpeers

package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestSitesWithFault evaluates the table of sites over what the alerting rules record of four sites: an intercepted one,
// a silent one, a healthy one, and one without a label that is unreachable.
func TestSitesWithFault(t *testing.T) {
	rank := func(name string) int { return slices.IndexFunc(faults, func(f fault) bool { return f.name == name }) }
	rows := map[string][]int{ // per site: worst fault, who must act, minute of its beginning
		`{site="a", instance="All"}`: {rank("EndpointIntercepted"), rank("EndpointIntercepted"), 23},
		`{site="b", instance="All"}`: {rank("EndpointSiteSilent"), rank("EndpointSiteSilent"), 26},
		`{instance="four:1"}`:        {rank("EndpointUnreachable"), classOffset + 1, 26},
	}
	var expressions []any
	for _, p := range all(t)["overview.json"].Panels {
		if p.Title != "Sites with a fault" {
			continue
		}
		for i, letter := range []string{"A", "B", "E"} {
			var samples []any
			for labels, values := range rows {
				value := values[i]
				if letter == "E" {
					value *= 60 * 1000
				}
				samples = append(samples, map[string]any{"labels": labels, "value": value})
			}
			query := p.Targets[slices.IndexFunc(p.Targets, func(q target) bool { return q.RefID == letter })]
			expressions = append(expressions, map[string]any{
				"expr": selectingAll(query.Expr), "eval_time": "40m", "exp_samples": samples,
			})
		}
	}
	const target, path = `service="s", host="h"`, `service="s", host="h", transport="tcp", port="443"`
	var input []any
	series := func(name, labels, values string) {
		input = append(input, map[string]string{"series": name + "{" + labels + "}", "values": values})
	}
	for labels, up := range map[string]string{
		`job="endpoint", site="a", instance="one:1", `:   "1x20 0x40",
		`job="endpoint", site="b", instance="two:1", `:   "1x20 stale",
		`job="endpoint", site="c", instance="three:1", `: "1x60",
		`job="endpoint", instance="four:1", `:            "1x20 0x40",
	} {
		series("endpoint_survey_last_timestamp_seconds", labels[:len(labels)-2], map[bool]string{true: "0+60x20 stale", false: "0+60x60"}[up == "1x20 stale"])
		series("endpoint_up", labels+target, up)
		series("endpoint_path_up", labels+path, up)
	}
	series("endpoint_path_failure", `job="endpoint", site="a", instance="one:1", reason="wrong_issuer", class="interception", `+path, "_x20 2x40")
	series("endpoint_path_failure", `job="endpoint", instance="four:1", reason="silent", class="blocked", `+path, "_x20 2x40")
	rules, err := filepath.Abs("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": "1m",
		"tests": []any{map[string]any{"interval": "1m", "input_series": input, "promql_expr_test": expressions}},
	})
}
