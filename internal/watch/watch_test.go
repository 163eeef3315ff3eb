package watch

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

var began = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// round makes the report of a round, 15 s after the one before, with one path over TCP to each host.
func round(number int, state report.State, resolver staleness.Verdict, paths ...report.Path) *report.Report {
	at := began.Add(time.Duration(number) * 15 * time.Second)
	r := &report.Report{Started: at, Finished: at.Add(time.Second)}
	r.Summary.State = state
	for i, p := range paths {
		p.Path = measurement.Path{Transport: measurement.TCP, Port: 5684}
		r.Hosts = append(r.Hosts, report.Host{
			Endpoint: &config.Endpoint{Service: "s", Host: string(rune('a'+i)) + ".test"},
			Paths:    []report.Path{p},
			Resolvers: []report.Resolver{{
				Lookup:    measurement.Lookup{Resolver: netip.MustParseAddrPort("192.0.2.53:53")},
				Staleness: staleness.Assessment{Verdict: resolver},
			}},
		})
	}
	return r
}

func walk(finding report.Finding, connect time.Duration) report.Walk {
	return report.Walk{Finding: finding, Outcome: measurement.Outcome{Times: []measurement.PhaseTime{{Phase: measurement.Connect, Took: connect}}}}
}

func TestWatchAdd(t *testing.T) {
	silent := report.Finding{Reason: reason.Silent}
	up := report.Path{Known: true, Up: true, Walks: []report.Walk{walk(report.Finding{}, time.Millisecond)}}
	down := report.Path{Known: true, Finding: silent, Walks: []report.Walk{walk(silent, 3*time.Millisecond)}}
	partly := report.Path{Known: true, Up: true, Walks: []report.Walk{walk(report.Finding{}, time.Millisecond), walk(silent, time.Millisecond)}}
	withdrawn := up
	withdrawn.Walks = append([]report.Walk{}, up.Walks[0], report.Walk{Finding: silent, Withdrawn: true})
	unknown := report.Path{}
	unjudged := report.Path{Known: true, Up: true, Unjudged: true}

	var w Watch
	for i, test := range []struct {
		name    string
		report  *report.Report
		changes []Change // without findings
	}{
		{"first round", round(0, report.Up, staleness.Unknown, up, up), nil},
		{"the same again", round(1, report.Up, staleness.Unknown, withdrawn, up), nil},
		{"both fail in one way: one change", round(2, report.Down, staleness.Unknown, down, down), []Change{{
			Lasted: 30 * time.Second, Before: PathState{State: report.Up}, After: PathState{State: report.Down, Reason: reason.Silent},
			Places: make([]report.Place, 2),
		}}},
		{"one recovers", round(3, report.Down, staleness.Unknown, up, down), []Change{{
			Lasted: 15 * time.Second, Before: PathState{State: report.Down, Reason: reason.Silent}, After: PathState{State: report.Up}, Places: make([]report.Place, 1),
		}}},
		{"another address fails, the other is not known", round(4, report.Down, staleness.Unknown, partly, unknown), []Change{
			{
				Lasted: 15 * time.Second, Before: PathState{State: report.Up}, After: PathState{State: report.Down, Partly: true, Reason: reason.Silent},
				Places: make([]report.Place, 1),
			},
			{
				Lasted: 30 * time.Second, Before: PathState{State: report.Down, Reason: reason.Silent}, After: PathState{State: report.Unknown},
				Places: make([]report.Place, 1),
			},
		}},
		{"not judged", round(5, report.Unknown, staleness.Unknown, unjudged, unjudged), []Change{
			{
				Lasted: 15 * time.Second, Before: PathState{State: report.Down, Partly: true, Reason: reason.Silent},
				After: PathState{State: report.Unknown, Unjudged: true}, Places: make([]report.Place, 1),
			},
			{
				Lasted: 15 * time.Second, Before: PathState{State: report.Unknown}, After: PathState{State: report.Unknown, Unjudged: true},
				Places: make([]report.Place, 1),
			},
		}},
		{"a verdict on the DNS server: one change for both hosts", round(6, report.Unknown, staleness.OK, unjudged, unjudged), []Change{{
			Lasted: 90 * time.Second, Resolver: &report.Resolver{}, Places: make([]report.Place, 2),
		}}},
		{"the verdict is not known again: no change", round(7, report.Unknown, staleness.Unknown, unjudged, unjudged), nil},
		{"the same verdict again: no change", round(8, report.Unknown, staleness.OK, unjudged, unjudged), nil},
	} {
		changes := w.Add(test.report)
		if len(changes) != len(test.changes) {
			t.Fatalf("%s: %d changes, want %d", test.name, len(changes), len(test.changes))
		}
		for j, want := range test.changes {
			got := changes[j]
			if !got.Time.Equal(test.report.Started) || got.Lasted != want.Lasted || got.Before != want.Before || got.After != want.After ||
				len(got.Places) != len(want.Places) || (got.Resolver == nil) != (want.Resolver == nil) {
				t.Errorf("%s: %+v\nwant %+v", test.name, got, want)
			}
		}
		if w.Rounds != i+1 || w.Last != test.report {
			t.Errorf("%s: %d rounds", test.name, w.Rounds)
		}
	}
	if w.Failed != 3 || w.Unknown != 4 || w.Changes != 7 || !w.LastFailed.Started.Equal(began.Add(time.Minute)) {
		t.Errorf("%d failed, %d unknown, %d changes, last failed %v", w.Failed, w.Unknown, w.Changes, w.LastFailed.Started)
	}
	if len(w.Paths) != 2 {
		t.Fatalf("%d paths", len(w.Paths))
	}
	a, b := w.Paths[0], w.Paths[1]
	if a.Failed != 2 || a.Unknown != 0 || b.Failed != 2 || b.Unknown != 1 || a.Rounds != 9 {
		t.Errorf("%+v\n%+v", a, b)
	}
	if c := &a.Connect; c.Count != 5 || c.Min != time.Millisecond || c.Median() != time.Millisecond || c.Max != 3*time.Millisecond {
		t.Errorf("%+v", c)
	}
}

func TestDurations(t *testing.T) {
	var d Durations
	if d.Median() != 0 {
		t.Error("a median of none")
	}
	const n = 100_000
	for _, i := range rand.Perm(n) {
		d.add(time.Duration(i+1) * time.Millisecond)
	}
	if d.Count != n || d.Min != time.Millisecond || d.Max != n*time.Millisecond || len(d.samples) != maxSamples || cap(d.samples) > 2*maxSamples {
		t.Errorf("%d of %v to %v in %d samples", d.Count, d.Min, d.Max, len(d.samples))
	}
	// The rank of the median of a sample of 1000 has a standard deviation of 1.6 %: this is six of them.
	if m := d.Median(); m < n*40/100*time.Millisecond || m > n*60/100*time.Millisecond {
		t.Errorf("median %v", m)
	}
	d = Durations{}
	for _, took := range []time.Duration{4 * time.Second, time.Second, 3 * time.Second, 10 * time.Second} {
		d.add(took)
	}
	if d.Median() != 3500*time.Millisecond {
		t.Errorf("median %v of an even number", d.Median())
	}
}
