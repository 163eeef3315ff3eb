package path

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Session probes one path step by step, as a device does. Connect, Hello and Finish report whether the next step can be
// taken; what they observed is in the Outcome. The path may be left silent between steps for as long as the caller wants.
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
	// Listen waits in silence until ctx ends, which is not an error, or until the server ends the session: [ErrEnded] or
	// [ErrCut]. Data that the server sends meanwhile is discarded.
	Listen(ctx context.Context) error
	// Outcome returns what the steps so far observed.
	Outcome() measurement.Outcome
	// Close sends close_notify if the session is established, and closes the socket. It may be called at any time.
	Close()
}

var (
	// ErrNoPong means that the server did not answer the ping in time. The session may still be established: a server may
	// ignore the pings of a client that is not registered.
	ErrNoPong = coap.ErrNoPong
	// ErrUnsent means that the ping's time was over before it could be sent: this machine was suspended or overloaded. It
	// says nothing about the path.
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
	base := baseSession{
		walker: w, patience: w.Patience.withDefaults(), target: t,
		out: measurement.Outcome{Address: t.Address, Transport: measurement.TCP, Client: measurement.Device},
	}
	if t.Transport == measurement.UDP {
		base.out.Transport = measurement.UDP
		if w.Patience.Ping <= 0 {
			base.patience.Ping = pingUDP
		}
		return &udpSession{baseSession: base}
	}
	return &tcpSession{baseSession: base}
}

// walkDevice runs a device's walk: connect, hello, finish, ping, close.
func (w *Walker) walkDevice(ctx context.Context, t Target) measurement.Outcome {
	s := w.Session(t)
	defer s.Close()
	if !s.Connect(ctx) {
		return s.Outcome()
	}
	if !s.Hello(ctx) || !t.Finish {
		out := s.Outcome()
		out.FinishSkipped = out.Failure == measurement.Completed
		return out
	}
	if s.Finish(ctx) && t.Ping {
		_ = s.Ping(ctx) // the outcome records the result
	}
	return s.Outcome()
}

// baseSession is what the sessions of both transports have in common.
type baseSession struct {
	walker     *Walker
	patience   Patience
	target     Target
	conn       net.Conn
	buf        []byte
	peerClosed bool // the server ended the session: no close_notify is sent
	out        measurement.Outcome
}

func (s *baseSession) Outcome() measurement.Outcome { return s.out }

// fail records a failure and returns false, the result of the step.
func (s *baseSession) fail(in measurement.Phase, failure measurement.Failure, detail measurement.Detail) bool {
	s.out.FailedIn, s.out.Failure, s.out.Detail = in, failure, detail
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
func (s *baseSession) recordAlert(alert *devicetls.AlertError) measurement.Detail {
	return recordAlert(&s.out, alert.Description)
}

func recordAlert(out *measurement.Outcome, description uint8) measurement.Detail {
	if out.TLS == nil {
		out.TLS = &measurement.TLS{}
	}
	out.TLS.Alert, out.TLS.HasAlert = description, true
	return measurement.Detail{Kind: measurement.DetailAlert, N: int(description)}
}

// helloDone ends a hello that was answered by a complete flight. A device stops here too if the server has not proved its
// key, or if it cannot read the server's certificates.
func (s *baseSession) helloDone(took time.Duration, flight *devicetls.Flight) bool {
	s.completed(measurement.Hello, took)
	if len(flight.Unfit) > 0 {
		return s.fail(measurement.Hello, measurement.Unfit, unfitDetail(flight))
	}
	return flight.KeyProved && !flight.Rejected
}

// finishDone ends a finish that reached its goal. What a device cannot use of it is known only now.
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

// failFinish records the end of a finish. A server that asked for a certificate and then ends the session refuses the
// certificate, unless its alert is about the protocol.
func (s *baseSession) failFinish(err error) bool {
	var alert *devicetls.AlertError
	var malformed *devicetls.MalformedError
	requested := s.out.TLS.CertificateRequested
	s.peerClosed = true
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Finish, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailFinishDeadline})
	case errors.Is(err, errSilence):
		return s.fail(measurement.Finish, measurement.FinishFailed,
			measurement.Detail{Kind: measurement.DetailFinishSilent, After: s.patience.Finish})
	case errors.As(err, &alert):
		detail := s.recordAlert(alert)
		if requested && refusesCertificate(alert.Description) {
			detail.Kind = measurement.DetailAlertAfterCert
			return s.fail(measurement.Finish, measurement.CertificateNeeded, detail)
		}
		return s.fail(measurement.Finish, measurement.FinishFailed, detail)
	case requested && (errors.Is(err, io.EOF) || isReset(err)):
		return s.fail(measurement.Finish, measurement.CertificateNeeded, measurement.Detail{Kind: measurement.DetailEndedAfterCert})
	case requested && isRefused(err):
		return s.fail(measurement.Finish, measurement.CertificateNeeded, measurement.Detail{Kind: measurement.DetailPortClosedLater})
	case errors.Is(err, devicetls.ErrNotVerified):
		return s.fail(measurement.Finish, measurement.FinishFailed, measurement.Detail{Kind: measurement.DetailFinishNotVerified})
	case errors.As(err, &malformed):
		return s.fail(measurement.Finish, measurement.FinishFailed, malformed.Detail)
	}
	return s.fail(measurement.Finish, measurement.FinishFailed, errorDetail(measurement.DetailFinishFailed, err))
}

// refusesCertificate reports whether a fatal alert (RFC 5246 §7.2.2) after the client's certificate is about the
// certificate. Alerts about records, the Finished message or the server's own errors are not.
func refusesCertificate(description uint8) bool {
	switch description {
	case 10, 20, 22, 47, 50, 51, 80: // unexpected_message, bad_record_mac, record_overflow, illegal_parameter, decode_error, decrypt_error, internal_error
		return false
	}
	return true
}

// ping pings over an established session. The carrier is created for the deadline of this phase.
func (s *baseSession) ping(ctx context.Context, p coap.Pinger, carrier func(*phaseDeadline) coap.Conn) error {
	d, err := startPhase(ctx, s.conn, s.patience.Ping)
	if err != nil {
		return fmt.Errorf("ping: %w", ErrCut)
	}
	defer d.release()
	s.out.Pinged, s.out.Ponged = true, false
	took, sent, err := p.Ping(carrier(d), d.end)
	if err == nil {
		s.out.Ponged = s.completed(measurement.Ping, took)
		return nil
	}
	switch cause := d.cause(err); {
	case errors.Is(cause, errRoundOver):
		s.fail(measurement.Ping, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailPingDeadline})
		return ErrRoundOver
	case errors.Is(cause, errSilence) && sent == 0:
		s.out.Pinged = false
		return ErrUnsent
	case errors.Is(cause, errSilence), errors.Is(err, coap.ErrNoPong):
		return ErrNoPong
	}
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
		case err == nil, s.out.Transport == measurement.UDP && isUnreachable(err):
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
