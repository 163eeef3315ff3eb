package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// loadsAgain requires that what the config command prints is read as the same configuration, and printed in the same
// way.
func loadsAgain(c *Config) error {
	var text, twice bytes.Buffer
	if err := c.Write(&text); err != nil {
		return err
	}
	again, err := Parse(text.Bytes(), "/dir")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, &text)
	}
	want := *c
	want.Catalogues = []string{}
	if !reflect.DeepEqual(again, &want) {
		return fmt.Errorf("%+v\nis read again as\n%+v", &want, again)
	}
	if err := again.Write(&twice); err != nil {
		return err
	}
	if !bytes.Equal(twice.Bytes(), text.Bytes()) {
		return fmt.Errorf("printed\n%s\nthen\n%s", &text, &twice)
	}
	return nil
}

func TestWrite(t *testing.T) {
	for name, yaml := range map[string]string{
		"default":         "{}",
		"every key":       everyKey,
		"both catalogues": "catalogues: [snap-store, izuma-us-east-1]",
		"probe only":      "catalogues: []\nprobe: {allow: [a.example]}",
		"zones":           `resolvers: ["fe80::1%eth0", "[fe80::2%eth0]", "[fe80::3%eth0]:5353"]`,
	} {
		if err := loadsAgain(parsed(t, yaml)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWriteSubsetsOfCatalogues tries all subsets of the built-in catalogues, in both orders.
func TestWriteSubsetsOfCatalogues(t *testing.T) {
	all := Builtins()
	for set := range uint(1) << len(all) {
		var names []string
		for i, name := range all {
			if set&(1<<i) != 0 {
				names = append(names, name)
			}
		}
		for range 2 {
			c := parsed(t, "catalogues: ["+strings.Join(names, ", ")+"]\nprobe: {allow: [a.example]}")
			hosts := 0
			for _, name := range names {
				list, err := builtin(name)
				if err != nil {
					t.Fatal(err)
				}
				hosts += len(list.endpoints)
			}
			if len(c.Endpoints) != hosts || bits.OnesCount(set) != len(c.Catalogues) {
				t.Errorf("%v: %d endpoints, want %d", names, len(c.Endpoints), hosts)
			}
			if err := loadsAgain(c); err != nil {
				t.Errorf("%v: %v", names, err)
			}
			slices.Reverse(names)
		}
	}
}

// drawValue draws the YAML text of a value of a type, valid for the rules of its field.
func drawValue(t *rapid.T, typ reflect.Type, rules reflect.StructTag, label string) string {
	if words := choices[typ]; words != nil {
		return rapid.SampledFrom(words).Draw(t, label)
	}
	key, _, _ := strings.Cut(rules.Get("yaml"), ",")
	if samples := samplesOf[cmp.Or(rules.Get("form"), key)]; samples != nil && typ.Kind() == reflect.String {
		return rapid.SampledFrom(samples).Draw(t, label)
	}
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		least, most := bounds(rules.Get("range"), time.ParseDuration)
		return time.Duration(rapid.Int64Range(int64(least), int64(most)).Draw(t, label)).String()
	case typ == reflect.TypeFor[netip.AddrPort]():
		return rapid.SampledFrom(samplesOf["server"]).Draw(t, label)
	}
	switch typ.Kind() {
	case reflect.Bool:
		return rapid.SampledFrom([]string{"true", "false", "True", "FALSE"}).Draw(t, label)
	case reflect.Int:
		least, most := bounds(rules.Get("range"), strconv.Atoi)
		return fmt.Sprint(rapid.IntRange(least, most).Draw(t, label))
	case reflect.Uint16:
		return fmt.Sprint(rapid.IntRange(1, 65535).Draw(t, label))
	case reflect.Slice:
		count := rapid.IntRange(0, 4).Draw(t, label+"#")
		items := make([]string, count)
		for i := range items {
			items[i] = drawValue(t, typ.Elem(), rules, fmt.Sprintf("%s[%d]", label, i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var entries []string
		for _, name := range []string{"site", "web", "other.1", "null", "true"} {
			if rapid.Bool().Draw(t, label+"."+name) {
				entries = append(entries, name+": "+drawValue(t, typ.Elem(), "", label+"."+name))
			}
		}
		return "{" + strings.Join(entries, ", ") + "}"
	case reflect.Struct:
		var entries []string
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Tag.Get("required") != "" || rapid.Bool().Draw(t, label+"."+key) {
				entries = append(entries, key+": "+drawValue(t, f.Type, f.Tag, label+"."+key))
			}
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	t.Fatalf("no values of %s", typ)
	return ""
}

// samplesOf are values of the forms of text, as YAML.
var samplesOf = map[string][]string{
	"allow":      {"a.example", `"*.b.example"`, "10.0.0.0/8", `"2001:db8::/32"`, "192.0.2.1"},
	"catalogue":  Builtins(),
	"issuer":     {`"CN=a"`, `"C=GB, O=Example\\, Inc., CN=x"`},
	"server":     {"192.0.2.1", "'192.0.2.2:5353'", "'2001:db8::1'", "'[2001:db8::2]:54'", "'fe80::1%eth0'", "'[fe80::2%eth0]'"},
	"trust":      {"site", "web", "other.1"},
	"file":       {"ca.pem", "/srv/ca.pem", `"a b"`, `"~"`},
	"host":       {"a.example", "B.example.", "192.0.2.1", `"2001:db8::1"`, "lwm2m.us-east-1.mbedcloud.com"},
	"name":       {"whoami.example", `""`},
	"public_key": {everyKeyPublicKey},
	"source":     {"eth1", "br-lan.2", "192.0.2.10", `"2001:db8::10"`, `"::ffff:192.0.2.10"`, "Ethernet 2"},
	"service":    {"a", `"CoAP / b"`, `"yes"`, `"1.5"`, `"null"`, `"~"`, `"a: b #c"`, `"- x"`, `"ü"`, "lwm2m"},
}

const everyKeyPublicKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEX4CWIxuTkjbJcODt+pOTDdI/b21MjEiJ3CxhIBSfKJ098qvViBUtCWF0Wa3HdbkZD4kJl/eWydyn8JDFUVC0/g=="

// TestWriteRandomConfigurations draws configurations of every key. What Parse refuses must be an *Invalid; what it
// accepts must load again after it is written.
func TestWriteRandomConfigurations(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		// Each configuration has a random section, so that enough of them are valid.
		root := reflect.TypeFor[Config]()
		field := root.Field(rapid.IntRange(0, root.NumField()-1).Draw(t, "section"))
		key := field.Tag.Get("yaml")
		text := key + ": " + drawValue(t, field.Type, field.Tag, key) + "\n"
		if key != "trust" {
			text += "trust: {site: {ca_file: site.pem}, other.1: {system_roots: true}}\n"
		}
		c, err := Parse([]byte(text), "/dir")
		if err != nil {
			if _, ok := errors.AsType[*Invalid](err); !ok {
				t.Fatalf("%v\n%s", err, text)
			}
			return
		}
		accepted++
		if err := loadsAgain(c); err != nil {
			t.Fatal(err)
		}
	})
	if accepted < 10 {
		t.Errorf("only %d configurations were accepted", accepted)
	}
}

// FuzzParse requires that no input panics, and that what is accepted loads again after it is written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everyKey))
	f.Add([]byte("{}"))
	files, _ := filepath.Glob("testdata/invalid-*.yml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "/dir")
		if err != nil {
			invalid, ok := errors.AsType[*Invalid](err)
			if !ok || len(invalid.Mistakes) == 0 {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		if err := loadsAgain(c); err != nil {
			t.Fatal(err)
		}
	})
}
