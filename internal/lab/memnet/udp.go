package memnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"
)

const (
	// maxQueue is how many datagrams a socket holds; further ones are lost, as in a full receive buffer.
	maxQueue = 512
	// maxDatagram is the largest payload of a datagram (RFC 768 over IPv4).
	maxDatagram = 65507
)

// datagram is one that has arrived.
type datagram struct {
	from netip.AddrPort
	data []byte
}

// PacketConn is a UDP socket: unconnected, from [Network.ListenPacket], or connected, from [Network.Dial]. A
// connected one receives only the datagrams of its peer, and the ICMP errors that its own datagrams cause. It is a
// [net.Conn] and a [net.PacketConn], and has the methods of [*net.UDPConn] that take netip addresses.
type PacketConn struct {
	socket
	queue []datagram
}

// ListenPacket opens an unconnected UDP socket; port 0 chooses one.
func (n *Network) ListenPacket(at netip.AddrPort) (*PacketConn, error) {
	return n.openPacket("listen", at, netip.AddrPort{})
}

func (n *Network) dialUDP(to netip.AddrPort) (net.Conn, error) {
	c, err := n.openPacket("dial", local(to.Addr()), to)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (n *Network) openPacket(op string, at, remote netip.AddrPort) (*PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bound, free := n.bind(at, func(at netip.AddrPort) bool { return n.sockets[at] != nil })
	if !free {
		return nil, opError(op, "udp", netip.AddrPort{}, at, syscall.EADDRINUSE)
	}
	c := &PacketConn{socket: n.newSocket("udp")}
	c.local, c.remote = bound, remote
	n.sockets[bound] = c
	return c, nil
}

// ReadFromUDPAddrPort reads the next datagram. What p has no room for is lost.
func (c *PacketConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, c.opError("read", net.ErrClosed)
		case c.read.passed():
			return 0, netip.AddrPort{}, c.opError("read", os.ErrDeadlineExceeded)
		case c.failure != nil:
			return 0, netip.AddrPort{}, c.takeFailure("read")
		case len(c.queue) > 0:
			first := c.queue[0]
			c.queue = c.queue[1:]
			return copy(p, first.data), first.from, nil
		}
		c.change.Wait()
	}
}

// WriteToUDPAddrPort sends a datagram. It never blocks.
func (c *PacketConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	switch {
	case c.closed:
		return 0, c.opError("write", net.ErrClosed)
	case c.write.passed():
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	case c.failure != nil:
		return 0, c.takeFailure("write")
	case len(p) > maxDatagram:
		return 0, c.opError("write", syscall.EMSGSIZE)
	}
	c.transmit(append([]byte(nil), p...), netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	return len(p), nil
}

// transmit sends a datagram on its way. The network is locked.
func (c *PacketConn) transmit(data []byte, to netip.AddrPort) {
	n := c.net
	verdict := n.verdict(Packet{Transport: "udp", From: c.local, To: to, Data: data})
	if err := notices[verdict]; err != nil {
		n.send(func() { c.unreachable(err) })
	}
	if verdict != Pass {
		return
	}
	n.send(func() {
		peer := n.sockets[to]
		switch {
		case peer == nil:
			n.send(func() { c.unreachable(syscall.ECONNREFUSED) })
		case peer.remote.IsValid() && peer.remote != c.local: // not a datagram of its peer
		case len(peer.queue) < maxQueue:
			peer.queue = append(peer.queue, datagram{c.local, data})
			peer.change.Broadcast()
		}
	})
}

// unreachable is the arrival of an ICMP error. An unconnected socket is not told. The network is locked.
func (c *PacketConn) unreachable(err error) {
	if c.remote.IsValid() {
		c.failure = err
		c.change.Broadcast()
	}
}

// Read reads the next datagram of a connected socket.
func (c *PacketConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(p)
	return n, err
}

// Write sends a datagram to the peer of a connected socket.
func (c *PacketConn) Write(p []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", syscall.EDESTADDRREQ)
	}
	return c.WriteToUDPAddrPort(p, c.remote)
}

// ReadFrom reads the next datagram for a [net.PacketConn]; the address is a [*net.UDPAddr].
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	return n, netAddr(c.transport, from), err
}

// WriteTo sends a datagram for a [net.PacketConn]; the address must be a [*net.UDPAddr].
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	at, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", syscall.EINVAL)
	}
	return c.WriteToUDPAddrPort(p, at.AddrPort())
}

// Close closes the socket: later datagrams to it are answered by ICMP port unreachable.
func (c *PacketConn) Close() error {
	return c.whileOpen("close", func() {
		c.queue = nil
		delete(c.net.sockets, c.local)
		c.end()
	})
}
