//go:build realpeers

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPromtoolAcceptsMetrics checks whole expositions, with the series of Go and of the process.
func TestPromtoolAcceptsMetrics(t *testing.T) {
	for name, scraped := range scrapeLabs(t) {
		promtool := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		promtool.Stdin = strings.NewReader(scraped.body)
		if out, err := promtool.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s lab: %v\n%s", name, err, out)
		}
	}
}
