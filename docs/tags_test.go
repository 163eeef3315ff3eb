package docs

import (
	"go/build/constraint"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryBuildTagIsCompiled tests that make lint and make test compile the files of every build tag: a test that runs
// seldom would otherwise stop compiling unnoticed.
func TestEveryBuildTagIsCompiled(t *testing.T) {
	var used []string
	for path, source := range goSources(t) {
		for line := range strings.Lines(source) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "package ") {
				break
			}
			if !constraint.IsGoBuild(line) {
				continue
			}
			expr, err := constraint.Parse(line)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for _, satisfied := range []bool{true, false} { // Eval stops where the rest does not matter
				expr.Eval(func(tag string) bool {
					if !slices.Contains([]string{"linux", "unix", "windows", "race"}, tag) && !slices.Contains(used, tag) {
						used = append(used, tag)
					}
					return satisfied
				})
			}
		}
	}
	slices.Sort(used)
	if len(used) == 0 {
		t.Fatal("no build tag found")
	}
	for file, form := range map[string]*regexp.Regexp{
		"../.golangci.yml": regexp.MustCompile(`(?m)^  build-tags: \[(.*)\]$`),
		"../Makefile":      regexp.MustCompile(`(?m)^\tgo vet -tags (\S+) \./\.\.\.$`),
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		match := form.FindSubmatch(content)
		if match == nil {
			t.Fatalf("%s does not match %s", file, form)
		}
		listed := strings.FieldsFunc(string(match[1]), func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(listed)
		if !slices.Equal(listed, used) {
			t.Errorf("%s lists the build tags %v, want %v", file, listed, used)
		}
	}
}

// goSources returns the text of every Go file of the repository by its path.
func goSources(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "..":
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		source, err := os.ReadFile(path)
		out[path] = string(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
