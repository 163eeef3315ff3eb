package idle

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

// TestMain runs all cases of TestConntrack at the same time: they wait for the timeouts of a NAT.
func TestMain(m *testing.M) {
	labtest.SetParallel(16)
	goleak.VerifyTestMain(m)
}
