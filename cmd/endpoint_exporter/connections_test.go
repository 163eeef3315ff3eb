package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
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
	const attacker, other, same, elsewhere = "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1"
	const kept = -1 // no connection is closed
	type group struct {
		n    int
		from string
		do   func(request context.Context) // after the connection has been added; nil: the client sends nothing
	}
	busy := func(request context.Context) { beginRequest(request) }
	receiving := func(request context.Context) { beginRequest(request); beginResponse(request) }
	for name, test := range map[string]struct {
		groups []group
		want   int // the number of the connection that the last one closes
	}{
		"as many as may wait: none":                                {[]group{{maxWaiting, attacker, nil}}, kept},
		"one more: the oldest":                                     {[]group{{maxWaiting + 1, attacker, nil}}, 0},
		"the oldest has a request: none":                           {[]group{{1, attacker, busy}, {maxWaiting, attacker, nil}}, kept},
		"the oldest has a request, one more: the next":             {[]group{{1, attacker, busy}, {maxWaiting + 1, attacker, nil}}, 1},
		"all others have a request: none":                          {[]group{{maxConnections - 1, attacker, busy}, {1, attacker, nil}}, kept},
		"all others have a request, too many: the new one":         {[]group{{maxConnections, attacker, busy}, {1, attacker, nil}}, maxConnections},
		"all others receive a response: the first of them":         {[]group{{maxWaiting, attacker, receiving}, {1, attacker, nil}}, 0},
		"another client is older: it stays":                        {[]group{{1, other, nil}, {maxWaiting, attacker, nil}}, 1},
		"another client is new: the oldest of the others":          {[]group{{maxWaiting, attacker, nil}, {1, other, nil}}, 0},
		"another client is new, all have a request: none":          {[]group{{maxWaiting, attacker, busy}, {1, other, nil}}, kept},
		"all others have a request or receive, too many: the new":  {[]group{{9, attacker, receiving}, {maxConnections - 9, attacker, busy}, {1, attacker, nil}}, maxConnections},
		"another client is new, too many have a request: newest":   {[]group{{maxConnections, attacker, busy}, {1, other, nil}}, maxConnections - 1},
		"requests of one client, too many of another wait: of it":  {[]group{{maxWaiting + 1, other, busy}, {1, other, nil}, {maxWaiting, attacker, nil}}, maxWaiting + 2},
		"IPv6 addresses of one /64: one network":                   {[]group{{1, other, busy}, {1, same, nil}, {maxWaiting, "[2001:db8::2]:1", nil}}, 1},
		"IPv6 addresses of another /64: the oldest of the network": {[]group{{maxWaiting, same, nil}, {1, elsewhere, nil}}, 0},
	} {
		c := &connections{released: func() {}}
		server := &http.Server{}
		c.install(server)
		var conns []*remoteConn
		for _, g := range test.groups {
			for range g.n {
				for i, conn := range conns {
					if conn.closed {
						t.Errorf("%s: connection %d is closed before the last one", name, i)
					}
				}
				conn := &remoteConn{from: g.from}
				conns = append(conns, conn)
				if ctx := server.ConnContext(t.Context(), conn); g.do != nil {
					g.do(ctx)
				}
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

// TestResponsesUnread sends large responses to clients that do not read, up to the bound and beyond.
func TestResponsesUnread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newResponses()
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
