package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Load reads a configuration file and opens the files that it names, so that one that is missing or broken is a mistake with
// its place too. Relative names are taken from the configuration's own folder.
func Load(path string) (*Config, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	config, err := parse(data, parser{dir: dir, open: true})
	var invalid *Invalid
	if errors.As(err, &invalid) {
		invalid.File = path
	}
	return config, err
}

// readBounded reads a file of at most maxFile bytes. One byte more is returned of a larger one, so that a parser refuses it.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err // which names the file
	}
	return data, nil
}
