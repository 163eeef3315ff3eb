package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// stop stops the program for 2.5 s, as a suspended machine does.
func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(s.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(2500 * time.Millisecond)
	if err := syscall.Kill(s.pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// connected counts the sockets of a protocol that are connected to an address, in the table of the kernel.
func connected(t *testing.T, protocol string, to netip.AddrPort) int {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/net/" + protocol)
	if err != nil {
		t.Fatal(err)
	}
	ip := to.Addr().As4()
	n := 0
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); fields[2] == fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), to.Port()) {
			n++
		}
	}
	return n
}

// TestStopped stops the process in a round and in silent connections: what did not arrive in time is no verdict. It
// runs on the kernel's sockets, whose reads time out after a late wake although an answer waits.
func TestStopped(t *testing.T) {
	t.Run("look-up at a silent resolver: out of time", func(t *testing.T) {
		t.Parallel()
		s := serveProcess(t, setup{more: "survey: {min_interval: 0s}\n"})
		if err := s.lab.Set("resolver", "silent"); err != nil {
			t.Fatal(err)
		}
		round := s.begin("/api/v1/report")
		await(t, "the resolver is asked", func() bool { return connected(t, "udp", s.lab.ResolverAddress) > 0 })
		s.stop(t)
		const suspended = `"detail": "this machine was suspended or overloaded`
		if p := <-round; p.code != http.StatusOK || !strings.Contains(p.body, suspended) || !strings.Contains(p.body, `"reason": "out_of_time"`) ||
			strings.Contains(p.body, `"reason": "dns_failed"`) {
			t.Errorf("status %d: %s", p.code, p.body)
		}
	})
	t.Run("slow hosts: up, or out of time", func(t *testing.T) {
		t.Parallel()
		s := serveProcess(t, setup{more: "survey: {min_interval: 0s}\n"})
		if err := s.lab.Set("*", lab.Slow+":700ms"); err != nil {
			t.Fatal(err)
		}
		round := s.begin("/metrics")
		await(t, "a host is asked", func() bool { return connected(t, "udp", s.lab.Places()[0].Address) > 0 })
		s.stop(t)
		p := <-round
		x := parseExposition(t, p.body)
		for path, up := range x.of("endpoint_path_up") {
			if up != 1 {
				t.Errorf("%s is not up", path)
			}
		}
		if _, counted := x.one("endpoint_survey_incomplete_paths"); p.code != http.StatusOK || !counted {
			t.Errorf("status %d: %.500s", p.code, p.body)
		}
	})
	t.Run("silent connections: survived", func(t *testing.T) {
		t.Parallel()
		s := serveProcess(t, setup{more: "idle: {enabled: true, steps: [1s, 2s], interval: 1s}\n"})
		s.scrape(t, "before")
		for range 2 {
			await(t, "a connection is silent", func() bool { return established(t, s.lab) > 0 })
			s.stop(t)
		}
		await(t, "the silence is survived", func() bool {
			_, body := s.get("/metrics")
			x := parseExposition(t, body)
			if lost, closed := x.of("endpoint_idle_lost_seconds"), x.of("endpoint_idle_closed_seconds"); len(lost)+len(closed) > 0 {
				t.Fatalf("lost %v, closed %v", lost, closed)
			}
			return len(x.of("endpoint_idle_survived_seconds")) > 0
		})
	})
}

// page is the response to a request.
type page struct {
	code int
	body string
}

// begin requests a page and returns where its response arrives.
func (s *served) begin(path string) <-chan page {
	out := make(chan page, 1)
	go func() {
		code, body := s.get(path)
		out <- page{code, body}
	}()
	return out
}
