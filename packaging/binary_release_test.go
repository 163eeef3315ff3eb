//go:build release

package packaging

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Largest sizes of the binary in bytes. Gateways and routers have little flash. The code for MIPS is larger by itself,
// and so are binaries for macOS and Windows on amd64. docs/support.md states those for Linux.
const (
	maxSize  = 16 << 20
	maxOther = 17 << 20
	maxMIPS  = 18 << 20
)

// platforms maps what is built to the largest size of the binary.
var platforms = map[string]int64{
	"darwin/amd64": maxOther, "darwin/arm64": maxSize, "windows/amd64": maxOther,
	"linux/amd64": maxSize, "linux/arm64": maxSize, "linux/arm6": maxSize, "linux/arm7": maxSize,
	"linux/mips": maxMIPS, "linux/mipsle": maxMIPS,
}

func TestEveryPlatformIsBuilt(t *testing.T) {
	var built []string
	for _, a := range released(t, "Binary") {
		built = append(built, a.platform())
		info, err := os.Stat(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-14s %d bytes", a.platform(), info.Size())
		if bound := platforms[a.platform()]; info.Size() > bound {
			t.Errorf("%s: %d bytes, more than %d", a.platform(), info.Size(), bound)
		}
	}
	if want := slices.Sorted(maps.Keys(platforms)); !slices.Equal(slices.Sorted(slices.Values(built)), want) {
		t.Errorf("built %q, not %q", built, want)
	}
}

// TestSupportStatesTheSizes compares the bounds with the table of docs/support.md, by the archives' names.
func TestSupportStatesTheSizes(t *testing.T) {
	page := readFile(t, "../docs/support.md")
	for platform, bound := range platforms {
		system, architecture, _ := strings.Cut(platform, "/")
		if system != "linux" {
			continue
		}
		name := "linux_" + architecture
		switch architecture {
		case "arm6", "arm7":
			name = "linux_armv" + architecture[3:]
		case "mips", "mipsle":
			name += "_softfloat"
		}
		row := regexp.MustCompile("(?m)^.*`" + name + "`.*$").FindString(page)
		if !strings.Contains(row, fmt.Sprintf("at most %d MiB", bound>>20)) {
			t.Errorf("docs/support.md does not state %d bytes for %s: %q", bound, name, row)
		}
	}
}

// TestBinariesStandAlone checks that the binary runs in an empty image: it needs no library, and has the web
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

// checkVersion checks what --version prints: the release's version, and the commit with its branch and its date.
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
			t.Errorf("--version prints\n%s\nwithout %q", said, want)
		}
	}
}
