package docs

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/endpoint-exporter/endpoint_exporter/"

// TestImportFloors compares the table of import floors in architecture.md with the imports of the packages, test files
// not included: a package stands one floor above the highest package that it imports.
func TestImportFloors(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if .GoFiles}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}", "./...")
	list.Dir, list.Stderr = "..", os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 {
			imports[words[0]] = words[1:]
		}
	}
	floors := make(map[string]int)
	var floorOf func(name string) int
	floorOf = func(name string) int {
		floor, known := floors[name]
		if !known {
			for _, imported := range imports[name] {
				if strings.HasPrefix(imported, module) {
					floor = max(floor, 1+floorOf(imported))
				}
			}
			floors[name] = floor
		}
		return floor
	}
	var want []string
	for name := range imports {
		short := strings.TrimPrefix(strings.TrimPrefix(name, module), "internal/")
		want = append(want, strconv.Itoa(floorOf(name))+" "+short)
	}
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1) {
			got = append(got, row[1]+" "+name[1])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the table does not have %q", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("the table has %q, which is not so", line)
		}
	}
}
