package packaging

import (
	"os"
	"regexp"
	"testing"
)

// newest is the heading of the newest release in the changelog. A release is made from the tag with its version.
var newest = regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) / (\d{4}-\d{2}-\d{2})$`)

// TestVersion compares every version of this project that a file contains with the newest in the changelog.
func TestVersion(t *testing.T) {
	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	heading := newest.FindSubmatch(changelog)
	if heading == nil {
		t.Fatal("the changelog has no release")
	}
	for file, versions := range map[string]string{
		"../charts/endpoint-exporter/Chart.yaml": `(?m)^version: (.+)$`,
		"../charts/endpoint-exporter/README.md":  `(?:/v|endpoint-exporter-)(\d+\.\d+\.\d+)`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(versions).FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s has no version", file)
		}
		for _, version := range found {
			if string(version[1]) != string(heading[1]) {
				t.Errorf("%s has version %s, and the changelog %s", file, version[1], heading[1])
			}
		}
	}
}
