package path

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Session is one path walked as a device does, step by step. Connect, Hello and Finish return whether the next step can
// be taken; what was seen is in the outcome. Between steps the path may be left silent for as long as is to be measured.
//
// Close must be called whatever the steps returned. A Session is not safe for concurrent use.
type Session interface {
	// Connect opens the TCP connection. Over UDP it opens a socket and sends nothing.
	Connect(ctx context.Context) bool
	// Hello sends the device's hello and reads the server's whole flight.
	Hello(ctx context.Context) bool
	// Finish shows our certificate if it is asked for and completes the session.
	Finish(ctx context.Context) bool
	// Ping sends an empty CoAP message and waits for its reset: nil, [ErrNoPong], [ErrUnsent], [ErrEnded], [ErrCut] or
	// [ErrRoundOver]. It may be called again after a silence. Only the last is a failure of the walk.
	Ping(ctx context.Context) error
	// Listen waits in silence until ctx ends, which is nil, or the server ends the session: [ErrEnded] or [ErrCut]. What
	// the server says meanwhile is passed over.
	Listen(ctx context.Context) error
	// Outcome is what the steps so far saw.
	Outcome() measurement.Outcome
	// Close ends the session politely, if it stands, and closes the socket. It may be called at any time.
	Close()
}

var (
	// ErrNoPong means that the server did not answer the ping in time. The session stands as far as is known: a server may
	// ignore strangers.
	ErrNoPong = coap.ErrNoPong
	// ErrUnsent means that the ping's time was over before it was sent: this machine was suspended or overloaded. It says
	// nothing of the path.
	ErrUnsent = errors.New("the ping could not be sent in time")
	// ErrEnded means that the server ended the session: FIN or close_notify.
	ErrEnded = errors.New("the server ended the session")
	// ErrCut means that the session was cut by RST, ICMP port unreachable or a fatal alert.
	ErrCut = errors.New("the session was cut")
	// ErrRoundOver means that the context ended first.
	ErrRoundOver = errRoundOver
)

// Session begins a walk with a device's hello over the target's transport; nothing is sent yet.
func (w *Walker) Session(t Target) Session {
	walk := walk{
		walker: w, patience: w.Patience.filled(), target: t,
		out: measurement.Outcome{Address: t.Address, Transport: measurement.TCP, Client: measurement.Device},
	}
	if t.Transport == measurement.UDP {
		walk.out.Transport = measurement.UDP
		if w.Patience.Ping <= 0 {
			walk.patience.Ping = pingUDP
		}
		return &udpSession{walk: walk}
	}
	return &tcpSession{walk: walk}
}

// walkDevice is the device's walk: connect, hello, finish, ping, close.
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
		_ = s.Ping(ctx) // a server may ignore strangers: the outcome has what there is to say
	}
	return s.Outcome()
}

// walk is what the sessions of both transports have in common.
type walk struct {
	walker   *Walker
	patience Patience
	target   Target
	conn     net.Conn
	buf      []byte
	dead     bool // the server ended the session: no farewell is due
	out      measurement.Outcome
}

func (k *walk) Outcome() measurement.Outcome { return k.out }

func (k *walk) fail(in measurement.Phase, failure measurement.Failure, detail string) bool {
	k.out.FailedIn, k.out.Failure, k.out.Detail = in, failure, measurement.Detail{Text: measurement.Text(detail)}
	return false
}

func (k *walk) completed(phase measurement.Phase, took time.Duration) bool {
	k.out.Times = append(k.out.Times, measurement.PhaseTime{Phase: phase, Took: took})
	return true
}

func (k *walk) sawAlert(alert *devicetls.AlertError) {
	if k.out.TLS == nil {
		k.out.TLS = &measurement.TLS{}
	}
	k.out.TLS.Alert, k.out.TLS.HasAlert = alert.Description, true
}

// greeted ends a hello that was answered by a whole flight.
func (k *walk) greeted(took time.Duration, flight *devicetls.Flight) bool {
	k.completed(measurement.Hello, took)
	if len(flight.Unfit) > 0 {
		return k.fail(measurement.Hello, measurement.Unfit, strings.Join(flight.Unfit, "; "))
	}
	// A holder that has not proved its key is nobody to show our certificate to; a device stops here as well.
	return flight.KeyProved
}

// finished ends a finish that came to its goal. What a device cannot take of it is known only now.
func (k *walk) finished(took time.Duration, flight *devicetls.Flight) bool {
	k.completed(measurement.Finish, took)
	if k.out.TLS.Unfit = flight.Unfit; len(flight.Unfit) > 0 {
		return k.fail(measurement.Finish, measurement.Unfit, strings.Join(flight.Unfit, "; "))
	}
	return true
}

// certificate is the one to show to a server that asks; nil if there is none.
func (w *Walker) certificate() *tls.Certificate {
	if w.Credential != nil {
		if credential := w.Credential(); credential != nil {
			return &credential.Certificate
		}
	}
	return nil
}

// failFinish says what ended the finish. A server that asked for our certificate and then ends the session refuses the
// certificate, unless its alert says that the protocol went wrong.
func (k *walk) failFinish(err error) bool {
	var alert *devicetls.AlertError
	asked := k.out.TLS.CertificateRequested
	k.dead = true
	switch {
	case errors.Is(err, errRoundOver):
		return k.fail(measurement.Finish, measurement.OutOfTime, "the round ended before the server's Finished")
	case errors.Is(err, errSilence):
		return k.fail(measurement.Finish, measurement.FinishFailed, "no Finished came in time")
	case errors.As(err, &alert):
		k.sawAlert(alert)
		if asked && refusesCertificate(alert.Description) {
			return k.fail(measurement.Finish, measurement.CertificateNeeded, alert.Error()+" after our certificate")
		}
		return k.fail(measurement.Finish, measurement.FinishFailed, alert.Error())
	case asked && (errors.Is(err, io.EOF) || isReset(err)):
		return k.fail(measurement.Finish, measurement.CertificateNeeded, "the server ended the connection after our certificate")
	case asked && isRefused(err):
		return k.fail(measurement.Finish, measurement.CertificateNeeded, "the server's port was closed after our certificate")
	}
	return k.fail(measurement.Finish, measurement.FinishFailed, err.Error())
}

// refusesCertificate reports whether a fatal alert (RFC 5246 §7.2.2) after our certificate is about it. Those that speak
// of the records, the Finished or the server's own trouble are not.
func refusesCertificate(description uint8) bool {
	switch description {
	case 10, 20, 22, 47, 50, 51, 80: // unexpected_message, bad_record_mac, record_overflow, illegal_parameter, decode_error, decrypt_error, internal_error
		return false
	}
	return true
}

// ping pings over the carrier of a finished session, which is made for the bound of this phase.
func (k *walk) ping(ctx context.Context, p coap.Pinger, carrier func(*bound) coap.Conn) error {
	b, err := newBound(ctx, k.conn, k.patience.Ping)
	if err != nil {
		return fmt.Errorf("ping: %w", ErrCut)
	}
	defer b.release()
	k.out.Pinged, k.out.Ponged = true, false
	took, sent, err := p.Ping(carrier(b), b.end)
	if err == nil {
		k.out.Ponged = k.completed(measurement.Ping, took)
		return nil
	}
	switch end := b.of(err); {
	case errors.Is(end, errRoundOver):
		k.fail(measurement.Ping, measurement.OutOfTime, "the round ended before the answer to the ping")
		return ErrRoundOver
	case errors.Is(end, errSilence) && sent == 0:
		k.out.Pinged = false
		return ErrUnsent
	case errors.Is(end, errSilence), errors.Is(err, coap.ErrNoPong):
		return ErrNoPong
	}
	return fmt.Errorf("ping: %w", k.ending(err))
}

// listen reads until ctx ends and gives what comes to take. Over UDP an ICMP error may pass; it is not repeated, since
// nothing is sent.
func (k *walk) listen(ctx context.Context, size int, take func([]byte) error) error {
	b, err := newBound(ctx, k.conn, 0)
	if err != nil {
		return fmt.Errorf("listen: %w", ErrCut)
	}
	defer b.release()
	if err := take(nil); err != nil { // a farewell that came with what was read before
		return fmt.Errorf("listen: %w", k.ending(err))
	}
	for {
		n, err := k.conn.Read(k.buffer(size))
		if n > 0 {
			if err := take(k.buf[:n]); err != nil {
				return fmt.Errorf("listen: %w", k.ending(err))
			}
		}
		switch {
		case err == nil, k.out.Transport == measurement.UDP && isUnreachable(err):
		case errors.Is(b.of(err), errRoundOver):
			return nil
		default:
			return fmt.Errorf("listen: %w", k.ending(err))
		}
	}
}

// passOver drops the application data that waits to be read.
func passOver(client interface{ Received() ([]byte, bool) }) {
	for {
		if _, waits := client.Received(); !waits {
			return
		}
	}
}

// errNotFinished means a ping before the session was complete: a mistake of the caller.
var errNotFinished = errors.New("the session is not complete")

// ending says how a session that stood came to its end.
func (k *walk) ending(err error) error {
	k.dead = true
	var alert *devicetls.AlertError
	if errors.Is(err, io.EOF) || errors.Is(err, coap.ErrReleased) || errors.As(err, &alert) && alert.CloseNotify() {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// farewell is how long the close_notify may wait for room in the send buffer: nothing depends on it.
const farewell = time.Second

// close sends the farewell, unless there is none or nobody to hear it, and closes the socket, if there is one.
func (k *walk) close(notify []byte) {
	if k.conn == nil {
		return
	}
	if notify != nil && !k.dead {
		_ = k.conn.SetWriteDeadline(time.Now().Add(farewell))
		_, _ = k.conn.Write(notify)
	}
	_ = k.conn.Close() // the kernel sends what is left; there is nothing to be done about an error
	k.conn, k.buf = nil, nil
}

// buffer is where reads of this session go; size is that of the first use.
func (k *walk) buffer(size int) []byte {
	if k.buf == nil {
		k.buf = make([]byte, size)
	}
	return k.buf
}
