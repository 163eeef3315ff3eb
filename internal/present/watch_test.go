package present

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/watch"
)

func TestWatchStarted(t *testing.T) {
	for _, test := range []struct {
		duration, interval time.Duration
		want               string
	}{
		{30 * time.Minute, 15 * time.Second, "Watching for 30m, one round every 15s; Ctrl-C ends it. Each change has one line, with its time in UTC:"},
		{2 * time.Hour, time.Minute, "Watching for 2h, one round every 1m; Ctrl-C ends it. Each change has one line, with its time in UTC:"},
		{12 * time.Second, 15 * time.Second, "Only one round fits into --watch=12s, because a round begins every 15s (--watch.interval)."},
	} {
		if got := WatchStarted(test.duration, test.interval); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestWatchProgress(t *testing.T) {
	end := time.Date(2026, 11, 28, 3, 0, 5, 0, time.UTC)
	until := "; until " + end.Local().Format("15:04:05 MST")
	rep := &report.Report{Hosts: make([]report.Host, 1)}
	w := &watch.Watch{Rounds: 3, Failed: 1, Last: rep}
	if got, want := WatchProgress(w, end), "3 rounds, 1 failed"+until; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	rep.Hosts[0].Resolvers = []report.Resolver{{Staleness: staleness.Assessment{Ready: end}}}
	if got, want := WatchProgress(w, end), "3 rounds, 1 failed"+until+"; 1 DNS verdict by "+end.Local().Format("15:04 MST"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWatchChange(t *testing.T) {
	tcp, udp := measurement.Path{Transport: measurement.TCP, Port: 5684}, measurement.Path{Transport: measurement.UDP, Port: 5684}
	places := []report.Place{{Host: "a.test", Paths: []measurement.Path{tcp, udp}}, {Host: "b.test", Paths: []measurement.Path{tcp}}}
	server := netip.MustParseAddrPort("192.0.2.53:53")
	up, down := watch.PathState{State: report.Up}, watch.PathState{State: report.Down, Reason: reason.Silent}
	partly := down
	partly.Partly = true
	resolver := func(f measurement.DNSFailure, v staleness.Verdict) *report.Resolver {
		return &report.Resolver{Lookup: measurement.Lookup{Resolver: server, Failure: f}, Staleness: staleness.Assessment{Verdict: v}}
	}
	for name, test := range map[string]struct {
		change watch.Change
		want   string
	}{
		"fails": {
			watch.Change{Places: places, Before: up, After: down, Finding: report.Finding{Reason: reason.Refused}, Lasted: 15 * time.Second},
			"FAIL   TCP 5684 and UDP 5684 to a.test; TCP 5684 to b.test: refused: ",
		},
		"another address fails": {
			watch.Change{Places: places[1:], Before: up, After: partly, Finding: report.Finding{Reason: reason.Refused}},
			"FAIL   TCP 5684 to b.test: at another address, refused: ",
		},
		"carries a device again": {
			watch.Change{Places: places[1:], Before: down, After: up, Lasted: 90 * time.Minute}, "ok     TCP 5684 to b.test: carries a device; before, for 1h30m: silent\n",
		},
		"not known": {
			watch.Change{Places: places[1:], Before: up, After: watch.PathState{State: report.Unknown}, Lasted: time.Minute},
			"?      TCP 5684 to b.test: not known; before, for 1m: ok\n",
		},
		"not judged": {
			watch.Change{Places: places[1:], Before: up, After: watch.PathState{State: report.Unknown, Unjudged: true}}, "?      TCP 5684 to b.test: not judged; before, for 0s: ok\n",
		},
		"not proved": {
			watch.Change{Places: places[1:], Before: up, After: watch.PathState{State: report.Unknown, Unproven: true}}, "?      TCP 5684 to b.test: not proved; before, for 0s: ok\n",
		},
		"DNS server fails": {
			watch.Change{Places: []report.Place{{Host: "a.test"}, {Host: "b.test"}}, Resolver: resolver(measurement.DNSTimeout, staleness.Unknown)},
			"FAIL   DNS server 192.0.2.53 for a.test; b.test: timeout: no answer in time\n",
		},
		"DNS server answers again": {
			watch.Change{Places: []report.Place{{Host: "a.test"}}, Resolver: resolver(measurement.DNSOK, staleness.Unknown)}, "ok     DNS server 192.0.2.53 for a.test: answers again\n",
		},
		"DNS server suspected": {
			watch.Change{Places: []report.Place{{Host: "a.test"}}, Resolver: resolver(measurement.DNSOK, staleness.Suspect)},
			"?      DNS server 192.0.2.53 for a.test: suspected of keeping records past their TTL: it ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.change.Time = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			got := WatchChange(&test.change, Palette{})
			if want := "2026-01-02 03:04:05  " + test.want; !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("%q, want %q", got, want)
			}
			for _, width := range []int{80, 120} {
				for line := range strings.Lines(WatchChange(&test.change, Palette{Width: width})) {
					if n := columns.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
						t.Errorf("%d columns: a line of %d: %s", width, n, line)
					}
				}
			}
		})
	}
}

func TestWatchVerdict(t *testing.T) {
	for _, test := range []struct {
		watch       watch.Watch
		interrupted bool
		want        string
	}{
		{watch.Watch{Rounds: 1}, false, "All was well: the round did not fail"},
		{watch.Watch{Rounds: 9}, false, "All was well: none of 9 rounds failed"},
		{watch.Watch{Rounds: 9, Failed: 1}, false, "Something was wrong: 1 of 9 rounds failed"},
		{watch.Watch{Rounds: 9, Unknown: 2}, false, "Not all is known: none of 9 rounds failed, and 2 are not known"},
		{watch.Watch{Rounds: 9, Failed: 2, Unknown: 1}, true, "Interrupted: 2 of 9 rounds failed, and 1 is not known"},
	} {
		if got := WatchVerdict(&test.watch, test.interrupted); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestWatchTableWidth: the table fits into a terminal of 80 columns whatever the times are, and has one complete row
// for each path where there is no terminal.
func TestWatchTableWidth(t *testing.T) {
	var w watch.Watch
	rep := &report.Report{Hosts: []report.Host{{
		Endpoint: &config.Endpoint{Service: "s", Host: "tcp-bootstrap.us-east-1.mbedcloud.com"},
		Paths: []report.Path{{Path: measurement.Path{Transport: measurement.TCP, Port: 65535}, Known: true, Walks: []report.Walk{{
			Finding: report.Finding{Reason: reason.Silent},
			Outcome: measurement.Outcome{Times: []measurement.PhaseTime{{Phase: measurement.Connect, Took: 1234 * time.Millisecond}, {Phase: measurement.Hello, Took: 4 * time.Millisecond}}},
		}}}},
	}}}
	w.Add(rep)
	if heading, _, _ := strings.Cut(WatchTable(&w, ANSI), "\n"); strings.Contains(heading, ANSI.Doubt) {
		t.Errorf("the heading has the colour of a state: %q", heading)
	}
	for width, lines := range map[int]int{0: 2, 80: 3, 100: 3, 120: 2} {
		got := WatchTable(&w, Palette{Width: width})
		if strings.Count(got, "\n") != lines || !strings.Contains(got, "1234/1234/1234      4.0/4.0/4.0\n") || !strings.Contains(got, " 1      1   100%") {
			t.Errorf("%d columns:\n%s", width, got)
		}
		for line := range strings.Lines(got) {
			if n := columns.StringWidth(line); width > 0 && n > width {
				t.Errorf("a line of %d columns in %d: %s", n, width, line)
			}
		}
	}
	if err := WatchSummary(failing{}, &w, false, "1.2.3", Palette{}); err == nil {
		t.Error("the error of the writer is lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
