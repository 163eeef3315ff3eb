//go:build realpeers

package oracle

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// sessionLife bounds a session whose client does not end it.
const sessionLife = 30 * time.Second

// listenTCP runs a script on a free port until the test ends.
func listenTCP(t testing.TB, on netip.Addr, s *script) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(on, 0)))
	if err != nil {
		t.Fatal(err)
	}
	server := &server{ended: make(chan struct{})}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := make(map[*net.TCPConn]bool)
	running.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			running.Go(func() {
				_ = conn.SetDeadline(time.Now().Add(sessionLife))
				session := &session{script: s, server: server, version: 0x0303}
				session.w = &tlsWire{session: session, conn: conn}
				switch err := session.run(); {
				case errors.Is(err, errReset):
					_ = conn.SetLinger(0) // Close then sends RST
				case errors.Is(err, errClosed):
				default:
					// What the client has yet to send would turn the end into RST.
					_ = conn.CloseWrite()
					session.w.drain()
				}
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(server.ended)
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}
