package present

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// forPrograms are the fields of the view that only JSON has, with why no person is shown them.
var forPrograms = map[string]string{
	"SchemaVersion":   "about the form",
	"Healthy":         "the verdict says it",
	"IncompletePaths": "the verdict counts them",
	"Hosts.State":     "the lines of its paths say it",
	"Hosts.Keepalive": "the advice names it where it matters",
	"Hosts.Advice":    "Todo has it, merged over the hosts",

	"Hosts.Resolvers.Resolver":  "shown without the usual port",
	"Hosts.Resolvers.Changes":   "a counter since start",
	"Hosts.Resolvers.Withdrawn": "the lines of the addresses say it",
	"Hosts.Resolvers.Ready":     "Why says it",
	"Hosts.Authority.Addresses": "the resolvers' lines have the addresses that devices use",

	"Hosts.Paths.State":           "the lines of its addresses say it",
	"Hosts.Paths.Unproven":        "the lines of its addresses say it",
	"Hosts.Paths.Unjudged":        "the lines of its addresses say it",
	"Hosts.Paths.Class":           "the reason says more",
	"Hosts.Paths.Advice":          "Todo has it, merged over the paths",
	"Hosts.Paths.Addresses.Class": "the reason says more",

	"Hosts.Paths.Addresses.Certificate.Authentic":   "the reason says it",
	"Hosts.Paths.Trace.Tried":                       "Text says it in words",
	"Hosts.Paths.Trace.Ending":                      "Text says it in words",
	"Hosts.Paths.Idle.Reason":                       "Why says it in words",
	"Hosts.Paths.Idle.SurvivedSeconds":              "Why says it in words",
	"Hosts.Paths.Addresses.Certificate.MachineRoot": "Seen says it in words",
	"Hosts.Paths.Idle.LostSeconds":                  "Why says it in words",
	"Hosts.Paths.Idle.ClosedSeconds":                "Why says it in words",
}

// mutated returns another value than v; ok is false for a type that is not a leaf.
func mutated(v reflect.Value) (out any, ok bool) {
	switch x := v.Interface().(type) {
	case measurement.Port53State:
		return measurement.Port53Blocked, true
	case measurement.DNSFailure:
		return measurement.DNSRcode, true
	case staleness.Verdict:
		if x == staleness.Stale {
			return staleness.Suspect, true
		}
		return staleness.Stale, true
	case report.State:
		return report.State("another"), true
	case time.Time:
		return x.Add(-40 * 24 * time.Hour), true
	case reason.Reason:
		return reason.Reason("another"), true
	}
	if v.Type() == reflect.TypeFor[measurement.Client]() {
		if v.String() == string(measurement.Web) {
			return measurement.Device, true
		}
		return measurement.Web, true
	}
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf("another").Convert(v.Type()).Interface(), true
	case reflect.Bool:
		return !v.Bool(), true
	case reflect.Int, reflect.Int64:
		return reflect.ValueOf(v.Int() + 77).Convert(v.Type()).Interface(), true
	case reflect.Uint16, reflect.Uint64:
		return reflect.ValueOf(v.Uint() + 77).Convert(v.Type()).Interface(), true
	case reflect.Float64:
		return v.Float() + 77, true
	}
	return nil, false
}

// mutateField sets the leaves at a path of field names to another value, in every element of every slice.
func mutateField(v reflect.Value, path []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			if len(path) > 0 {
				return // there is nothing to change here
			}
			v.Set(reflect.New(v.Type().Elem()))
		}
		mutateField(v.Elem(), path)
		return
	case reflect.Slice:
		if v.Len() == 0 && v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		for i := range v.Len() {
			mutateField(v.Index(i), path)
		}
		return
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.ValueOf(v.MapIndex(key).Float()+77))
		}
		return
	}
	if len(path) > 0 {
		mutateField(v.FieldByName(path[0]), path[1:])
		return
	}
	if out, ok := mutated(v); ok {
		v.Set(reflect.ValueOf(out))
	}
}

// leaves lists the paths of field names to the exported fields of a view type that hold values.
func leaves(prefix string, typ reflect.Type) []string {
	var out []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name := strings.TrimPrefix(prefix+"."+f.Name, ".")
		inner := f.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
			out = append(out, leaves(name, inner)...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

// shown is what people are shown of a view: the terminal's text, the page and Markdown together.
func shown(t *testing.T, v *View) string {
	t.Helper()
	var b bytes.Buffer
	err := Text(&b, v, Palette{Width: 200})
	if err == nil {
		err = Page(&b, v, PageOptions{MetricsPath: "metrics", Now: v.Finished})
	}
	if err == nil {
		err = Markdown(&b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEveryFieldIsShown changes each field of the view, found by reflection, and tests that a view for people changes
// too.
func TestEveryFieldIsShown(t *testing.T) {
	all := leaves("", reflect.TypeFor[View]())
	for _, name := range all {
		changed := false
		for _, make := range []func() *report.Report{sick, offline, unjudged, proxied, traced} {
			if changed {
				break
			}
			before, after := NewView(make(), "1.2.3"), NewView(make(), "1.2.3")
			mutateField(reflect.ValueOf(after).Elem(), strings.Split(name, "."))
			changed = shown(t, before) != shown(t, after)
		}
		why, only := forPrograms[name]
		switch {
		case !changed && !only:
			t.Errorf("%s is shown by no view for people", name)
		case changed && only:
			t.Errorf("%s is shown, but listed as for programs only (%s)", name, why)
		}
	}
	for name := range forPrograms {
		if !slices.Contains(all, name) {
			t.Errorf("%s is listed, but is not a field", name)
		}
	}
}
