package dns

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestWatchSilent asks about a look-up that waits up to 5 s, and needs 4 s of silence.
func TestWatchSilent(t *testing.T) {
	silent := func(pause time.Duration) func() net.Conn {
		return func() net.Conn { return &pausedConn{pause: pause} }
	}
	for _, test := range []struct {
		name   string
		conn   func() net.Conn
		asked  time.Duration
		silent bool
	}{
		{"silent for 3.9 s: not yet", silent(0), 3900 * time.Millisecond, false},
		{"silent for 4.5 s: silent", silent(0), 4500 * time.Millisecond, true},
		{"after the look-up: it has ended", silent(0), 5500 * time.Millisecond, false},
		{"suspended before: not known", silent(2500 * time.Millisecond), 4500 * time.Millisecond, false},
		{"suspended until now, an answer may wait: not known", silent(4 * time.Second), 4500 * time.Millisecond, false},
		{"an answer that is an error: not silent", func() net.Conn { return &pausedConn{paused: true, answers: true, rcode: 2} }, 4500 * time.Millisecond, false},
		{"an error of the network: not silent", func() net.Conn { return failingConn{new(pausedConn), syscall.ECONNREFUSED} }, 4500 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { return test.conn(), nil }}
				var tracker Tracker
				if l, ok := tracker.Silent(somewhere, host, 0); ok {
					t.Errorf("before the look-up: %+v", l)
				}
				var lookup sync.WaitGroup
				lookup.Go(func() { Lookup(t.Context(), client, somewhere, host, MaxPatience, &tracker) })
				<-time.After(test.asked)
				synctest.Wait()
				l, ok := tracker.Silent(somewhere, host, 4*time.Second)
				if ok != test.silent {
					t.Fatalf("silent %v: %+v", ok, l)
				}
				if ok && (l.Failure != measurement.DNSTimeout || l.Detail.N != 4 || l.Detail.After != test.asked || l.Took != test.asked || len(l.Answers) != 2) {
					t.Errorf("%+v", l)
				}
				lookup.Wait()
			})
		})
	}
}
