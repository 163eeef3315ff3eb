//go:build release

package packaging

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s#]+)[^)\s]*\)`)

// TestEveryLinkOfAnInstalledPageLeadsSomewhere follows the relative links of the installed pages within what was
// installed. TestRPMFiles covers the rpm.
func TestEveryLinkOfAnInstalledPageLeadsSomewhere(t *testing.T) {
	for what, unpack := range map[string][]string{
		"archive": {"tar", "--extract", "--file=" + only(t, "Archive", "tar.gz"), "--directory"},
		"deb":     {"dpkg-deb", "--extract", only(t, "Linux Package", "deb")},
	} {
		t.Run(what, func(t *testing.T) {
			root := t.TempDir()
			run(t, unpack[0], append(unpack[1:], root)...)
			pages := 0
			err := filepath.WalkDir(root, func(page string, _ fs.DirEntry, err error) error {
				if err != nil || filepath.Ext(page) != ".md" {
					return err
				}
				pages++
				text, err := os.ReadFile(page)
				if err != nil {
					return err
				}
				for _, match := range link.FindAllStringSubmatch(string(text), -1) {
					if strings.Contains(match[1], "://") {
						continue
					}
					leads, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(page), match[1]))
					if err != nil || !strings.HasPrefix(leads, root) {
						t.Errorf("%s: %s leads to %q: %v", strings.TrimPrefix(page, root), match[1], leads, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := len(matching(t, "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "docs/design/*.md")); pages != want {
				t.Errorf("%d pages, not %d", pages, want)
			}
		})
	}
}

// TestReadmeNamesThePackages compares the README's commands with the names of the published files.
func TestReadmeNamesThePackages(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for kind, command := range map[string]string{"deb": "dpkg -i ", "rpm": "rpm -i ", "apk": "apk add --allow-untrusted "} {
		_, rest, _ := strings.Cut(string(readme), "`"+command)
		pattern, _, _ := strings.Cut(rest, "`")
		if file := filepath.Base(only(t, "Linux Package", kind)); pattern == "" {
			t.Errorf("README.md does not say how to install the %s", kind)
		} else if ok, err := filepath.Match(pattern, file); !ok || err != nil {
			t.Errorf("%s %s does not find %s: %v", command, pattern, file, err)
		}
	}
}
