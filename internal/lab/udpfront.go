package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// maxFlows bounds the clients that one front keeps state for; datagrams of further clients are dropped.
	maxFlows = 1024
	// flowIdle is how long the flow of an established session may be silent before it is removed; without a session
	// it is handshakeTimeout.
	flowIdle = 20 * time.Minute
	// closeGrace is how long a flow outlives the server's alert.
	closeGrace = time.Second
	// pairTimeout is how long Reorder keeps a datagram for which no second one comes.
	pairTimeout = 20 * time.Millisecond
	// maxDatagram is the largest UDP datagram.
	maxDatagram = 1 << 16
)

// udpFront relays the datagrams of one address and port to a DTLS server and inflicts a fault on them. A new fault ends
// the flows: the next datagram of a client begins a flow under it.
type udpFront struct {
	*frontBase
	cloud *dtlsCloud

	// Guarded by mu.
	socket packetSocket // nil while datagrams are refused
	flows  map[netip.AddrPort]*flow
}

// flow is the datagrams of one client under one setting.
type flow struct {
	front    *udpFront
	client   netip.AddrPort
	setting  *setting
	socket   packetSocket // the front's
	upstream net.Conn     // to the server; nil where the front answers itself
	mapping  *mapping     // nil unless the path has a NAT
	dropped  int
}

func (f *udpFront) listen() error {
	socket, err := f.sockets.listenUDP(f.address)
	if err != nil {
		return fmt.Errorf("listen for a path: %w", err)
	}
	f.address = addrPort(socket.LocalAddr())
	f.socket = socket
	f.wg.Go(func() { f.receive(socket) })
	return nil
}

func (f *udpFront) set(s *setting) error {
	if _, err := f.identity.certificate(s.fault); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endFlows()
	f.current.Store(s)
	switch {
	case s.fault == Refuse:
		f.closeSocket()
	case f.socket == nil:
		return f.listen()
	}
	return nil
}

func (f *udpFront) endFlows() {
	for client, flow := range f.flows {
		flow.upstream.Close()
		delete(f.flows, client)
	}
}

func (f *udpFront) closeSocket() {
	if f.socket != nil {
		f.socket.Close()
		f.socket = nil
	}
}

func (f *udpFront) close() {
	f.mu.Lock()
	f.closeSocket()
	f.endFlows()
	f.mu.Unlock()
	f.wg.Wait()
}

// receive takes the clients' datagrams until the socket is closed.
func (f *udpFront) receive(socket packetSocket) {
	buffer := make([]byte, maxDatagram)
	for {
		n, client, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if f.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of a client that has closed its socket
		}
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		datagram := append([]byte(nil), buffer[:n]...)
		if flow := f.flow(socket, client, datagram); flow != nil {
			flow.takeFromClient(datagram)
		}
	}
}

// flow finds the flow of a client, or begins it with its first datagram; nil if maxFlows is reached or the socket has
// been replaced.
func (f *udpFront) flow(socket packetSocket, client netip.AddrPort, datagram []byte) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.flows[client]; known != nil {
		if known.mapping == nil || known.mapping.pass() {
			return known
		}
		known.upstream.Close() // the datagram gets a new mapping with another port: the server does not know it
		delete(f.flows, client)
	}
	if f.socket != socket || len(f.flows) >= maxFlows {
		return nil
	}
	fl := &flow{front: f, client: client, setting: f.current.Load(), socket: socket}
	switch fl.setting.fault {
	case Drop, Garbage, Alert:
		return fl // no state
	}
	var err error
	if fl.upstream, err = f.cloud.dial(f.identity, fl.setting.fault, f.coap, offersConnectionID(datagram)); err != nil {
		return nil
	}
	if fl.setting.fault == NATForgets {
		fl.mapping = newMapping(fl.setting.delay)
	}
	f.flows[client] = fl
	f.wg.Go(func() {
		fl.relayFromServer()
		fl.upstream.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.flows[client] == fl {
			delete(f.flows, client)
		}
	})
	return fl
}
