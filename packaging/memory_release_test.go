//go:build release

package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// maxPrivate is the most private memory of an idle exporter, in bytes: its anonymous pages (Anonymous of smaps_rollup).
// The pages of the binary belong to the page cache, which drops them and shares them with other processes. They are
// not counted, although the kernel lists them as private while only one process maps them.
const maxPrivate = 9_000_000

// restWithin bounds the wait for the release of memory, which comes a minute after the last answer at the latest.
const restWithin = 2 * time.Minute

// TestIdleExporterIsSmall looks at the exporter after rounds over the built-in catalogue, at a site whose DNS server
// is down, and over the same hosts in the lab, where every path is walked to its end.
func TestIdleExporterIsSmall(t *testing.T) {
	var binary string
	for _, a := range released(t, "Binary") {
		if a.platform() == "linux/amd64" {
			binary = a.Path
		}
	}
	l := labtest.Start(t, lab.Options{})
	for name, config := range map[string]string{
		"nowhere":    "resolvers: ['127.0.0.1:1']\nauthority: {interception_test: false}\n",
		"in the lab": l.Config(),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yml")
			if err := os.WriteFile(file, []byte(config+"survey: {min_interval: 0s}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			restsSmall(t, program.Start(t, exec.Command(binary, "--config.file="+file, "--web.listen-address=127.0.0.1:0")))
		})
	}
}

// restsSmall scrapes the exporter at an address twenty times and compares its private memory with the bound.
func restsSmall(t *testing.T, address string) {
	t.Helper()
	for range 20 {
		get(t, "http://"+address+"/metrics")
	}
	pid := owner(t, address)
	busy := privateMemory(t, pid)
	resting := busy
	for deadline := time.Now().Add(restWithin); resting > maxPrivate; <-time.After(100 * time.Millisecond) {
		if resting = privateMemory(t, pid); time.Now().After(deadline) {
			t.Errorf("%d bytes of private memory %v after the last scrape, more than %d", resting, restWithin, maxPrivate)
			break
		}
	}
	t.Logf("private memory: %d bytes at rest, %d after a scrape", resting, busy)
}

// privateMemory is the size of the anonymous pages of a process in bytes.
func privateMemory(t *testing.T, pid string) (bytes int) {
	t.Helper()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%s/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rollup)) {
		if value, found := strings.CutPrefix(line, "Anonymous:"); found {
			kB, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kB * 1024
		}
	}
	t.Fatalf("smaps_rollup of process %s has no field Anonymous", pid)
	return 0
}
