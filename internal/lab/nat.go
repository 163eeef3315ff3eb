package lab

import (
	"context"
	"net"
	"sync"
	"time"
)

// mapping is what a NAT remembers of a connection: it is forgotten once nothing passed for the idle time, for good.
type mapping struct {
	idle time.Duration

	mu   sync.Mutex
	last time.Time
	gone bool
}

func newMapping(idle time.Duration) *mapping { return &mapping{idle: idle, last: time.Now()} }

// pass notes that something wants to pass, and says whether it may.
func (m *mapping) pass() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.gone = m.gone || now.Sub(m.last) > m.idle
	m.last = now
	return !m.gone
}

// translate relays a client's connection to serve through a NAT that forgets it after an idle time. What arrives from
// either side afterwards is dropped without a word or, with reset, answered by RST when it comes from the client.
//
// Being a relay in user space it acknowledges the client's segments even when it drops what they carry: to the client's
// program the path is silent, but its kernel does not retransmit. translate returns when the client is gone.
func translate(ctx context.Context, wg *sync.WaitGroup, client *net.TCPConn, s *setting, serve func(net.Conn)) {
	inner, far := net.Pipe()
	m := newMapping(s.delay)
	wg.Go(func() { serve(far) })
	wg.Go(func() {
		relay(client, inner, m, func() bool { return true })
		if m.pass() {
			client.Close() // the server closed a connection that the NAT still knew
		}
	})
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	relay(inner, client, m, func() bool {
		if s.fault == NATResets {
			_ = client.SetLinger(0) // close then sends RST
			return false
		}
		return true
	})
	client.Close()
	inner.Close()
}

// relay copies until src ends. What the mapping lets not pass is dropped; dropped says whether to go on then.
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
