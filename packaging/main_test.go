// Package packaging holds what is installed beside the binary; its tests hold it, and a release made of it, to what
// they promise. Those with the build tag release want the release that scripts/release-check makes.
package packaging

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
