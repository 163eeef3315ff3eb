package present

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestTraceText(t *testing.T) {
	router, router6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	hop := func(reply report.TraceReply, at netip.Addr, code int) []report.TraceHop {
		return []report.TraceHop{{Reply: report.TraceSilent}, {Reply: reply, Address: at, Code: code}}
	}
	seen := make(map[report.TraceEnding]bool)
	for _, test := range []struct {
		trace report.Trace
		want  string
	}{
		{report.Trace{Ending: report.TraceLost, Hops: hop(report.TraceExpired, router, 0), Tried: 18}, "Lost at hop 2 (10.0.0.1) or after it: nothing answers from hop 3 to hop 18."},
		{report.Trace{Ending: report.TraceLost, Tried: 12}, "No hop answers, up to hop 12: the packets are lost before the first router that reports it, or the network drops ICMP errors."},
		{report.Trace{Ending: report.TraceLost, Hops: hop(report.TraceExpired, router, 0), Tried: 2}, "The packets do not arrive within 2 hops."},
		{report.Trace{Ending: report.TraceStopped, Hops: hop(report.TraceRejected, router, 13)}, "Rejected at hop 2 (10.0.0.1): ICMP administratively prohibited (code 13)."},
		{report.Trace{Ending: report.TraceStopped, Hops: hop(report.TraceRejected, router, 1)}, "Rejected at hop 2 (10.0.0.1): ICMP host unreachable."},
		{report.Trace{Ending: report.TraceStopped, Hops: hop(report.TraceRejected, router6, 1)}, "Rejected at hop 2 (fd00::1): ICMP administratively prohibited (code 1)."},
		{report.Trace{Ending: report.TraceStopped, Hops: hop(report.TraceRejected, router, 99)}, "Rejected at hop 2 (10.0.0.1): ICMP code 99."},
		{report.Trace{Ending: report.TraceStopped, Hops: hop(report.TraceRejected, netip.Addr{}, -1)}, "Rejected at hop 2: ICMP error."},
		{report.Trace{Ending: report.TraceTurnedDown, Hops: hop(report.TraceRefused, router, -1)}, "Refused at hop 2 (10.0.0.1), by the address itself or by a firewall in its name."},
		{report.Trace{Ending: report.TraceArrived, Packet: report.TraceHello, Hops: hop(report.TraceAnswered, router, 0)}, "The hello arrives: hop 2 (10.0.0.1) acknowledges it. The answer is lost on the way back, or there is none."},
		{report.Trace{Ending: report.TraceArrived, Packet: report.TraceSYN, Hops: hop(report.TraceAnswered, router, 0)}, "Answered at hop 2 (10.0.0.1): the path is not blocked now."},
		{report.Trace{Ending: report.TraceUnavailable}, "Not available on this system: only Linux tells a program without privileges which router reports about its packets."},
	} {
		seen[test.trace.Ending] = true
		if got := traceText(&test.trace); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	for _, ending := range closedlist.Constants(t, "../report", "TraceEnding") {
		if !seen[report.TraceEnding(ending)] {
			t.Errorf("%s is not tested", ending)
		}
	}
}

// traced is the report sick with a trace of its first path.
func traced() *report.Report {
	out := *sick()
	h := &out.Hosts[0]
	out.Traces = []report.Trace{{
		Host: h.Endpoint.Host, Path: h.Paths[0].Path, Address: netip.MustParseAddr("198.51.100.10"), Packet: report.TraceSYN, Tried: 14, Ending: report.TraceLost,
		Hops: []report.TraceHop{{Reply: report.TraceExpired, Address: netip.MustParseAddr("192.0.2.77"), RTT: 1234 * time.Microsecond}, {Reply: report.TraceSilent}},
	}}
	return &out
}

// TestTraceInEveryForm: text, Markdown and JSON show the hops and the sentence.
func TestTraceInEveryForm(t *testing.T) {
	rep := traced()
	h, p := &rep.Hosts[0], rep.Hosts[0].Paths[0].Path
	v := NewView(rep, "1.2.3")
	var text, markdown, json bytes.Buffer
	for _, err := range []error{Text(&text, v, Palette{Width: 80}), Markdown(&markdown, v), JSON(&json, v)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	title := pathName(measurement.Path{Transport: p.Transport, Port: p.Port}) + " to " + h.Endpoint.Host
	for form, want := range map[string][]string{
		text.String():     {"\nWhere packets stop\n  - " + title, "\n      1  192.0.2.77, 1.2 ms\n      2  no answer\n    Lost at hop 2 or after it: nothing answers from hop 3 to hop 14.\n"},
		markdown.String(): {"\n## Where packets stop\n", "\n- " + title, ": Lost at hop 2 or after it", "\n  - hop 1: 192.0.2.77, 1.2 ms\n  - hop 2: no answer\n"},
		json.String():     {`"trace": {`, `"packet": "syn"`, `"tried_hops": 14`, `"ending": "lost"`, `"rtt_seconds": 0.001234`},
	} {
		for _, part := range want {
			if !strings.Contains(form, part) {
				t.Errorf("no %q in\n%s", part, form)
			}
		}
	}
}
