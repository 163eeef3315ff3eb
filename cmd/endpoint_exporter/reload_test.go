package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestRequestsDuringReload: no page and no scrape waits for a reload, which reads files that may answer late.
func TestRequestsDuringReload(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config())
		e.reloading.Lock() // a reload that does not end
		defer e.reloading.Unlock()
		for _, page := range []string{"/metrics", "/", "/api/v1/report", "/sd", "/probe?target=" + bootstrapHost} {
			if code, body := get(t, e, http.MethodGet, page); code != http.StatusOK {
				t.Errorf("%s: %d %.100s", page, code, body)
			}
		}
	})
}

// TestReloadInvalid: what a truncated or replaced file leaves does not change what is watched.
func TestReloadInvalid(t *testing.T) {
	for name, test := range map[string]struct {
		change func(file string) error
		want   string
	}{
		"an empty file": {func(file string) error { return os.Truncate(file, 0) }, "the file is empty; write {} to use the default of every key"},
		"no file":       {os.Remove, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				e := startExporterOn(t, network, bootstrapOnly(t, network).Config())
				if err := test.change(e.flags.configFile); err != nil {
					t.Fatal(err)
				}
				if err := e.reload(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				if x := scrape(t, e); len(x.of("endpoint_up")) != 1 || len(x.of("endpoint_up", `host="`+bootstrapHost+`"`)) != 1 {
					t.Errorf("watched are %v", x.of("endpoint_up"))
				}
			})
		})
	}
}
