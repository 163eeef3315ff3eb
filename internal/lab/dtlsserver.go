package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
)

// DTLSServer is the UDP side of the device port: DTLS 1.2 with 0xC0AE alone, a client certificate demanded, CoAP
// answered.
type DTLSServer struct {
	Certificate     tls.Certificate
	RefuseStrangers bool
	CoAP            CoAP // not Framed
	MTU             int  // most bytes of one datagram; 0: 1200
	// IdleLimit ends a session with close_notify after that long without a record; 0: none.
	IdleLimit time.Duration

	listener net.Listener
	wg       sync.WaitGroup
}

// handshakePatience bounds a DTLS handshake with its retransmissions.
const handshakePatience = time.Minute

var errStranger = errors.New("client certificate refused as told")

// Listen serves on address (port 0 picks one) until ctx ends; Close waits for the end.
func (s *DTLSServer) Listen(ctx context.Context, address netip.AddrPort) error {
	options := []dtls.ServerOption{
		dtls.WithCertificates(s.Certificate),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
	}
	if s.MTU > 0 {
		options = append(options, dtls.WithMTU(s.MTU))
	}
	if s.RefuseStrangers {
		options = append(options, dtls.WithVerifyConnection(func(*dtls.State) error { return errStranger }))
	}
	listener, err := dtls.ListenWithOptions("udp", net.UDPAddrFromAddrPort(address), options...)
	if err != nil {
		return fmt.Errorf("listen for DTLS: %w", err)
	}
	s.listener = listener
	s.wg.Go(func() { s.accept(ctx) })
	return nil
}

// Address is where the server listens.
func (s *DTLSServer) Address() netip.AddrPort {
	return s.listener.Addr().(*net.UDPAddr).AddrPort()
}

// Close stops listening and waits for the sessions, which end with the context given to Listen.
func (s *DTLSServer) Close() {
	_ = s.listener.Close()
	s.wg.Wait()
}

func (s *DTLSServer) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.wg.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			s.session(ctx, conn.(*dtls.Conn))
		})
	}
}

// session finishes the handshake and answers CoAP until the client closes or falls silent for good.
func (s *DTLSServer) session(ctx context.Context, conn *dtls.Conn) {
	handshake, cancel := context.WithTimeout(ctx, handshakePatience)
	defer cancel()
	if err := conn.HandshakeContext(handshake); err != nil {
		return
	}
	life := sessionLife
	if s.IdleLimit > 0 {
		life = s.IdleLimit
	}
	buffer := make([]byte, maxPlaintext)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(life))
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if answer := s.CoAP.answer(buffer[:n]); answer != nil {
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

// dtlsCloud holds the DTLS servers that fronts relay to, one per host and kind, started when first needed.
type dtlsCloud struct {
	ctx     context.Context
	idle    time.Duration // Options.IdleLimit
	mu      sync.Mutex
	servers map[dtlsKind]*DTLSServer
}

// dtlsKind tells the servers apart.
type dtlsKind struct {
	identity *identity
	fault    string
	coap     CoAP
}

func newDTLSCloud(ctx context.Context, idle time.Duration) *dtlsCloud {
	return &dtlsCloud{ctx: ctx, idle: idle, servers: make(map[dtlsKind]*DTLSServer)}
}

// smallMTU splits a server's flight so that it takes several datagrams.
const smallMTU = 300

// server is the address of the server that answers for a host under a fault.
func (c *dtlsCloud) server(who *identity, fault string, coap CoAP) (netip.AddrPort, error) {
	certificate, err := who.certificate(fault)
	if err != nil {
		return netip.AddrPort{}, err
	}
	coap.Framed = false // RFC 8323 is for streams
	s := &DTLSServer{Certificate: certificate, CoAP: coap, RefuseStrangers: fault == RefuseCertificate, IdleLimit: c.idle}
	kind := dtlsKind{who, fault, coap}
	switch fault {
	case NoPong:
		s.CoAP.Mute = true
	case Fragments:
		s.MTU = 100
	case Reorder:
		s.MTU = smallMTU
	case Intercept, ForgedIssuer, Replay, Expired, NotYetValid, OversizedChain, ClientOnlyLeaf, RefuseCertificate:
	default:
		kind.fault = None // the true server will do
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.servers[kind]; have != nil {
		return have.Address(), nil
	}
	if err := s.Listen(c.ctx, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		return netip.AddrPort{}, err
	}
	c.servers[kind] = s
	return s.Address(), nil
}

func (c *dtlsCloud) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		s.Close()
	}
	clear(c.servers)
}
