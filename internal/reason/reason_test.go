package reason

import (
	"reflect"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
)

// complete fails if a field of a record is empty.
func complete(t *testing.T, record any) {
	t.Helper()
	v := reflect.ValueOf(record)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%+v: field %s is empty", record, v.Type().Field(i).Name)
		}
	}
}

func TestReasonsAreComplete(t *testing.T) {
	words := make(map[string]Reason)
	var listed []string
	last := 0
	for _, info := range All() {
		complete(t, info)
		listed = append(listed, string(info.Reason))
		if info.Class.Rank() == len(Classes()) {
			t.Errorf("%s: class %q has no record", info.Reason, info.Class)
		}
		if !slices.ContainsFunc(Requests(), func(r RequestInfo) bool { return slices.Contains(r.Advice, info.Advice) }) {
			t.Errorf("%s: advice %q has no record", info.Reason, info.Advice)
		}
		if other, taken := words[info.Word]; taken {
			t.Errorf("%s and %s share the word %q", other, info.Reason, info.Word)
		}
		words[info.Word] = info.Reason
		if info.Class.Rank() < last {
			t.Errorf("%s stands after a reason of a later class", info.Reason)
		}
		last = info.Class.Rank()
		if got := info.Reason.Class(); got != info.Class {
			t.Errorf("class of %s: %q", info.Reason, got)
		}
	}
	same(t, "reasons", listed, closedlist.Constants(t, ".", "Reason"))
}

func TestClassesAreComplete(t *testing.T) {
	var listed []string
	for _, info := range Classes() {
		complete(t, info)
		listed = append(listed, string(info.Class))
		if !slices.ContainsFunc(All(), func(r Info) bool { return r.Class == info.Class }) {
			t.Errorf("class %s has no reason", info.Class)
		}
	}
	same(t, "classes", listed, closedlist.Constants(t, ".", "Class"))
}

func TestAdviceIsComplete(t *testing.T) {
	var listed, requests []string
	for _, info := range Requests() {
		complete(t, info)
		requests = append(requests, string(info.Request))
		for _, kind := range info.Advice {
			listed = append(listed, string(kind))
		}
	}
	same(t, "kinds of advice", listed, closedlist.Constants(t, ".", "Advice"))
	same(t, "requests", requests, closedlist.Constants(t, ".", "Request"))
}

// same fails unless the list holds every constant once; the empty constant means "none" and is not listed.
func same(t *testing.T, what string, listed, declared []string) {
	t.Helper()
	declared = slices.DeleteFunc(slices.Clone(declared), func(s string) bool { return s == "" })
	listed = slices.Clone(listed)
	slices.Sort(listed)
	slices.Sort(declared)
	if !slices.Equal(listed, declared) {
		t.Errorf("%s: listed are\n%q\ndeclared are\n%q", what, listed, declared)
	}
}

func TestUnknownValues(t *testing.T) {
	for _, r := range []Reason{OK, "no_such_reason"} {
		if r.Info() != (Info{}) || r.Class() != "" {
			t.Errorf("%q has a record", r)
		}
	}
	if rank := Class("no_such_class").Rank(); rank != len(Classes()) {
		t.Errorf("rank of an unknown class: %d", rank)
	}
}
