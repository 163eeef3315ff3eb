//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// maxPrivate is what the exporter may hold of its own, in kB: without the pages of the binary, which the kernel shares and
// takes back.
const maxPrivate = 16_000

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
	private, err := strconv.Atoi(status(t, pid, "RssAnon")[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("resident %s kB, of these %d kB private and %s kB of the binary", status(t, pid, "VmRSS")[0], private, status(t, pid, "RssFile")[0])
	if private > maxPrivate {
		t.Errorf("%d kB private, more than %d", private, maxPrivate)
	}
}
