//go:build realpeers

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestWhileShownAfterInterceptor asks for who signed, five minutes after the cloud's own certificate is back.
func TestWhileShownAfterInterceptor(t *testing.T) {
	var who string
	for _, p := range all(t)["endpoint.json"].Panels {
		if p.Title == "Who signed" {
			who = selectingAll(p.Targets[0].Expr)
		}
	}
	const path, at = `service="a", host="h", transport="tcp", port="5684"`, `job="endpoint", site="s", instance="i", `
	tests := map[string]any{"tests": []any{map[string]any{
		"interval": "1m",
		"input_series": []any{
			map[string]string{"series": `endpoint_tls_issuer_info{` + at + path + `, issuer="inspector", subject="h", public_key_sha256="1"}`, "values": "1x9 stale"},
			map[string]string{"series": `endpoint_tls_issuer_info{` + at + path + `, issuer="cloud", subject="h", public_key_sha256="2"}`, "values": "_x10 1x10"},
			map[string]string{"series": `endpoint_tls_authentic{` + at + path + `}`, "values": "0x9 1x10"},
		},
		"promql_expr_test": []any{map[string]any{"expr": who, "eval_time": "15m", "exp_samples": []any{
			map[string]any{"labels": `{` + at + path + `, issuer="inspector", subject="h", public_key_sha256="1"}`, "value": 0},
			map[string]any{"labels": `{` + at + path + `, issuer="cloud", subject="h", public_key_sha256="2"}`, "value": 1},
		}}},
	}}}
	promtool(t, tests)
}

// promtool runs the unit tests of a file with this content.
func promtool(t *testing.T, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// selectingAll replaces the variables of a dashboard in an expression, so that it selects every series.
func selectingAll(expr string) string {
	return regexp.MustCompile(`\$[a-z_]\w*`).ReplaceAllString(expr, ".*")
}
