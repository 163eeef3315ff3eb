package present

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// someHistory is a history with rounds in every state; paths over UDP have none.
func someHistory(_ config.Key, p measurement.Path) (points []report.Point) {
	if p.Transport == measurement.UDP {
		return nil
	}
	for i, s := range []report.State{report.Up, report.Up, report.Down, report.Unknown, report.Up} {
		points = append(points, report.Point{At: started.Add(time.Duration(i) * time.Minute), State: s, Took: time.Duration(i+1) * 10 * time.Millisecond})
	}
	return points
}

// pointsOf is a round a second, in the states u(p), d(own) and ? of a word, of which the first takes 1 ms, the second
// 2 ms and so on.
func pointsOf(word string) (out []report.Point) {
	states := map[rune]report.State{'u': report.Up, 'd': report.Down, '?': report.Unknown}
	for i, c := range word {
		out = append(out, report.Point{At: started.Add(time.Duration(i) * time.Second), State: states[c], Took: time.Duration(i+1) * time.Millisecond})
	}
	return out
}

func TestDrawHistory(t *testing.T) {
	for name, test := range map[string]struct {
		points            []report.Point
		up, down, unknown string
		text              string
	}{
		"no round": {},
		"one round up has half the height": {
			points: pointsOf("u"), up: "M239 20v-7",
			text: "1 round since 2026-11-12 09:15:02 UTC: 1 up; connect and hello took 1.0 ms",
		},
		"every state": {
			points: pointsOf("ud?u"), up: "M233 20v-3M239 20v-14", down: "M235 20v-20", unknown: "M237 20v-2",
			text: "4 rounds since 2026-11-12 09:15:02 UTC: 2 up, 1 down (last at 2026-11-12 09:15:03 UTC) and 1 not known; " +
				"connect and hello take 1.0 ms to 4.0 ms, median 1.0 ms",
		},
		"only down": {
			points: pointsOf("dd"), down: "M237 20v-20M239 20v-20",
			text: "2 rounds since 2026-11-12 09:15:02 UTC: 2 down (last at 2026-11-12 09:15:03 UTC)",
		},
		"up without a duration": {
			points: []report.Point{{At: started, State: report.Up}}, up: "M239 20v-2",
			text: "1 round since 2026-11-12 09:15:02 UTC: 1 up",
		},
	} {
		got := drawHistory(test.points)
		if len(test.points) == 0 {
			if got != nil {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if want := (historyDrawing{240, 20, test.up, test.down, test.unknown, test.text}); *got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, *got, want)
		}
	}
}

// TestDrawHistoryIsBounded draws more points than a history keeps.
func TestDrawHistoryIsBounded(t *testing.T) {
	got := drawHistory(pointsOf(strings.Repeat("d", report.MaxPoints) + strings.Repeat("u", report.MaxPoints)))
	if n := strings.Count(got.Up, "M"); n != report.MaxPoints || got.Down != "" || !strings.HasPrefix(got.Up, "M1 ") {
		t.Errorf("%d bars: %+v", n, got)
	}
}

// pageOf is the page of a report, parsed.
func pageOf(t *testing.T, r *report.Report, o PageOptions) (root *html.Node, source string) {
	t.Helper()
	var b bytes.Buffer
	if err := Page(&b, NewView(r, "1.2.3"), o); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

func attrOf(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestPageForScreenReaders tests what a screen reader relies on: one main part and one first heading, headers of tables
// with their scope, names of tables, fields and drawings, and references that exist.
func TestPageForScreenReaders(t *testing.T) {
	for name, rep := range reports() {
		root, _ := pageOf(t, rep, PageOptions{Now: started, History: someHistory, Filter: "."})
		ids, elements := map[string]int{}, map[string]int{}
		for n := range root.Descendants() {
			elements[n.Data]++
			if id := attrOf(n, "id"); id != "" {
				ids[id]++
			}
		}
		if elements["main"] != 1 || elements["h1"] != 1 || elements["form"] != 1 {
			t.Errorf("%s: %v", name, elements)
		}
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "th":
				if attrOf(n, "scope") == "" || n.FirstChild == nil {
					t.Errorf("%s: a header without scope or text", name)
				}
			case "table", "section":
				if ids[attrOf(n, "aria-labelledby")] != 1 {
					t.Errorf("%s: a %s without a name", name, n.Data)
				}
			case "label":
				if ids[attrOf(n, "for")] != 1 {
					t.Errorf("%s: a label of nothing", name)
				}
			case "svg":
				if attrOf(n, "role") != "img" || attrOf(n, "aria-label") == "" || n.FirstChild.Data != "title" {
					t.Errorf("%s: a drawing without a name", name)
				}
			}
		}
	}
}

func TestPageSearch(t *testing.T) {
	r := sick()
	for name, test := range map[string]struct {
		filter string
		hosts  []string // nil: all
		found  string
	}{
		"no search":                {"", nil, ""},
		"part of a host":           {"edge", []string{"edge-k8s.us-east-1.mbedcloud.com"}, "1 of 7 hosts."},
		"in capitals, with spaces": {" EDGE ", []string{"edge-k8s.us-east-1.mbedcloud.com"}, "1 of 7 hosts."},
		"a service":                {"udp-lwm2m", []string{"udp-lwm2m.us-east-1.mbedcloud.com"}, "1 of 7 hosts."},
		"nothing found":            {"<b>", []string{}, "0 of 7 hosts."},
	} {
		root, source := pageOf(t, r, PageOptions{Now: started, Filter: test.filter})
		var hosts []string
		for n := range root.Descendants() {
			if n.Data == "h2" && strings.HasPrefix(attrOf(n, "id"), "h") {
				hosts = append(hosts, strings.TrimSpace(n.FirstChild.Data))
			}
		}
		if test.hosts == nil && len(hosts) != len(r.Hosts) || test.hosts != nil && fmt.Sprint(hosts) != fmt.Sprint(test.hosts) {
			t.Errorf("%s: %v, want %v", name, hosts, test.hosts)
		}
		if strings.Contains(source, `role="search"`) != (test.filter != "") || !strings.Contains(source, test.found) {
			t.Errorf("%s: no %q, or a search field without need", name, test.found)
		}
	}
	many := *r
	many.Hosts = append(many.Hosts[:len(many.Hosts):len(many.Hosts)], many.Hosts[:2]...)
	if _, source := pageOf(t, &many, PageOptions{Now: started}); !strings.Contains(source, `role="search"`) {
		t.Errorf("%d hosts have no search field", len(many.Hosts))
	}
}

// TestPageUpdates tests the link that stops updates, which a person who reads slowly needs.
func TestPageUpdates(t *testing.T) {
	for name, test := range map[string]struct {
		options PageOptions
		want    []string
	}{
		"it updates itself":            {PageOptions{Refresh: time.Second}, []string{`updates itself. <a href="?refresh=off">Stop updates</a>`}},
		"it does not":                  {PageOptions{}, []string{`does not update itself. <a href=".">Update it</a>`}},
		"a search stays":               {PageOptions{Refresh: time.Second, Filter: "a b"}, []string{`href="?host=a&#43;b&amp;refresh=off"`, `<a href=".">Show all</a>`}},
		"a search that does not":       {PageOptions{Filter: "a"}, []string{`<a href="?host=a">Update it</a>`, `<a href="?refresh=off">Show all</a>`, `name="refresh" value="off"`}},
		"a round runs":                 {PageOptions{Measuring: true}, []string{"The next measurement is running."}},
		"before the first report":      {PageOptions{Hosts: 7, Refresh: time.Second}, []string{"<h1 class=\"unknown\">" + headingWaiting + "</h1>", "0 of 7 hosts are measured.", "Stop updates"}},
		"while the first report grows": {PageOptions{Hosts: 7, Measured: 6, Notice: "a notice"}, []string{"6 of 7 hosts are measured.", "a notice"}},
		"one host":                     {PageOptions{Hosts: 1}, []string{"0 of 1 host is measured."}},
	} {
		_, source := pageOf(t, reports()["well"], test.options)
		for _, want := range test.want {
			if !strings.Contains(source, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if waiting := strings.Contains(source, headingWaiting); waiting && strings.Contains(source, "All is well") {
			t.Errorf("%s: a verdict before the first report", name)
		}
	}
}
