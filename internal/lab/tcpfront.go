package lab

import (
	"fmt"
	"io"
	"net"
	"time"
)

// maxSessions bounds the connections that are open at one front at a time.
const maxSessions = 1024

// tcpFront accepts the connections to one address and port and inflicts a fault on them. A new fault applies to the
// next connection; sessions that already run go on.
type tcpFront struct {
	*frontBase
	web       bool // a web host; else a device port
	idleLimit time.Duration
	slots     chan struct{}

	// Guarded by mu.
	socket  io.Closer // a listener, or a hole that drops SYNs; nil while connections are refused
	accepts bool      // socket is a listener
}

func (f *tcpFront) listen() error {
	listener, err := f.sockets.listenTCP(f.address)
	if err != nil {
		return fmt.Errorf("listen for a path: %w", err)
	}
	f.address = addrPort(listener.Addr())
	f.socket, f.accepts = listener, true
	f.wg.Go(func() { f.accept(listener) })
	return nil
}

// set changes the fault. The port keeps its number while it is closed: the address belongs to the lab.
func (f *tcpFront) set(s *setting) error {
	if _, err := f.identity.certificate(s.fault); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	open := s.fault != Refuse && s.fault != Drop
	if !open || !f.accepts {
		f.closeSocket()
	}
	f.current.Store(s)
	switch {
	case s.fault == Drop:
		hole, err := f.sockets.blackhole(f.ctx, f.address)
		if err != nil {
			return err
		}
		f.socket = hole
	case open && !f.accepts:
		return f.listen()
	}
	return nil
}

func (f *tcpFront) closeSocket() {
	if f.socket != nil {
		f.socket.Close()
	}
	f.socket, f.accepts = nil, false
}

// close stops listening and waits for the sessions, which end with the lab's context.
func (f *tcpFront) close() {
	f.mu.Lock()
	f.closeSocket()
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *tcpFront) accept(listener net.Listener) {
	for {
		accepted, err := listener.Accept()
		if err != nil {
			return // closed by set, or with the lab
		}
		conn := accepted.(stream)
		select {
		case f.slots <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		f.wg.Go(func() {
			defer func() { <-f.slots }()
			defer closeAfter(f.ctx, conn)()
			f.inflict(conn, f.current.Load())
		})
	}
}
