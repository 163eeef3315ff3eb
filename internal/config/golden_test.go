package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
)

// TestLoadInvalid compares the whole error of each testdata/invalid-*.yml with the .txt file of the same name.
func TestLoadInvalid(t *testing.T) {
	t.Chdir("testdata")
	files, err := filepath.Glob("invalid-*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, file := range files {
		expected := strings.TrimSuffix(file, ".yml") + ".txt"
		used = append(used, expected)
		t.Run(file, func(t *testing.T) {
			loaded, err := Load(file)
			if _, ok := errors.AsType[*Invalid](err); !ok || loaded != nil {
				t.Fatalf("got %v, %v; want an *Invalid", loaded, err)
			}
			golden.Equal(t, expected, strings.ReplaceAll(err.Error(), here+"/", "DIR/")+"\n")
		})
	}
	golden.Exact(t, "*.txt", used)
}
