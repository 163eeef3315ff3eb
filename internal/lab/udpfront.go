package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFlows bounds the clients known at once at one front; the datagrams of further ones are dropped.
	maxFlows = 1024
	// flowIdle is how long a session's flow may be silent before it is forgotten, and handshakePatience one without a session.
	flowIdle = 20 * time.Minute
	// lastWords is how long a flow outlives the server's farewell.
	lastWords = time.Second
	// pairWait is how long Reorder keeps a datagram that has no second one to be swapped with.
	pairWait = 20 * time.Millisecond
	// maxDatagram is the most a UDP datagram holds.
	maxDatagram = 1 << 16
)

// udpFront relays the datagrams of one address and port to a DTLS server, and inflicts a fault on them. A fault that is
// set ends the flows that run: their next datagram begins a new one under it.
type udpFront struct {
	address  netip.AddrPort
	identity *identity
	cloud    *dtlsCloud
	coap     CoAP

	ctx     context.Context
	wg      sync.WaitGroup
	current atomic.Pointer[setting]

	mu     sync.Mutex
	socket *net.UDPConn // nil while datagrams are refused
	flows  map[netip.AddrPort]*flow
}

// flow is one client's datagrams under one setting.
type flow struct {
	front    *udpFront
	client   netip.AddrPort
	setting  *setting
	socket   *net.UDPConn // the front's
	upstream *net.UDPConn // connected to the server; nil where the front answers by itself
	mapping  *mapping     // nil unless a NAT is to forget the flow
	dropped  int
}

func (f *udpFront) open(ctx context.Context) error {
	f.ctx = ctx
	f.flows = make(map[netip.AddrPort]*flow)
	f.current.Store(&setting{text: None, fault: None})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listen()
}

func (f *udpFront) listen() error {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(f.address))
	if err != nil {
		return fmt.Errorf("listen for a path: %w", err)
	}
	f.address = socket.LocalAddr().(*net.UDPAddr).AddrPort()
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
	if s.fault == Refuse {
		f.closeSocket()
		return nil
	}
	if f.socket == nil {
		return f.listen()
	}
	return nil
}

func (f *udpFront) endFlows() {
	for client, flow := range f.flows {
		flow.end()
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

func (f *udpFront) at() netip.AddrPort { return f.address }
func (f *udpFront) now() *setting      { return f.current.Load() }

// receive takes the clients' datagrams until the socket is closed.
func (f *udpFront) receive(socket *net.UDPConn) {
	buffer := make([]byte, maxDatagram)
	for {
		n, client, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if f.ctx.Err() != nil || isClosed(err) {
				return
			}
			continue // ICMP of a client that went away
		}
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		if flow := f.flow(socket, client); flow != nil {
			flow.up(append([]byte(nil), buffer[:n]...))
		}
	}
}

// flow finds or begins a client's flow; nil if there is no room, or the socket is one of before.
func (f *udpFront) flow(socket *net.UDPConn, client netip.AddrPort) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.flows[client]; have != nil {
		if have.mapping == nil || have.mapping.pass() {
			return have
		}
		have.end() // the datagram gets a new mapping, from another port: the server takes it for a stranger's
		delete(f.flows, client)
	}
	if f.socket != socket || len(f.flows) >= maxFlows {
		return nil
	}
	fl := &flow{front: f, client: client, setting: f.current.Load(), socket: socket}
	switch fl.setting.fault {
	case Drop, Garbage, Alert:
		return fl // nothing to remember
	}
	server, err := f.cloud.server(f.identity, fl.setting.fault, f.coap)
	if err != nil {
		return nil
	}
	if fl.upstream, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server)); err != nil {
		return nil
	}
	if fl.setting.fault == NATForgets {
		fl.mapping = newMapping(fl.setting.delay)
	}
	f.flows[client] = fl
	f.wg.Go(func() {
		fl.down()
		fl.upstream.Close()
		f.forget(fl)
	})
	return fl
}

func (f *udpFront) forget(fl *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flows[fl.client] == fl {
		delete(f.flows, fl.client)
	}
}

func (fl *flow) end() { fl.upstream.Close() }
