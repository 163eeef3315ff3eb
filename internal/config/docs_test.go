package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocumentation parses every example of docs/configuration.md and holds that every key is named there.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	blocks := strings.Split(doc, "```yaml\n")[1:]
	if len(blocks) < 10 {
		t.Fatalf("%d examples, each key should have one", len(blocks))
	}
	for _, block := range blocks {
		example, _, closed := strings.Cut(block, "```")
		if !closed {
			t.Fatal("an example does not end")
		}
		if _, err := Parse([]byte(example), "/dir"); err != nil {
			t.Errorf("%s\n%s", err, example)
		}
	}
	for _, key := range yamlKeys(reflect.TypeFor[Config]()) {
		if !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("key %s is not documented", key)
		}
	}
	for _, name := range Builtins() {
		if !strings.Contains(doc, "- `"+name+"`:") {
			t.Errorf("catalogue %s is not documented", name)
		}
	}
}

// yamlKeys lists the keys of a type and of all that it holds.
func yamlKeys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return yamlKeys(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var out []string
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key == "" {
			continue
		}
		out = append(append(out, key), yamlKeys(t.Field(i).Type)...)
	}
	return out
}
