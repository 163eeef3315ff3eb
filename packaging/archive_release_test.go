//go:build release

package packaging

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// contents maps the files of an archive, without its outer directory, to their modes.
func contents(t *testing.T, a artifact) map[string]os.FileMode {
	t.Helper()
	out := make(map[string]os.FileMode)
	add := func(name string, mode os.FileMode) {
		_, inner, _ := strings.Cut(name, "/")
		out[inner] = mode.Perm()
	}
	if a.Extra.Format == "zip" {
		archive, err := zip.OpenReader(a.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		for _, f := range archive.File {
			add(f.Name, f.Mode())
		}
		return out
	}
	file, err := os.Open(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uname != "root" || header.Gname != "root" {
			t.Errorf("%s: %s belongs to %s:%s", a.Path, header.Name, header.Uname, header.Gname)
		}
		add(header.Name, header.FileInfo().Mode())
	}
}

// matching returns the project's files that match patterns, with their names in an archive. It fails the test if a
// pattern matches no file.
func matching(t *testing.T, patterns ...string) []string {
	t.Helper()
	var out []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			out = append(out, strings.TrimPrefix(filepath.ToSlash(file), "../"))
		}
	}
	return out
}

// TestArchiveFiles checks that the archives have every dashboard, rule, page and example, and nothing
// else. The Compose example is not in them: it builds the image from a checkout.
func TestArchiveFiles(t *testing.T) {
	due := append(matching(t, "LICENSE", "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "dashboards/*.json", "alerts/*.yml", "docs/*.md", "docs/design/*.md",
		"docs/images/*.png", "docs/examples/*.yml", "docs/examples/grafana/*.yml", "docs/examples/kubernetes/*.yml", "packaging/config.yml"), "endpoint_exporter.1.gz", "THIRD_PARTY_LICENSES.txt",
		"completion/bash/endpoint_exporter", "completion/zsh/_endpoint_exporter", "completion/fish/endpoint_exporter.fish")
	for _, a := range released(t, "Archive") {
		program := "endpoint_exporter"
		if a.Goos == "windows" {
			program += ".exe"
		}
		held := contents(t, a)
		if held[program] != 0o755 {
			t.Errorf("%s: %s has mode %o", a.Path, program, held[program])
		}
		delete(held, program)
		for _, name := range due {
			if held[name] != 0o644 {
				t.Errorf("%s: %s has mode %o", path.Base(a.Path), name, held[name])
			}
			delete(held, name)
		}
		for name := range held {
			t.Errorf("%s has %s", path.Base(a.Path), name)
		}
	}
}

// TestBillsOfMaterials checks that each bill names the modules that are in the binary.
func TestBillsOfMaterials(t *testing.T) {
	bills := released(t, "SBOM")
	if len(bills) != len(platforms) {
		t.Errorf("%d bills for %d binaries", len(bills), len(platforms))
	}
	for _, a := range bills {
		var bill struct {
			BomFormat  string
			Metadata   struct{ Component struct{ Version string } }
			Components []struct{ Name, Version string }
		}
		readJSON(t, a.Path, &bill)
		named := make(map[string]bool)
		for _, c := range bill.Components {
			named[c.Name] = c.Version != ""
		}
		if bill.BomFormat != "CycloneDX" || bill.Metadata.Component.Version != about(t).Version ||
			!named["std"] || !named["golang.org/x/crypto/x509roots/fallback"] || !named["github.com/prometheus/client_golang"] {
			t.Errorf("%s does not say what is in it: %+v", a.Path, bill)
		}
	}
}
