package docs

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestBlocksParse parses every YAML and JSON block of the documents.
func TestBlocksParse(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, page := range append(pages, "../README.md") {
		for _, block := range regexp.MustCompile("(?ms)^ *```(yaml|json)\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
			n++
			var value any
			decode := yaml.NewDecoder(bytes.NewReader([]byte(block[2]))).Decode
			if block[1] == "json" {
				decode = json.NewDecoder(bytes.NewReader([]byte(block[2]))).Decode
			}
			if err := decode(&value); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[2])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d blocks found", n)
	}
}
