package config

import (
	"embed"
	"fmt"
	"maps"
)

//go:embed builtin/*.yml
var builtinFiles embed.FS

// Builtins names the built-in catalogues.
func Builtins() []string { return []string{"izuma-us-east-1", "snap-store"} }

// catalogue is a list of hosts with the trust anchors of their servers: a configuration file with no other keys.
type catalogue struct {
	name      string
	trust     map[string]TrustAnchor
	endpoints []Endpoint
}

// builtin reads a built-in catalogue.
func builtin(name string) (catalogue, error) {
	data, err := builtinFiles.ReadFile("builtin/" + name + ".yml")
	if err != nil {
		return catalogue{}, fmt.Errorf("read built-in catalogue %s: %w", name, err)
	}
	r := newReader("")
	var list catalogue
	if root, ok := r.document(data); ok {
		list = r.readFile(root, &Config{})
		anchors := defaults().Trust
		maps.Copy(anchors, list.trust)
		r.checkEndpoints(list.endpoints, anchors)
	}
	if err := r.err(); err != nil {
		return catalogue{}, fmt.Errorf("read built-in catalogue %s: %w", name, err)
	}
	list.name = name
	return list, nil
}
