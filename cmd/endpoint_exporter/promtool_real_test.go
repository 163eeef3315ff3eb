//go:build realpeers

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPromtoolFindsNoFaultWithALabsMetrics checks whole expositions, Go's and the process' own series included.
func TestPromtoolFindsNoFaultWithALabsMetrics(t *testing.T) {
	for name, scraped := range scrapedLabs(t) {
		promtool := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
		promtool.Stdin = strings.NewReader(scraped.body)
		if out, err := promtool.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s lab: %v\n%s", name, err, out)
		}
	}
}
