package present

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestListsAreComplete compares the lists that other tests run over with the constants that the packages declare.
func TestListsAreComplete(t *testing.T) {
	for _, list := range []struct {
		dir, typeName string
		listed        []string
	}{
		{"../measurement", "Phase", texts(measurement.Phases)},
		{"../measurement", "DNSFailure", texts(measurement.DNSFailures)},
		{"../measurement", "Port53State", texts(measurement.Port53States)},
		{"../staleness", "WhyKind", texts(staleness.WhyKinds)},
		{"../staleness", "Evidence", texts(staleness.Kinds)},
	} {
		t.Run(list.typeName, func(t *testing.T) {
			declared := closedlist.Constants(t, list.dir, list.typeName)
			declared = slices.DeleteFunc(declared, func(s string) bool { return s == "" }) // "none" is not listed
			slices.Sort(declared)
			slices.Sort(list.listed)
			if !slices.Equal(declared, list.listed) {
				t.Errorf("declared are %q, listed are %q", declared, list.listed)
			}
		})
	}
}

// texts turns a closed list into plain strings.
func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// detailKinds lists the declared kinds of details that begin with one of the prefixes; without prefixes, the others:
// those that package path gives.
func detailKinds(t *testing.T, prefixes ...string) (out []measurement.DetailKind) {
	t.Helper()
	for _, kind := range closedlist.Constants(t, "../measurement", "DetailKind") {
		begins := func(prefix string) bool { return strings.HasPrefix(kind, prefix) }
		if slices.ContainsFunc(prefixes, begins) || len(prefixes) == 0 && !slices.ContainsFunc([]string{"dns_", "trust_", "certificate_"}, begins) {
			out = append(out, measurement.DetailKind(kind))
		}
	}
	return out
}

func TestDetailTextHasOneClauseForEachKind(t *testing.T) {
	const foreign = "text of the peer"
	seen := make(map[string]string)
	check := func(t *testing.T, kind, clause string) {
		t.Helper()
		if clause == "" || strings.HasSuffix(clause, ".") || strings.ContainsAny(clause, "{}") || strings.Contains(clause, "_") && !strings.Contains(clause, "certificate_unknown") {
			t.Errorf("%s is worded %q", kind, clause)
		}
		if other, ok := seen[clause]; ok {
			t.Errorf("%s and %s are both worded %q", kind, other, clause)
		}
		seen[clause] = kind
	}
	for _, kind := range detailKinds(t) {
		d := measurement.Detail{Kind: kind, N: 46, Max: 40, After: 30 * time.Millisecond, Text: foreign, Unfit: measurement.UnfitReason{Kind: measurement.UnfitCurve}}
		clause := detailText(d)
		check(t, string(kind), clause)
		if clause == foreign && kind != measurement.DetailHTTP {
			t.Errorf("%s has no words", kind)
		}
	}
	for _, kind := range closedlist.Constants(t, "../measurement", "UnfitKind") {
		clause := unfitText(measurement.UnfitReason{Kind: measurement.UnfitKind(kind), N: 5000, Max: 4096, Text: foreign})
		check(t, kind, clause)
		if clause == kind {
			t.Errorf("%s has no words", kind)
		}
	}
}

func TestDetailText(t *testing.T) {
	for want, d := range map[string]measurement.Detail{
		"":                                         {},
		"by rule 7":                                {Text: "by rule 7"},
		"no answer to the device's hello":          {Kind: measurement.DetailHelloUnanswered, N: 1},
		"no answer to the SYN within 3.0 s":        {Kind: measurement.DetailConnectSilent, After: 3*time.Second + time.Millisecond},
		"no answer to the SYN":                     {Kind: measurement.DetailConnectSilent},
		"no connection: no route to host":          {Kind: measurement.DetailConnectFailed, Text: "no route to host"},
		"HTTP/1.1 403 Forbidden":                   {Kind: measurement.DetailHTTP, Text: "HTTP/1.1 403 Forbidden"},
		"malformed ServerHello":                    {Kind: measurement.DetailMalformedMessage, N: 2},
		"Certificate out of order":                 {Kind: measurement.DetailUnexpectedMessage, N: 11},
		"no connection":                            {Kind: measurement.DetailConnectFailed},
		"no certificate; and 1 more reason":        {Kind: measurement.DetailUnfit, N: 2, Unfit: measurement.UnfitReason{Kind: measurement.UnfitNoCertificate}},
		"no certificate; and 2 more reasons":       {Kind: measurement.DetailUnfit, N: 3, Unfit: measurement.UnfitReason{Kind: measurement.UnfitNoCertificate}},
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
	for _, kind := range append([]measurement.DetailKind{""}, detailKinds(t)...) {
		d := measurement.Detail{Kind: kind, N: 1, Text: hostile, Unfit: measurement.UnfitReason{Kind: measurement.UnfitCurve, Text: hostile}}
		if clause := detailText(d); strings.ContainsAny(clause, "\x1b\u202e\n") {
			t.Errorf("%s is worded %q", kind, clause)
		}
	}
}
