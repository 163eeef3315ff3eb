// Package examples has configurations to copy for running the exporter with other programs. Its tests run them.
package examples

import (
	"testing"

	"go.uber.org/goleak"
)

//go:generate ../../scripts/prometheus-rule

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
