package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/idle"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// TestWhatSilenceSurvivesThroughTheWholeExporter measures in the background while the exporter is scraped, behind each
// kind of path that ends silent connections, at a fraction of the real times. What ends them is seconds away from the
// silences, so that a busy machine does not turn one into the other.
func TestWhatSilenceSurvivesThroughTheWholeExporter(t *testing.T) {
	const tcp, udp = "tcp", "udp"
	for name, test := range map[string]struct {
		transport string
		fault     string
		flapping  time.Duration // a NAT that forgets every second connection after so long
		limit     time.Duration // of the server
		due       map[string]float64
		absent    []string
		closed    bool // by the server, at its limit
		reason    report.IdleReason
		says      string
	}{
		"a path that survives all": {transport: tcp,
			due: map[string]float64{"survived": 8}, absent: []string{"lost", "closed"}, reason: idle.ReasonSurvived, says: "a silence of 8 s survives"},
		"a NAT that forgets in silence": {transport: tcp, fault: "nat_forgets:5s",
			due: map[string]float64{"survived": 2, "lost": 8}, absent: []string{"closed"}, reason: idle.ReasonDropped, says: "without a word"},
		"a NAT that answers with a RST": {transport: tcp, fault: "nat_resets:5s",
			due: map[string]float64{"survived": 2, "lost": 8}, absent: []string{"closed"}, reason: idle.ReasonReset, says: "RST"},
		"a NAT that forgets now and then": {transport: tcp, flapping: 5 * time.Second,
			due: map[string]float64{"survived": 2, "lost": 8}, absent: []string{"closed"}, reason: idle.ReasonReset,
			says: "not steady: of 3 connections silent for 8 s, 1 survived"},
		"a server with a limit": {transport: tcp, limit: 5 * time.Second, closed: true,
			due: map[string]float64{"survived": 2}, absent: []string{"lost"}, reason: idle.ReasonLimit, says: "the server itself ends"},
		"a server with a limit below the NAT's": {transport: tcp, fault: "nat_forgets:30s", limit: 5 * time.Second, closed: true,
			due: map[string]float64{"survived": 2}, absent: []string{"lost"}, reason: idle.ReasonLimit, says: "so nothing is known of longer silences"},
		"a NAT that forgets before the server's limit": {transport: tcp, fault: "nat_resets:1s", limit: 5 * time.Second,
			due: map[string]float64{"lost": 2}, absent: []string{"survived"}, reason: idle.ReasonReset, says: "RST"},
		"a path over UDP that survives all": {transport: udp,
			due: map[string]float64{"survived": 8}, absent: []string{"lost", "closed"}, reason: idle.ReasonSurvived, says: "a silence of 8 s survives"},
		"a NAT that forgets over UDP": {transport: udp, fault: "nat_forgets:5s",
			due: map[string]float64{"survived": 2, "lost": 8}, absent: []string{"closed"}, reason: idle.ReasonDropped, says: "without a word"},
		"an interceptor": {transport: tcp, fault: lab.Intercept,
			absent: []string{"survived", "lost", "closed", "last_round_timestamp"}, reason: idle.ReasonUnknown, says: "something else than the cloud answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hosts := lab.Izuma()[6:] // one of TCP alone
			if test.transport == udp {
				hosts = lab.Izuma()[5:6]
			}
			l := startLab(t, lab.Options{Hosts: hosts, IdleLimit: test.limit})
			if test.fault != "" {
				if err := l.Set("*", test.fault); err != nil {
					t.Fatal(err)
				}
			}
			config, device := l.Config(), l.Port(lab.NominalDevice)
			if test.flapping > 0 {
				relay := startFlapping(t, l.Places()[0].Address, test.flapping)
				config = strings.ReplaceAll(config, fmt.Sprintf("port: %d}", device), fmt.Sprintf("port: %d}", relay))
				device = relay
			}
			e := startExporter(t, config+"idle: {enabled: true, steps: [2s, 8s]}\nsurvey: {min_interval: 0s}\n")
			of := []string{fmt.Sprintf("transport=%q", test.transport), fmt.Sprintf("port=\"%d\"", device)}
			page := eventually(t, e, fmt.Sprintf("\"reason\": %q,\n            \"why\"", test.reason), "not measured yet")
			if !strings.Contains(page, test.says) {
				t.Errorf("the report does not say %q: %s", test.says, page)
			}
			x := scrape(t, e)
			for bound, due := range test.due {
				if got, ok := x.one("endpoint_idle_"+bound+"_seconds", of...); !ok || got != due {
					t.Errorf("%s after %v s (%v), due %v", bound, got, ok, due)
				}
			}
			for _, bound := range test.absent {
				if got := x.of("endpoint_idle_"+bound+"_seconds", of...); len(got) != 0 {
					t.Errorf("%v", got)
				}
			}
			if closed, ok := x.one("endpoint_idle_closed_seconds", of...); test.closed && (!ok || closed <= 2 || closed >= 8) {
				t.Errorf("the server's limit is 5 s, got %v (%v)", closed, ok)
			}
			if keepalive, ok := x.one("endpoint_keepalive_seconds"); !ok || keepalive != 540 {
				t.Errorf("keepalive %v (%v)", keepalive, ok)
			}
		})
	}
}

// startFlapping relays connections from another port of an address, through a NAT that forgets those that were silent for
// longer than idle and answers with a RST, but only every second of them. It returns the port.
func startFlapping(t *testing.T, to netip.AddrPort, idle time.Duration) uint16 {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var silent atomic.Int64 // connections that have spoken after a silence
	serving.Go(func() {
		for {
			client, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			serving.Go(func() { flap(client, to, idle, &silent) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String()).Port()
}

// flap relays one connection until either side ends it.
func flap(client *net.TCPConn, to netip.AddrPort, idle time.Duration, silent *atomic.Int64) {
	defer client.Close()
	server, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return
	}
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
		if n > 0 && time.Since(last) > idle && silent.Add(1)%2 == 1 {
			_ = client.SetLinger(0) // close then sends RST
			return
		}
		if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// eventually scrapes until the report has a text and does not have another.
func eventually(t *testing.T, e *exporter, text, not string) string {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 300 {
		scrape(t, e)
		if _, page := get(t, e, "GET", "/api/v1/report"); strings.Contains(page, text) && !strings.Contains(page, not) {
			return page
		}
		<-tick.C
	}
	t.Fatalf("the report does not have %q", text)
	return ""
}
