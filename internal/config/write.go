package config

import (
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Write writes the effective configuration as YAML that [Parse] reads back as the same configuration: every default
// is written out, and the endpoints of the catalogues take the place of their names. The encoder walks the same yaml
// tags as the reader.
func (c *Config) Write(w io.Writer) error {
	expanded := *c
	expanded.Catalogues = []string{}
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	err := encoder.Encode(&expanded)
	if err == nil {
		err = encoder.Close()
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
