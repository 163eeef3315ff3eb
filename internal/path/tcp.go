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
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// readSize is enough for a usual server flight in one read; a larger one takes several.
const readSize = 4096

// minProgress is how many bytes of the server flight must come within a phase's patience for the phase to go on. At
// the default patience it is the speed at which a handshake takes a minute.
const minProgress = 256

// tcpSession is a [Session] over TCP.
type tcpSession struct {
	baseSession
	client   *devicetls.Client
	unread   []byte // application data that the last read of the ping did not take
	received int    // bytes from the server
	sent     int    // bytes to the server
	unsent   bool   // a write failed because the connection was reset
}

func (s *tcpSession) Connect(ctx context.Context) bool {
	s.conn = s.walker.connect(ctx, s.target, s.patience.Connect, &s.out)
	s.trip, _ = s.out.Took(measurement.Connect)
	return s.conn != nil
}

func (s *tcpSession) Hello(ctx context.Context) bool {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	s.client = devicetls.New(random)
	err := s.exchange(ctx, scaled(s.patience.Hello, s.trip), s.client.Hello(), devicetls.FlightComplete)
	took := s.conn.Elapsed()
	s.out.TLS = s.client.Flight().Seen()
	if err != nil {
		return s.failHello(err)
	}
	s.trip = max(s.trip, took)
	return s.helloDone(took, s.client.Flight())
}

func (s *tcpSession) Finish(ctx context.Context) bool {
	answer, err := s.client.Finish(s.walker.certificate())
	if err != nil {
		return s.failLocally(measurement.Finish, err)
	}
	patience := scaled(s.patience.Finish, s.trip)
	if err := s.exchange(ctx, patience, answer, devicetls.Done); err != nil {
		end := finishEnd{err: err, patience: patience, delivery: deliveryOf(sockclock.Info(s.conn), s.sent), accepted: s.client.CipherChanged()}
		end.refuses = s.client.Flight().RefusesSignature
		if s.unsent {
			end.delivery = undelivered
		}
		return s.failFinish(end)
	}
	return s.finishDone(s.conn.Elapsed(), s.client.Flight())
}

func (s *tcpSession) Ping(ctx context.Context) error {
	return s.ping(ctx, coap.Pinger{Framing: s.target.Framing}, func(d *phaseDeadline) coap.Conn { return &tcpData{s, d} })
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

// exchange sends a flight and reads until the client has reached the goal. A server that refuses may end the
// connection before everything was sent, and its alert can still be read: a reset of the write is reported only by
// the read. A phase in which the flight keeps coming is extended.
func (s *tcpSession) exchange(ctx context.Context, patience time.Duration, send []byte, goal devicetls.Step) error {
	d, err := startPhase(ctx, s.conn, patience)
	if err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	defer d.release()
	defer func() { s.suspended = s.suspended || d.suspended }()
	s.conn.Begin()
	n, writeErr := s.conn.Write(send)
	s.sent += n
	s.unsent = sockerr.Of(writeErr) == sockerr.Reset
	if writeErr != nil && !s.unsent {
		return d.cause(fmt.Errorf("send: %w", writeErr))
	}
	step, err := s.client.Take(nil) // bytes that came with the previous flight
	for extended := s.received; err == nil && step < goal; {
		n, readErr := d.read(s.buffer(readSize))
		s.received += n
		step, err = s.client.Take(s.buf[:n])
		switch {
		case step >= goal:
			return nil // even if the session ended in the same bytes
		case err != nil || readErr == nil:
		case errors.Is(d.cause(readErr), errSilence) && s.received-extended >= minProgress:
			extended = s.received
			err = d.extendTo(time.Now().Add(patience))
		default:
			if s.unsent && errors.Is(readErr, io.EOF) { // the kernel has reported the reset to the write
				readErr = writeErr
			}
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
	if failure, detail, ok := helloFailure(&s.out, err); ok {
		return s.fail(measurement.Hello, failure, detail)
	}
	incomplete := func(kind measurement.DetailKind) measurement.Detail {
		return measurement.Detail{Kind: kind, N: s.received}
	}
	var notTLS *devicetls.NotTLSError
	fault := sockerr.Of(err)
	switch {
	case errors.Is(err, errRoundOver) && s.received == 0:
		return s.fail(measurement.Hello, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailHelloDeadline})
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime, incomplete(measurement.DetailFlightDeadline))
	case errors.Is(err, errSilence), fault == sockerr.TimedOut:
		return s.fail(measurement.Hello, measurement.Silent, silenceDetail(sockclock.Info(s.conn), s.sent, s.received))
	case errors.Is(err, io.EOF):
		return s.fail(measurement.Hello, measurement.Closed, incomplete(measurement.DetailFlightClosed))
	case errors.As(err, &notTLS):
		return s.fail(measurement.Hello, notTLSFailure(notTLS), notTLSDetail(notTLS))
	case fault == sockerr.Reset:
		return s.fail(measurement.Hello, measurement.Reset, incomplete(measurement.DetailFlightReset))
	}
	return s.failLocally(measurement.Hello, err)
}

// silenceDetail returns what the kernel knows about a hello that was not answered by a complete flight.
func silenceDetail(info sockclock.TCPInfo, sent, received int) measurement.Detail {
	switch {
	case info.OutOfOrder > 0:
		return measurement.Detail{Kind: measurement.DetailSegmentsLost, N: int(info.OutOfOrder)}
	case received > 0:
		return measurement.Detail{Kind: measurement.DetailFlightIncomplete, N: received}
	}
	switch deliveryOf(info, sent) {
	case delivered:
		return measurement.Detail{Kind: measurement.DetailHelloDelivered}
	case undelivered:
		return measurement.Detail{Kind: measurement.DetailHelloNotDelivered}
	case deliveryUnknown:
	}
	return measurement.Detail{Kind: measurement.DetailHelloUnanswered, N: 1}
}

func notTLSFailure(err *devicetls.NotTLSError) measurement.Failure {
	if err.Page {
		return measurement.HTTP
	}
	return measurement.NotTLS
}

func notTLSDetail(err *devicetls.NotTLSError) measurement.Detail {
	kind := measurement.DetailNotTLS
	switch {
	case err.Page:
		kind = measurement.DetailHTTP
	case err.HTTP:
		kind = measurement.DetailHTTPServer
	}
	return measurement.Detail{Kind: kind, Text: err.Preview()}
}

// tcpData carries CoAP over an established session: a Write is one record, a Read returns the content of one. Its
// deadline is that of the phase.
type tcpData struct {
	*tcpSession
	deadline *phaseDeadline
}

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
		n, err := d.deadline.read(d.buffer(readSize))
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
