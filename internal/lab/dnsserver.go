package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxUDP is the EDNS buffer size that the lab's servers state (DNS flag day 2020).
const maxUDP = 1232

// DNSServer puts an [Answerer] on UDP and TCP of one port.
type DNSServer struct {
	Address netip.AddrPort
	servers []*dns.Server
	wg      sync.WaitGroup
}

// ServeDNS listens on an address of loopback (port 0 picks one that is free for both transports) until closed.
func ServeDNS(address netip.AddrPort, answerer Answerer, now func() time.Time) (*DNSServer, error) {
	return serveDNS(loopbackSockets{}, address, answerer, now)
}

func serveDNS(on sockets, address netip.AddrPort, answerer Answerer, now func() time.Time) (*DNSServer, error) {
	packets, listener, err := listenBoth(on, address)
	if err != nil {
		return nil, fmt.Errorf("listen for DNS: %w", err)
	}
	s := &DNSServer{Address: addrPort(listener.Addr()), servers: []*dns.Server{{PacketConn: packets}, {Listener: listener}}}
	var started sync.WaitGroup
	for _, server := range s.servers {
		overUDP := server.PacketConn != nil
		server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			if m := answer(answerer, q, now(), overUDP); m != nil {
				_ = w.WriteMsg(m) // fails only if the client has gone
			}
		})
		started.Add(1)
		server.NotifyStartedFunc = started.Done
		s.wg.Go(func() { _ = server.ActivateAndServe() })
	}
	started.Wait()
	return s, nil
}

// Close stops listening and waits for the answers in progress.
func (s *DNSServer) Close() error {
	err := errors.Join(s.servers[0].Shutdown(), s.servers[1].Shutdown())
	s.wg.Wait()
	return err
}

// answer is an answerer's answer; nil for silence. One that is larger than the client takes over UDP is emptied and has
// TC set. It keeps no part of an RRset: the content of a truncated answer must not be used (RFC 2181 §9).
func answer(from Answerer, q *dns.Msg, now time.Time, overUDP bool) *dns.Msg {
	m := from.Answer(q, now)
	limit := dns.MinMsgSize
	if opt := q.IsEdns0(); opt != nil {
		limit = max(limit, min(int(opt.UDPSize()), maxUDP))
	}
	if m != nil && overUDP && m.Len() > limit {
		m.Truncated, m.Answer, m.Ns = true, nil, nil
	}
	return m
}

// listenAttempts bounds the ports that are tried until one is free for both transports.
const listenAttempts = 20

func listenBoth(on sockets, address netip.AddrPort) (net.PacketConn, net.Listener, error) {
	for attempt := 1; ; attempt++ {
		listener, err := on.listenTCP(address)
		if err != nil {
			return nil, nil, err
		}
		packets, err := on.listenUDP(addrPort(listener.Addr()))
		if err == nil {
			return packets, listener, nil
		}
		listener.Close()
		if address.Port() != 0 || attempt == listenAttempts {
			return nil, nil, err
		}
	}
}
