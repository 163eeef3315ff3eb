package path

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// readSize holds a usual server flight in one read; a larger one takes several.
const readSize = 4096

// tcpSession is a [Session] over TCP.
type tcpSession struct {
	walk
	client *devicetls.Client
	rest   []byte // application data that a read of the ping left over
	heard  int    // bytes that came
}

func (s *tcpSession) Connect(ctx context.Context) bool {
	s.conn = s.walker.connect(ctx, s.target, s.patience.Connect, &s.out)
	return s.conn != nil
}

func (s *tcpSession) Hello(ctx context.Context) bool {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	s.client = devicetls.New(random)
	started := time.Now()
	err := s.converse(ctx, s.patience.Hello, s.client.Hello(), devicetls.FlightWhole)
	took := time.Since(started)
	s.out.TLS = s.client.Flight().Evidence()
	if err != nil {
		return s.failHello(err)
	}
	return s.greeted(took, s.client.Flight())
}

func (s *tcpSession) Finish(ctx context.Context) bool {
	started := time.Now()
	answer, err := s.client.Finish(s.walker.certificate())
	if err != nil {
		return s.fail(measurement.Finish, measurement.Internal, err.Error())
	}
	if err := s.converse(ctx, s.patience.Finish, answer, devicetls.Done); err != nil {
		return s.failFinish(err)
	}
	return s.finished(time.Since(started), s.client.Flight())
}

func (s *tcpSession) Ping(ctx context.Context) error {
	return s.ping(ctx, coap.Pinger{Framing: s.target.Framing}, func(*bound) coap.Conn { return (*tcpData)(s) })
}

func (s *tcpSession) Listen(ctx context.Context) error {
	return s.listen(ctx, readSize, func(b []byte) error {
		if s.client == nil {
			return nil
		}
		_, err := s.client.Take(b)
		passOver(s.client)
		return err
	})
}

func (s *tcpSession) Close() {
	if s.client == nil {
		s.close(nil)
		return
	}
	s.close(s.client.Close())
}

// converse sends and then reads until the client has come to the goal. A server that refuses may have ended the
// connection before all was sent: what it said is still there to read, so a failed write alone ends nothing.
func (s *tcpSession) converse(ctx context.Context, patience time.Duration, send []byte, goal devicetls.Step) error {
	b, err := newBound(ctx, s.conn, patience)
	if err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	defer b.release()
	if _, err := s.conn.Write(send); err != nil && !isReset(err) {
		return b.of(fmt.Errorf("send: %w", err))
	}
	step, err := s.client.Take(nil) // what came with the last flight
	for err == nil && step < goal {
		n, failed := s.conn.Read(s.buffer(readSize))
		s.heard += n
		if step, err = s.client.Take(s.buf[:n]); err == nil && step < goal && failed != nil {
			if err = s.client.End(); err == nil {
				err = b.of(failed)
			}
		}
	}
	return err
}

// failHello says what ended the hello.
func (s *tcpSession) failHello(err error) bool {
	var alert *devicetls.AlertError
	var other *devicetls.NotTLSError
	s.dead = true
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime, "the round ended before the server's flight was whole")
	case errors.Is(err, errSilence):
		return s.fail(measurement.Hello, measurement.Silent, "connected, but not in time "+s.soFar())
	case errors.As(err, &alert) && !alert.CloseNotify():
		s.sawAlert(alert)
		return s.fail(measurement.Hello, measurement.Alert, alert.Error())
	case errors.Is(err, io.EOF), errors.As(err, &alert):
		return s.fail(measurement.Hello, measurement.Closed, "ended by the other side "+s.soFar())
	case errors.As(err, &other) && other.HTTP:
		return s.fail(measurement.Hello, measurement.HTTP, string(other.Line))
	case errors.As(err, &other):
		return s.fail(measurement.Hello, measurement.NotTLS, other.Error())
	case errors.Is(err, devicetls.ErrMalformed):
		return s.fail(measurement.Hello, measurement.Malformed, err.Error())
	case isReset(err):
		return s.fail(measurement.Hello, measurement.Reset, "cut by RST "+s.soFar())
	}
	return s.fail(measurement.Hello, measurement.Internal, err.Error())
}

// soFar tells how much of the server's flight came.
func (s *tcpSession) soFar() string {
	if s.heard == 0 {
		return "(nothing came after our hello)"
	}
	return fmt.Sprintf("(%d bytes came, not the whole of the server's flight)", s.heard)
}

// tcpData is a finished session as a carrier of CoAP: a Write is a record, a Read the content of one. Its deadline is
// the phase's, which stands already.
type tcpData tcpSession

// SetReadDeadline does nothing: see [tcpData].
func (d *tcpData) SetReadDeadline(time.Time) error { return nil }

func (d *tcpData) Write(p []byte) (int, error) {
	record := d.client.Seal(p)
	if record == nil {
		return 0, errNotFinished
	}
	if _, err := d.conn.Write(record); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d *tcpData) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if data, ok := d.client.Received(); ok {
			d.rest = data
			continue
		}
		if _, ended := d.client.Take(nil); ended != nil {
			return 0, ended // it came with the data before it
		}
		n, err := d.conn.Read((*tcpSession)(d).buffer(readSize))
		_, ended := d.client.Take(d.buf[:n])
		switch data, ok := d.client.Received(); {
		case ok: // first, even if the server's farewell came with it
			d.rest = data
		case ended != nil:
			return 0, ended
		case err != nil:
			return 0, err
		}
	}
	n := copy(p, d.rest)
	if d.rest = d.rest[n:]; d.target.Framing != measurement.RFC8323 {
		d.rest = nil // a message too long to be of interest
	}
	return n, nil
}
