// Package memnet is a network in memory with the semantics of TCP and UDP that a client can observe: refused and
// dropped connections, RST, FIN, half-closed connections, full backlogs, deadlines, lost datagrams and ICMP errors.
//
// All waiting is on channels, sync.Cond and timers. Inside a [testing/synctest] bubble every wait is therefore
// durably blocking: timeouts of minutes pass at once, and a loaded machine cannot change the order of events. A
// [Network] also works outside a bubble, in real time.
//
// A Network is used like package net:
//
//	network := &memnet.Network{Delay: time.Millisecond}
//	listener, err := network.Listen(netip.MustParseAddrPort("198.51.100.1:5684"))
//	socket, err := network.ListenPacket(netip.MustParseAddrPort("198.51.100.1:5684"))
//	conn, err := network.Dial(ctx, "tcp", "198.51.100.1:5684") // or "udp"
//
// Where nothing listens, a connection is refused (ECONNREFUSED) and a datagram is answered by ICMP port unreachable,
// which the next read or write of a connected socket returns (ECONNREFUSED). [Network.SetFilter] is the firewall: it
// drops or rejects packets.
//
// Errors are *[net.OpError] values that wrap the same errors as the kernel's sockets do: syscall.ECONNREFUSED,
// syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded and net.ErrClosed.
//
// Packets of one network arrive in the order in which they were sent. The network has no congestion, no routing and no
// retransmission of data: a connection of which the filter drops one segment carries nothing more in that direction,
// as behind a firewall that has forgotten it.
package memnet
