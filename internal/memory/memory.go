// Package memory gives back to the system what the program does not need while nobody asks it anything. A site often has
// but a small box to spare, and nearly all of an exporter's life is the time between two scrapes.
package memory

import (
	"fmt"
	"runtime/debug"
)

// Release collects the garbage, returns the free heap, and lets go of the pages of the program's constants and tables:
// most of them were touched once, at the start, or came along because the kernel maps sixteen at a time. What is needed
// again comes back from the page cache by itself. It takes some milliseconds of processor time (docs/performance.md).
func Release() error {
	debug.FreeOSMemory()
	if err := releaseConstants(); err != nil {
		return fmt.Errorf("release the pages of the program's constants: %w", err)
	}
	return nil
}
