package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxWaiting bounds the connections that wait for their client, to at most an eighth of the files that the process
	// may open. A client can make each hold about 40 kB before it has shown a password: headers, buffers and a goroutine.
	maxWaiting = 256
	// maxConnections bounds all connections that are open at once, with those whose request is in progress, to at most
	// a quarter of the files.
	maxConnections = 1024
	// maxHeader bounds the headers of a request in bytes; net/http adds 4096 to it.
	maxHeader = 16<<10 - 4096
	// maxStreams bounds the requests that one HTTP/2 connection has in progress.
	maxStreams = 16
	// requestTime is how long a client may take for a request, from its first byte to the end of its body, and for a
	// TLS handshake.
	requestTime = 5 * time.Second
	// responseTime is how long a client may take to receive a response that no handler of the exporter makes, such as
	// that to a wrong password. [exporter.guard] extends it for the others.
	responseTime = 10 * time.Second
	// keepAliveTime is how long a connection may be idle between two requests.
	keepAliveTime = 2 * time.Minute
)

// connections bounds the connections of a server. A connection waits for its client, which is to send a request or to
// receive a response, or has a request in progress. If more than [maxWaiting] wait, a new connection closes the one
// that has waited longest, of the network with the most that wait. If more than [maxConnections] are open, the network
// with the most of all loses its newest. So clients that neither send nor receive lose their connections to the others,
// and a client that is being served keeps its connection.
type connections struct {
	released func() // called after a connection has ended
	files    int    // that the process may open; 0: no known limit

	mu    sync.Mutex
	clock uint64 // counts the times at which a connection began to wait for its client
	open  map[net.Conn]*connection
}

// connection is one open connection. Its fields are guarded by all.mu.
type connection struct {
	all          *connections
	network      netip.Prefix // of the client
	opened       uint64       // all.clock at that time
	requests     int          // in progress, without those whose response is being sent
	waitingSince uint64       // all.clock when it last began to wait for its client
}

type connectionKey struct{}

// install sets the bounds of connections and requests in a server.
func (c *connections) install(server *http.Server) {
	c.open = make(map[net.Conn]*connection)
	if c.files == 0 {
		c.files = 4 * maxConnections
	}
	server.MaxHeaderBytes = maxHeader
	server.ReadHeaderTimeout, server.ReadTimeout = requestTime, requestTime
	server.WriteTimeout = responseTime
	server.IdleTimeout = keepAliveTime
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, c.add(conn))
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			c.remove(conn)
		}
	}
}

// add registers a connection and closes one if there are too many.
func (c *connections) add(conn net.Conn) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	added := &connection{all: c, opened: c.clock, waitingSince: c.clock, network: networkOf(conn.RemoteAddr())}
	c.open[conn] = added
	switch {
	case c.waiting() > min(maxWaiting, c.files/8):
		c.close(c.victim(func(a *connection) bool { return a.requests == 0 }, func(a, b *connection) bool { return a.waitingSince < b.waitingSince }))
	case len(c.open) > min(maxConnections, c.files/4):
		c.close(c.victim(func(*connection) bool { return true }, func(a, b *connection) bool { return a.opened > b.opened }))
	}
	return added
}

// close closes a connection, whose goroutine gets the error. c.mu is held.
func (c *connections) close(conn net.Conn) {
	delete(c.open, conn)
	// Close of a TLS connection could wait for the client.
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	_ = conn.Close()
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	delete(c.open, conn)
	c.mu.Unlock()
	c.released()
}

// waiting counts the connections that wait for their client. c.mu is held.
func (c *connections) waiting() (n int) {
	for _, a := range c.open {
		if a.requests == 0 {
			n++
		}
	}
	return n
}

// victim returns the connection to close among those that among selects, of which there is one at least: the first by
// before, of the network with the most. c.mu is held.
func (c *connections) victim(among func(*connection) bool, before func(a, b *connection) bool) net.Conn {
	count := make(map[netip.Prefix]int)
	for _, a := range c.open {
		if among(a) {
			count[a.network]++
		}
	}
	var victim net.Conn
	var worst *connection
	for conn, a := range c.open {
		if !among(a) {
			continue
		}
		if worst == nil || count[a.network] > count[worst.network] || count[a.network] == count[worst.network] && before(a, worst) {
			victim, worst = conn, a
		}
	}
	return victim
}

// beginRequest marks a request as in progress until end is called.
func beginRequest(request context.Context) (end func()) {
	countRequest(request, 1)
	return func() { countRequest(request, -1) }
}

// beginResponse marks a request as one whose client receives the response, and no longer as in progress, until end is
// called.
func beginResponse(request context.Context) (end func()) {
	countRequest(request, -1)
	return func() { countRequest(request, 1) }
}

// countRequest changes the number of requests that a connection has in progress. Without a connection, as in tests of
// handlers, it does nothing.
func countRequest(request context.Context, n int) {
	a, ok := request.Value(connectionKey{}).(*connection)
	if !ok {
		return
	}
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	a.requests += n
	if a.requests == 0 {
		a.all.clock++
		a.waitingSince = a.all.clock
	}
}

// networkOf returns the network of a client that is counted as one: an IPv4 address or an IPv6 /64. It is the zero
// value for addresses of other kinds.
func networkOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	prefix, err := ip.Prefix(min(ip.BitLen(), 64))
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
