//go:build release

package packaging

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// maxBinary is the largest size of the binary in bytes, 16 MiB: gateways and routers have little flash.
const maxBinary = 16 << 20

var platforms = []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "linux/arm7", "windows/amd64"}

func TestEveryPlatformIsBuilt(t *testing.T) {
	var built []string
	for _, a := range released(t, "Binary") {
		built = append(built, a.platform())
		info, err := os.Stat(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-14s %d bytes", a.platform(), info.Size())
		if info.Size() > maxBinary {
			t.Errorf("%s: %d bytes, more than %d", a.platform(), info.Size(), maxBinary)
		}
	}
	if slices.Sort(built); !slices.Equal(built, platforms) {
		t.Errorf("built %q, not %q", built, platforms)
	}
}

// TestBinariesStandAlone holds that the binary runs in an empty image: it needs no library, and brings the web
// authorities.
func TestBinariesStandAlone(t *testing.T) {
	for _, a := range released(t, "Binary") {
		info, err := buildinfo.ReadFile(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Main.Path != "github.com/endpoint-exporter/endpoint_exporter" {
			t.Errorf("%s is %s", a.Path, info.Main.Path)
		}
		roots := false
		for _, module := range info.Deps {
			roots = roots || module.Path == "golang.org/x/crypto/x509roots/fallback"
		}
		if !roots {
			t.Errorf("%s brings no web authorities", a.Path)
		}
		if a.Goos != "linux" {
			continue
		}
		file, err := elf.Open(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range file.Progs {
			if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static: %s", a.Path, part.Type)
			}
		}
		if file.Section(".symtab") != nil || file.Section(".debug_info") != nil {
			t.Errorf("%s is not stripped", a.Path)
		}
		file.Close()
	}
}

// checkVersion holds what --version prints: the release's version, and the commit with its branch and its date.
func checkVersion(t *testing.T, said string) {
	t.Helper()
	release := about(t)
	branch := strings.TrimSpace(run(t, "git", "rev-parse", "--abbrev-ref", "HEAD"))
	date, err := time.Parse(time.RFC3339, strings.TrimSpace(run(t, "git", "show", "-s", "--format=%cI", release.Commit)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"endpoint_exporter, version " + release.Version + " ", "revision: " + release.Commit, "branch: " + branch,
		"build date:       " + date.UTC().Format(time.RFC3339), "platform:         linux/amd64",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("--version says\n%s\nwithout %q", said, want)
		}
	}
}
