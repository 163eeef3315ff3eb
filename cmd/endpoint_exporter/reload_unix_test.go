//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestFIFOAsCAFile: a CA file that becomes a FIFO, which never can be read, holds no scrape and no page, and a reload
// refuses it.
func TestFIFOAsCAFile(t *testing.T) {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		if err := os.WriteFile(file, mint.Bootstrap.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		config := strings.Replace(bootstrapOnly(t, network).Config(), "trust:\n", "trust:\n  file: {ca_file: "+file+"}\n", 1)
		e := startExporterOn(t, network, config+"survey: {min_interval: 0s}\n")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, page := range []string{"/metrics", "/", "/api/v1/report"} {
			if code, _ := get(t, e, http.MethodGet, page); code != http.StatusOK {
				t.Errorf("%s: %d", page, code)
			}
		}
		if err := e.reload(); err == nil || !strings.Contains(err.Error(), "trust.file.ca_file: read "+file+": not a regular file") {
			t.Errorf("reload: %v", err)
		}
	})
}
