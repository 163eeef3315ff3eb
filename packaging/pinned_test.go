package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestImageIsPinned checks that the image is made from no other image, and built in one that is pinned by its digest.
func TestImageIsPinned(t *testing.T) {
	dockerfile := readFile(t, "../Dockerfile")
	known := map[string]bool{"scratch": true} // images, and stages of the file
	if !regexp.MustCompile(`(?m)^ARG GO_IMAGE=golang:1\.\d+\.\d+@sha256:[0-9a-f]{64}$`).MatchString(dockerfile) {
		t.Error("the image for the build is not pinned by version and digest")
	}
	known["${GO_IMAGE}"], known["${FROM_STAGE}"] = true, true
	var last string
	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+)(?: AS (\S+))?$`).FindAllStringSubmatch(dockerfile, -1) {
		if last = m[1]; !known[last] {
			t.Errorf("image %s", last)
		}
		known[m[2]] = true
	}
	if last != "scratch" {
		t.Errorf("the final stage is made from %q", last)
	}
}

// TestWorkflows checks that actions are pinned by commit and that what runs is a target of the Makefile.
func TestWorkflows(t *testing.T) {
	makefile := readFile(t, "../Makefile")
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d workflows", err, len(files))
	}
	for _, file := range files {
		text := readFile(t, file)
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Strategy struct{ Matrix struct{ Target []string } }
			}
		}
		if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(workflow.Permissions) != 1 || workflow.Permissions["contents"] != "read" {
			t.Errorf("%s: permissions %v", file, workflow.Permissions)
		}
		targets := strings.Join(workflow.Jobs["check"].Strategy.Matrix.Target, " ")
		if targets != "lint chart test release-check vulnerabilities" {
			t.Errorf("%s: targets %s", file, targets)
		}
		for target := range strings.FieldsSeq(targets) {
			if !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s: make has no target %s", file, target)
			}
		}
		pinned := regexp.MustCompile(`^\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
		for _, m := range regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s: %s is not pinned by commit", file, m[1])
			}
		}
	}
}
