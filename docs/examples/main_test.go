// Package examples holds what people copy to run the exporter with other programs; its tests hold that it works.
package examples

import (
	"testing"

	"go.uber.org/goleak"
)

//go:generate ../../scripts/prometheus-rule

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
