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

// TestTemplates checks that dependabot.yml names directories with something to update, and that the forms for issues
// have the keys that GitHub needs.
func TestTemplates(t *testing.T) {
	var updates struct {
		Version int
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../.github/dependabot.yml")), &updates); err != nil || updates.Version != 2 {
		t.Fatalf("dependabot.yml: version %d, %v", updates.Version, err)
	}
	sources := map[string]string{"gomod": "go.mod", "docker": "Dockerfile", "github-actions": ".github/workflows/ci.yml"}
	for _, u := range updates.Updates {
		for _, directory := range append(u.Directories, u.Directory) {
			if directory == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", directory, sources[u.Ecosystem])); err != nil || sources[u.Ecosystem] == "" {
				t.Errorf("dependabot.yml: nothing of %s in %s: %v", u.Ecosystem, directory, err)
			}
		}
		delete(sources, u.Ecosystem)
	}
	if len(sources) > 0 {
		t.Errorf("dependabot.yml does not update %v", sources)
	}

	forms, err := filepath.Glob("../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(forms) < 3 {
		t.Fatalf("%d issue templates, %v", len(forms), err)
	}
	for _, file := range forms {
		var form struct {
			Name, Description string
			Contacts          []struct{ Name, URL, About string } `yaml:"contact_links"`
			Body              []struct {
				Type, ID   string
				Attributes map[string]any
			}
		}
		if err := yaml.Unmarshal([]byte(readFile(t, file)), &form); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if filepath.Base(file) == "config.yml" {
			if len(form.Contacts) == 0 || !strings.Contains(readFile(t, "../SECURITY.md"), form.Contacts[0].URL) {
				t.Errorf("%s: weaknesses are reported elsewhere than SECURITY.md states: %v", file, form.Contacts)
			}
			continue
		}
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s: no name, no description, or no questions", file)
		}
		for _, question := range form.Body {
			if question.Type != "markdown" && (question.ID == "" || question.Attributes["label"] == nil) {
				t.Errorf("%s: a question without id or label: %+v", file, question)
			}
		}
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
		called := strings.Fields(targets)
		for _, m := range regexp.MustCompile(`run: make ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			called = append(called, m[1])
		}
		for _, target := range called {
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
