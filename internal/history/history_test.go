package history

import (
	"reflect"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

var (
	tcp   = measurement.Path{Transport: measurement.TCP, Port: 5684}
	udp   = measurement.Path{Transport: measurement.UDP, Port: 5684}
	start = time.Unix(1_700_000_000, 0)
)

func endpoint(host string, paths ...measurement.Path) config.Endpoint {
	return config.Endpoint{Service: "s", Host: host, Paths: paths}
}

// roundOf is a report of one path that ended n seconds after start.
func roundOf(host string, n int, p report.Path) *report.Report {
	e := endpoint(host, p.Path)
	return &report.Report{Finished: start.Add(time.Duration(n) * time.Second), Hosts: []report.Host{{Endpoint: &e, Paths: []report.Path{p}}}}
}

func walked(times ...measurement.PhaseTime) []report.Walk {
	return []report.Walk{{Outcome: measurement.Outcome{Times: times}}}
}

func TestHistoryStates(t *testing.T) {
	connect := measurement.PhaseTime{Phase: measurement.Connect, Took: 250 * time.Millisecond}
	hello := measurement.PhaseTime{Phase: measurement.Hello, Took: 500 * time.Millisecond}
	for name, test := range map[string]struct {
		path  report.Path
		state report.State
		took  time.Duration
	}{
		"up over TCP takes connect and hello": {report.Path{Path: tcp, Up: true, Known: true, Walks: walked(connect, hello)}, report.Up, 750 * time.Millisecond},
		"up over UDP takes the hello":         {report.Path{Path: udp, Up: true, Known: true, Walks: walked(hello)}, report.Up, 500 * time.Millisecond},
		"down after connect has no duration":  {report.Path{Path: tcp, Known: true, Walks: walked(connect)}, report.Down, 0},
		"down without an address":             {report.Path{Path: tcp, Known: true}, report.Down, 0},
		"cut off by the deadline is unknown":  {report.Path{Path: tcp}, report.Unknown, 0},
		"not proved is unknown":               {report.Path{Path: tcp, Up: true, Known: true, Unproven: true, Walks: walked(hello)}, report.Unknown, 500 * time.Millisecond},
		"not judged is unknown":               {report.Path{Path: tcp, Up: true, Known: true, Unjudged: true}, report.Unknown, 0},
	} {
		h := New()
		e := endpoint("a.test", tcp, udp)
		h.Keep([]config.Endpoint{e})
		h.Observe(roundOf("a.test", 3, test.path))
		want := []report.Point{{At: start.Add(3 * time.Second), State: test.state, Took: test.took}}
		if got := h.Of(e.Key(), test.path.Path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := New()
	e := endpoint("a.test", tcp)
	h.Keep([]config.Endpoint{e})
	for n := range 3*report.MaxPoints + 7 {
		h.Observe(roundOf("a.test", n, report.Path{Path: tcp, Known: true}))
	}
	got := h.Of(e.Key(), tcp)
	if len(got) != report.MaxPoints {
		t.Fatalf("%d rounds, want %d", len(got), report.MaxPoints)
	}
	for i, p := range got {
		if want := start.Add(time.Duration(2*report.MaxPoints+7+i) * time.Second); !p.At.Equal(want) {
			t.Fatalf("round %d ended at %v, want %v", i, p.At, want)
		}
	}
}

func TestHistoryKeep(t *testing.T) {
	h := New()
	a, b := endpoint("a.test", tcp, udp), endpoint("b.test", tcp)
	h.Observe(roundOf("a.test", 0, report.Path{Path: tcp})) // not kept yet
	h.Keep([]config.Endpoint{a, b})
	for _, host := range []string{"a.test", "b.test", "probed.test"} {
		h.Observe(roundOf(host, 1, report.Path{Path: tcp}))
	}
	h.Observe(roundOf("a.test", 1, report.Path{Path: udp}))
	h.Keep([]config.Endpoint{endpoint("a.test", tcp)}) // drops b.test, and UDP of a.test
	h.Keep([]config.Endpoint{a, b})
	probed := endpoint("probed.test", tcp)
	for _, test := range []struct {
		key  config.Key
		path measurement.Path
		want int
	}{{a.Key(), tcp, 1}, {a.Key(), udp, 0}, {b.Key(), tcp, 0}, {probed.Key(), tcp, 0}} {
		if got := h.Of(test.key, test.path); len(got) != test.want {
			t.Errorf("%v %v: %d rounds, want %d", test.key, test.path, len(got), test.want)
		}
	}
}
