//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// maxResident is what the exporter may hold between rounds, in bytes: its own memory and the mapped pages of the binary.
const maxResident = 16_000_000

// restWithin bounds the wait for the release of memory, which comes a second after the last answer.
const restWithin = 2 * time.Minute

// TestIdleExporterIsSmall looks at the exporter after rounds over the built-in catalogue, at a site whose DNS server is down,
// and over the same hosts in the lab, where every path is walked to its end.
func TestIdleExporterIsSmall(t *testing.T) {
	var binary string
	for _, a := range released(t, "Binary") {
		if a.platform() == "linux/amd64" {
			binary = a.Path
		}
	}
	l, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
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

// restsSmall scrapes the exporter at an address twenty times and holds what stays resident against the bound.
func restsSmall(t *testing.T, address string) {
	t.Helper()
	for range 20 {
		get(t, "http://"+address+"/metrics")
	}
	pid := owner(t, address)
	kB := func(field string) int {
		value, err := strconv.Atoi(status(t, pid, field)[0])
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	busy := kB("VmRSS")
	for deadline := time.Now().Add(restWithin); kB("VmRSS")*1024 > maxResident; <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d kB resident %v after the last scrape, more than %d bytes", kB("VmRSS"), restWithin, maxResident)
			break
		}
	}
	t.Logf("resident at rest %d kB, of these %d kB private and %d kB of the binary; after a scrape %d kB",
		kB("VmRSS"), kB("RssAnon"), kB("RssFile"), busy)
}
