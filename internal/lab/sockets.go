package lab

import (
	"context"
	"io"
	"net"
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// sockets opens the sockets that a lab listens on: those of this machine's loopback, or those of a [memnet.Network].
type sockets interface {
	// listenTCP opens a listener whose connections are of type [stream].
	listenTCP(at netip.AddrPort) (net.Listener, error)
	listenUDP(at netip.AddrPort) (packetSocket, error)
	// blackhole takes an address whose SYNs are dropped until it is closed.
	blackhole(ctx context.Context, at netip.AddrPort) (io.Closer, error)
}

// stream is a TCP connection: *net.TCPConn or *memnet.Conn.
type stream interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// packetSocket is an unconnected UDP socket: *net.UDPConn or *memnet.PacketConn.
type packetSocket interface {
	net.PacketConn
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
}

// loopbackSockets opens sockets of the kernel.
type loopbackSockets struct{}

func (loopbackSockets) listenTCP(at netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
}

func (loopbackSockets) listenUDP(at netip.AddrPort) (packetSocket, error) {
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
}

func (loopbackSockets) blackhole(ctx context.Context, at netip.AddrPort) (io.Closer, error) {
	config := net.ListenConfig{Control: dropPackets}
	config.SetMultipathTCP(false) // the filter is for plain TCP
	return config.Listen(ctx, "tcp", at.String())
}

// memorySockets opens sockets of a network in memory.
type memorySockets struct{ network *memnet.Network }

func (m memorySockets) listenTCP(at netip.AddrPort) (net.Listener, error) {
	return m.network.Listen(at)
}
func (m memorySockets) listenUDP(at netip.AddrPort) (packetSocket, error) {
	return m.network.ListenPacket(at)
}

func (m memorySockets) blackhole(_ context.Context, at netip.AddrPort) (io.Closer, error) {
	listener, err := m.network.Listen(at)
	if err != nil {
		return nil, err
	}
	listener.SetBacklog(0)
	return listener, nil
}

// closeAfter closes a connection when ctx ends, or when the function that it returns is called.
func closeAfter(ctx context.Context, conn io.Closer) (now func()) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return func() {
		stop()
		_ = conn.Close() // fails if the peer has ended the connection
	}
}

// addrPort is the address of a socket.
func addrPort(at net.Addr) netip.AddrPort {
	return at.(interface{ AddrPort() netip.AddrPort }).AddrPort() // TCP's and UDP's have it
}
