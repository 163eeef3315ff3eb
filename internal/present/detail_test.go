package present

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// constantsOf returns the values of the constants of a named string type that a source file declares.
func constantsOf(t *testing.T, file, typeName string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

func checkList[K ~string](t *testing.T, declared []string, listed []K) {
	t.Helper()
	var names []string
	for _, k := range listed {
		names = append(names, string(k))
	}
	slices.Sort(declared)
	slices.Sort(names)
	if len(names) == 0 || !slices.Equal(declared, names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("declared are %q, listed are %q", declared, names)
	}
}

func TestDetailListsAreComplete(t *testing.T) {
	const file = "../measurement/detail.go"
	checkList(t, constantsOf(t, file, "DetailKind"), measurement.PathDetails)
	checkList(t, constantsOf(t, file, "UnfitKind"), measurement.UnfitKinds)
}

func TestDetailTextHasOneClauseForEachKind(t *testing.T) {
	const foreign = "text of the peer"
	seen := make(map[string]string)
	check := func(t *testing.T, kind, clause string) {
		t.Helper()
		if clause == "" || strings.HasSuffix(clause, ".") || strings.Contains(clause, "%!") || strings.Contains(clause, "_") && !strings.Contains(clause, "certificate_unknown") {
			t.Errorf("%s is worded %q", kind, clause)
		}
		if other, ok := seen[clause]; ok {
			t.Errorf("%s and %s are both worded %q", kind, other, clause)
		}
		seen[clause] = kind
	}
	for _, kind := range measurement.PathDetails {
		d := measurement.Detail{Kind: kind, N: 46, Max: 40, After: 30 * time.Millisecond, Text: foreign, Unfit: measurement.UnfitReason{Kind: measurement.UnfitCurve}}
		clause := detailText(d)
		check(t, string(kind), clause)
		if clause == foreign && kind != measurement.DetailHTTP {
			t.Errorf("%s has no words", kind)
		}
	}
	for _, kind := range measurement.UnfitKinds {
		clause := unfitText(measurement.UnfitReason{Kind: kind, N: 5000, Max: 4096, Text: foreign})
		check(t, string(kind), clause)
		if clause == string(kind) {
			t.Errorf("%s has no words", kind)
		}
	}
}

func TestDetailText(t *testing.T) {
	for want, d := range map[string]measurement.Detail{
		"":                                         {},
		"by rule 7":                                {Text: "by rule 7"},
		"no answer to the device's hello":          {Kind: measurement.DetailHelloUnanswered, N: 1},
		"no answer to the SYN within 3s":           {Kind: measurement.DetailConnectSilent, After: 3*time.Second + time.Millisecond},
		"no answer to the SYN":                     {Kind: measurement.DetailConnectSilent},
		"no connection: no route to host":          {Kind: measurement.DetailConnectFailed, Text: "no route to host"},
		"HTTP/1.1 403 Forbidden":                   {Kind: measurement.DetailHTTP, Text: "HTTP/1.1 403 Forbidden"},
		"malformed ServerHello":                    {Kind: measurement.DetailMalformedMessage, N: 2},
		"Certificate out of order":                 {Kind: measurement.DetailUnexpectedMessage, N: 11},
		"no connection":                            {Kind: measurement.DetailConnectFailed},
		"no certificate (and 1 more)":              {Kind: measurement.DetailUnfit, N: 2, Unfit: measurement.UnfitReason{Kind: measurement.UnfitNoCertificate}},
		"no certificate":                           {Kind: measurement.DetailUnfit, N: 1, Unfit: measurement.UnfitReason{Kind: measurement.UnfitNoCertificate}},
		"the connection was reset after the hello": {Kind: measurement.DetailFlightReset},
		"the connection was reset after 1 byte of the server flight":             {Kind: measurement.DetailFlightReset, N: 1},
		"the server flight is incomplete: 812 bytes received":                    {Kind: measurement.DetailFlightIncomplete, N: 812},
		"no answer to the device's hello (sent twice)":                           {Kind: measurement.DetailHelloUnanswered, N: 2},
		"no answer to the device's hello (sent 3 times)":                         {Kind: measurement.DetailHelloUnanswered, N: 3},
		"the server sent the alert unknown_ca (48)":                              {Kind: measurement.DetailAlert, N: 48},
		"the server sent the alert unknown_ca (48) after the client certificate": {Kind: measurement.DetailAlertAfterCert, N: 48},
	} {
		if got := detailText(d); got != want {
			t.Errorf("%+v is worded %q, want %q", d, got, want)
		}
	}
}

func TestDetailTextIsSafeToShow(t *testing.T) {
	const hostile = "a\x1b[2J\u202eb\nc"
	for _, kind := range append([]measurement.DetailKind{""}, measurement.PathDetails...) {
		d := measurement.Detail{Kind: kind, N: 1, Text: hostile, Unfit: measurement.UnfitReason{Kind: measurement.UnfitCurve, Text: hostile}}
		if clause := detailText(d); strings.ContainsAny(clause, "\x1b\u202e\n") {
			t.Errorf("%s is worded %q", kind, clause)
		}
	}
}
