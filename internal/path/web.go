package path

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// In TLS 1.3 a server refuses a client certificate only after the client's handshake is complete, one round trip
// later (RFC 8446 §4.4.2.4). If the server asked for a certificate, the walk waits for that alert: refusalTrips round
// trips, at least refusalMin and at most refusalMax.
const (
	refusalTrips = 4
	refusalMin   = 100 * time.Millisecond
	refusalMax   = 500 * time.Millisecond
)

// walkWeb probes one TCP path as a browser does: SNI, every cipher suite, TLS 1.2 and 1.3. It accepts and keeps any
// certificate; package trust verifies it.
func (w *Walker) walkWeb(ctx context.Context, t Target) measurement.Outcome {
	patience := w.Patience.withDefaults()
	out := measurement.Outcome{Address: t.Address, Transport: measurement.TCP, Client: measurement.Web}
	conn := w.connect(ctx, t, patience.Connect, &out)
	if conn == nil {
		return out
	}
	defer conn.Close()
	h := webHandshake{wire: &recordedConn{Conn: conn}, out: &out}
	h.run(ctx, w, t, patience)
	return out
}

// webHandshake is one handshake of crypto/tls and what its callbacks observed.
type webHandshake struct {
	wire     *recordedConn
	out      *measurement.Outcome
	patience time.Duration
	// requested is set once the server flight is complete and asks for a client certificate.
	requested bool
	hello     time.Duration // from the hello until then, or until the end of the handshake
	suspended bool          // this machine did not run for a part of the handshake
}

func (h *webHandshake) run(ctx context.Context, w *Walker, t Target, patience Patience) {
	connect, _ := h.out.Took(measurement.Connect)
	h.patience = scaled(patience.Hello, connect)
	d, err := startPhase(ctx, h.wire.Conn, h.patience)
	if err != nil {
		h.fail(measurement.Hello, measurement.Internal, errorDetail(measurement.DetailLocalFailure, err))
		return
	}
	h.wire.phase = d
	h.wire.Begin()
	conn := tls.Client(h.wire, h.config(w, t))
	err = conn.HandshakeContext(context.WithoutCancel(ctx)) // the phase ends it, and knows which deadline came first
	if h.hello == 0 {
		h.hello = h.wire.Elapsed()
	}
	if err == nil {
		h.out.TLS.KeyProved, h.out.TLS.SignatureChecked = true, true
		if h.requested && conn.ConnectionState().Version == tls.VersionTLS13 {
			err = h.awaitRefusal(ctx, conn)
		}
	}
	d.release()
	h.wire.phase, h.suspended = nil, d.suspended
	if h.out.TLS == nil {
		h.readTLS12()
	}
	if h.out.TLS != nil {
		h.out.TLS.CertificateRequested = h.out.TLS.CertificateRequested || h.requested
	}
	if err != nil {
		h.classify(d.cause(err))
	}
	if h.out.FailedIn != measurement.Hello {
		h.out.Times = append(h.out.Times, measurement.PhaseTime{Phase: measurement.Hello, Took: h.hello})
	}
	if h.out.Failure == measurement.Completed {
		_ = h.wire.SetDeadline(time.Now().Add(closeNotifyTimeout))
		_ = conn.CloseWrite() // sends close_notify; nothing depends on it
	}
}

// readTLS12 keeps the certificate of a TLS 1.2 flight that ended right after it: crypto/tls reads the next message
// before it reports the certificate. In TLS 1.3 the certificate is encrypted.
func (h *webHandshake) readTLS12() {
	if seen := h.wire.flight().Seen(); seen != nil && len(seen.RawChain) > 0 {
		seen.Unfit = nil // it is about devices
		h.out.TLS = seen
	}
}

// config returns the configuration of one walk. A shared one would send the server name of one host to another.
func (h *webHandshake) config(w *Walker, t Target) *tls.Config {
	config := &tls.Config{
		ServerName:         t.Host,
		MinVersion:         tls.VersionTLS12, // browsers offer no older version
		InsecureSkipVerify: true,             //nolint:gosec // package trust verifies the certificate
		// Called as soon as the certificate is received, so that it is kept whatever happens next.
		VerifyConnection: func(state tls.ConnectionState) error {
			h.out.TLS = &measurement.TLS{Version: state.Version, Cipher: state.CipherSuite}
			for _, c := range state.PeerCertificates[:min(len(state.PeerCertificates), measurement.MaxChain)] {
				h.out.TLS.RawChain = append(h.out.TLS.RawChain, c.Raw)
			}
			return nil
		},
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			h.requested, h.hello = true, h.wire.Elapsed()
			if c := w.certificate(); c != nil && request.SupportsCertificate(c) == nil {
				return c, nil
			}
			return &tls.Certificate{}, nil
		},
		KeyLogWriter: keyProof{h},
	}
	if t.Client == measurement.Device {
		// No data is sent over this session, so old versions and RSA key exchange do no harm, and an interceptor may
		// have nothing else.
		config.MinVersion, config.CipherSuites = tls.VersionTLS10, everySuite()
		// This hello is sent only to see who answers, so any middlebox should accept it. With the post-quantum key
		// share of today's browsers it would fill two segments, which old middleboxes drop.
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return config
}

// everySuite returns the cipher suites of crypto/tls for TLS 1.2 and older, those with RSA key exchange last.
func everySuite() (ids []uint16) {
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, suite.ID)
	}
	return ids
}

// keyProof learns from the key log that the server has proved its key. crypto/tls has no callback for that, and a
// server that requires a client certificate may end the handshake afterwards. In TLS 1.2 the line CLIENT_RANDOM is
// written after the signature of ServerKeyExchange is verified; with RSA key exchange, which has none, only Finished
// proves the key. In TLS 1.3 CLIENT_TRAFFIC_SECRET_0 is written after CertificateVerify and the server's Finished are
// verified. The secrets are not kept.
type keyProof struct{ h *webHandshake }

func (p keyProof) Write(line []byte) (int, error) {
	proved := bytes.HasPrefix(line, []byte("CLIENT_RANDOM ")) || bytes.HasPrefix(line, []byte("CLIENT_TRAFFIC_SECRET_0 "))
	if proved && p.h.out.TLS != nil && !rsaKeyExchange(p.h.out.TLS.Cipher) {
		p.h.out.TLS.KeyProved, p.h.out.TLS.SignatureChecked = true, true
	}
	return len(line), nil
}

// rsaKeyExchange reports whether a cipher suite of crypto/tls has no ServerKeyExchange.
func rsaKeyExchange(suite uint16) bool {
	return strings.HasPrefix(tls.CipherSuiteName(suite), "TLS_RSA_")
}

// awaitRefusal waits for an alert after the handshake. Silence means that the client certificate, or its absence, is
// accepted.
func (h *webHandshake) awaitRefusal(ctx context.Context, conn *tls.Conn) error {
	trip := h.hello
	if connect, ok := h.out.Took(measurement.Connect); ok {
		trip = connect
	}
	end := time.Now().Add(min(max(refusalTrips*trip, refusalMin), refusalMax))
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

func (h *webHandshake) fail(in measurement.Phase, failure measurement.Failure, detail measurement.Detail) {
	if h.suspended && dependsOnTime(failure, h.out.Unproven) {
		failure, detail, h.out.Unproven = measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailSuspended}, false
	}
	h.out.FailedIn, h.out.Failure, h.out.Detail = in, failure, detail
}

// classify records what ended the handshake.
func (h *webHandshake) classify(err error) {
	alert, alerted := remoteAlert(err)
	if alerted {
		err = &devicetls.AlertError{Description: alert}
	}
	if h.requested { // the flight was complete and the client certificate sent
		var failure measurement.Failure
		var detail measurement.Detail
		end := finishEnd{err: err, patience: h.patience, delivery: deliveryOf(sockclock.Info(h.wire.Conn), h.wire.sent)}
		failure, detail, h.out.Unproven = finishFailure(h.out, end)
		if failure != measurement.FinishFailed || alerted {
			h.fail(measurement.Finish, failure, detail)
			return
		}
	}
	if failure, detail, ok := helloFailure(h.out, err); ok {
		h.fail(measurement.Hello, failure, detail)
		return
	}
	received := len(h.wire.received)
	incomplete := func(kind measurement.DetailKind) measurement.Detail {
		return measurement.Detail{Kind: kind, N: received}
	}
	var header tls.RecordHeaderError
	fault := sockerr.Of(err)
	switch {
	case errors.Is(err, errRoundOver):
		h.fail(measurement.Hello, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailWebDeadline})
	case errors.Is(err, errSilence), fault == sockerr.TimedOut:
		detail := silenceDetail(sockclock.Info(h.wire.Conn), h.wire.sent, received)
		if detail.Kind == measurement.DetailHelloUnanswered {
			detail = measurement.Detail{Kind: measurement.DetailWebHelloUnanswered}
		}
		h.fail(measurement.Hello, measurement.Silent, detail)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		h.fail(measurement.Hello, measurement.Closed, incomplete(measurement.DetailFlightClosed))
	case fault == sockerr.Reset:
		h.fail(measurement.Hello, measurement.Reset, incomplete(measurement.DetailFlightReset))
	case errors.As(err, &header):
		h.classifyNotTLS()
	default:
		h.classifyProtocolError(err)
	}
}

// classifyNotTLS distinguishes HTTP from other bytes in place of a record, by the recorded bytes.
func (h *webHandshake) classifyNotTLS() {
	c := devicetls.New([32]byte{})
	_, _ = c.Take(h.wire.received) // End returns the same error
	err := c.End()
	var notTLS *devicetls.NotTLSError
	var malformed *devicetls.MalformedError
	switch {
	case errors.As(err, &notTLS):
		h.fail(measurement.Hello, notTLSFailure(notTLS), notTLSDetail(notTLS))
	case errors.As(err, &malformed):
		h.fail(measurement.Hello, measurement.Malformed, malformed.Detail)
	default: // crypto/tls rejected a record header that devicetls accepts
		h.fail(measurement.Hello, measurement.Malformed, measurement.Detail{Kind: measurement.DetailRecordMissing})
	}
}

// classifyProtocolError records a message that crypto/tls rejected. If it is the proof of the key, the flight was
// complete and package trust decides what a missing proof means; otherwise the server breaks the protocol.
//
// crypto/tls has no error type for a bad signature. A TLS 1.2 flight is in the clear, so it is parsed again. A TLS
// 1.3 flight is encrypted, but between the certificate and the Finished only CertificateVerify can be rejected;
// records that cannot be decrypted give a net.OpError.
func (h *webHandshake) classifyProtocolError(err error) {
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
		h.out.Detail = errorDetail(measurement.DetailKeyNotProved, err)
		return
	}
	phase, failure := measurement.Hello, measurement.Malformed
	if h.requested {
		phase, failure = measurement.Finish, measurement.FinishFailed
	}
	h.fail(phase, failure, errorDetail(measurement.DetailWebHandshake, err))
}

// remoteAlert returns the alert that the server sent, if err is one. crypto/tls reports it as a net.OpError whose Err
// is of an unexported type with the underlying type uint8.
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

// maxRecorded bounds the bytes of the server that a recordedConn keeps. It is more than any TLS 1.2 flight that is
// parsed again.
const maxRecorded = 64 << 10

// recordedConn is a connection that keeps the client's first write and the first bytes of the server. During a phase
// it reads by the phase's rules.
type recordedConn struct {
	*sockclock.Conn
	phase    *phaseDeadline // nil outside a phase
	sent     int            // bytes
	hello    []byte
	received []byte
}

func (w *recordedConn) Write(p []byte) (int, error) {
	if w.hello == nil {
		w.hello = bytes.Clone(p)
	}
	n, err := w.Conn.Write(p)
	w.sent += n
	return n, err
}

func (w *recordedConn) Read(p []byte) (int, error) {
	read := w.Conn.Read
	if w.phase != nil {
		read = w.phase.read
	}
	n, err := read(p)
	w.received = append(w.received, p[:min(n, maxRecorded-len(w.received))]...)
	return n, err
}

// flight parses the recorded TLS 1.2 server flight. The client's random follows the headers of record and message and
// the version (RFC 5246 §7.4.1.2).
func (w *recordedConn) flight() *devicetls.Flight {
	const offset = 5 + 4 + 2
	var random [32]byte
	if len(w.hello) >= offset+len(random) {
		copy(random[:], w.hello[offset:])
	}
	c := devicetls.New(random)
	_, _ = c.Take(w.received) // the flight holds what could be parsed
	return c.Flight()
}
