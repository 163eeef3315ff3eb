package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// webLife bounds one connection to a web server.
const webLife = 30 * time.Second

// maxRequest bounds the request that is read.
const maxRequest = 64 << 10

const page = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlab\n"

// WebServer is a web host: TLS 1.2 and 1.3, one small page for any request.
type WebServer struct{ Certificate tls.Certificate }

// Serve answers one request on conn and closes it.
func (s *WebServer) Serve(ctx context.Context, conn net.Conn) error {
	defer closeAfter(ctx, conn)()
	_ = conn.SetDeadline(time.Now().Add(webLife))

	session := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.Certificate}, MinVersion: tls.VersionTLS12})
	if err := session.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if _, err := http.ReadRequest(bufio.NewReader(io.LimitReader(session, maxRequest))); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if _, err := io.WriteString(session, page); err != nil {
		return fmt.Errorf("answer request: %w", err)
	}
	return session.Close()
}
