package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

func TestReferenceIsUpToDate(t *testing.T) {
	golden.Equal(t, "../../docs/metrics.md", string(reference())) // or go generate ./collector
}

func TestReferenceHasEveryReason(t *testing.T) {
	text := string(reference())
	for _, info := range reason.All() {
		if row := fmt.Sprintf("\n| %s | `%s` | %s |\n", info.Class, info.Reason, info.Meaning); strings.Count(text, row) != 1 {
			t.Errorf("no row for reason %s", info.Reason)
		}
	}
}

func TestReferenceNamesEveryMetric(t *testing.T) {
	text := reference()
	for _, m := range collector.Metrics() {
		if n := bytes.Count(text, []byte("\n| `"+m.Name+"` |")); n != 1 {
			t.Errorf("%s has %d rows", m.Name, n)
		}
		for label, values := range m.Values {
			if len(values) > listed && label != "reason" {
				t.Errorf("%s: the values of label %s stand nowhere", m.Name, label)
			}
		}
	}
}

func TestSectionsAreUpToDate(t *testing.T) {
	for i := range sections {
		file := "../../docs/" + sections[i].file
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := sections[i].replace(text)
		if err != nil {
			t.Fatal(err)
		}
		golden.Equal(t, file, string(want)) // or go generate ./collector
	}
}

func TestSectionReplace(t *testing.T) {
	s := section{"x.md", "part", func(out *bytes.Buffer) error { out.WriteString("new\n"); return nil }}
	const begin, end = "<!-- part: written by go generate ./collector -->\n", "<!-- part: end -->\n"
	got, err := s.replace([]byte("before\n" + begin + "old\n" + end + "after\n"))
	if want := "before\n" + begin + "\nnew\n\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := s.replace([]byte("before\n" + begin)); err == nil {
		t.Error("a section without an end is accepted")
	}
}

func TestReasonsAreComplete(t *testing.T) {
	var out bytes.Buffer
	if err := writeReasons(&out); err != nil {
		t.Fatal(err)
	}
	for _, info := range reason.All() {
		if !strings.Contains(out.String(), "| `"+string(info.Reason)+"` |") {
			t.Errorf("no row for reason %s", info.Reason)
		}
	}
}
