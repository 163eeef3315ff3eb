// Package labtest starts labs for tests.
package labtest

import (
	"context"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// Start starts a lab that is closed when the test ends, after the cleanups that the test registers later.
func Start(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return l
}
