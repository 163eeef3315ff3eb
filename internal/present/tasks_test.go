package present

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestTasks holds that, whatever fails together: a site that is not healthy has something to do, a healthy one has
// nothing, no advice is given twice, and every path that fails is spoken for.
func TestTasks(t *testing.T) {
	failures := []measurement.Failure{
		measurement.Completed, measurement.Completed, measurement.Refused, measurement.Unreachable, measurement.Reset, measurement.Closed, measurement.Silent, measurement.Alert,
		measurement.NotTLS, measurement.HTTP, measurement.Unfit, measurement.FinishFailed, measurement.CertificateNeeded, measurement.OutOfTime, measurement.Internal,
	}
	lookups := []measurement.DNSFailure{measurement.DNSOK, measurement.DNSOK, measurement.DNSOK, measurement.DNSTimeout, measurement.DNSServFail, measurement.DNSNXDomain, measurement.DNSOutOfTime}
	rapid.Check(t, func(t *rapid.T) {
		s := newSite()
		s.Hosts = s.Hosts[:rapid.IntRange(1, len(s.Hosts)).Draw(t, "hosts")]
		kinds := failures[:rapid.IntRange(1, len(failures)).Draw(t, "kinds")] // all alike too, so that one cause may explain all
		if rapid.Bool().Draw(t, "alike") {
			kinds = []measurement.Failure{rapid.SampledFrom(kinds).Draw(t, "kind")}
		}
		s.everywhere(func(w *report.Walk) {
			if rapid.IntRange(0, 9).Draw(t, "intercepted") == 0 {
				intercept(w, inspector)
			} else if f := rapid.SampledFrom(kinds).Draw(t, "failure"); f != measurement.Completed {
				fail(w, f, measurement.Hello, "")
			}
		})
		names := lookups
		if rapid.Bool().Draw(t, "names alike") {
			names = []measurement.DNSFailure{rapid.SampledFrom(lookups).Draw(t, "name")}
		}
		for i := range s.Hosts {
			h := &s.Hosts[i]
			r := &h.Resolvers[0]
			if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
				r.Staleness = staleness.Assessment{Verdict: staleness.Stale, Why: staleness.Why{Kind: staleness.WhyTTLInflated, TTL: time.Hour, ZoneTTL: time.Minute}}
			}
			if f := rapid.SampledFrom(names).Draw(t, "look-up"); f != measurement.DNSOK {
				r.Lookup.Failure, r.Lookup.Addresses = f, nil
				for j := range h.Paths {
					h.Paths[j].Walks = nil
				}
			}
		}
		v := NewView(s.diagnosed(), "1.2.3")
		if v.Healthy != (len(v.Todo) == 0) {
			t.Fatalf("healthy %v, to do: %+v", v.Healthy, v.Todo)
		}
		if v.Healthy != strings.HasPrefix(v.Verdict, "All is well: ") {
			t.Fatalf("healthy %v: %s", v.Healthy, v.Verdict)
		}
		var said []string
		all := v.Verdict + v.Cause
		for _, task := range v.Todo {
			if slices.Contains(said, task.Text) && len(task.For) == 0 {
				t.Fatalf("said twice: %s", task.Text)
			}
			said = append(said, task.Text)
			all += fmt.Sprint(task)
		}
		for i := range v.Hosts {
			if h := &v.Hosts[i]; !healthy(h) && v.Cause == "" && !strings.Contains(all, h.Host) {
				t.Fatalf("nothing is said of %s: %+v", h.Host, v.Todo)
			}
		}
	})
}

// TestCauseStatedOnce: where one thing explains that nothing works, it is said in the first lines, once, with one
// thing to do.
func TestCauseStatedOnce(t *testing.T) {
	for name, words := range map[string]string{
		"offline":    "do not answer",
		"servfail":   "cannot find any of the 7 hosts",
		"blocked":    "Nothing gets out",
		"filtered":   "Nothing gets through",
		"outoftime":  "No DNS server answered before",
		"noresolver": "No DNS server is known",
		"noroute":    "no route",
	} {
		v := NewView(reports()[name], "1.2.3")
		if !strings.Contains(v.Cause, words) || len(v.Todo) != 1 {
			t.Errorf("%s: cause %+v, to do %+v", name, v.Cause, v.Todo)
		}
		var b strings.Builder
		if err := Text(&b, v, Palette{Width: 80}); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(b.String(), "\n"); !strings.Contains(strings.Join(lines[:min(5, len(lines))], " "), words) {
			t.Errorf("%s: not in the first lines:\n%s", name, &b)
		}
		if strings.Count(strings.Join(strings.Fields(b.String()), " "), words) != 1 {
			t.Errorf("%s: not said once:\n%s", name, &b)
		}
	}
}

// TestUnknownIsNotShownAsFailure: what the deadline cut off, and what cannot be judged yet, is neither red nor FAIL.
func TestUnknownIsNotShownAsFailure(t *testing.T) {
	for _, name := range []string{"outoftime", "learning"} {
		var b strings.Builder
		if err := Text(&b, NewView(reports()[name], "1.2.3"), ANSI); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), ANSI.Bad) || strings.Contains(b.String(), "FAIL") {
			t.Errorf("%s is painted as failed:\n%s", name, &b)
		}
		b.Reset()
		if err := Page(&b, NewView(reports()[name], "1.2.3"), PageOptions{Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), `class="down"`) || strings.Contains(b.String(), `class="n down"`) {
			t.Errorf("%s is painted as failed on the page", name)
		}
	}
}

// TestTasksOnePerCause tests that a cause is one thing to do, however many paths and hosts it hits.
func TestTasksOnePerCause(t *testing.T) {
	for name, want := range map[string]int{"udp": 1, "inspected": 2} {
		if v := NewView(reports()[name], "1.2.3"); len(v.Todo) != want {
			t.Errorf("%s: %d things to do, want %d: %+v", name, len(v.Todo), want, v.Todo)
		}
	}
}

func TestWrapKeepsUnits(t *testing.T) {
	for text, want := range map[string]string{
		"TTL of 60 s, and more": "TTL of\n60 s, and\nmore",
		"answers 60 times":      "answers\n60 times",
		"this is s by itself":   "this is s\nby itself",
		"1234567890 s":          "123456789\n0 s",
	} {
		if got := Wrap(text, 9, ""); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// healthy reports whether nothing in a host's part of the view failed.
func healthy(h *Host) bool {
	for i := range h.Paths {
		if h.Paths[i].State != report.Up {
			return false
		}
		for j := range h.Paths[i].Addresses {
			if h.Paths[i].Addresses[j].Reason != reason.OK {
				return false
			}
		}
	}
	return !slices.ContainsFunc(h.Resolvers, func(r Resolver) bool { return r.Verdict == staleness.Stale || r.Failure != measurement.DNSOK })
}
