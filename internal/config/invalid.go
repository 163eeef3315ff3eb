package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Place string // the key's path: "endpoints[2].paths[0].port"; "" for the file as a whole
	Line  int    // of the file, from 1; 0 if unknown
	Text  string
}

// Invalid is the error of a configuration with mistakes: all of them, in the order of the file.
type Invalid struct {
	File     string // as it was named; "" if the text did not come from a file
	Mistakes []Mistake
}

// Error writes one mistake a line: "config.yml:12: endpoints[2].paths[0].port: 70000 is not a port".
func (e *Invalid) Error() string {
	lines := make([]string, 0, len(e.Mistakes))
	for _, m := range e.Mistakes {
		var b strings.Builder
		switch {
		case e.File != "" && m.Line > 0:
			fmt.Fprintf(&b, "%s:%d: ", e.File, m.Line)
		case e.File != "":
			fmt.Fprintf(&b, "%s: ", e.File)
		case m.Line > 0:
			fmt.Fprintf(&b, "line %d: ", m.Line)
		}
		if m.Place != "" {
			b.WriteString(m.Place + ": ")
		}
		b.WriteString(m.Text)
		lines = append(lines, b.String())
	}
	return strings.Join(lines, "\n")
}

// mistakes gathers what is wrong while a configuration is read.
type mistakes struct{ list []Mistake }

// err is nil if there are none.
func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	slices.SortStableFunc(m.list, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Place, b.Place))
	})
	return &Invalid{Mistakes: m.list}
}
