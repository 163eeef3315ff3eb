// Package docs has the tests of the documentation.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?s)```.*?```")
)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	var pages []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "..":
			return filepath.SkipDir
		case filepath.Ext(path) == ".md" && path != "../collector/gendocs/head.md": // that is the head of metrics.md
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 20 {
		t.Fatalf("only %d pages: %v", len(pages), pages)
	}
	for _, page := range pages {
		for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s: %v", page, match[1], err)
				continue
			}
			if anchor != "" && !anchors(read(t, file))[anchor] {
				t.Errorf("%s: %s: no such heading", page, match[1])
			}
		}
	}
}

// TestBookHasEveryPage tests that docs/README.md links to every page of its directory.
func TestBookHasEveryPage(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	entrance := read(t, "README.md")
	for _, page := range pages {
		if page != "README.md" && !strings.Contains(entrance, "]("+page) {
			t.Errorf("README.md does not link to %s", page)
		}
	}
}

// TestLinksAreReleased tests that the pages in a release's archive link only to files in it, by its patterns in
// .goreleaser.yml. The release's own test does the same with the archive, and takes minutes.
func TestLinksAreReleased(t *testing.T) {
	released := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^      - \{src: ([^,]+), info: `).FindAllStringSubmatch(read(t, "../.goreleaser.yml"), -1) {
		files, err := filepath.Glob("../" + match[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for ; file != ".."; file = filepath.Dir(file) {
				released[file] = true
			}
		}
	}
	pages := 0
	for page := range released {
		if filepath.Ext(page) != ".md" {
			continue
		}
		pages++
		for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if file := filepath.Join(filepath.Dir(page), target); !released[file] && file != ".." {
				t.Errorf("%s: %s is not in the archive; link to its address on the web", page, match[1])
			}
		}
	}
	if pages < 20 {
		t.Errorf("only %d pages in the archive", pages)
	}
}

// anchors returns the anchors that GitHub generates for headings: lower case, spaces to hyphens, without punctuation.
func anchors(text string) map[string]bool {
	out := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		out[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])] = true
	}
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
