package main

import (
	"bytes"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
)

func TestReferenceIsUpToDate(t *testing.T) {
	golden.Equal(t, "../../docs/metrics.md", string(reference())) // or go generate ./collector
}

func TestReferenceExplainsEveryReason(t *testing.T) {
	for _, r := range diagnose.Reasons() {
		if meanings[r] == "" {
			t.Errorf("reason %s is not explained", r)
		}
	}
	if len(meanings) != len(diagnose.Reasons()) {
		t.Errorf("%d reasons are explained, there are %d", len(meanings), len(diagnose.Reasons()))
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
