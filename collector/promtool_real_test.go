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

// promtool checks an exposition; it prints what it has to say and fails if that is more than nothing.
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

func TestPromtoolTakesTheGoldens(t *testing.T) {
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

func TestPromtoolTakesAWholeScrape(t *testing.T) {
	report := sickReport()
	promtool(t, expose(t, New(report, Options{Addresses: true, Histograms: histogramsOf(report)}), reloaded()))
}
