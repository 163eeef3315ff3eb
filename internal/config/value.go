package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// value is one node of the file with its place. Its methods read it as one type or another and note a mistake where it is
// none; reading goes on then, so that every mistake of a file is found at once.
type value struct {
	node  *yaml.Node
	place string
	noted *mistakes
}

func (v value) mistake(format string, args ...any) {
	v.noted.list = append(v.noted.list, Mistake{Place: v.place, Line: v.node.Line, Text: fmt.Sprintf(format, args...)})
}

// shown is a scalar as a message shows it: one line, not too long.
func (v value) shown() string {
	const longest = 60
	s := measurement.Text(v.node.Value)
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest]) + "…"
	}
	if s == "" || strings.TrimSpace(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// fields maps the keys of a mapping to what reads them.
type fields map[string]func(value)

// given are the keys that a mapping has.
type given map[string]value

// mapping reads a mapping strictly: unknown and repeated keys are mistakes. It returns the known keys that are there.
func (v value) mapping(f fields) given {
	seen := make(given)
	v.pairs(func(key string, child value) {
		read, known := f[key]
		if !known {
			child.mistake("unknown key%s", suggestion(key, slices.Sorted(maps.Keys(f))))
			return
		}
		seen[key] = child
		if child.present() {
			read(child)
		}
	})
	return seen
}

// pairs calls each for the entries of a mapping whose keys are text, without repeats. The child's line is the key's where
// it has no value of its own.
func (v value) pairs(each func(key string, child value)) {
	if v.alias() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.mistake("%s where keys and values are due", v.kind())
		return
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i]
		name := measurement.Text(key.Value)
		child := value{node: v.node.Content[i+1], place: join(v.place, name), noted: v.noted}
		if key.Kind != yaml.ScalarNode || name == "" {
			value{node: key, place: v.place, noted: v.noted}.mistake("a key must be a word")
			continue
		}
		if first, again := lines[key.Value]; again {
			value{node: key, place: child.place, noted: v.noted}.mistake("given twice, first in line %d", first)
			continue
		}
		lines[key.Value] = key.Line
		each(key.Value, child)
	}
}

// items calls each for the entries of a list.
func (v value) items(each func(i int, item value)) {
	if v.alias() {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		v.mistake("%s where a list is due", v.kind())
		return
	}
	for i, node := range v.node.Content {
		item := value{node: node, place: fmt.Sprintf("%s[%d]", v.place, i), noted: v.noted}
		if item.present() {
			each(i, item)
		}
	}
}

func join(place, key string) string {
	if place == "" {
		return key
	}
	return place + "." + key
}

// present notes a key without a value: leaving a value out by mistake must not silently mean its default.
func (v value) present() bool {
	if v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null" {
		v.mistake("no value")
		return false
	}
	return true
}

// alias notes the use of a YAML alias. They are not taken: a few lines of them unfold to any size.
func (v value) alias() bool {
	if v.node.Kind == yaml.AliasNode {
		v.mistake("YAML aliases are not taken, write it out")
		return true
	}
	return false
}

func (v value) kind() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return v.shown()
	}
}

// scalar reports whether the value is a single one of the tag given, and notes a mistake otherwise.
func (v value) scalar(tag, what string) bool {
	if v.alias() {
		return false
	}
	if v.node.Kind != yaml.ScalarNode {
		v.mistake("%s where %s is due", v.kind(), what)
		return false
	}
	if v.node.ShortTag() != tag {
		bare := yaml.Node{Kind: yaml.ScalarNode, Value: v.node.Value}
		switch {
		case tag == "!!str":
			v.mistake("%s is not text, put it into quotes", v.shown())
		case bare.ShortTag() == tag:
			v.mistake("%q is text, write it without quotes", v.shown())
		default:
			v.mistake("%s is not %s", v.shown(), what)
		}
		return false
	}
	return true
}

func (v value) text(into *string) bool {
	if !v.scalar("!!str", "text") {
		return false
	}
	*into = v.node.Value
	return true
}

func (v value) boolean(into *bool) {
	if v.scalar("!!bool", "true or false") {
		*into = strings.EqualFold(v.node.Value, "true")
	}
}

// integer reads a whole decimal number of a range.
func (v value) integer(into *int, least, most int) {
	if !v.scalar("!!int", "a whole number") {
		return
	}
	n, err := strconv.Atoi(v.node.Value)
	switch {
	case err != nil:
		v.mistake("%s is not a whole number", v.shown())
	case n < least || n > most:
		v.mistake("%d is not between %d and %d", n, least, most)
	default:
		*into = n
	}
}

// duration reads a Go duration of a range.
func (v value) duration(into *time.Duration, least, most time.Duration) {
	if v.alias() {
		return
	}
	if v.node.Kind != yaml.ScalarNode {
		v.mistake("%s where a duration is due", v.kind())
		return
	}
	if _, err := strconv.Atoi(v.node.Value); err == nil && v.node.Value != "0" {
		v.mistake("%s has no unit, write for example %ss", v.shown(), v.shown())
		return
	}
	d, err := time.ParseDuration(v.node.Value)
	switch {
	case err != nil:
		v.mistake("%s is not a duration (as 90s, 5m or 1h30m)", v.shown())
	case d < least || d > most:
		v.mistake("%s is not between %s and %s", v.shown(), least, most)
	default:
		*into = d
	}
}

// choice reads one word of a closed list.
func choice[T ~string](v value, into *T, words ...T) {
	var s string
	if !v.text(&s) {
		return
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	if !slices.Contains(known, s) {
		v.mistake("%s is not one of %s%s", v.shown(), strings.Join(known, ", "), suggestion(s, known))
		return
	}
	*into = T(s)
}

// suggestion is "; did you mean …?" if a known word is near, else nothing.
func suggestion(word string, known []string) string {
	best, least := "", 1+min(len(word)/3, 3)
	for _, k := range known {
		if d := distance(word, k, least); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the Levenshtein distance of two words, or at least limit if their lengths alone say so.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
