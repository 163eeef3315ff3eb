package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// key is one key of the configuration.
type key struct {
	path     string // "endpoints.paths[].port"
	field    reflect.StructField
	fallback reflect.Value // the default; not valid inside lists and maps
}

// keysOf lists the keys of a struct type and of the structs in it.
func keysOf(typ reflect.Type, defaults reflect.Value, prefix string) (keys []key) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		k := key{path: prefix + name, field: f}
		if defaults.IsValid() {
			k.fallback = defaults.Field(i)
		}
		keys = append(keys, k)
		inner, below, innerDefaults := f.Type, k.path+".", k.fallback
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner, innerDefaults = inner.Elem(), reflect.Value{}
			if prefix != "" {
				below = k.path + "[]."
			}
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[netip.AddrPort]() {
			keys = append(keys, keysOf(inner, innerDefaults, below)...)
		}
	}
	return keys
}

func allKeys() []key { return keysOf(reflect.TypeFor[Config](), reflect.ValueOf(*defaults()), "") }

// TestKeysHaveReaders reads a value of another type for every key: one without a reader panics. All tags must be
// complete.
func TestKeysHaveReaders(t *testing.T) {
	for _, k := range allKeys() {
		tag := k.field.Tag
		if name, _, _ := strings.Cut(tag.Get("yaml"), ","); name == "" || !k.field.IsExported() {
			t.Errorf("field %s has no key", k.field.Name)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte("1.5"), &doc); err != nil {
			t.Fatal(err)
		}
		r := newReader("")
		r.read(node{doc.Content[0], k.path}, reflect.New(k.field.Type).Elem(), tag)
		if len(r.found) != 1 {
			t.Errorf("%s: the number 1.5 gives the mistakes %v, want one", k.path, r.found)
		}
		kind := k.field.Type.Kind()
		item := k.field.Type
		if kind == reflect.Slice {
			item = item.Elem()
		}
		number := item == reflect.TypeFor[time.Duration]() || item.Kind() == reflect.Int && choices[item] == nil
		if number != (tag.Get("range") != "") {
			t.Errorf("%s: range %q of a %s", k.path, tag.Get("range"), item)
		}
		if form := tag.Get("form"); form != "" && (forms[form] == nil || item.Kind() != reflect.String) {
			t.Errorf("%s: form %q of a %s", k.path, form, item)
		}
		structure := kind == reflect.Struct || kind == reflect.Map || kind == reflect.Slice
		if (structure || tag.Get("required") != "") && tag.Get("example") == "" {
			t.Errorf("%s needs an example for its errors", k.path)
		}
	}
}

// TestKeysExamples reads the example of every key as a person would who copies it from an error.
func TestKeysExamples(t *testing.T) {
	for _, k := range allKeys() {
		example := k.field.Tag.Get("example")
		if example == "" {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(example), &doc); err != nil {
			t.Errorf("%s: %s: %v", k.path, example, err)
			continue
		}
		r := newReader("")
		r.read(node{doc.Content[0], k.path}, reflect.New(k.field.Type).Elem(), k.field.Tag)
		if err := r.err(); err != nil {
			t.Errorf("%s: %s: %v", k.path, example, err)
		}
		if strings.Contains(k.path, ".") {
			continue
		}
		text := k.path + ": " + example + "\n"
		if k.path != "trust" {
			text += "trust: {site: {ca_file: site.pem}}\n"
		}
		if _, err := Parse([]byte(text), ""); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// documented is a key of docs/configuration.md.
type documented struct {
	section string            // the text under its heading
	cells   map[string]string // of its row, by the heading of the column; nil if the key is a heading
}

var docHeading = regexp.MustCompile("(?m)^## `([a-z_]+)`$")

// docKeys reads the keys of docs/configuration.md: the headings of the second level that are keys, and the tables
// under them.
func docKeys(t *testing.T, doc string) map[string]documented {
	t.Helper()
	keys := make(map[string]documented)
	headings := docHeading.FindAllStringSubmatchIndex(doc, -1)
	for i, at := range headings {
		end := len(doc)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		name, section := doc[at[2]:at[3]], doc[at[1]:end]
		keys[name] = documented{section: section}
		var columns []string
		for line := range strings.Lines(section) {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "|") {
				columns = nil
				continue
			}
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			switch {
			case columns == nil:
				columns = cells
			case columns[0] == "key" && !strings.HasPrefix(cells[0], "---"):
				row := strings.Trim(cells[0], "`")
				if len(cells) != len(columns) {
					t.Errorf("the row %s has not as many cells as columns", line)
					continue
				}
				path := name + "." + row
				if _, again := keys[path]; again {
					t.Errorf("%s has two rows", path)
				}
				k := documented{section: section, cells: make(map[string]string)}
				for i, column := range columns {
					k.cells[column] = cells[i]
				}
				keys[path] = k
			}
		}
	}
	return keys
}

// TestKeysAreDocumented compares the keys with docs/configuration.md: each stands under its heading, with its range
// and default, and no other key is there.
func TestKeysAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := docKeys(t, string(data))
	keys := make(map[string]key)
	for _, k := range allKeys() {
		keys[k.path] = k
	}
	for _, path := range slices.Sorted(maps.Keys(docs)) {
		if _, ok := keys[path]; !ok {
			t.Errorf("%s is documented, and no such key is read", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(keys)) {
		k := keys[path]
		d, ok := docs[path]
		if !ok {
			t.Errorf("%s is read, and not documented under the heading of its section", path)
			continue
		}
		for _, rule := range []string{"range", "size"} {
			if want := inWords(k.field.Tag.Get(rule)); want != "" && !strings.Contains(fmt.Sprint(d.cells), want) && d.cells != nil {
				t.Errorf("%s: the row does not name the %s %q", path, rule, want)
			}
		}
		for _, word := range choices[k.field.Type] {
			if !strings.Contains(d.cells["type"], "`"+word+"`") {
				t.Errorf("%s: the type %q does not name %s", path, d.cells["type"], word)
			}
		}
		cell, ok := d.cells["default"]
		switch {
		case !ok:
		case (cell == "required") != (k.field.Tag.Get("required") != ""):
			t.Errorf("%s: the default is documented as %s", path, cell)
		case k.fallback.IsValid(): // inside lists and maps, defaults may depend on other keys
			if got := readCell(t, k, cell); !reflect.DeepEqual(got, k.fallback.Interface()) {
				t.Errorf("%s: the default is documented as %s, and is %v", path, cell, k.fallback)
			}
		}
	}
}

// inWords is a rule as the documentation has it: "100ms to 10m".
func inWords(rule string) string { return strings.ReplaceAll(rule, "..", " to ") }

// readCell reads a default as it stands in a table: YAML in backticks, or "none" for the zero value.
func readCell(t *testing.T, k key, cell string) any {
	t.Helper()
	value := reflect.New(k.field.Type).Elem()
	if cell == "none" {
		return value.Interface()
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Trim(cell, "`")), &doc); err != nil || len(doc.Content) == 0 {
		t.Fatalf("%s: %q is not YAML: %v", k.path, cell, err)
	}
	r := newReader("")
	r.read(node{doc.Content[0], k.path}, value, k.field.Tag)
	if err := r.err(); err != nil {
		t.Errorf("default %s: %v", cell, err)
	}
	return value.Interface()
}

func TestDocumentedExamples(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	sections := make(map[string]bool)
	for _, block := range strings.Split(doc, "```yaml\n")[1:] {
		example, _, closed := strings.Cut(block, "```")
		if !closed {
			t.Fatal("an example does not end")
		}
		if _, err := Parse([]byte(example), "/dir"); err != nil {
			t.Errorf("%s\n%s", err, example)
		}
		name, _, _ := strings.Cut(example, ":")
		sections[name] = true
	}
	for _, k := range allKeys() {
		if !strings.Contains(k.path, ".") && !sections[k.path] {
			t.Errorf("%s has no example that begins with it", k.path)
		}
	}
	for _, name := range Builtins() {
		if !strings.Contains(doc, "- `"+name+"`:") {
			t.Errorf("the catalogue %s is not documented", name)
		}
	}
}

// TestDocumentedErrors compares the errors in the documentation with those of a file.
func TestDocumentedErrors(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(data), "```text\n")
	want, _, closed := strings.Cut(block, "```")
	if !closed {
		t.Fatal("no errors are documented")
	}
	_, err = Parse([]byte("survey: {timeout: 10}\nendpoints:\n  - service: meters\n    host: coap.example.com\n"+
		"    clinet: web\n    paths: {transport: tcp, port: 70000}\n"), "")
	invalid, ok := err.(*Invalid) //nolint:errorlint // the type is what Parse documents
	if !ok {
		t.Fatal(err)
	}
	invalid.File = "config.yml"
	if got := invalid.Error() + "\n"; got != want {
		t.Errorf("documented are\n%sthe errors are\n%s", want, got)
	}
}

// TestAnnotatedExample reads docs/examples/config.yml, which has every key, and compares the values that its comments
// call the default.
func TestAnnotatedExample(t *testing.T) {
	data, err := os.ReadFile("../../docs/examples/config.yml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(data, "/dir"); err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	given := make(map[string]bool)
	var walk func(value any, path string)
	walk = func(value any, path string) {
		given[path] = true
		switch v := value.(type) {
		case []any:
			for _, item := range v {
				walk(item, path+"[]")
			}
		case map[string]any:
			for name, item := range v {
				walk(item, strings.TrimPrefix(path+"."+name, "."))
			}
		}
	}
	walk(doc, "")
	for _, k := range allKeys() {
		found := false
		for path := range given {
			// Lists below the top level have [] in the path of a key; items of the top level and names of maps do not.
			path = strings.Replace(path, "endpoints[]", "endpoints", 1)
			if strings.HasPrefix(path, "trust.") {
				_, rest, _ := strings.Cut(strings.TrimPrefix(path, "trust."), ".")
				path = "trust." + rest
			}
			found = found || path == k.path
		}
		if !found {
			t.Errorf("%s is not in the example", k.path)
		}
	}
	line := regexp.MustCompile(`(?m)^  ([a-z_]+): (.*?) *#(.*)$`)
	section := ""
	for text := range strings.Lines(string(data)) {
		if name, rest, ok := strings.Cut(text, ":"); ok && strings.TrimSpace(rest) == "" && !strings.HasPrefix(name, " ") {
			section = name
		}
		m := line.FindStringSubmatch(strings.TrimRight(text, "\n"))
		if m == nil || !strings.HasSuffix(m[3], "default") && !strings.HasSuffix(m[3], "(default)") {
			continue
		}
		for _, k := range allKeys() {
			if k.path == section+"."+m[1] && k.fallback.IsValid() {
				if got := readCell(t, k, m[2]); !reflect.DeepEqual(got, k.fallback.Interface()) {
					t.Errorf("%s: %s is called the default, which is %v", k.path, m[2], k.fallback)
				}
			}
		}
	}
}
