package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Place  string // of the key, for example "endpoints[2].paths[0].port"; "" for the file as a whole
	Line   int    // in the file, from 1; 0 if not known
	Column int    // from 1; 0 if not known
	Text   string // what is wrong, and the fix
}

// Invalid is the error of a configuration with mistakes: all of them, in the order of the file.
type Invalid struct {
	File     string // as it was named; "" if the text did not come from a file
	Mistakes []Mistake
}

// maxShown is the number of mistakes that an error lists.
const maxShown = 100

// Error lists one mistake per line: "config.yml:12:30: endpoints[2].paths[0].port: 70000 is not valid; want …".
func (e *Invalid) Error() string {
	var lines []string
	for _, m := range e.Mistakes[:min(len(e.Mistakes), maxShown)] {
		lines = append(lines, e.at(m)+m.Text)
	}
	if more := len(e.Mistakes) - maxShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more mistakes", more))
	}
	return strings.Join(lines, "\n")
}

// at is the file, line, column and key of a mistake.
func (e *Invalid) at(m Mistake) string {
	position := e.File
	if m.Line > 0 {
		if position == "" {
			position = "line "
		} else {
			position += ":"
		}
		position += strconv.Itoa(m.Line)
	}
	if m.Column > 0 {
		position += ":" + strconv.Itoa(m.Column)
	}
	out := ""
	for _, part := range []string{position, m.Place} {
		if part != "" {
			out += part + ": "
		}
	}
	return out
}

// mistakes collects what is wrong while a configuration is read.
type mistakes struct {
	found []Mistake
	wrong map[string]bool // the places of the mistakes, and of the sections and lists that hold them
}

// mistake records a mistake of a node.
func (m *mistakes) mistake(n node, format string, args ...any) {
	mistake := Mistake{Place: n.place, Text: fmt.Sprintf(format, args...)}
	if n.Node != nil {
		mistake.Line, mistake.Column = n.Line, n.Column
	}
	m.found = append(m.found, mistake)
	for place := n.place; place != "" && !m.wrong[place]; place = parent(place) {
		m.wrong[place] = true
	}
}

// mistakeInFile records a mistake of the file as a whole.
func (m *mistakes) mistakeInFile(line int, format string, args ...any) {
	m.found = append(m.found, Mistake{Line: line, Text: fmt.Sprintf(format, args...)})
}

// err is nil if there are no mistakes.
func (m *mistakes) err() error {
	if len(m.found) == 0 {
		return nil
	}
	slices.SortStableFunc(m.found, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Place, b.Place))
	})
	return &Invalid{Mistakes: m.found}
}
