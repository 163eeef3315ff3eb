// Generate writes the Grafana dashboards as JSON files that file provisioning takes as they are.
//
// Each dashboard has its file: overview.go, endpoint.go and exporter.go. panel.go has the kinds of panels, words.go
// the words and colours of states, and grafana.go the JSON form of Grafana. The tests check the expressions by the
// collector's table.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

//go:generate go run . ..

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: generate FOLDER")
	}
	files, err := dashboards()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(args[0], name), content, 0o644); err != nil {
			return fmt.Errorf("write a dashboard: %w", err)
		}
	}
	return nil
}

// dashboards gives the content of every file by its name.
func dashboards() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, d := range map[string]dashboard{
		"overview.json": overview(),
		"endpoint.json": endpoint(),
		"exporter.json": exporter(),
	} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // expressions are full of > and <
		enc.SetIndent("", "  ")
		if err := enc.Encode(d); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		files[name] = b.Bytes()
	}
	return files, nil
}
