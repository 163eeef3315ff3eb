package config

import (
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Write writes the effective configuration as YAML that [Parse] reads back to the same: every default written out, and the
// catalogues replaced by the endpoints that they stand for.
func (c *Config) Write(w io.Writer) error {
	expanded := *c
	expanded.Catalogues = []string{}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&expanded); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
