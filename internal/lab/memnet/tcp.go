package memnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// defaultBacklog is how many connections a new listener holds that are not accepted yet.
	defaultBacklog = 128
	// window is how many bytes a connection holds in one direction before writes block.
	window = 256 << 10
	// firstSYN is when an unanswered SYN is sent again, and maxSYN how many are sent before the kernel gives up (Linux,
	// tcp_syn_retries 6: 1+2+4+8+16+32+64 s).
	firstSYN = time.Second
	maxSYN   = 7
)

// Listener accepts connections at one address. It is a [net.Listener].
type Listener struct {
	net    *Network
	at     netip.AddrPort
	change *sync.Cond

	backlog int
	waiting []*Conn // established and not accepted
	closed  bool
}

// Listen listens for TCP connections; port 0 chooses one.
func (n *Network) Listen(at netip.AddrPort) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bound, free := n.bind(at, func(at netip.AddrPort) bool { return n.listeners[at] != nil })
	if !free {
		return nil, opError("listen", "tcp", netip.AddrPort{}, at, syscall.EADDRINUSE)
	}
	l := &Listener{net: n, at: bound, change: sync.NewCond(&n.mu), backlog: defaultBacklog}
	n.listeners[bound] = l
	return l, nil
}

// SetBacklog changes how many connections wait to be accepted. A SYN that finds no room is dropped, and sent again by
// the client; with a backlog of 0 every SYN is dropped.
func (l *Listener) SetBacklog(backlog int) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.backlog = backlog
}

// Accept waits for the next connection, a [*Conn].
func (l *Listener) Accept() (net.Conn, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.change.Wait()
	}
	if l.closed {
		return nil, opError("accept", "tcp", netip.AddrPort{}, l.at, net.ErrClosed)
	}
	c := l.waiting[0]
	l.waiting = l.waiting[1:]
	return c, nil
}

// Addr is where it listens: a [*net.TCPAddr].
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

// Close stops listening: later connections are refused, and those that are not accepted yet are reset.
func (l *Listener) Close() error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.closed {
		return opError("close", "tcp", netip.AddrPort{}, l.at, net.ErrClosed)
	}
	l.closed = true
	delete(l.net.listeners, l.at)
	for _, c := range l.waiting {
		c.abort()
	}
	l.waiting = nil
	l.change.Broadcast()
	return nil
}

// Conn is one end of a TCP connection.
type Conn struct {
	socket
	peer *Conn

	received  []byte // arrived and not read yet
	inTransit int    // bytes that the peer has sent and that have not arrived
	fin       bool   // the peer has ended its direction
	cut       bool   // the connection was reset
	ended     bool   // this end has ended its direction
	stalled   bool   // the filter dropped a segment of this end
	resets    bool   // Close sends RST
}

// dialTCP connects, with SYNs repeated as Linux repeats them.
func (n *Network) dialTCP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	client := n.newConn()
	client.remote = to
	n.mu.Lock()
	client.local, _ = n.bind(local(to.Addr()), func(netip.AddrPort) bool { return false })
	n.mu.Unlock()
	answers := make(chan error, 2*maxSYN)
	interval := firstSYN
	for range maxSYN {
		n.sendSYN(client, answers)
		select {
		case err := <-answers:
			if err != nil {
				return nil, opError("dial", "tcp", netip.AddrPort{}, to, err)
			}
			return client, nil
		case <-ctx.Done():
			n.mu.Lock()
			defer n.mu.Unlock()
			client.closed = true // a SYN+ACK that still comes is answered by RST
			if client.peer != nil {
				client.abort()
			}
			return nil, opError("dial", "tcp", netip.AddrPort{}, to, ctx.Err())
		case <-time.After(interval):
			interval *= 2
		}
	}
	return nil, opError("dial", "tcp", netip.AddrPort{}, to, syscall.ETIMEDOUT)
}

func (n *Network) newConn() *Conn { return &Conn{socket: n.newSocket("tcp")} }

// sendSYN asks for a connection; answers gets nil when it stands, or why it was refused. A SYN that is dropped has no
// answer.
func (n *Network) sendSYN(client *Conn, answers chan<- error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answer := func(err error) { n.send(func() { answers <- err }) }
	verdict := n.verdict(Packet{Transport: "tcp", From: client.local, To: client.remote, SYN: true})
	if err := notices[verdict]; err != nil {
		answer(err)
	}
	if verdict != Pass {
		return
	}
	n.send(func() {
		l := n.listeners[client.remote]
		switch {
		case client.peer != nil: // a repeated SYN
		case l == nil:
			answer(syscall.ECONNREFUSED)
		case len(l.waiting) >= l.backlog: // dropped
		default:
			server := n.newConn()
			server.local, server.remote, server.peer = client.remote, client.local, client
			client.peer = server
			l.waiting = append(l.waiting, server)
			l.change.Broadcast()
			n.send(func() {
				if client.closed {
					client.abort()
					return
				}
				answers <- nil
			})
		}
	})
}

// Read reads what has arrived. It returns io.EOF after the peer's FIN and ECONNRESET once after its RST.
func (c *Conn) Read(p []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.read.passed():
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(c.received) > 0:
			n := copy(p, c.received)
			c.received = c.received[n:]
			c.peer.change.Broadcast() // it may have waited for room
			return n, nil
		case c.failure != nil && !c.fin:
			return 0, c.takeFailure("read")
		case c.fin, c.cut:
			return 0, io.EOF
		}
		c.change.Wait()
	}
}

// Write sends p. It blocks while the peer has no room, and returns EPIPE or ECONNRESET if the peer has reset the
// connection.
func (c *Conn) Write(p []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	sent := 0
	for {
		switch {
		case c.closed:
			return sent, c.opError("write", net.ErrClosed)
		case c.write.passed():
			return sent, c.opError("write", os.ErrDeadlineExceeded)
		case c.failure != nil && !c.fin:
			return sent, c.takeFailure("write")
		case c.ended, c.cut:
			return sent, c.opError("write", syscall.EPIPE)
		case sent == len(p):
			return sent, nil
		}
		room := window - len(c.peer.received) - c.peer.inTransit
		if room <= 0 {
			c.change.Wait()
			continue
		}
		part := p[sent:min(len(p), sent+room)]
		c.segment(append([]byte(nil), part...))
		sent += len(part)
	}
}

// segment sends data to the peer. The network is locked.
func (c *Conn) segment(data []byte) {
	c.peer.inTransit += len(data)
	if !c.passes(data) {
		return // it stays in the window: the kernel keeps what is not acknowledged
	}
	c.net.send(func() {
		peer := c.peer
		peer.inTransit -= len(data)
		switch {
		case peer.cut:
		case peer.closed:
			c.reset()
		default:
			peer.received = append(peer.received, data...)
			peer.change.Broadcast()
		}
	})
}

// passes asks the filter about a segment of this end. The network is locked.
func (c *Conn) passes(data []byte) bool {
	if c.stalled {
		return false
	}
	verdict := c.net.verdict(Packet{Transport: "tcp", From: c.local, To: c.remote, Data: data})
	c.stalled = verdict != Pass
	if verdict == Reject {
		c.net.send(c.reset)
	}
	return !c.stalled
}

// reset is the arrival of a RST. The network is locked.
func (c *Conn) reset() {
	if c.cut || c.closed {
		return
	}
	c.cut, c.failure = true, syscall.ECONNRESET
	c.change.Broadcast()
}

// finish ends this end's direction by FIN. The network is locked.
func (c *Conn) finish() {
	if c.ended || c.cut {
		return
	}
	c.ended = true
	c.change.Broadcast()
	if !c.passes(nil) {
		return
	}
	c.net.send(func() {
		c.peer.fin = c.peer.fin || !c.peer.cut
		c.peer.change.Broadcast()
	})
}

// abort ends both directions by RST. The network is locked.
func (c *Conn) abort() {
	c.ended, c.closed, c.received = true, true, nil
	c.change.Broadcast()
	c.peer.change.Broadcast() // there is room for what it writes, until our RST arrives
	if !c.cut && c.passes(nil) {
		c.net.send(c.peer.reset)
	}
}

// CloseWrite ends this end's direction by FIN; reading goes on.
func (c *Conn) CloseWrite() error {
	return c.whileOpen("close", c.finish)
}

// SetLinger with 0 makes Close send RST instead of FIN; another value undoes that.
func (c *Conn) SetLinger(seconds int) error {
	return c.whileOpen("set", func() { c.resets = seconds == 0 })
}

// Close ends the connection: by FIN, or by RST if there is data that was not read or SetLinger(0) was called.
func (c *Conn) Close() error {
	return c.whileOpen("close", func() {
		if c.resets || len(c.received) > 0 {
			c.abort()
		} else {
			c.finish()
		}
		c.end()
	})
}
