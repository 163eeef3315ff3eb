//go:build release

package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const dist = "../dist"

// artifact is one product of the release.
type artifact struct {
	Type, Path          string
	Goos, Goarch, Goarm string
	Extra               struct{ Format, ID string }
}

func (a artifact) platform() string { return a.Goos + "/" + a.Goarch + a.Goarm }

// released lists the products of one type. It fails the test if there is none.
func released(t *testing.T, kind string) []artifact {
	t.Helper()
	var all, out []artifact
	readJSON(t, filepath.Join(dist, "artifacts.json"), &all)
	for _, a := range all {
		if a.Type == kind {
			a.Path = filepath.Join("..", a.Path)
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		t.Fatalf("the release has no %s", kind)
	}
	return out
}

// about returns the version and the commit of the release.
func about(t *testing.T) (out struct{ Version, Commit string }) {
	t.Helper()
	readJSON(t, filepath.Join(dist, "metadata.json"), &out)
	return out
}

// only returns the file of a product for linux/amd64, on which the tests run.
func only(t *testing.T, kind, format string) string {
	t.Helper()
	for _, a := range released(t, kind) {
		if a.platform() == "linux/amd64" && a.Extra.Format == format {
			return a.Path
		}
	}
	t.Fatalf("the release has no %s %s for linux/amd64", kind, format)
	return ""
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("make a release first, with scripts/release-check: %v", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// run returns the output of a command. It fails the test if the command fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
