package program

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Prometheus is a release of Prometheus that the project supports.
type Prometheus struct {
	Version  string // the major version
	Server   string // the program prometheus
	Promtool string
	Agent    string // the flag that selects agent mode
}

// PrometheusReleases returns Debian's Prometheus 2, and the Prometheus 3 that scripts/prometheus3 builds or finds in
// the user's cache. Root is the path of the repository.
func PrometheusReleases(tb testing.TB, root string) []Prometheus {
	tb.Helper()
	var complaints bytes.Buffer
	command := exec.CommandContext(tb.Context(), filepath.Join(root, "scripts/prometheus3"))
	command.Stderr = &complaints
	directory, err := command.Output()
	if err != nil {
		tb.Fatalf("scripts/prometheus3: %v\n%s", err, complaints.String())
	}
	built := strings.TrimSpace(string(directory))
	return []Prometheus{
		{Version: "2", Server: "prometheus", Promtool: "promtool", Agent: "--enable-feature=agent"},
		{Version: "3", Server: filepath.Join(built, "prometheus"), Promtool: filepath.Join(built, "promtool"), Agent: "--agent"},
	}
}
