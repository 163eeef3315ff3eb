// Command gendocs writes what the documentation has from the tables of the code: docs/metrics.md, and sections of
// other pages.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendocs DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

// write writes the documents of a directory.
func write(docs string) error {
	if err := os.WriteFile(filepath.Join(docs, "metrics.md"), reference(), 0o644); err != nil {
		return err
	}
	for i := range sections {
		file := filepath.Join(docs, sections[i].file)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if text, err = sections[i].replace(text); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
