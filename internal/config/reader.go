package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// node is a YAML node and its place in the file, for example "endpoints[2].paths[0].port".
type node struct {
	*yaml.Node
	place string
}

// null reports whether a key stands without a value.
func (n node) null() bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// reader reads YAML nodes into Go values, strictly. It walks the yaml tags of the value's type, so that a field with
// a tag needs no other code to be read. A mistake is recorded and reading goes on, so that all mistakes of a file are
// found at once; the field then keeps the value that it had.
type reader struct {
	mistakes
	dir     string          // of relative file names; "" leaves them relative
	open    bool            // read the files that the configuration names
	targets bool            // the command line names what is probed, so that the configuration need not
	given   map[string]node // every key and list item that has a value, by its place
	anchors *Anchors        // those of the configuration
}

// isGiven reports whether the key at a place has a value.
func (r *reader) isGiven(place string) bool {
	_, ok := r.given[place]
	return ok
}

// isValid reports whether the key at a place has a value without mistakes.
func (r *reader) isValid(place string) bool { return r.isGiven(place) && !r.wrong[place] }

// mistakeAt records a mistake of the key at a place. If the key is not given, the mistake is shown at the section
// that lacks it.
func (r *reader) mistakeAt(place, format string, args ...any) {
	n, ok := r.given[place]
	for above := place; !ok && above != ""; {
		above = parent(above)
		n, ok = r.given[above]
	}
	n.place = place
	r.mistake(n, format, args...)
}

// read reads a node into a value that can be set. The rules are the struct tag of the field that holds it.
func (r *reader) read(n node, into reflect.Value, rules reflect.StructTag) {
	if n.Kind == yaml.AliasNode { // a few lines of aliases expand to any size
		r.mistake(n, "YAML aliases are not supported; write the value out")
		return
	}
	r.given[n.place] = n
	switch {
	case into.Type() == reflect.TypeFor[time.Duration]():
		r.duration(n, into, rules)
	case into.Type() == reflect.TypeFor[netip.AddrPort]():
		r.server(n, into)
	case choices[into.Type()] != nil:
		r.choice(n, into)
	default:
		switch into.Kind() {
		case reflect.Struct:
			r.structure(n, into, rules)
		case reflect.Map:
			r.mapping(n, into, rules)
		case reflect.Slice:
			r.list(n, into, rules)
		case reflect.Bool:
			if r.scalar(n, "!!bool", "true or false") {
				into.SetBool(strings.EqualFold(n.Value, "true"))
			}
		case reflect.Int, reflect.Uint16:
			r.integer(n, into, rules)
		case reflect.String:
			r.text(n, into, rules)
		default:
			panic("config: no reader for " + into.Type().String() + " at " + n.place)
		}
	}
}

// fieldsOf returns the fields of a struct type by their keys. Every field has one.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := make(map[string]reflect.StructField, t.NumField())
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		fields[key] = f
	}
	return fields
}

// structure reads keys and values into a struct.
func (r *reader) structure(n node, into reflect.Value, rules reflect.StructTag) {
	fields := fieldsOf(into.Type())
	known := slices.Sorted(maps.Keys(fields))
	if !r.pairs(n, rules, func(key, child node) {
		f, ok := fields[key.Value]
		switch {
		case !ok:
			r.mistake(key, "unknown key%s", cmp.Or(suggestion(key.Value, known), "; known keys: "+strings.Join(known, ", ")))
		case child.null():
			r.given[child.place] = child
			r.mistake(key, "the key has no value; write one, or remove the key to get its default")
		default:
			r.read(child, into.FieldByIndex(f.Index), f.Tag)
		}
	}) {
		return
	}
	for _, key := range known {
		if f := fields[key]; f.Tag.Get("required") != "" && !r.isGiven(join(n.place, key)) {
			r.mistake(n, "%[1]s is missing, for example %[1]s: %[2]s", key, f.Tag.Get("example"))
		}
	}
}

// mapping reads keys and values into a map with names as keys.
func (r *reader) mapping(n node, into reflect.Value, rules reflect.StructTag) {
	into.Set(reflect.MakeMap(into.Type()))
	_, item, _ := strings.Cut(rules.Get("example"), ": ")
	itemRules := example(strings.TrimSuffix(item, "}"))
	r.pairs(n, rules, func(key, child node) {
		switch {
		case !trustName.MatchString(key.Value):
			r.mistake(key, "want a name of letters, digits, dots, hyphens and underscores, at most 64 bytes")
		case child.null():
			r.mistake(key, "the key has no value; write one, or remove the key")
		default:
			value := reflect.New(into.Type().Elem()).Elem()
			r.read(child, value, itemRules)
			into.SetMapIndex(reflect.ValueOf(key.Value), value)
		}
	})
}

// pairs calls each for every entry of a mapping. Keys that are no words and repeated keys are mistakes. It reports
// whether the node is a mapping.
func (r *reader) pairs(n node, rules reflect.StructTag, each func(key, child node)) bool {
	if n.Kind != yaml.MappingNode {
		r.mistake(n, "want keys and values%s", forExample(rules))
		return false
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := node{n.Content[i], n.place}
		if key.Kind != yaml.ScalarNode || measurement.Text(key.Value) == "" {
			r.mistake(key, "a key must be a word")
			continue
		}
		key.place = join(n.place, measurement.Text(key.Value))
		if first, again := lines[key.Value]; again {
			r.mistake(key, "the key is given twice, first in line %d; remove one of them", first)
			continue
		}
		lines[key.Value] = key.Line
		each(key, node{n.Content[i+1], key.place})
	}
	return true
}

// list reads a list. Equal items are mistakes: no list of the configuration has a use for them. An item with a
// mistake is kept, so that the index of each item is that of the file.
func (r *reader) list(n node, into reflect.Value, rules reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		r.mistake(n, "want a list%s", forExample(rules))
		return
	}
	itemRules := rules
	if into.Type().Elem().Kind() == reflect.Struct {
		itemRules = example(strings.Trim(rules.Get("example"), "[]")) // of a list with one item
	}
	out := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	seen := make(map[any]string)
	for i, content := range n.Content {
		item := node{content, fmt.Sprintf("%s[%d]", n.place, i)}
		if item.null() {
			r.mistake(item, "the item has no value; write one, or remove the item")
			continue
		}
		r.read(item, out.Index(i), itemRules)
		if !out.Index(i).Comparable() || !r.isValid(item.place) {
			continue
		}
		value := out.Index(i).Interface()
		if first, again := seen[value]; again {
			r.mistake(item, "the same as %s; remove one of them", first)
			continue
		}
		seen[value] = item.place
	}
	if size := rules.Get("size"); size != "" {
		least, most := bounds(size, strconv.Atoi)
		if len(n.Content) < least || len(n.Content) > most {
			r.mistake(n, "the list has %d items; want %d to %d%s", len(n.Content), least, most, forExample(rules))
		}
	}
	into.Set(out)
}

// scalar reports whether a node is a single value with a YAML tag, and records a mistake otherwise.
func (r *reader) scalar(n node, tag, want string) bool {
	if n.Kind != yaml.ScalarNode {
		r.mistake(n, "want %s", want)
		return false
	}
	if n.ShortTag() == tag {
		return true
	}
	bare := yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	switch {
	case tag == "!!str":
		r.mistake(n, "%s is not text; put it in quotes: %q", n.shown(), n.Value)
	case bare.ShortTag() == tag:
		r.mistake(n, "%q is text; want %s, without quotes", n.Value, want)
	default:
		r.mistake(n, "%s is not valid; want %s", n.shown(), want)
	}
	return false
}

// shown is a scalar as a message shows it: one line of bounded length.
func (n node) shown() string {
	const longest = 60
	s := measurement.Text(n.Value)
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest]) + "…"
	}
	if s == "" || strings.TrimSpace(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// text reads a text of the form that the rules name.
func (r *reader) text(n node, into reflect.Value, rules reflect.StructTag) {
	if !r.scalar(n, "!!str", "text"+forExample(rules)) {
		return
	}
	text := n.Value
	if form := rules.Get("form"); form != "" {
		var err error
		if text, err = forms[form](r, n.Value); err != nil {
			r.mistake(n, "%s", err)
			return
		}
	}
	into.SetString(text)
}

// integer reads a whole number. A uint16 is a port.
func (r *reader) integer(n node, into reflect.Value, rules reflect.StructTag) {
	least, most, want := 1, 65535, "a port"
	if rule := rules.Get("range"); rule != "" {
		least, most = bounds(rule, strconv.Atoi)
		want = "a whole number"
	}
	if !r.scalar(n, "!!int", fmt.Sprintf("%s from %d to %d", want, least, most)) {
		return
	}
	var number int
	if err := n.Decode(&number); err != nil || number < least || number > most {
		r.mistake(n, "%s is not valid; want %s from %d to %d", n.shown(), want, least, most)
		return
	}
	into.Set(reflect.ValueOf(number).Convert(into.Type()))
}

// duration reads a Go duration.
func (r *reader) duration(n node, into reflect.Value, rules reflect.StructTag) {
	const want = "a duration, for example 90s, 5m or 1h30m"
	if n.Kind != yaml.ScalarNode {
		r.mistake(n, "want %s", want)
		return
	}
	if _, err := strconv.Atoi(n.Value); err == nil && n.Value != "0" {
		r.mistake(n, "%[1]s has no unit; write for example %[1]ss", n.shown())
		return
	}
	least, most := bounds(rules.Get("range"), time.ParseDuration)
	d, err := time.ParseDuration(n.Value)
	switch {
	case err != nil:
		r.mistake(n, "%s is not valid; want %s", n.shown(), want)
	case d < least || d > most:
		r.mistake(n, "%s is out of range; want %s to %s", n.shown(), shortDuration(least), shortDuration(most))
	default:
		into.SetInt(int64(d))
	}
}

// shortDuration is a duration without the units that are zero: 24h, not 24h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if cut, ok := strings.CutSuffix(s, zero); ok && cut != "" && strings.ContainsAny(cut[len(cut)-1:], "hm") {
			s = cut
		}
	}
	return s
}

// choices are the types whose values are words of a closed list.
var choices = map[reflect.Type][]string{
	reflect.TypeFor[AuthorityMode]():         {string(AuthorityDiscover), string(AuthorityServers), string(AuthorityOff)},
	reflect.TypeFor[IPVersion]():             {"4", "6"},
	reflect.TypeFor[Addresses]():             {string(AddressesPublic), string(AddressesAny)},
	reflect.TypeFor[measurement.Client]():    {string(measurement.Device), string(measurement.Web)},
	reflect.TypeFor[measurement.Framing]():   {string(measurement.RFC7252), string(measurement.RFC8323)},
	reflect.TypeFor[measurement.Transport](): {string(measurement.TCP), string(measurement.UDP)},
}

// choice reads one word of a closed list.
func (r *reader) choice(n node, into reflect.Value) {
	words := choices[into.Type()]
	want := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	tag := "!!str"
	if into.Kind() == reflect.Int {
		tag = "!!int"
	}
	if r.scalar(n, tag, want) && (!slices.Contains(words, n.Value) || n.Decode(into.Addr().Interface()) != nil) {
		r.mistake(n, "%s is not valid; want %s", n.shown(), want)
	}
}

// bounds splits a rule of the form "least..most" in a struct tag. A test reads all of them.
func bounds[T any](rule string, parse func(string) (T, error)) (least, most T) {
	low, high, _ := strings.Cut(rule, "..")
	least, errLow := parse(low)
	most, errHigh := parse(high)
	if err := errors.Join(errLow, errHigh); err != nil {
		panic("config: " + err.Error())
	}
	return least, most
}

// example makes the rules of an item from the example of its list.
func example(text string) reflect.StructTag {
	return reflect.StructTag("example:" + strconv.Quote(text))
}

// forExample is ", for example …" if the rules have an example.
func forExample(rules reflect.StructTag) string {
	if text := rules.Get("example"); text != "" {
		return ", for example " + text
	}
	return ""
}

func join(place, key string) string {
	if place == "" || key == "" {
		return place + key
	}
	return place + "." + key
}

// parent is the place of the section or list that holds a place; "" for the file.
func parent(place string) string { return place[:max(strings.LastIndexAny(place, ".["), 0)] }

// suggestion is "; did you mean …?" if a known word is near, and otherwise "".
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

// distance is the Levenshtein distance of two words, or limit if their lengths show that it is at least that.
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
