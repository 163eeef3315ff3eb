package idle

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// The lab's NAT and server forget between the second step and the third, far from both for a busy machine too.
const (
	short, middle, long = 50 * time.Millisecond, 150 * time.Millisecond, 7 * time.Second
	forgetting          = "3s"
	limit               = 3 * time.Second
)

// soon bounds what is to come soon, on a busy machine: silences take minutes.
const soon = 20 * time.Second

func startLab(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// walker shows a stranger's certificate, and waits long enough for loopback under load. A ping, and a hello, are waited for to their end
// where there is no answer.
func walker(t *testing.T, mint *lab.Mint) *path.Walker {
	t.Helper()
	certificate, err := mint.Inspector.Issue(lab.Leaf{CommonName: "any stranger"})
	if err != nil {
		t.Fatal(err)
	}
	const enough = 30 * time.Second
	return &path.Walker{
		Patience:   path.Patience{Connect: enough, Hello: 5 * time.Second, Flight: enough, Finish: enough, Ping: 2 * time.Second},
		Credential: func() *path.Credential { return &path.Credential{Certificate: certificate} },
	}
}

// roundAt measures a path to an address with the scaled steps.
func roundAt(t *testing.T, w *path.Walker, at netip.AddrPort, transport measurement.Transport) Result {
	t.Helper()
	return (&Round{
		Open:     w.Session,
		Target:   path.Target{Address: at, Transport: transport, Client: measurement.Device, Finish: true, Ping: true},
		Steps:    []time.Duration{short, middle, long},
		Parallel: 3,
	}).Run(t.Context())
}

func TestRoundsThroughTheLab(t *testing.T) {
	for name, test := range map[string]struct {
		host, transport, fault string
		limit                  time.Duration
		proof                  Proof
		reason                 report.IdleReason
		survived               time.Duration
	}{
		"TCP, nothing wrong":             {"bootstrap", "tcp", lab.None, 0, ByPing, ReasonSurvived, long},
		"TCP, a NAT that drops":          {"bootstrap", "tcp", lab.NATForgets + ":" + forgetting, 0, ByPing, ReasonDropped, middle},
		"TCP, a NAT that resets":         {"bootstrap", "tcp", lab.NATResets + ":" + forgetting, 0, ByPing, ReasonReset, middle},
		"TCP, a server with a limit":     {"bootstrap", "tcp", lab.None, limit, ByPing, ReasonLimit, middle},
		"TCP, no pong":                   {"bootstrap", "tcp", lab.NoPong, 0, ByHello, ReasonSurvived, long},
		"TCP, our certificate refused":   {"bootstrap", "tcp", lab.RefuseCertificate, 0, ByHello, ReasonSurvived, long},
		"TCP, a browser's server alerts": {"gateways", "tcp", lab.None, 0, ByHello, ReasonSurvived, long},
		"TCP, a browser's, NAT drops":    {"gateways", "tcp", lab.NATForgets + ":" + forgetting, 0, ByHello, ReasonDropped, middle},
		"TCP, a browser's, NAT resets":   {"gateways", "tcp", lab.NATResets + ":" + forgetting, 0, ByHello, ReasonReset, middle},
		"TCP, refused":                   {"bootstrap", "tcp", lab.Refuse, 0, "", ReasonUnknown, 0},
		"UDP, nothing wrong":             {"bootstrap", "udp", lab.None, 0, ByPing, ReasonSurvived, long},
		"UDP, a NAT that drops":          {"bootstrap", "udp", lab.NATForgets + ":" + forgetting, 0, ByPing, ReasonDropped, middle},
		"UDP, a server with a limit":     {"bootstrap", "udp", lab.None, limit, ByPing, ReasonLimit, middle},
		"UDP, no pong":                   {"bootstrap", "udp", lab.NoPong, 0, "", ReasonUnknown, 0},
		"UDP, nobody there":              {"bootstrap", "udp", lab.Refuse, 0, "", ReasonUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{IdleLimit: test.limit})
			if err := l.Set(test.host+"/"+test.transport, test.fault); err != nil {
				t.Fatal(err)
			}
			var at netip.AddrPort
			for _, p := range l.Places() {
				if p.Host.Service == test.host && p.Path.Transport == test.transport {
					at = p.Address
					break
				}
			}
			r := roundAt(t, walker(t, l.Mint), at, measurement.Transport(test.transport))
			b := r.Bounds
			if r.Proof != test.proof || b.Reason != test.reason || b.Survived != test.survived || b.Unsteady {
				t.Errorf("proof %q, %+v; want %q, %q, %v survived", r.Proof, b, test.proof, test.reason, test.survived)
			}
			lost := b.Lost >= long && b.Lost < 2*long
			closed := b.Closed > middle && b.Closed < long // a little less than limit, if the pong before it was read late
			if lost != (test.reason == ReasonDropped || test.reason == ReasonReset) || closed != (test.reason == ReasonLimit) {
				t.Errorf("lost after %v, closed after %v: %s", b.Lost, b.Closed, b.Why)
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestManySocketsStayWithinTheirPlaces measures 500 paths by real connections, to servers in this process: two sockets a
// connection.
func TestManySocketsStayWithinTheirPlaces(t *testing.T) {
	const paths, places = 500, 16
	l := startLab(t, lab.Options{Hosts: lab.Many(paths, "tcp")})
	c := &config.Config{Idle: config.Idle{Enabled: true, Steps: []time.Duration{short, middle}, Interval: time.Second, Concurrency: places}}
	rep := &report.Report{}
	for _, p := range l.Places() {
		c.Endpoints = append(c.Endpoints, config.Endpoint{
			Service: p.Host.Service, Host: p.Host.Name, Client: measurement.Device, Finish: true, CoAPPing: true,
			Paths: []measurement.Path{{Transport: measurement.TCP, Port: p.Address.Port()}},
		})
		rep.Hosts = append(rep.Hosts, report.Host{Paths: []report.Path{{
			Path:  measurement.Path{Transport: measurement.TCP, Port: p.Address.Port()},
			Walks: []report.Walk{{Outcome: measurement.Outcome{Address: p.Address}}},
		}}})
	}
	for i := range rep.Hosts {
		rep.Hosts[i].Endpoint = &c.Endpoints[i]
	}

	goroutines, before := runtime.NumGoroutine(), descriptors(t)
	m := NewManager(slog.New(slog.DiscardHandler))
	m.turn = Turns(time.Millisecond)
	m.Reload(c, walker(t, l.Mint).Session)
	m.Observe(rep)
	measured := func() (n int) {
		for i := range c.Endpoints {
			if b := m.Bounds(&c.Endpoints[i], c.Endpoints[i].Paths[0]); b.Survived == middle {
				n++
			}
		}
		return n
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute)
	for measured() < paths {
		select {
		case <-deadline:
			t.Fatalf("%d of %d paths measured in five minutes", measured(), paths)
		case <-tick.C:
		}
		// A connection that the exporter has closed may for a moment stay open on the servers' side.
		if now := descriptors(t); now > before+4*places {
			t.Fatalf("%d descriptors, %d before: want at most %d more", now, before, 4*places)
		}
	}
	began := time.Now()
	m.Close()
	if took := time.Since(began); took > soon {
		t.Errorf("Close took %v", took)
	}
	for descriptors(t) > before || runtime.NumGoroutine() > goroutines {
		select {
		case <-deadline:
			t.Fatalf("%d descriptors and %d goroutines left, %d and %d before", descriptors(t), runtime.NumGoroutine(), before, goroutines)
		case <-tick.C:
		}
	}
}

// TestCloseEndsConnectionsThatAreSilent closes while every place is taken by a silence of minutes.
func TestCloseEndsConnectionsThatAreSilent(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	before := descriptors(t)
	place := l.Places()[0]
	c := &config.Config{
		Idle: config.Idle{Enabled: true, Steps: steps(), Interval: time.Second, Concurrency: 64},
		Endpoints: []config.Endpoint{{
			Service: "bootstrap", Host: place.Host.Name, Client: measurement.Device, Finish: true, CoAPPing: true,
			Paths: []measurement.Path{{Transport: measurement.TCP, Port: place.Address.Port()}},
		}},
	}
	m := NewManager(slog.New(slog.DiscardHandler))
	m.turn = Turns(time.Millisecond)
	m.Reload(c, walker(t, l.Mint).Session)
	m.Observe(&report.Report{Hosts: []report.Host{{Endpoint: &c.Endpoints[0], Paths: []report.Path{{
		Path: measurement.Path{Transport: measurement.TCP, Port: place.Address.Port()}, Walks: []report.Walk{{Outcome: measurement.Outcome{Address: place.Address}}},
	}}}}})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for descriptors(t) < before+2*len(steps()) {
		select {
		case <-deadline:
			t.Fatal("the silent connections did not all open")
		case <-tick.C:
		}
	}
	began := time.Now()
	m.Close()
	if took := time.Since(began); took > soon {
		t.Errorf("Close took %v", took)
	}
	if b := m.Bounds(&c.Endpoints[0], c.Endpoints[0].Paths[0]); b.Why != "not measured yet" {
		t.Errorf("an interrupted round left %+v", b)
	}
}
