package lab

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Network carries DNS to [Answerer]s in memory, in virtual time under testing/synctest. Packets to an address without
// an answerer are lost. It is safe for concurrent use.
type Network struct {
	mu      sync.Mutex
	servers map[netip.AddrPort]Answerer
	lost    func(to netip.AddrPort) bool
}

// Put sets the answerer of an address; nil removes it.
func (n *Network) Put(at netip.AddrPort, a Answerer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = make(map[netip.AddrPort]Answerer)
	}
	n.servers[at] = a
}

// Lose sets the function that decides for each datagram whether it is lost. It must be safe for concurrent use.
func (n *Network) Lose(lost func(to netip.AddrPort) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = lost
}

// Dial connects to the answerer that address has at the time of each packet. network is "udp" or "tcp".
func (n *Network) Dial(_ context.Context, network, address string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	go n.serve(far, at, network == "tcp")
	return near, nil
}

// serve answers on one connection until the other end is closed. Like a server of many clients, it reads on while an
// answerer takes its time.
func (n *Network) serve(conn net.Conn, at netip.AddrPort, stream bool) {
	defer conn.Close()
	buffer := make([]byte, dns.MaxMsgSize)
	for {
		packet, err := readPacket(conn, buffer, stream)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		n.mu.Lock()
		server, lost := n.servers[at], n.lost
		n.mu.Unlock()
		if server == nil || !stream && lost != nil && lost(at) || q.Unpack(packet) != nil {
			continue
		}
		go func() {
			if packet := answerPacket(server, q, stream); packet != nil {
				_, _ = conn.Write(packet)
			}
		}()
	}
}

// readPacket reads a datagram, or a message with its length prefix.
func readPacket(conn net.Conn, buffer []byte, stream bool) ([]byte, error) {
	if !stream {
		size, err := conn.Read(buffer)
		return buffer[:size], err
	}
	if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
		return nil, err
	}
	packet := buffer[:binary.BigEndian.Uint16(buffer)]
	_, err := io.ReadFull(conn, packet)
	return packet, err
}

// answerPacket returns the packet that answers q, or nil for silence.
func answerPacket(server Answerer, q *dns.Msg, stream bool) []byte {
	m := answer(server, q, time.Now(), !stream)
	if m == nil {
		return nil
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	if stream {
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
	}
	return out
}
