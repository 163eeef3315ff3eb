//go:build realpeers

package collector

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool checks an exposition; the test fails if it prints anything.
func promtool(t *testing.T, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Errorf("promtool: %v\n%s", err, said.String())
	}
}

func TestPromtoolGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) < 3 {
		t.Fatalf("goldens: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { promtool(t, string(text)) })
	}
}

func TestPromtoolScrape(t *testing.T) {
	report := sickReport()
	promtool(t, expose(t, New(report, Options{MaxAddresses: 8, Histograms: histogramsOf(report)}), registered(t, reloaded())))
}
