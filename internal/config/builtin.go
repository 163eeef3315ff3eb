package config

import (
	"embed"
	"fmt"
	"slices"
)

//go:embed builtin/*.yml
var builtinFiles embed.FS

// Builtins names the built-in catalogues.
func Builtins() []string { return []string{"izuma-us-east-1", "snap-store"} }

// builtin reads a built-in catalogue: a file as a user would write it, of the keys trust and endpoints.
func builtin(name string) (*Config, error) {
	if !slices.Contains(Builtins(), name) {
		return nil, fmt.Errorf("no built-in catalogue %q", name)
	}
	data, err := builtinFiles.ReadFile("builtin/" + name + ".yml")
	if err != nil {
		return nil, fmt.Errorf("read built-in catalogue %s: %w", name, err)
	}
	return parse(data, parser{isBuiltin: true})
}
