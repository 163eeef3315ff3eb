//go:build unix

package survey

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveBenchmark) != "" {
		benchmarkServer()
		return
	}
	goleak.VerifyTestMain(m)
}
