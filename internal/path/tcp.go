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

// readSize is enough for a usual server flight in one read; a larger one takes several.
const readSize = 4096

// tcpSession is a [Session] over TCP.
type tcpSession struct {
	baseSession
	client   *devicetls.Client
	unread   []byte // application data that the last read of the ping did not take
	received int    // bytes from the server
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
	err := s.exchange(ctx, s.patience.Hello, s.client.Hello(), devicetls.FlightComplete)
	took := time.Since(started)
	s.out.TLS = s.client.Flight().Seen()
	if err != nil {
		return s.failHello(err)
	}
	return s.helloDone(took, s.client.Flight())
}

func (s *tcpSession) Finish(ctx context.Context) bool {
	started := time.Now()
	answer, err := s.client.Finish(s.walker.certificate())
	if err != nil {
		return s.failLocally(measurement.Finish, err)
	}
	if err := s.exchange(ctx, s.patience.Finish, answer, devicetls.Done); err != nil {
		return s.failFinish(err)
	}
	return s.finishDone(time.Since(started), s.client.Flight())
}

func (s *tcpSession) Ping(ctx context.Context) error {
	return s.ping(ctx, coap.Pinger{Framing: s.target.Framing}, func(*phaseDeadline) coap.Conn { return (*tcpData)(s) })
}

func (s *tcpSession) Listen(ctx context.Context) error {
	return s.listen(ctx, readSize, func(b []byte) error {
		if s.client == nil {
			return nil
		}
		_, err := s.client.Take(b)
		discardData(s.client)
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

// exchange sends a flight and reads until the client has reached the goal. A server that refuses may end the connection
// before everything was sent, and its alert can still be read: a reset of the write is reported only by the read.
func (s *tcpSession) exchange(ctx context.Context, patience time.Duration, send []byte, goal devicetls.Step) error {
	d, err := startPhase(ctx, s.conn, patience)
	if err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	defer d.release()
	if _, err := s.conn.Write(send); err != nil && !isReset(err) {
		return d.cause(fmt.Errorf("send: %w", err))
	}
	step, err := s.client.Take(nil) // bytes that came with the previous flight
	for err == nil && step < goal {
		n, readErr := s.conn.Read(s.buffer(readSize))
		s.received += n
		if step, err = s.client.Take(s.buf[:n]); err == nil && step < goal && readErr != nil {
			if err = s.client.End(); err == nil {
				err = d.cause(readErr)
			}
		}
	}
	return err
}

// failHello records the end of a hello.
func (s *tcpSession) failHello(err error) bool {
	s.peerClosed = true
	incomplete := func(kind measurement.DetailKind) measurement.Detail {
		return measurement.Detail{Kind: kind, N: s.received}
	}
	var alert *devicetls.AlertError
	var notTLS *devicetls.NotTLSError
	var malformed *devicetls.MalformedError
	switch {
	case errors.Is(err, errRoundOver) && s.received == 0:
		return s.fail(measurement.Hello, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailHelloDeadline})
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime, incomplete(measurement.DetailFlightDeadline))
	case errors.Is(err, errSilence) && s.received == 0:
		return s.fail(measurement.Hello, measurement.Silent, measurement.Detail{Kind: measurement.DetailHelloUnanswered, N: 1})
	case errors.Is(err, errSilence):
		return s.fail(measurement.Hello, measurement.Silent, incomplete(measurement.DetailFlightIncomplete))
	case errors.As(err, &alert):
		detail := measurement.Detail{Kind: measurement.DetailAlert, N: int(alert.Description)}
		if alert.CloseNotify() {
			return s.fail(measurement.Hello, measurement.Closed, detail)
		}
		return s.fail(measurement.Hello, measurement.Alert, s.recordAlert(alert))
	case errors.Is(err, io.EOF):
		return s.fail(measurement.Hello, measurement.Closed, incomplete(measurement.DetailFlightClosed))
	case errors.As(err, &notTLS):
		return s.fail(measurement.Hello, notTLSFailure(notTLS), notTLSDetail(notTLS))
	case errors.As(err, &malformed):
		return s.fail(measurement.Hello, measurement.Malformed, malformed.Detail)
	case isReset(err):
		return s.fail(measurement.Hello, measurement.Reset, incomplete(measurement.DetailFlightReset))
	}
	return s.failLocally(measurement.Hello, err)
}

func notTLSFailure(err *devicetls.NotTLSError) measurement.Failure {
	if err.HTTP {
		return measurement.HTTP
	}
	return measurement.NotTLS
}

func notTLSDetail(err *devicetls.NotTLSError) measurement.Detail {
	kind := measurement.DetailNotTLS
	if err.HTTP {
		kind = measurement.DetailHTTP
	}
	return measurement.Detail{Kind: kind, Text: err.Preview()}
}

// tcpData carries CoAP over an established session: a Write is one record, a Read returns the content of one. Its deadline
// is that of the phase.
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
	for len(d.unread) == 0 {
		if data, ok := d.client.Received(); ok {
			d.unread = data
			continue
		}
		if _, ended := d.client.Take(nil); ended != nil {
			return 0, ended // it was received with earlier data
		}
		n, err := d.conn.Read((*tcpSession)(d).buffer(readSize))
		_, ended := d.client.Take(d.buf[:n])
		switch data, ok := d.client.Received(); {
		case ok: // first, even if close_notify came with it
			d.unread = data
		case ended != nil:
			return 0, ended
		case err != nil:
			return 0, err
		}
	}
	n := copy(p, d.unread)
	if d.unread = d.unread[n:]; d.target.Framing != measurement.RFC8323 {
		d.unread = nil // the rest of a message that is too long for a reset
	}
	return n, nil
}
