package config

import (
	"io/fs"
	"os"
)

// watched is a set of files that are read again when one of them changes: told from its identity, size and time of
// modification, so that a round costs a stat of each file and no reading.
type watched struct {
	paths []string
	last  []fs.FileInfo // nil where there was no file
	said  string        // the error that was told last, so that it is told once
}

// refresh calls read if a file has changed since the last call that read well. Its error is returned when it is another
// than before: whoever logs it logs a change of state.
func (w *watched) refresh(read func() error) error {
	now := make([]fs.FileInfo, len(w.paths))
	for i, path := range w.paths {
		now[i], _ = os.Stat(path) // read finds the error, in better words
	}
	if w.last != nil && w.said == "" && same(w.last, now) {
		return nil
	}
	err := read()
	if err == nil {
		w.last, w.said = now, ""
		return nil
	}
	if err.Error() == w.said {
		return nil
	}
	w.said = err.Error()
	return err
}

func same(a, b []fs.FileInfo) bool {
	for i := range a {
		if a[i] == nil || b[i] == nil || !os.SameFile(a[i], b[i]) ||
			a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()) {
			return false
		}
	}
	return true
}
