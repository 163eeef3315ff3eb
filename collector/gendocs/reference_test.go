package main

import (
	"bytes"
	"fmt"
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
