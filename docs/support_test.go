package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestPrometheus3Version compares the version of Prometheus 3 in support.md with go.mod, where the module v0.316.0 is
// Prometheus 3.16.0. scripts/prometheus3 builds this version.
func TestPrometheus3Version(t *testing.T) {
	module := regexp.MustCompile(`(?m)^\tgithub.com/prometheus/prometheus v0\.3(\d+)\.\d+$`).FindStringSubmatch(read(t, "../go.mod"))
	if module == nil {
		t.Fatal("go.mod does not require Prometheus 3")
	}
	if want := "2.42 (Debian 12) and 3." + module[1] + " "; !strings.Contains(read(t, "support.md"), want) {
		t.Errorf("support.md does not contain %q", want)
	}
}
