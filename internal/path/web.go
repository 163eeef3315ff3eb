package path

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// In TLS 1.3 a server says only after the handshake that it refuses a client certificate (RFC 8446 §4.4.2.4): one round
// trip later. refusalTrips round trips, but at least and at most so long, are waited for it, and only if it asked.
const (
	refusalTrips = 4
	refusalLeast = 100 * time.Millisecond
	refusalMost  = 500 * time.Millisecond
)

// walkWeb walks one TCP path as a browser does: SNI, every suite, TLS 1.2 and 1.3. Any certificate is taken and kept:
// judging it is for package trust.
func (w *Walker) walkWeb(ctx context.Context, t Target) measurement.Outcome {
	patience := w.Patience.filled()
	out := measurement.Outcome{Address: t.Address, Transport: measurement.TCP, Client: measurement.Web}
	conn := w.connect(ctx, t, patience.Connect, &out)
	if conn == nil {
		return out
	}
	defer conn.Close()
	h := webHandshake{wire: &wiretap{Conn: conn}, out: &out}
	h.run(ctx, w, t, patience)
	return out
}

// webHandshake is one handshake of crypto/tls and what its callbacks saw of it.
type webHandshake struct {
	wire    *wiretap
	out     *measurement.Outcome
	started time.Time
	// asked is set once the server's flight is whole and asks for our certificate.
	asked bool
	hello time.Duration // until then
}

func (h *webHandshake) run(ctx context.Context, w *Walker, t Target, patience Patience) {
	b, err := newBound(ctx, h.wire, patience.Hello)
	if err != nil {
		h.fail(measurement.Hello, measurement.Internal, err.Error())
		return
	}
	h.started = time.Now()
	conn := tls.Client(h.wire, h.config(w, t))
	err = conn.HandshakeContext(context.WithoutCancel(ctx)) // the bound ends it, and says which end came first
	if h.hello == 0 {
		h.hello = time.Since(h.started)
	}
	if err == nil {
		h.out.TLS.KeyProved, h.out.TLS.SignatureChecked = true, true
		if h.asked && conn.ConnectionState().Version == tls.VersionTLS13 {
			err = h.awaitRefusal(ctx, conn)
		}
	}
	b.release()
	if h.out.TLS == nil {
		h.readTLS12()
	}
	if h.out.TLS != nil {
		h.out.TLS.CertificateRequested = h.out.TLS.CertificateRequested || h.asked
	}
	if err != nil {
		h.judge(b.of(err))
	}
	if h.out.FailedIn != measurement.Hello {
		h.out.Times = append(h.out.Times, measurement.PhaseTime{Phase: measurement.Hello, Took: h.hello})
	}
	if h.out.Failure == measurement.Completed {
		_ = h.wire.SetDeadline(time.Now().Add(farewell))
		_ = conn.CloseWrite() // close_notify, a courtesy
	}
}

// readTLS12 keeps the certificate of a TLS 1.2 flight that was cut short after it: crypto/tls reads the next message before
// it tells of the certificate. In TLS 1.3 there is none in the clear.
func (h *webHandshake) readTLS12() {
	if seen := h.wire.flight().Evidence(); seen != nil && len(seen.Chain) > 0 {
		seen.Unfit = nil // for a device
		h.out.TLS = seen
	}
}

// config is made anew for each walk: a shared one would carry one host's name to the next.
func (h *webHandshake) config(w *Walker, t Target) *tls.Config {
	config := &tls.Config{
		ServerName:         t.Host,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the certificate is evidence; package trust judges it
		// Called with the certificate as soon as it came, so that it is kept whatever happens next.
		VerifyConnection: func(state tls.ConnectionState) error {
			h.out.TLS = &measurement.TLS{Version: state.Version, Cipher: state.CipherSuite, Chain: state.PeerCertificates}
			return nil
		},
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			h.asked, h.hello = true, time.Since(h.started)
			if c := w.certificate(); c != nil && request.SupportsCertificate(c) == nil {
				return c, nil
			}
			return &tls.Certificate{}, nil
		},
		KeyLogWriter: proof{h},
	}
	if t.Client == measurement.Device {
		// Sent to see who answers: a hello that any box can take. That of a browser today has a post-quantum key share and
		// fills two segments, and old boxes drop it.
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return config
}

// proof learns from the key log when the server has proved its key. crypto/tls has no callback for that, and a server
// that demands a client certificate may end the handshake afterwards. In TLS 1.2 the line CLIENT_RANDOM is written after
// the signature of ServerKeyExchange was verified (without RSA key exchange, which is off by default, there always is
// one); in TLS 1.3 CLIENT_TRAFFIC_SECRET_0 is written after CertificateVerify and the server's Finished were. The
// secrets themselves are let go.
type proof struct{ h *webHandshake }

func (p proof) Write(line []byte) (int, error) {
	if p.h.out.TLS != nil && (bytes.HasPrefix(line, []byte("CLIENT_RANDOM ")) || bytes.HasPrefix(line, []byte("CLIENT_TRAFFIC_SECRET_0 "))) {
		p.h.out.TLS.KeyProved, p.h.out.TLS.SignatureChecked = true, true
	}
	return len(line), nil
}

// awaitRefusal reads once. Silence means that our certificate, or the want of one, is not refused.
func (h *webHandshake) awaitRefusal(ctx context.Context, conn *tls.Conn) error {
	trip := h.hello
	if connect, ok := h.out.Took(measurement.Connect); ok {
		trip = connect
	}
	end := time.Now().Add(min(max(refusalTrips*trip, refusalLeast), refusalMost))
	if round, ok := ctx.Deadline(); ok && round.Before(end) {
		end = round
	}
	if err := h.wire.SetReadDeadline(end); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if isTimeout(err) {
		return nil
	}
	return err
}

func (h *webHandshake) fail(in measurement.Phase, failure measurement.Failure, detail string) {
	h.out.FailedIn, h.out.Failure, h.out.Detail = in, failure, measurement.Detail{Text: measurement.Text(detail)}
}

// judge says what ended the handshake.
func (h *webHandshake) judge(err error) {
	phase := measurement.Hello
	if h.asked {
		phase = measurement.Finish // the flight was whole and our certificate sent
	}
	var header tls.RecordHeaderError
	alert, alerted := remoteAlert(err)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || alerted && alert == 0
	switch {
	case errors.Is(err, errRoundOver):
		h.fail(phase, measurement.OutOfTime, "the round ended before the handshake")
	case errors.Is(err, errSilence) && h.asked:
		h.fail(phase, measurement.FinishFailed, "no Finished came in time")
	case errors.Is(err, errSilence):
		h.fail(phase, measurement.Silent, "connected, but no whole flight in time")
	case h.asked && (ended || isReset(err)):
		h.fail(phase, measurement.CertificateNeeded, "the server ended the connection after our certificate")
	case alerted && !ended:
		h.sawAlert(alert)
		switch {
		case h.asked && refusesCertificate(alert):
			h.fail(phase, measurement.CertificateNeeded, "the server sent the alert "+devicetls.AlertName(alert)+" after our certificate")
		case h.asked:
			h.fail(phase, measurement.FinishFailed, "the server sent the alert "+devicetls.AlertName(alert))
		default:
			h.fail(phase, measurement.Alert, "the server sent the alert "+devicetls.AlertName(alert))
		}
	case ended:
		h.fail(phase, measurement.Closed, "ended by the other side")
	case isReset(err):
		h.fail(phase, measurement.Reset, "cut by RST")
	case errors.As(err, &header):
		h.judgeNotTLS(err)
	default:
		h.judgeBreach(err)
	}
}

// judgeNotTLS tells HTTP from other bytes in place of a record by what came over the wire.
func (h *webHandshake) judgeNotTLS(err error) {
	c := devicetls.New([32]byte{})
	_, _ = c.Take(h.wire.received) // End has the finding
	var other *devicetls.NotTLSError
	switch {
	case !errors.As(c.End(), &other):
		h.fail(measurement.Hello, measurement.Malformed, err.Error())
	case other.HTTP:
		h.fail(measurement.Hello, measurement.HTTP, string(other.Line))
	default:
		h.fail(measurement.Hello, measurement.NotTLS, other.Error())
	}
}

// judgeBreach judges what crypto/tls itself would not take. If that is the proof of the key, the flight was whole and it
// is for package trust to say what a missing proof means; otherwise the server breaks the protocol.
//
// crypto/tls has no error of its own for a bad signature. A TLS 1.2 flight is in the clear and is read once more. In
// TLS 1.3 it is sealed, but between the certificate and the Finished there is only the CertificateVerify to fault;
// records that do not open are a net.OpError.
func (h *webHandshake) judgeBreach(err error) {
	seen := h.out.TLS
	if seen != nil && !seen.SignatureChecked {
		var record *net.OpError
		switch seen.Version {
		case tls.VersionTLS12:
			flight := h.wire.flight()
			seen.KeyProved, seen.SignatureChecked = flight.KeyProved, flight.SignatureChecked
		case tls.VersionTLS13:
			seen.SignatureChecked = !errors.As(err, &record)
		}
	}
	if seen != nil && seen.SignatureChecked && !seen.KeyProved {
		h.out.Detail = measurement.Detail{Text: measurement.Text(fmt.Sprintf("the server did not prove its key: %v", err))}
		return
	}
	phase, failure := measurement.Hello, measurement.Malformed
	if h.asked {
		phase, failure = measurement.Finish, measurement.FinishFailed
	}
	h.fail(phase, failure, err.Error())
}

func (h *webHandshake) sawAlert(code uint8) {
	if h.out.TLS == nil {
		h.out.TLS = &measurement.TLS{}
	}
	h.out.TLS.Alert, h.out.TLS.HasAlert = code, true
}

// remoteAlert is the alert that the server sent, if that is what err says. crypto/tls reports it as a net.OpError whose
// Err is of an unexported type, a number of one byte.
func remoteAlert(err error) (code uint8, ok bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return uint8(v.Uint()), true
	}
	return 0, false
}

// maxTapped bounds the bytes of the server that a wiretap keeps: more than any TLS 1.2 flight that is read again.
const maxTapped = 64 << 10

// wiretap is a connection that keeps our hello and what the server says first.
type wiretap struct {
	net.Conn
	hello    []byte
	received []byte
}

func (w *wiretap) Write(p []byte) (int, error) {
	if w.hello == nil {
		w.hello = bytes.Clone(p)
	}
	return w.Conn.Write(p)
}

func (w *wiretap) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.received = append(w.received, p[:min(n, maxTapped-len(w.received))]...)
	return n, err
}

// flight reads the server's TLS 1.2 flight again. The random of our hello follows the headers of its record and message
// and the version (RFC 5246 §7.4.1.2).
func (w *wiretap) flight() *devicetls.Flight {
	const at = 5 + 4 + 2
	var random [32]byte
	if len(w.hello) >= at+len(random) {
		copy(random[:], w.hello[at:])
	}
	c := devicetls.New(random)
	_, _ = c.Take(w.received) // what was read of it is what counts
	return c.Flight()
}
