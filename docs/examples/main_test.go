// Package examples has configurations to copy for running the exporter with other programs. Its tests run them.
package examples

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

//go:generate ../../scripts/prometheus-rule

// shared is a directory for what several tests use.
var shared string

// TestMain runs the tests with other programs at the same time: they wait for scrapes.
func TestMain(m *testing.M) {
	labtest.SetParallel(8)
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		panic(err)
	}
	shared = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // the system's cleaning of temporary files removes what is left
		os.Exit(code)
	}))
}
