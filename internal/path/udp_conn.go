package path

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
)

// udpConn is a connected socket whose reads also end when a context does.
type udpConn struct {
	net.Conn
	mu    sync.Mutex
	ended bool
}

// SetReadDeadline sets when a read gives up; once the watched context ended that is at once.
func (c *udpConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		t = time.Unix(1, 0)
	}
	return c.Conn.SetReadDeadline(t)
}

// watch makes reads end when ctx does. stop must be called before another watch; after it nothing of it runs.
func (c *udpConn) watch(ctx context.Context) (stop func()) {
	c.mu.Lock()
	c.ended = false
	c.mu.Unlock()
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket, whose reads end anyway
	})
	return func() {
		if !unhook() {
			<-done
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// udpData is a finished session as a carrier of CoAP: a Write is a record in a datagram, a Read the content of one.
type udpData udpSession

func (d *udpData) SetReadDeadline(t time.Time) error { return d.conn.SetReadDeadline(t) }

func (d *udpData) Write(p []byte) (int, error) {
	if err := d.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	if _, err := d.conn.Write(d.client.Seal(p)); err != nil && !isUnreachable(err) {
		return 0, err
	}
	return len(p), nil
}

// Read gives the next application data. Datagrams without any are passed over, so many at most as make a phase.
func (d *udpData) Read(p []byte) (int, error) {
	if d.buf == nil {
		d.buf = make([]byte, devicedtls.MaxDatagram)
	}
	for range udpMaxDatagrams {
		if data, ok := d.client.Received(); ok {
			return copy(p, data), nil
		}
		n, err := d.conn.Read(d.buf)
		switch {
		case isUnreachable(err):
			continue
		case err != nil:
			return 0, err
		}
		if _, err := d.client.Take(d.buf[:n]); err != nil {
			d.dead = true
			return 0, err
		}
	}
	return 0, errSilence
}
