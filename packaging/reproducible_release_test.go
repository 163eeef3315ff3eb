//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReleaseIsReproducible makes the release again, from a copy of the project in another folder, and compares the
// sums of all that would be published.
func TestReleaseIsReproducible(t *testing.T) {
	dir := t.TempDir()
	run(t, "sh", "-euc", `tar --create --directory=.. --exclude=./dist --exclude=./dist-man . | tar --extract --directory="$1"`, "sh", dir)
	command := exec.CommandContext(t.Context(), "goreleaser", "release", "--snapshot", "--clean", "--skip=docker")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, again := sums(t, dist), sums(t, filepath.Join(dir, "dist"))
	if len(first) < len(platforms) || len(first) != len(again) {
		t.Errorf("%d products, then %d", len(first), len(again))
	}
	for name, sum := range first {
		if again[name] != sum {
			t.Errorf("%s is not the same again", name)
		}
	}
}

// sums maps the products of a release to their checksums.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		out[f[1]] = f[0]
	}
	return out
}
