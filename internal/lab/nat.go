package lab

import (
	"context"
	"net"
	"sync"
	"time"
)

// mapping is the entry of a connection in a NAT's table. It expires once nothing has passed for the idle timeout, and
// does not come back.
type mapping struct {
	timeout time.Duration

	mu      sync.Mutex
	last    time.Time
	expired bool
}

func newMapping(timeout time.Duration) *mapping { return &mapping{timeout: timeout, last: time.Now()} }

// pass records a packet and reports whether it may pass.
func (m *mapping) pass() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expired = m.expired || now.Sub(m.last) > m.timeout
	m.last = now
	return !m.expired
}

// translate relays a client's connection to serve through a NAT with an idle timeout. Data that arrives after the
// timeout is dropped silently; with [NATResets] data from the client is answered by RST.
//
// A relay in user space acknowledges the client's segments even when it drops their data: the client's program sees a
// silent path, but its kernel does not retransmit. translate returns when the client has closed.
func translate(ctx context.Context, wg *sync.WaitGroup, client stream, s *setting, serve func(net.Conn)) {
	inner, far := net.Pipe()
	m := newMapping(s.delay)
	wg.Go(func() { serve(far) })
	wg.Go(func() {
		relay(client, inner, m, func() bool { return true })
		if m.pass() {
			client.Close() // the server closed a connection that the NAT has not expired
		}
	})
	defer inner.Close()
	defer closeAfter(ctx, client)()
	relay(inner, client, m, func() bool {
		if s.fault == NATResets {
			_ = client.SetLinger(0) // close then sends RST
			return false
		}
		return true
	})
}

// relay copies until src ends. Data that the mapping does not let pass is dropped; relay goes on after that if
// dropped returns true.
func relay(dst, src net.Conn, m *mapping, dropped func() bool) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := src.Read(buffer)
		switch {
		case n == 0:
		case m.pass():
			if _, err := dst.Write(buffer[:n]); err != nil {
				return
			}
		case !dropped():
			return
		}
		if err != nil {
			return
		}
	}
}
