package memnet

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// socket is what [Conn] and [PacketConn] have in common. Its fields are guarded by net.mu.
type socket struct {
	net         *Network
	transport   string // "tcp" or "udp"
	local       netip.AddrPort
	remote      netip.AddrPort // not valid for a UDP socket that is not connected
	change      *sync.Cond     // signals every change that a read or a write may wait for
	closed      bool
	failure     error // what the next read or write reports: a RST, or an ICMP error for a UDP socket; nil once reported
	read, write deadline
}

func (n *Network) newSocket(transport string) socket {
	return socket{net: n, transport: transport, change: sync.NewCond(&n.mu)}
}

// LocalAddr is the socket's own [*net.TCPAddr] or [*net.UDPAddr].
func (s *socket) LocalAddr() net.Addr { return netAddr(s.transport, s.local) }

// RemoteAddr is the peer's [*net.TCPAddr] or [*net.UDPAddr]; nil if a UDP socket is not connected.
func (s *socket) RemoteAddr() net.Addr { return netAddr(s.transport, s.remote) }

// SetDeadline sets the read and the write deadline.
func (s *socket) SetDeadline(t time.Time) error { return s.setDeadlines(t, &s.read, &s.write) }

// SetReadDeadline sets the read deadline.
func (s *socket) SetReadDeadline(t time.Time) error { return s.setDeadlines(t, &s.read) }

// SetWriteDeadline sets the write deadline.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.setDeadlines(t, &s.write) }

func (s *socket) setDeadlines(t time.Time, which ...*deadline) error {
	return s.whileOpen("set", func() {
		for _, d := range which {
			d.set(t, s.change)
		}
	})
}

// whileOpen calls do with the network locked, or returns the error of a closed socket.
func (s *socket) whileOpen(op string, do func()) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.closed {
		return s.opError(op, net.ErrClosed)
	}
	do()
	return nil
}

// end marks the socket as closed and wakes its waiters. The network is locked.
func (s *socket) end() {
	s.closed = true
	s.read.set(time.Time{}, s.change)
	s.write.set(time.Time{}, s.change)
}

// takeFailure returns failure as the error of op, and clears it. The network is locked.
func (s *socket) takeFailure(op string) error {
	err := s.opError(op, s.failure)
	s.failure = nil
	return err
}

func (s *socket) opError(op string, err error) error {
	return opError(op, s.transport, s.local, s.remote, err)
}
