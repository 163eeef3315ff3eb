// Package golden compares what a test produced with a file that a person has reviewed. With GOLDEN_UPDATE=1 in the
// environment the tests write the files: `make golden` does that for every package, and `git diff` then shows what to
// review.
//
// Use [Equal] for one text, and [Exact] in addition where the files of a directory belong to the cases of one test.
// What is compared must be the same in every run: sort what comes from maps, and name what differs (times, ports,
// keys) before it is passed here.
package golden

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

// Updating reports whether the files are to be written. It is for runners of scripts that write their own files.
func Updating() bool { return os.Getenv("GOLDEN_UPDATE") != "" }

// Equal reports an error with a unified diff if got differs from the contents of a file.
func Equal(t testing.TB, file, got string) {
	t.Helper()
	equal(t, file, got, Updating())
}

func equal(t testing.TB, file, got string, update bool) {
	t.Helper()
	want, err := os.ReadFile(file)
	switch {
	case err != nil && (!update || !errors.Is(err, fs.ErrNotExist)):
		t.Errorf("read golden file (GOLDEN_UPDATE=1 writes a new one): %v", err)
	case err == nil && bytes.Equal(want, []byte(got)):
	case update:
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the source tree
			t.Errorf("write golden file: %v", err)
		}
	default:
		t.Errorf("the result differs from the golden file; GOLDEN_UPDATE=1 accepts it:\n%s", diff.Diff(file, want, "result", []byte(got)))
	}
}

// Exact reports an error for every file of a pattern that is not one of used: the golden file of a case that is gone.
// With GOLDEN_UPDATE=1 it removes them.
func Exact(t testing.TB, pattern string, used []string) {
	t.Helper()
	exact(t, pattern, used, Updating())
}

func exact(t testing.TB, pattern string, used []string, update bool) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatalf("list golden files: %v", err)
	}
	for _, file := range files {
		switch {
		case slices.Contains(used, file):
		case !update:
			t.Errorf("%s: no test case uses this golden file; GOLDEN_UPDATE=1 removes it", file)
		default:
			if err := os.Remove(file); err != nil {
				t.Errorf("remove golden file: %v", err)
			}
		}
	}
}
