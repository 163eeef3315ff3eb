//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// maxResident is what the exporter may hold between rounds, in bytes: its own memory and the mapped pages of the binary.
const maxResident = 16_000_000

// restWithin bounds the wait for the release of memory, which comes a second after the last answer.
const restWithin = 30 * time.Second

// nowhere is the built-in catalogue at a site whose DNS server is down.
const nowhere = `resolvers: ["127.0.0.1:1"]
authority: {interception_test: false}
survey: {min_interval: 0s}
`

// TestIdleExporterIsSmall looks at the exporter after rounds over the built-in catalogue.
func TestIdleExporterIsSmall(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, []byte(nowhere), 0o600); err != nil {
		t.Fatal(err)
	}
	var binary string
	for _, a := range released(t, "Binary") {
		if a.platform() == "linux/amd64" {
			binary = a.Path
		}
	}
	address := program.Start(t, exec.Command(binary, "--config.file="+config, "--web.listen-address=127.0.0.1:0"))
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
