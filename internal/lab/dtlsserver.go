package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// DTLSServer is the UDP side of the device port: DTLS 1.2 with the one suite 0xC0AE. It requires a client certificate
// and answers CoAP pings.
type DTLSServer struct {
	Certificate tls.Certificate
	// RefuseClients refuses every client certificate.
	RefuseClients bool
	CoAP          CoAP // not Framed
	MTU           int  // most bytes of one datagram; 0: 1200
	// ConnectionID makes the server ask for a connection id by the draft that devices implement. It cannot read the
	// records that carry one: use it where they are dropped. The client must have offered the extension.
	ConnectionID bool
	// IdleLimit ends a session with close_notify after that long without a record; 0: none.
	IdleLimit time.Duration

	listener net.Listener
	wg       sync.WaitGroup
}

// handshakeTimeout bounds a DTLS handshake with its retransmissions.
const handshakeTimeout = time.Minute

var errRefused = errors.New("client certificate refused by configuration")

// Listen serves on address (port 0 picks one) until ctx ends; Close waits for the end.
func (s *DTLSServer) Listen(ctx context.Context, address netip.AddrPort) error {
	listener, err := dtls.ListenWithOptions("udp", net.UDPAddrFromAddrPort(address), s.options()...)
	if err != nil {
		return fmt.Errorf("listen for DTLS: %w", err)
	}
	s.listener = listener
	s.wg.Go(func() { s.accept(ctx) })
	return nil
}

func (s *DTLSServer) options() []dtls.ServerOption {
	options := []dtls.ServerOption{
		dtls.WithCertificates(s.Certificate),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
	}
	if s.MTU > 0 {
		options = append(options, dtls.WithMTU(s.MTU))
	}
	if s.ConnectionID {
		options = append(options, dtls.WithServerHelloMessageHook(func(hello handshake.MessageServerHello) handshake.Message {
			hello.Extensions = append(slices.Clone(hello.Extensions), draftConnectionID{})
			return &hello
		}))
	}
	if s.RefuseClients {
		options = append(options, dtls.WithVerifyConnection(func(*dtls.State) error { return errRefused }))
	}
	return options
}

// draftConnectionID is the connection_id extension of a ServerHello (draft-ietf-tls-dtls-connection-id-05 §3).
type draftConnectionID struct{}

// TypeValue implements [extension.Extension].
func (draftConnectionID) TypeValue() extension.TypeValue { return extensionConnectionID }

// Marshal implements [extension.Extension].
func (draftConnectionID) Marshal() ([]byte, error) {
	id := []byte("lab-id")
	b := binary.BigEndian.AppendUint16(nil, extensionConnectionID)
	b = binary.BigEndian.AppendUint16(b, uint16(1+len(id)))
	return append(append(b, byte(len(id))), id...), nil
}

// Unmarshal implements [extension.Extension]. A server does not call it.
func (draftConnectionID) Unmarshal([]byte) error { return errors.ErrUnsupported }

// Address is where the server listens.
func (s *DTLSServer) Address() netip.AddrPort { return addrPort(s.listener.Addr()) }

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
		s.wg.Go(func() { s.session(ctx, conn.(*dtls.Conn)) })
	}
}

// Serve holds one session with one client on a socket that receives only that client's datagrams, and closes the
// socket.
func (s *DTLSServer) Serve(ctx context.Context, socket net.PacketConn, client net.Addr) error {
	defer socket.Close()
	conn, err := dtls.ServerWithOptions(socket, client, s.options()...)
	if err != nil {
		return fmt.Errorf("serve DTLS: %w", err)
	}
	s.session(ctx, conn)
	return nil
}

// session finishes the handshake and answers CoAP until the client closes the session or an idle limit ends it.
func (s *DTLSServer) session(ctx context.Context, conn *dtls.Conn) {
	defer closeAfter(ctx, conn)()
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(handshake); err != nil {
		return
	}
	buffer := make([]byte, maxPlaintext)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(cmp.Or(s.IdleLimit, maxSession)))
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

// dtlsCloud runs the DTLS servers behind the fronts, one per flow, on a network of their own.
type dtlsCloud struct {
	ctx       context.Context
	idleLimit time.Duration // Options.IdleLimit
	network   memnet.Network
	wg        sync.WaitGroup
}

const (
	// smallMTU splits a server's flight into several datagrams.
	smallMTU = 300
	// tinyMTU is that of the fault Fragments.
	tinyMTU = 100
)

// dial connects a flow to a new server that answers for a host under a fault. offersID tells that the client offers a
// connection id.
func (c *dtlsCloud) dial(host *identity, fault string, coap CoAP, offersID bool) (net.Conn, error) {
	certificate, err := host.certificate(fault)
	if err != nil {
		return nil, err
	}
	coap.Framed = false // RFC 8323 is for streams
	s := &DTLSServer{Certificate: certificate, CoAP: coap, RefuseClients: fault == RefuseCertificate, IdleLimit: c.idleLimit}
	switch fault {
	case NoPong:
		s.CoAP.Mute = true
	case DropConnectionIDs:
		s.ConnectionID = offersID
	case Fragments:
		s.MTU = tinyMTU
	case Reorder:
		s.MTU = smallMTU
	}
	socket, err := c.network.ListenPacket(netip.AddrPortFrom(netip.IPv6Loopback(), 0))
	if err != nil {
		return nil, err
	}
	upstream, err := c.network.Dial(c.ctx, "udp", socket.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	c.wg.Go(func() { _ = s.Serve(c.ctx, socket, upstream.LocalAddr()) }) // the client reports how the session ended
	return upstream, nil
}

// close waits for the servers, which end with the context.
func (c *dtlsCloud) close() { c.wg.Wait() }
