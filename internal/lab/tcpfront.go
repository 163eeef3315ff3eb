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

// maxSessions bounds the connections open at once at one front.
const maxSessions = 1024

// tcpFront is where a client's connection to one address and port arrives, and where a fault is inflicted on it.
// A fault that is set changes what the next connection meets; sessions that already run go on.
type tcpFront struct {
	address  netip.AddrPort
	web      bool // a web host; else a device port
	identity *identity
	coap     CoAP
	idle     time.Duration

	ctx     context.Context // ends with the lab
	wg      sync.WaitGroup
	current atomic.Pointer[setting]
	slots   chan struct{}

	mu       sync.Mutex
	listener *net.TCPListener // nil while connections are refused or dropped
	hole     *blackhole       // nil unless they are dropped
}

// open starts listening; port 0 picks one.
func (f *tcpFront) open(ctx context.Context) error {
	f.ctx = ctx
	f.slots = make(chan struct{}, maxSessions)
	f.current.Store(&setting{text: None, fault: None})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listen()
}

func (f *tcpFront) listen() error {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(f.address))
	if err != nil {
		return fmt.Errorf("listen for a path: %w", err)
	}
	f.address = listener.Addr().(*net.TCPAddr).AddrPort()
	f.listener = listener
	f.wg.Go(func() { f.accept(listener) })
	return nil
}

// set changes the fault. The port keeps its number while it is closed: the address is the lab's own.
func (f *tcpFront) set(s *setting) error {
	if _, err := f.identity.certificate(s.fault); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	open := s.fault != Refuse && s.fault != Drop
	if !open || f.hole != nil {
		f.shut()
	}
	f.current.Store(s)
	switch {
	case s.fault == Drop:
		hole, err := openBlackhole(f.ctx, f.address)
		f.hole = hole
		return err
	case open && f.listener == nil:
		return f.listen()
	}
	return nil
}

func (f *tcpFront) shut() {
	if f.listener != nil {
		f.listener.Close()
		f.listener = nil
	}
	if f.hole != nil {
		f.hole.close()
		f.hole = nil
	}
}

// close ends listening and waits for the sessions, which end with the context given to open.
func (f *tcpFront) close() {
	f.mu.Lock()
	f.shut()
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *tcpFront) accept(listener *net.TCPListener) {
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			return // closed: by set, or with the lab
		}
		select {
		case f.slots <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		f.wg.Go(func() {
			defer func() { <-f.slots }()
			defer conn.Close()
			stop := context.AfterFunc(f.ctx, func() { conn.Close() })
			defer stop()
			f.inflict(conn, f.current.Load())
		})
	}
}

func (f *tcpFront) at() netip.AddrPort { return f.address }
func (f *tcpFront) now() *setting      { return f.current.Load() }
