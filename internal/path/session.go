package path

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// readSize holds a usual server flight in one read; a larger one takes several.
const readSize = 4096

// Session is one TCP path walked as a device does, step by step: Connect, Hello, Finish, Ping, Close. The first three
// return whether the next step can be taken; what was seen is in [Session.Outcome]. Between steps the connection may be
// left silent for as long as is to be measured, with [Session.Listen] to see whether it is ended meanwhile.
//
// Close must be called whatever the steps returned. A Session is not safe for concurrent use.
type Session struct {
	walker   *Walker
	patience Patience
	target   Target
	conn     net.Conn
	client   *devicetls.Client
	buf      []byte
	rest     []byte // application data that a read of the ping left over
	heard    int    // bytes that came
	dead     bool   // the server ended the session
	out      evidence.Outcome
}

// Session begins a walk of a TCP path with a device's hello; nothing is sent yet.
func (w *Walker) Session(t Target) *Session {
	return &Session{
		walker: w, patience: w.Patience.tcp(), target: t,
		out: evidence.Outcome{Address: t.Address, Transport: evidence.TCP, Client: evidence.Device},
	}
}

// Outcome is what the steps so far saw.
func (s *Session) Outcome() evidence.Outcome { return s.out }

// Connect opens the TCP connection.
func (s *Session) Connect(ctx context.Context) bool {
	s.conn = s.walker.connect(ctx, s.target, s.patience.Connect, &s.out)
	return s.conn != nil
}

// Hello sends the device's hello and reads the server's whole flight.
func (s *Session) Hello(ctx context.Context) bool {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	s.client = devicetls.New(random)
	started := time.Now()
	err := s.converse(ctx, s.patience.Hello, s.client.Hello(), devicetls.FlightWhole)
	took := time.Since(started)
	flight := s.client.Flight()
	s.out.TLS = flight.Evidence()
	if err != nil {
		return s.failHello(err)
	}
	s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Hello, Took: took})
	if len(flight.Unfit) > 0 {
		return s.fail(evidence.Hello, evidence.Unfit, strings.Join(flight.Unfit, "; "))
	}
	// A holder that has not proved its key is nobody to show our certificate to; a device stops here as well.
	return flight.KeyProved
}

// Finish shows our certificate if it is asked for and completes the session.
func (s *Session) Finish(ctx context.Context) bool {
	var certificate *tls.Certificate
	if s.walker.Credential != nil {
		if credential := s.walker.Credential(); credential != nil {
			certificate = &credential.Certificate
		}
	}
	started := time.Now()
	answer, err := s.client.Finish(certificate)
	if err != nil {
		return s.fail(evidence.Finish, evidence.Internal, err.Error())
	}
	if err := s.converse(ctx, s.patience.Finish, answer, devicetls.Done); err != nil {
		return s.failFinish(err)
	}
	s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Finish, Took: time.Since(started)})
	return true
}

var (
	// ErrNoPong means that the server did not answer the ping in time. The session stands as far as is known: a server may
	// ignore strangers.
	ErrNoPong = coap.ErrNoPong
	// ErrEnded means that the server ended the connection: FIN or close_notify.
	ErrEnded = errors.New("the server ended the session")
	// ErrCut means that the connection was cut by RST or a fatal alert.
	ErrCut = errors.New("the session was cut")
	// ErrRoundOver means that the context ended first.
	ErrRoundOver = errRoundOver
)

// Ping sends an empty CoAP message and waits for its reset: nil, [ErrNoPong], [ErrEnded], [ErrCut] or [ErrRoundOver]. It
// may be called again after a silence. Only the last is a failure of the walk.
func (s *Session) Ping(ctx context.Context) error {
	b, err := newBound(ctx, s.conn, s.patience.Ping)
	if err != nil {
		return fmt.Errorf("ping: %w", ErrCut)
	}
	defer b.release()
	s.out.Pinged, s.out.Ponged = true, false
	took, _, err := coap.Pinger{Framing: s.target.Framing}.Ping((*tcpData)(s), b.end)
	if err == nil {
		s.out.Ponged = true
		s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Ping, Took: took})
		return nil
	}
	if errors.Is(b.of(err), errRoundOver) {
		s.fail(evidence.Ping, evidence.OutOfTime, "the round ended before the answer to the ping")
		return ErrRoundOver
	}
	if errors.Is(err, coap.ErrNoPong) {
		return ErrNoPong
	}
	return fmt.Errorf("ping: %w", s.ending(err))
}

// Listen waits in silence until ctx ends, which is nil, or the server ends the session: [ErrEnded] or [ErrCut]. What the
// server says meanwhile is passed over.
func (s *Session) Listen(ctx context.Context) error {
	b, err := newBound(ctx, s.conn, 0)
	if err != nil {
		return fmt.Errorf("listen: %w", ErrCut)
	}
	defer b.release()
	for {
		n, err := s.conn.Read(s.buffer())
		if n > 0 && s.client != nil {
			if _, taken := s.client.Take(s.buf[:n]); taken != nil {
				return fmt.Errorf("listen: %w", s.ending(taken))
			}
			for {
				if _, waits := s.client.Received(); !waits {
					break
				}
			}
		}
		if err != nil {
			if errors.Is(b.of(err), errRoundOver) {
				return nil
			}
			return fmt.Errorf("listen: %w", s.ending(err))
		}
	}
}

// ending says how a session that stood came to its end.
func (s *Session) ending(err error) error {
	s.dead = true
	var alert *devicetls.AlertError
	if errors.Is(err, io.EOF) || errors.Is(err, coap.ErrReleased) || errors.As(err, &alert) && alert.CloseNotify() {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// farewell is how long the close_notify may wait for room in the send buffer: nothing depends on it.
const farewell = 100 * time.Millisecond

// Close ends the session politely, if it stands, and closes the connection. It may be called at any time.
func (s *Session) Close() {
	if s.conn == nil {
		return
	}
	if s.client != nil && !s.dead {
		if notify := s.client.Close(); notify != nil {
			_ = s.conn.SetWriteDeadline(time.Now().Add(farewell))
			_, _ = s.conn.Write(notify)
		}
	}
	_ = s.conn.Close() // the kernel sends what is left; there is nothing to be done about an error
	s.conn = nil
}

func (s *Session) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, readSize)
	}
	return s.buf
}

// converse sends and then reads until the client has come to the goal. A server that refuses may have ended the
// connection before all was sent: what it said is still there to read, so a failed write alone ends nothing.
func (s *Session) converse(ctx context.Context, patience time.Duration, send []byte, goal devicetls.Step) error {
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
		n, failed := s.conn.Read(s.buffer())
		s.heard += n
		if step, err = s.client.Take(s.buf[:n]); err == nil && step < goal && failed != nil {
			if err = s.client.End(); err == nil {
				err = b.of(failed)
			}
		}
	}
	return err
}

// tcpData is a finished session as a carrier of CoAP: a Write is a record, a Read the content of one. Its deadline is
// the phase's, which stands already.
type tcpData Session

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

// errNotFinished means a ping before the session was complete: a mistake of the caller.
var errNotFinished = errors.New("the session is not complete")

func (d *tcpData) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if data, ok := d.client.Received(); ok {
			d.rest = data
			continue
		}
		n, err := d.conn.Read((*Session)(d).buffer())
		if step, taken := d.client.Take(d.buf[:n]); taken != nil {
			return 0, taken
		} else if err != nil && step != devicetls.Data {
			return 0, err
		}
	}
	n := copy(p, d.rest)
	if d.rest = d.rest[n:]; d.target.Framing != evidence.RFC8323 {
		d.rest = nil // a message too long to be of interest
	}
	return n, nil
}
