package path

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// Session probes one path step by step, as a device does. Connect, Hello and Finish report whether the next step can
// be taken; what they observed is in the Outcome. The path may be left silent between steps for as long as the caller
// wants.
//
// Close must be called whatever the steps returned. A Session is not safe for concurrent use.
type Session interface {
	// Connect opens the TCP connection. Over UDP it opens a socket and sends nothing.
	Connect(ctx context.Context) bool
	// Hello sends the device's hello and reads the complete server flight.
	Hello(ctx context.Context) bool
	// Finish sends the client certificate if the server asks for one, and completes the handshake.
	Finish(ctx context.Context) bool
	// Ping sends an empty CoAP message and waits for its reset. It returns nil, [ErrNoPong], [ErrUnsent], [ErrEnded],
	// [ErrCut] or [ErrRoundOver], of which only the last makes the walk fail. It may be called again after a silence.
	Ping(ctx context.Context) error
	// Listen waits in silence until ctx ends, which is not an error, or until the server ends the session: [ErrEnded]
	// or [ErrCut]. Data that the server sends meanwhile is discarded.
	Listen(ctx context.Context) error
	// Outcome returns what the steps so far observed.
	Outcome() measurement.Outcome
	// Close sends close_notify if the session is established, and closes the socket. It may be called at any time.
	Close()
}

var (
	// ErrNoPong means that the server did not answer the ping in time. The session may still be established: a server
	// may ignore the pings of a client that is not registered.
	ErrNoPong = coap.ErrNoPong
	// ErrUnsent means that this machine was suspended or overloaded when the ping should have been sent, or its
	// answer should have come. It says nothing about the path.
	ErrUnsent = errors.New("the ping could not be sent in time")
	// ErrEnded means that the server ended the session: FIN or close_notify.
	ErrEnded = errors.New("the server ended the session")
	// ErrCut means that the session was cut by RST, ICMP port unreachable or a fatal alert.
	ErrCut = errors.New("the session was cut")
	// ErrRoundOver means that the context ended first.
	ErrRoundOver = errRoundOver
)

// Session returns a session with a device's hello over the target's transport. It sends nothing.
func (w *Walker) Session(t Target) Session {
	if t.Transport == measurement.UDP {
		return w.udpSession(t, devicedtls.New)
	}
	return &tcpSession{baseSession: w.baseSession(t)}
}

func (w *Walker) baseSession(t Target) baseSession {
	return baseSession{
		walker: w, patience: w.Patience.withDefaults(), target: t,
		out: measurement.Outcome{Address: t.Address, Transport: measurement.TCP, Client: measurement.Device},
	}
}

// walkSession runs the phases of a device's walk that the target asks for, and closes the session.
func walkSession(ctx context.Context, s Session, t Target) measurement.Outcome {
	defer s.Close()
	if s.Connect(ctx) && s.Hello(ctx) && t.Finish && s.Finish(ctx) && t.Ping {
		_ = s.Ping(ctx) // the outcome records the result
	}
	return s.Outcome()
}

// baseSession is what the sessions of both transports have in common.
type baseSession struct {
	walker     *Walker
	patience   Patience
	target     Target
	conn       *sockclock.Conn
	buf        []byte
	peerClosed bool          // the server ended the session: no close_notify is sent
	trip       time.Duration // the longest round trip measured so far
	suspended  bool          // this machine did not run for a part of a phase
	out        measurement.Outcome
}

func (s *baseSession) Outcome() measurement.Outcome { return s.out }

// fail records a failure and returns false, the result of the step.
func (s *baseSession) fail(in measurement.Phase, failure measurement.Failure, detail measurement.Detail) bool {
	if s.suspended && dependsOnTime(failure, s.out.Unproven) {
		failure, detail, s.out.Unproven = measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailSuspended}, false
	}
	s.out.FailedIn, s.out.Failure, s.out.Detail = in, failure, detail
	return false
}

// dependsOnTime reports whether a failure may come from this machine being suspended: the server or a NAT gave up
// meanwhile.
func dependsOnTime(failure measurement.Failure, unproven bool) bool {
	switch failure {
	case measurement.Silent, measurement.Closed, measurement.Reset, measurement.Refused:
		return true
	case measurement.CertificateNeeded:
		return unproven
	case measurement.Completed, measurement.Unreachable, measurement.Alert, measurement.NotTLS, measurement.HTTP, measurement.Malformed,
		measurement.Unfit, measurement.FinishFailed, measurement.OutOfTime, measurement.Internal:
	}
	return false
}

// failLocally records an error of this machine that is not about the path.
func (s *baseSession) failLocally(in measurement.Phase, err error) bool {
	kind := measurement.DetailLocalFailure
	if errors.Is(err, devicetls.ErrCredential) {
		kind = measurement.DetailBadCredential
	}
	return s.fail(in, measurement.Internal, errorDetail(kind, err))
}

// errorDetail returns a detail whose text is that of an error of the operating system or of a library.
func errorDetail(kind measurement.DetailKind, err error) measurement.Detail {
	return measurement.Detail{Kind: kind, Text: measurement.Text(err.Error())}
}

// completed records the duration of a phase that reached its goal and returns true, the result of the step.
func (s *baseSession) completed(phase measurement.Phase, took time.Duration) bool {
	s.out.Times = append(s.out.Times, measurement.PhaseTime{Phase: phase, Took: took})
	return true
}

// recordAlert records the alert that ended the handshake and returns its detail.
func recordAlert(out *measurement.Outcome, description uint8) measurement.Detail {
	if out.TLS == nil {
		out.TLS = &measurement.TLS{}
	}
	out.TLS.Alert, out.TLS.HasAlert = description, true
	return measurement.Detail{Kind: measurement.DetailAlert, N: int(description)}
}

// helloFailure maps the ends of a hello that both transports have; ok is false for any other error. It records the
// alert in out.
func helloFailure(out *measurement.Outcome, err error) (failure measurement.Failure, detail measurement.Detail, ok bool) {
	var alert *devicetls.AlertError
	var malformed *devicetls.MalformedError
	switch {
	case errors.Is(err, errSuspended):
		return measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailSuspended}, true
	case errors.As(err, &alert) && alert.CloseNotify():
		return measurement.Closed, measurement.Detail{Kind: measurement.DetailAlert}, true
	case errors.As(err, &alert):
		return measurement.Alert, recordAlert(out, alert.Description), true
	case errors.As(err, &malformed):
		return measurement.Malformed, malformed.Detail, true
	}
	return "", measurement.Detail{}, false
}

// helloDone ends a hello that was answered by a complete flight. A device stops here too if the server has not proved
// its key, or if it cannot read the server's certificates.
func (s *baseSession) helloDone(took time.Duration, flight *devicetls.Flight) bool {
	s.completed(measurement.Hello, took)
	if len(flight.Unfit) > 0 {
		return s.fail(measurement.Hello, measurement.Unfit, unfitDetail(flight))
	}
	return flight.KeyProved && !flight.Rejected
}

// finishDone records a completed finish. It returns false if there is something in it that a device cannot use, which
// is known only now.
func (s *baseSession) finishDone(took time.Duration, flight *devicetls.Flight) bool {
	s.completed(measurement.Finish, took)
	if s.out.TLS.Unfit = flight.Unfit; len(flight.Unfit) > 0 {
		return s.fail(measurement.Finish, measurement.Unfit, unfitDetail(flight))
	}
	return true
}

func unfitDetail(flight *devicetls.Flight) measurement.Detail {
	return measurement.Detail{Kind: measurement.DetailUnfit, N: len(flight.Unfit), Unfit: flight.Unfit[0]}
}

// certificate returns the certificate for a server that asks; nil without one.
func (w *Walker) certificate() *tls.Certificate {
	if w.Credential != nil {
		if credential := w.Credential(); credential != nil {
			return &credential.Certificate
		}
	}
	return nil
}

// finishEnd is what a session knows about the end of a finish that failed.
type finishEnd struct {
	err      error
	patience time.Duration // of the phase
	delivery delivery      // of the client's flight
	accepted bool          // the server sent ChangeCipherSpec, so the certificate is not the reason
	refuses  bool          // the server does not accept a device's signature algorithm, so the certificate is not the reason
}

// failFinish records the end of a finish. Only a fatal TLS alert is a refusal of the client's certificate, unless it
// is about the protocol. A connection that ends before the client's flight was acknowledged was cut on the way. If it
// ends later, and the server had asked for a certificate, it is not proved who ended it.
func (s *baseSession) failFinish(end finishEnd) bool {
	failure, detail, unproven := finishFailure(&s.out, end)
	s.out.Unproven = unproven
	s.peerClosed = true
	return s.fail(measurement.Finish, failure, detail)
}

// finishFailure maps the end of a finish for the walks of devices and browsers. It records the alert in out.
func finishFailure(out *measurement.Outcome, end finishEnd) (failure measurement.Failure, detail measurement.Detail, unproven bool) {
	var alert *devicetls.AlertError
	var malformed *devicetls.MalformedError
	requested := out.TLS.CertificateRequested
	alerted := errors.As(end.err, &alert)
	fault := sockerr.Of(end.err)
	closed := errors.Is(end.err, io.EOF) || errors.Is(end.err, io.ErrUnexpectedEOF) || alerted && alert.CloseNotify()
	of := func(kind measurement.DetailKind) measurement.Detail { return measurement.Detail{Kind: kind} }
	switch {
	case errors.Is(end.err, errRoundOver):
		return measurement.OutOfTime, of(measurement.DetailFinishDeadline), false
	case errors.Is(end.err, errSuspended):
		return measurement.OutOfTime, of(measurement.DetailSuspended), false
	case errors.Is(end.err, errSilence), fault == sockerr.TimedOut:
		kind := measurement.DetailFinishSilent
		if end.delivery == undelivered {
			kind = measurement.DetailFinishLost
		}
		return measurement.Silent, measurement.Detail{Kind: kind, After: end.patience}, false
	case alerted && !closed:
		detail = recordAlert(out, alert.Description)
		if requested && !end.accepted && !end.refuses && refusesCertificate(alert.Description) {
			detail.Kind = measurement.DetailAlertAfterCert
			return measurement.CertificateNeeded, detail, false
		}
		return measurement.FinishFailed, detail, false
	case closed, fault == sockerr.Reset:
		failure = measurement.Closed
		afterCertificate := measurement.DetailEndedAfterCert
		if !closed {
			failure, afterCertificate = measurement.Reset, measurement.DetailResetAfterCert
		}
		switch {
		case end.delivery == undelivered:
			return failure, of(measurement.DetailFinishCut), false
		case requested && !end.accepted:
			return measurement.CertificateNeeded, of(afterCertificate), true
		}
		return failure, of(measurement.DetailFinishEnded), false
	case fault == sockerr.Refused:
		return measurement.Refused, of(measurement.DetailPortUnreachable), false
	case errors.Is(end.err, devicetls.ErrNotVerified):
		return measurement.Malformed, of(measurement.DetailFinishNotVerified), false
	case errors.As(end.err, &malformed):
		return measurement.Malformed, malformed.Detail, false
	case fault == sockerr.Shortage:
		return measurement.Internal, errorDetail(measurement.DetailLocalFailure, end.err), false
	}
	return measurement.FinishFailed, errorDetail(measurement.DetailFinishFailed, end.err), false
}

// refusesCertificate reports whether a fatal alert (RFC 5246 §7.2.2) after the client's certificate is about the
// certificate. Alerts about records, the Finished message or the server's own errors are not.
func refusesCertificate(description uint8) bool {
	switch description {
	case 10, 20, 22, 47, // unexpected_message, bad_record_mac, record_overflow, illegal_parameter
		50, 51, 80: // decode_error, decrypt_error, internal_error
		return false
	}
	return true
}

// ping pings over an established session. The carrier is created for the deadline of this phase.
func (s *baseSession) ping(ctx context.Context, p coap.Pinger, carrier func(*phaseDeadline) coap.Conn) error {
	d, err := startPhase(ctx, s.conn, scaled(s.patience.Ping, s.trip))
	if err != nil {
		return fmt.Errorf("ping: %w", ErrCut)
	}
	defer d.release()
	s.out.Pinged, s.out.Ponged = true, false
	s.conn.Begin()
	sent, err := p.Ping(carrier(d), d.end)
	if err == nil {
		s.out.Ponged = s.completed(measurement.Ping, s.conn.Elapsed())
		return nil
	}
	switch cause := d.cause(err); {
	case errors.Is(cause, errRoundOver):
		s.fail(measurement.Ping, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailPingDeadline})
		return ErrRoundOver
	case errors.Is(cause, errSilence) && sent == 0, errors.Is(cause, errSuspended):
		s.out.Pinged = false
		return ErrUnsent
	case errors.Is(err, coap.ErrOtherFraming):
		s.out.Detail = measurement.Detail{Kind: measurement.DetailFramingRFC8323}
		return ErrNoPong
	case errors.Is(cause, errSilence), errors.Is(err, coap.ErrNoPong):
		return ErrNoPong
	}
	s.out.Ended, s.out.Detail = true, measurement.Detail{Kind: measurement.DetailSessionEnded}
	return fmt.Errorf("ping: %w", s.sessionEnd(err))
}

// listen reads until ctx ends and passes received bytes to take. Over UDP a transient ICMP error is ignored: it is not
// repeated, because nothing is sent.
func (s *baseSession) listen(ctx context.Context, size int, take func([]byte) error) error {
	d, err := startPhase(ctx, s.conn, 0)
	if err != nil {
		return fmt.Errorf("listen: %w", ErrCut)
	}
	defer d.release()
	if err := take(nil); err != nil { // the end of the session was received with earlier data
		return fmt.Errorf("listen: %w", s.sessionEnd(err))
	}
	for {
		n, err := s.conn.Read(s.buffer(size))
		if n > 0 {
			if err := take(s.buf[:n]); err != nil {
				return fmt.Errorf("listen: %w", s.sessionEnd(err))
			}
		}
		switch {
		case err == nil, s.out.Transport == measurement.UDP && sockerr.Of(err) == sockerr.Unreachable:
		case errors.Is(d.cause(err), errRoundOver):
			return nil
		default:
			return fmt.Errorf("listen: %w", s.sessionEnd(err))
		}
	}
}

// discardData drops the application data that waits to be read.
func discardData(client interface{ Received() ([]byte, bool) }) {
	for {
		if _, ok := client.Received(); !ok {
			return
		}
	}
}

// errNotFinished means that the caller pinged before the session was established.
var errNotFinished = errors.New("the session is not established")

// sessionEnd records that an established session has ended and returns how: [ErrEnded] or [ErrCut].
func (s *baseSession) sessionEnd(err error) error {
	s.peerClosed = true
	var alert *devicetls.AlertError
	if errors.Is(err, io.EOF) || errors.Is(err, coap.ErrReleased) || errors.As(err, &alert) && alert.CloseNotify() {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// closeNotifyTimeout bounds how long the close_notify may wait for space in the send buffer. Nothing depends on its
// delivery.
const closeNotifyTimeout = time.Second

// close sends the close_notify, if there is one and the server has not ended the session, and closes the socket.
func (s *baseSession) close(notify []byte) {
	if s.conn == nil {
		return
	}
	if notify != nil && !s.peerClosed {
		_ = s.conn.SetWriteDeadline(time.Now().Add(closeNotifyTimeout))
		_, _ = s.conn.Write(notify)
	}
	_ = s.conn.Close() // an error changes nothing: the kernel still sends what is buffered
	s.conn, s.buf = nil, nil
}

// buffer returns the read buffer of this session; size is that of the first call.
func (s *baseSession) buffer(size int) []byte {
	if s.buf == nil {
		s.buf = make([]byte, size)
	}
	return s.buf
}
