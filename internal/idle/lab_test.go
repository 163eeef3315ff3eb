package idle

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// The lab's NAT and server expire silent connections between the second step and the third.
const (
	short, middle, long = 30 * time.Second, 60 * time.Second, 240 * time.Second
	timeout             = "2m"
	limit               = 2 * time.Minute
)

// walker shows a certificate that the lab's hosts have not issued; network is nil for the kernel's sockets.
func walker(t *testing.T, mint *lab.Mint, network *memnet.Network) *path.Walker {
	t.Helper()
	certificate, err := mint.Inspector.Issue(lab.Leaf{CommonName: "any client"})
	if err != nil {
		t.Fatal(err)
	}
	w := &path.Walker{Patience: Patience(), Credential: func() *path.Credential { return &path.Credential{Certificate: certificate} }}
	if network != nil {
		w.Dial = network.Dial
	}
	return w
}

func TestRoundAgainstLab(t *testing.T) {
	for name, test := range map[string]struct {
		host, transport, fault string
		limit                  time.Duration
		proof                  report.IdleProof
		reason                 report.IdleReason
		survived               time.Duration
	}{
		"TCP, no fault: survived":                     {"bootstrap", "tcp", lab.None, 0, report.IdleByPing, report.IdleReasonSurvived, long},
		"TCP, NAT drops: dropped":                     {"bootstrap", "tcp", lab.NATForgets + ":" + timeout, 0, report.IdleByPing, report.IdleReasonDropped, middle},
		"TCP, NAT resets: reset":                      {"bootstrap", "tcp", lab.NATResets + ":" + timeout, 0, report.IdleByPing, report.IdleReasonReset, middle},
		"TCP, server limit: server_limit":             {"bootstrap", "tcp", lab.None, limit, report.IdleByPing, report.IdleReasonLimit, middle},
		"TCP, no pong: by hello":                      {"bootstrap", "tcp", lab.NoPong, 0, report.IdleByHello, report.IdleReasonSurvived, long},
		"TCP, certificate refused: by hello":          {"bootstrap", "tcp", lab.RefuseCertificate, 0, report.IdleByHello, report.IdleReasonSurvived, long},
		"TCP, web server alerts: closed by its limit": {"gateways", "tcp", lab.None, 0, report.IdleByHello, report.IdleReasonLimit, 0},
		"TCP, web server, NAT drops: dropped":         {"gateways", "tcp", lab.NATForgets + ":20s", 0, report.IdleByHello, report.IdleReasonDropped, 0},
		"TCP, web server, NAT resets: reset":          {"gateways", "tcp", lab.NATResets + ":20s", 0, report.IdleByHello, report.IdleReasonReset, 0},
		"TCP, refused: unknown":                       {"bootstrap", "tcp", lab.Refuse, 0, "", report.IdleReasonUnknown, 0},
		"UDP, no fault: survived":                     {"bootstrap", "udp", lab.None, 0, report.IdleByPing, report.IdleReasonSurvived, long},
		"UDP, NAT drops: dropped":                     {"bootstrap", "udp", lab.NATForgets + ":" + timeout, 0, report.IdleByPing, report.IdleReasonDropped, middle},
		"UDP, server limit: server_limit":             {"bootstrap", "udp", lab.None, limit, report.IdleByPing, report.IdleReasonLimit, middle},
		"UDP, no pong: unknown":                       {"bootstrap", "udp", lab.NoPong, 0, "", report.IdleReasonUnknown, 0},
		"UDP, refused: unknown":                       {"bootstrap", "udp", lab.Refuse, 0, "", report.IdleReasonUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := &memnet.Network{Delay: time.Millisecond}
				l := labtest.Start(t, lab.Options{IdleLimit: test.limit, Network: network})
				if err := l.Set(test.host+"/"+test.transport, test.fault); err != nil {
					t.Fatal(err)
				}
				target := path.Target{Transport: measurement.Transport(test.transport), Client: measurement.Device, Finish: true, Ping: true}
				for _, p := range l.Places() {
					if p.Host.Service == test.host && p.Path.Transport == test.transport {
						target.Address = p.Address
						break
					}
				}
				r := (&Round{Open: walker(t, l.Mint, network).Session, Target: target, Steps: []time.Duration{short, middle, long}, Parallel: 3}).Run(t.Context())
				b := r.Bounds
				if r.Proof != test.proof || b.Reason != test.reason || b.Survived != test.survived || b.Unsteady.Kind != "" {
					t.Errorf("proof %q, %+v; want %q, %q, %v survived", r.Proof, b, test.proof, test.reason, test.survived)
				}
				if lost := b.Lost > 0; lost != (test.reason == report.IdleReasonDropped || test.reason == report.IdleReasonReset) {
					t.Errorf("lost after %v", b.Lost)
				}
				if closed := b.Closed > 0; closed != (test.reason == report.IdleReasonLimit) {
					t.Errorf("closed after %v", b.Closed)
				}
			})
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

// TestManagerConnectionLimit measures many paths of a lab: the connections at a time stay within the configured
// number, every path is measured, and Close leaves none open.
func TestManagerConnectionLimit(t *testing.T) {
	const paths, places = 100, 16
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{Delay: time.Millisecond}
		l := labtest.Start(t, lab.Options{Hosts: lab.Many(paths, "tcp"), Network: network})
		c := &config.Config{Idle: config.Idle{Enabled: true, Steps: []time.Duration{short, middle}, Interval: 24 * time.Hour, Concurrency: places}}
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
		var open, most atomic.Int64
		w := walker(t, l.Mint, network)
		w.Dial = func(ctx context.Context, transport, address string) (net.Conn, error) {
			conn, err := network.Dial(ctx, transport, address)
			if err != nil {
				return nil, err
			}
			if n := open.Add(1); n > most.Load() {
				most.Store(n)
			}
			return &countedConn{Conn: conn, open: &open}, nil
		}
		m := NewManager(slog.New(slog.DiscardHandler))
		defer m.Close()
		m.Reload(c, w.Session)
		for range 8 { // the addresses of a report are valid for an hour
			m.Observe(rep)
			time.Sleep(30 * time.Minute) //nolint:forbidigo // virtual time
		}
		for i := range c.Endpoints {
			if b := m.Bounds(&c.Endpoints[i], c.Endpoints[i].Paths[0]); b.Survived != middle {
				t.Errorf("path %d: %+v", i, b)
			}
		}
		m.Close()
		if open.Load() != 0 || most.Load() > places || most.Load() < places/2 {
			t.Errorf("%d connections left open, %d at a time; want 0 and at most %d", open.Load(), most.Load(), places)
		}
	})
}

// countedConn counts the connections that are open.
type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// TestManagerCloseEndsSilences closes a manager whose connections are to stay silent for minutes, on the kernel's
// sockets: none is left open.
func TestManagerCloseEndsSilences(t *testing.T) {
	l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1]})
	place := l.Places()[0]
	first := walker(t, l.Mint, nil).Session(path.Target{Address: place.Address, Transport: measurement.UDP, Client: measurement.Device})
	first.Connect(t.Context()) // opens a descriptor that stays: see package sockclock
	first.Close()
	before := descriptors(t)
	c := &config.Config{
		Idle: config.Idle{Enabled: true, Steps: steps(), Interval: time.Second, Concurrency: 64},
		Endpoints: []config.Endpoint{{
			Service: "bootstrap", Host: place.Host.Name, Client: measurement.Device, Finish: true, CoAPPing: true,
			Paths: []measurement.Path{{Transport: measurement.TCP, Port: place.Address.Port()}},
		}},
	}
	m := NewManager(slog.New(slog.DiscardHandler))
	m.pace = NewPacer(time.Millisecond)
	m.Reload(c, walker(t, l.Mint, nil).Session)
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
	m.Close()
	for descriptors(t) > before {
		select {
		case <-deadline:
			t.Fatalf("%d descriptors are open, %d before", descriptors(t), before)
		case <-tick.C: // the servers close their ends after ours
		}
	}
	if b := m.Bounds(&c.Endpoints[0], c.Endpoints[0].Paths[0]); *b != unmeasured(report.IdleNotMeasuredYet) {
		t.Errorf("an interrupted round left %+v", b)
	}
}
