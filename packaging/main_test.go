// Package packaging has the files that are installed with the binary. Its tests check them; those with the build tag
// release check the release that scripts/release-check makes.
package packaging

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
