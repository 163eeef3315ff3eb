package present

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestJSONDocumented holds docs/report.md against the model: the same fields in the same order, and those that are
// always there marked so.
func TestJSONDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (yes)? ?\\|").FindAllSubmatch(doc, -1) {
		documented = append(documented, strings.TrimSpace(string(row[1])+" "+string(row[2])))
	}
	if model := fields("", reflect.TypeFor[View]()); !slices.Equal(documented, model) {
		t.Errorf("docs/report.md has\n%s\nthe model has\n%s", strings.Join(documented, "\n"), strings.Join(model, "\n"))
	}
	words := []string{
		string(staleness.OK), string(staleness.Stale), string(staleness.Suspect), string(staleness.Unknown),
		string(measurement.DNSNXDomain), string(measurement.DNSServFail), string(measurement.DNSRefused), string(measurement.DNSNoAddress), string(measurement.DNSTimeout),
		string(measurement.DNSUnreachable), string(measurement.DNSMalformed), string(measurement.DNSLoop), string(measurement.DNSRcode), string(measurement.DNSOutOfTime),
	}
	words = append(words, closedlist.Constants(t, "../report", "IdleReason")...)
	for _, info := range reason.Classes() {
		words = append(words, string(info.Class))
	}
	for _, p := range measurement.Phases {
		words = append(words, string(p))
	}
	for _, w := range words {
		if !bytes.Contains(doc, []byte("`"+w+"`")) {
			t.Errorf("docs/report.md leaves out %q", w)
		}
	}
}

// fields lists the fields of a type by their JSON names, those that are always there with "yes".
func fields(prefix string, typ reflect.Type) []string {
	var out []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, optional := strings.CutSuffix(f.Tag.Get("json"), ",omitempty")
		name = prefix + name
		if optional {
			out = append(out, name)
		} else {
			out = append(out, name+" yes")
		}
		inner := f.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			if inner.Kind() == reflect.Slice {
				name += "[]"
			}
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
			out = append(out, fields(name+".", inner)...)
		}
	}
	return out
}
