//go:build unix

package path

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveBenchmark) != "" {
		benchmarkServer()
		return
	}
	labtest.SetParallel(16) // the tests with firewalls and real servers wait for timeouts and other processes
	goleak.VerifyTestMain(m)
}
