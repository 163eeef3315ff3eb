package memnet

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Network connects sockets in memory. The zero value is ready to use and delivers without delay. It is safe for
// concurrent use.
type Network struct {
	// Delay is how long a packet takes from one socket to another. It must not change once the network is in use.
	Delay time.Duration

	mu        sync.Mutex
	filter    func(Packet) Verdict
	listeners map[netip.AddrPort]*Listener
	sockets   map[netip.AddrPort]*PacketConn
	ports     uint16 // the last ephemeral port given out
	transit   []event
}

// event is a packet in transit: what its arrival does, with Network.mu held.
type event struct {
	at     time.Time
	arrive func()
}

// Packet is what a filter sees of a packet.
type Packet struct {
	Transport string // "tcp" or "udp"
	From, To  netip.AddrPort
	SYN       bool   // TCP: the packet asks for a connection
	Data      []byte // the payload; not to be changed or kept
}

// Verdict is what a filter does to a packet.
type Verdict int

const (
	// Pass lets the packet through.
	Pass Verdict = iota
	// Drop discards the packet silently.
	Drop
	// Reject answers TCP with RST and UDP with ICMP port unreachable.
	Reject
	// Unreachable answers with ICMP host unreachable (EHOSTUNREACH). A TCP connection that stands ignores it, so
	// that it acts as Drop there (RFC 1122 §4.2.3.9).
	Unreachable
)

// notices are the errors by which the sender of a packet learns of a verdict.
var notices = map[Verdict]error{Reject: syscall.ECONNREFUSED, Unreachable: syscall.EHOSTUNREACH}

// SetFilter installs a filter for all packets, nil for none. The filter runs with the network locked: it must not
// call the network or block.
func (n *Network) SetFilter(filter func(Packet) Verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = filter
}

// verdict asks the filter. n.mu is held.
func (n *Network) verdict(p Packet) Verdict {
	if n.filter == nil {
		return Pass
	}
	return n.filter(p)
}

// send lets a packet arrive after the network's delay. n.mu is held, here and by arrive.
func (n *Network) send(arrive func()) {
	if n.Delay <= 0 {
		arrive()
		return
	}
	n.transit = append(n.transit, event{time.Now().Add(n.Delay), arrive})
	time.AfterFunc(n.Delay, n.deliver)
}

// deliver handles the packets whose time has come, in the order in which they were sent: every packet takes the same
// time.
func (n *Network) deliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for len(n.transit) > 0 && !n.transit[0].at.After(now) {
		first := n.transit[0]
		n.transit = n.transit[1:]
		first.arrive()
	}
}

// firstEphemeral is the first of the ports that sockets without a port of their own get (RFC 6335 §6).
const firstEphemeral = 49152

// bind chooses a free port for an address whose port is 0, and reports whether the address is free. n.mu is held.
func (n *Network) bind(at netip.AddrPort, used func(netip.AddrPort) bool) (netip.AddrPort, bool) {
	if n.listeners == nil {
		n.listeners = make(map[netip.AddrPort]*Listener)
		n.sockets = make(map[netip.AddrPort]*PacketConn)
	}
	if at.Port() != 0 {
		return at, !used(at)
	}
	for range 1<<16 - firstEphemeral {
		if n.ports++; n.ports < firstEphemeral {
			n.ports = firstEphemeral
		}
		if at := netip.AddrPortFrom(at.Addr(), n.ports); !used(at) {
			return at, true
		}
	}
	return at, false
}

// local is the address from which this machine calls another.
func local(remote netip.Addr) netip.AddrPort {
	if remote.Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), 0)
}

// Dial connects to address, which is an IP address and a port. network is "tcp" or "udp". It returns when the
// connection stands, has failed or ctx ends. An unanswered SYN is sent again after 1 s, 3 s, 7 s and so on, as Linux
// does, and ends in ETIMEDOUT after 127 s. The connection is a [*Conn] or a [*PacketConn].
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial in memory: %w", err)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", network, netip.AddrPort{}, to, err)
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		return n.dialTCP(ctx, to)
	case "udp", "udp4", "udp6":
		return n.dialUDP(to)
	}
	return nil, opError("dial", network, netip.AddrPort{}, to, net.UnknownNetworkError(network))
}

// opError builds the error that package net returns for the same failure.
func opError(op, network string, from, to netip.AddrPort, err error) error {
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // wrapped errors are complete
		call := map[string]string{"dial": "connect", "listen": "bind"}[op]
		err = os.NewSyscallError(cmp.Or(call, op), errno)
	}
	return &net.OpError{Op: op, Net: network, Source: netAddr(network, from), Addr: netAddr(network, to), Err: err}
}

// netAddr converts an address to one of package net; nil if it is not valid.
func netAddr(network string, at netip.AddrPort) net.Addr {
	switch {
	case !at.IsValid():
		return nil
	case network[0] == 'u':
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}
