package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// remoteConn is a connection from an address that records whether it has been closed.
type remoteConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *remoteConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}
func (c *remoteConn) Close() error { c.closed = true; return nil }

func TestConnectionsVictim(t *testing.T) {
	const attacker, other, same = "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"
	for name, test := range map[string]struct {
		first, rest, last string // clients of the first connection, of those between, of the one above the bound
		busy              []int  // connections with a request in progress
		sending           []int  // connections whose response is being sent
		want              int
	}{
		"all from one address: the oldest":                      {attacker, attacker, attacker, nil, nil, 0},
		"the oldest has a request: the next":                    {attacker, attacker, attacker, []int{0}, nil, 1},
		"all others have a request: the new one":                {attacker, attacker, attacker, all(maxConnections), nil, maxConnections},
		"all others send a response: the first of them":         {attacker, attacker, attacker, nil, all(maxConnections), 0},
		"another address is older: it stays":                    {other, attacker, attacker, nil, nil, 1},
		"another address is new: the oldest of the others":      {attacker, attacker, other, nil, nil, 0},
		"another address is new, all have a request: oldest":    {attacker, attacker, other, all(maxConnections), nil, 0},
		"addresses of one IPv6 /64: one network":                {other, same, "[2001:db8::2]:1", all(maxConnections), nil, maxConnections},
		"addresses of another IPv6 /64: the oldest of the most": {same, same, "[2001:db8:0:1::1]:1", all(maxConnections), nil, 0},
	} {
		c := &connections{released: func() {}}
		server := &http.Server{}
		c.install(server)
		conns := make([]*remoteConn, maxConnections+1)
		for i := range conns {
			conns[i] = &remoteConn{from: test.rest}
			switch i {
			case 0:
				conns[i].from = test.first
			case maxConnections:
				conns[i].from = test.last
			}
			ctx := server.ConnContext(t.Context(), conns[i])
			if slices.Contains(test.busy, i) {
				begin(ctx)
			}
			if slices.Contains(test.sending, i) {
				begin(ctx)
				receive(ctx)
			}
		}
		for i, conn := range conns {
			if conn.closed != (i == test.want) {
				t.Errorf("%s: connection %d closed: %v, want connection %d", name, i, conn.closed, test.want)
			}
			server.ConnState(conn, http.StateClosed)
		}
		if len(c.open) != 0 {
			t.Errorf("%s: %d connections after their end", name, len(c.open))
		}
	}
}

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// stuckWriter is a client that does not read: a write ends with its deadline.
type stuckWriter struct {
	http.ResponseWriter
	cut chan struct{}
}

func (s *stuckWriter) SetWriteDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		close(s.cut)
	}
	return nil
}

func (s *stuckWriter) Write([]byte) (int, error) {
	<-s.cut
	return 0, net.ErrClosed
}

// TestAnswersUnread sends large responses to clients that do not read, up to the bound and beyond.
func TestAnswersUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers()
		large := func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, maxUnread/2)) }
		failed := make(chan int, 3)
		for i := range 3 {
			go func() {
				w := &stuckWriter{httptest.NewRecorder(), make(chan struct{})}
				if err := a.send(w, httptest.NewRequest(http.MethodGet, "/", nil), large); err != nil {
					failed <- i
				}
			}()
			synctest.Wait()
		}
		if len(failed) != 1 || <-failed != 0 {
			t.Error("the oldest response did not make room")
		}
		recorder := httptest.NewRecorder()
		if err := a.send(recorder, httptest.NewRequest(http.MethodGet, "/", nil), large); err != nil || recorder.Body.Len() != maxUnread/2 {
			t.Errorf("another client got %d bytes: %v", recorder.Body.Len(), err)
		}
		huge := func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 2*maxUnread)) }
		if err := a.send(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), huge); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(failed) != 2 || len(a.unread) != 0 || a.held != 0 {
			t.Errorf("%d clients cut off, %d responses and %d bytes unread", len(failed)+1, len(a.unread), a.held)
		}
	})
}
