package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// TestIdleMetrics measures silences in the background while the exporter is scraped, behind each kind of path that
// ends silent connections.
func TestIdleMetrics(t *testing.T) {
	const tcp, udp = "tcp", "udp"
	for name, test := range map[string]struct {
		transport string
		fault     string
		flapping  time.Duration // a NAT that expires every second connection after this long
		limit     time.Duration // of the server
		want      map[string]float64
		absent    []string
		closed    bool // by the server, at its limit
		reason    report.IdleReason
		text      string
	}{
		"nothing ends connections: survived": {transport: tcp,
			want: map[string]float64{"survived": 240}, absent: []string{"lost", "closed"}, reason: report.IdleReasonSurvived, text: "a silence of 240 s survives"},
		"NAT drops: dropped": {transport: tcp, fault: "nat_forgets:2m",
			want: map[string]float64{"survived": 60, "lost": 240}, absent: []string{"closed"}, reason: report.IdleReasonDropped, text: "dropped silently"},
		"NAT answers with RST: reset": {transport: tcp, fault: "nat_resets:2m",
			want: map[string]float64{"survived": 60, "lost": 240}, absent: []string{"closed"}, reason: report.IdleReasonReset, text: "RST"},
		"NAT expires every second connection: reset and unsteady": {transport: tcp, flapping: 2 * time.Minute,
			want: map[string]float64{"survived": 60, "lost": 240}, absent: []string{"closed"}, reason: report.IdleReasonReset,
			text: "unsteady: of 3 connections silent for 240 s, 1 survived"},
		"server with a limit: closed": {transport: tcp, limit: 2 * time.Minute, closed: true,
			want: map[string]float64{"survived": 60}, absent: []string{"lost"}, reason: report.IdleReasonLimit, text: "the server itself ends"},
		"server's limit below the NAT's: closed": {transport: tcp, fault: "nat_forgets:5m", limit: 2 * time.Minute, closed: true,
			want: map[string]float64{"survived": 60}, absent: []string{"lost"}, reason: report.IdleReasonLimit, text: "so that longer silences are not known"},
		"NAT's timeout below the server's limit: reset": {transport: tcp, fault: "nat_resets:30s", limit: 2 * time.Minute,
			want: map[string]float64{"lost": 60}, absent: []string{"survived"}, reason: report.IdleReasonReset, text: "RST"},
		"UDP, nothing ends connections: survived": {transport: udp,
			want: map[string]float64{"survived": 240}, absent: []string{"lost", "closed"}, reason: report.IdleReasonSurvived, text: "a silence of 240 s survives"},
		"UDP, NAT drops: dropped": {transport: udp, fault: "nat_forgets:2m",
			want: map[string]float64{"survived": 60, "lost": 240}, absent: []string{"closed"}, reason: report.IdleReasonDropped, text: "dropped silently"},
		"interceptor: unknown": {transport: tcp, fault: lab.Intercept,
			absent: []string{"survived", "lost", "closed", "last_round_timestamp"}, reason: report.IdleReasonUnknown, text: "something other than the cloud answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				hosts := lab.Izuma()[6:] // one with TCP only
				if test.transport == udp {
					hosts = lab.Izuma()[5:6]
				}
				l := labtest.Start(t, lab.Options{Hosts: hosts, IdleLimit: test.limit, Network: network})
				if test.fault != "" {
					if err := l.Set("*", test.fault); err != nil {
						t.Fatal(err)
					}
				}
				config, device := l.Config(), l.Port(lab.NominalDevice)
				if test.flapping > 0 {
					relay := startFlapping(t, network, l.Places()[0].Address, test.flapping)
					config = strings.ReplaceAll(config, fmt.Sprintf("port: %d}", device), fmt.Sprintf("port: %d}", relay))
					device = relay
				}
				e := startExporterOn(t, network, config+"idle: {enabled: true, steps: [1m, 4m]}\n")
				labels := []string{fmt.Sprintf("transport=%q", test.transport), fmt.Sprintf("port=\"%d\"", device)}
				page := eventually(t, e, fmt.Sprintf("\"reason\": %q,\n            \"why\"", test.reason), "not measured yet")
				if !strings.Contains(page, test.text) {
					t.Errorf("the report does not contain %q: %s", test.text, page)
				}
				x := scrape(t, e)
				for bound, want := range test.want {
					if got, ok := x.one("endpoint_idle_"+bound+"_seconds", labels...); !ok || got != want {
						t.Errorf("%s after %v s (%v), want %v", bound, got, ok, want)
					}
				}
				for _, bound := range test.absent {
					if got := x.of("endpoint_idle_"+bound+"_seconds", labels...); len(got) != 0 {
						t.Errorf("%v", got)
					}
				}
				if closed, ok := x.one("endpoint_idle_closed_seconds", labels...); test.closed && (!ok || closed < 119 || closed > 121) {
					t.Errorf("closed after %v s (%v), want the server's limit of 120 s", closed, ok)
				}
				if keepalive, ok := x.one("endpoint_keepalive_seconds"); !ok || keepalive != 540 {
					t.Errorf("keepalive %v (%v)", keepalive, ok)
				}
			})
		})
	}
}

// startFlapping relays connections from another port of an address through a NAT that expires every second connection
// that speaks after a silence longer than timeout, and then answers with RST. It returns the port.
func startFlapping(t *testing.T, network *memnet.Network, to netip.AddrPort, timeout time.Duration) uint16 {
	t.Helper()
	listener, err := network.Listen(netip.AddrPortFrom(to.Addr(), 0))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var silent atomic.Int64 // connections that have spoken after a silence
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := network.Dial(t.Context(), "tcp", to.String())
			if err != nil {
				client.Close()
				continue
			}
			serving.Go(func() { flap(client.(*memnet.Conn), server, timeout, &silent) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// flap relays one connection until either side ends it.
func flap(client *memnet.Conn, server net.Conn, timeout time.Duration, silent *atomic.Int64) {
	defer client.Close()
	var back sync.WaitGroup
	defer back.Wait()
	defer server.Close()
	back.Go(func() {
		_, _ = io.Copy(client, server)
		client.Close()
	})
	buffer := make([]byte, 16<<10)
	for last := time.Now(); ; last = time.Now() {
		n, err := client.Read(buffer)
		if n > 0 && time.Since(last) > timeout && silent.Add(1)%2 == 1 {
			_ = client.SetLinger(0) // close then sends RST
			return
		}
		if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// eventually scrapes every 30 s until the report contains a text and does not contain another. It runs in virtual time.
func eventually(t *testing.T, e *exporter, text, not string) string {
	t.Helper()
	for range 240 {
		scrape(t, e)
		if _, page := get(t, e, http.MethodGet, "/api/v1/report"); strings.Contains(page, text) && !strings.Contains(page, not) {
			return page
		}
		time.Sleep(30 * time.Second) //nolint:forbidigo // virtual time
	}
	t.Fatalf("the report does not contain %q", text)
	return ""
}
