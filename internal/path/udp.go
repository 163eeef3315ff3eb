package path

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// The retransmission timers of a device on Linux: 4 s, doubling up to 32 s. (Mbed OS has 13 to 107 s, longer than a
// scrape.)
const (
	firstRetransmission = 4 * time.Second
	lastRetransmission  = 32 * time.Second
)

// maxRepeats bounds the flights sent again in one phase. The timers send far fewer, but a server that keeps repeating
// its own flight must not turn this side into a source of traffic.
const maxRepeats = 16

// maxDatagrams bounds the datagrams and ICMP errors read in one phase. A flight in fragments of 100 bytes has about
// forty, each perhaps repeated.
const maxDatagrams = 2048

// walkUDP runs a device's walk over UDP.
//
// A datagram may be lost, and with it the alert that refuses the client's certificate: a finish that ends in silence
// is tried again with a new session. If the server chose a connection id, the second session offers none, so that a
// middlebox is found that drops only records with one.
func (w *Walker) walkUDP(ctx context.Context, t Target) measurement.Outcome {
	out := walkSession(ctx, w.udpSession(t, devicedtls.New), t)
	switch {
	case ctx.Err() != nil:
	case out.FailedIn == measurement.Finish && out.Failure == measurement.Silent && out.TLS.ConnectionID:
		out = w.repeatWithoutID(ctx, t, out)
	case out.FailedIn == measurement.Finish && out.Failure == measurement.Silent:
		if again := walkSession(ctx, w.udpSession(t, devicedtls.New), t); finishAnswered(again) {
			return again
		}
	case out.FailedIn == measurement.Hello && out.Failure == measurement.Alert:
		if look := w.webHelloUDP(ctx, t); look.TLS != nil {
			out.Web = &look
		}
	}
	return out
}

// repeatWithoutID repeats a walk whose finish ended in silence after the server had chosen a connection id. If a
// session without one is refused by an alert, the first session's alert may just have been lost, which a third session
// decides.
func (w *Walker) repeatWithoutID(ctx context.Context, t Target, out measurement.Outcome) measurement.Outcome {
	without := walkSession(ctx, w.udpSession(t, devicedtls.NewWithoutID), t)
	if !finishAnswered(without) {
		return out
	}
	if without.FailedIn == measurement.Finish && ctx.Err() == nil {
		again := walkSession(ctx, w.udpSession(t, devicedtls.New), t)
		switch {
		case finishAnswered(again):
			return again
		case again.FailedIn != measurement.Finish || again.Failure != measurement.Silent:
			return without
		}
	}
	out.Detail = measurement.Detail{Kind: measurement.DetailIDRecordsLost}
	return out
}

// finishAnswered reports whether the server answered the client's part of the handshake: by its Finished or by an
// alert.
func finishAnswered(o measurement.Outcome) bool {
	_, finished := o.Took(measurement.Finish)
	return finished || o.FailedIn == measurement.Finish && o.TLS.HasAlert
}

// webHelloUDP sends a browser's hello over UDP and reads the server flight, which shows the certificate of an
// interceptor that does not support the device's cipher suite. It answers nothing.
func (w *Walker) webHelloUDP(ctx context.Context, t Target) measurement.Outcome {
	s := w.udpSession(t, func(random [32]byte) *devicedtls.Client { return devicedtls.NewWide(random, t.Host) })
	s.out.Client = measurement.Web
	defer s.Close()
	if s.Connect(ctx) {
		s.Hello(ctx)
	}
	out := s.Outcome()
	if out.TLS != nil {
		out.TLS.Unfit = nil // it is about devices
	}
	if out.Failure == measurement.Unfit {
		out.Failure, out.FailedIn, out.Detail = measurement.Completed, "", measurement.Detail{}
	}
	return out
}

// udpSession is a [Session] over UDP.
type udpSession struct {
	baseSession
	newClient func(random [32]byte) *devicedtls.Client
	client    *devicedtls.Client

	notDTLS   int   // datagrams that were not DTLS
	replies   int   // datagrams that were
	softError error // the last ICMP error, or error of this machine's packet filter, that may be transient
}

// udpSession returns a session whose hello is that of the client.
func (w *Walker) udpSession(t Target, newClient func(random [32]byte) *devicedtls.Client) *udpSession {
	s := &udpSession{baseSession: w.baseSession(t), newClient: newClient}
	s.out.Transport = measurement.UDP
	if w.Patience.Ping <= 0 {
		s.patience.Ping = pingUDP
	}
	return s
}

func (s *udpSession) Connect(ctx context.Context) bool {
	s.out.Started = time.Now()
	dial := s.walker.Dial
	if dial == nil {
		dial = Dialer(route.Uplink{})
	}
	conn, err := dial(ctx, "udp", s.target.Address.String())
	if err != nil {
		switch fault := sockerr.Of(err); {
		case ctx.Err() != nil:
			return s.fail(measurement.Hello, measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailNotSentInTime})
		case fault == sockerr.Unreachable:
			return s.fail(measurement.Hello, measurement.Unreachable, errorDetail(measurement.DetailNoRoute, err))
		case fault == sockerr.Filtered:
			return s.fail(measurement.Hello, measurement.Unreachable, errorDetail(measurement.DetailPacketFilter, err))
		}
		return s.fail(measurement.Hello, measurement.Internal, errorDetail(measurement.DetailSocketFailed, err))
	}
	s.conn = sockclock.New(conn)
	s.out.Local = localAddr(conn)
	return true
}

func (s *udpSession) Hello(ctx context.Context) bool {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	s.client = s.newClient(random)
	err := s.exchange(ctx, s.patience.Flight, s.firstTimer(firstRetransmission), devicedtls.FlightComplete)
	took := s.conn.Elapsed()
	s.out.TLS = s.client.Flight().Seen()
	if err != nil {
		return s.failHello(err)
	}
	return s.helloDone(took, s.client.Flight())
}

// Finish retransmits sooner than a device does: a server repeats its last flight only when the client's is repeated
// (RFC 6347 §4.2.4), and a datagram lost there costs a device some seconds, not the session.
func (s *udpSession) Finish(ctx context.Context) bool {
	if err := s.client.Finish(s.walker.certificate()); err != nil {
		return s.failLocally(measurement.Finish, err)
	}
	patience := scaled(s.patience.Finish, s.trip)
	timer := s.firstTimer(min(firstRetransmission, max(s.patience.Finish/3, s.trip*3/2)))
	if err := s.exchange(ctx, patience, timer, devicedtls.Done); err != nil {
		flight := s.client.Flight()
		return s.failFinish(finishEnd{err: err, patience: patience, accepted: s.client.CipherChanged(), refuses: flight.RefusesSignature})
	}
	return s.finishDone(s.conn.Elapsed(), s.client.Flight())
}

// Ping retransmits its message by RFC 7252 §4.2. The framing is always that of RFC 7252: RFC 8323 is for streams.
func (s *udpSession) Ping(ctx context.Context) error {
	return s.ping(ctx, coap.Pinger{Unreliable: true}, func(d *phaseDeadline) coap.Conn { return &udpData{s, d} })
}

func (s *udpSession) Listen(ctx context.Context) error {
	return s.listen(ctx, devicedtls.MaxDatagram, func(b []byte) error {
		if s.client == nil {
			return nil
		}
		_, err := s.client.Take(b)
		discardData(s.client)
		return err
	})
}

func (s *udpSession) Close() {
	if s.client == nil {
		s.close(nil)
		return
	}
	s.close(s.client.Close())
}

// firstTimer returns the first retransmission timer of a flight, unless the walker has its own.
func (s *udpSession) firstTimer(first time.Duration) time.Duration {
	return cmp.Or(s.walker.retransmission, first)
}

// exchange sends the client's current flight, retransmits it after first and then by a device's timers, and reads
// datagrams until the client has reached the goal.
func (s *udpSession) exchange(ctx context.Context, patience, first time.Duration, goal devicedtls.Step) error {
	d, err := startPhase(ctx, s.conn, patience)
	if err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	defer d.release()
	defer func() { s.suspended = s.suspended || d.suspended }()
	interval, repeats := first, 0
	resendAt := time.Now().Add(interval)
	s.conn.Begin()
	if err := s.send(); err != nil {
		return d.cause(err)
	}
	if _, err := s.client.Take(nil); err != nil { // of records that came with the previous flight
		return fmt.Errorf("receive: %w", err)
	}
	for range maxDatagrams {
		wake := d.end
		if repeats < maxRepeats && resendAt.Before(d.end) {
			wake = resendAt
		}
		step, err := s.receive(d, wake)
		switch {
		case step >= goal: // even if the session ended in the same datagram
			return nil
		case isTimeout(err) && wake.Before(d.end) && ctx.Err() == nil:
			interval = min(interval*2, lastRetransmission)
			step = devicedtls.Resend
		case err != nil:
			return d.cause(err)
		}
		switch {
		case step == devicedtls.Cookie:
			interval = first
			if err := d.extendTo(time.Now().Add(scaled(0, s.trip))); err != nil {
				return fmt.Errorf("set a deadline: %w", err)
			}
		case step == devicedtls.Resend && repeats < maxRepeats:
			repeats++
			s.out.Retransmissions++
		default:
			continue
		}
		resendAt = time.Now().Add(interval)
		if err := s.send(); err != nil {
			return d.cause(err)
		}
	}
	return errSilence
}

// send sends the client's current flight. A write may return the ICMP error of an earlier datagram, which means the
// same as from a read.
func (s *udpSession) send() error {
	for _, datagram := range s.client.Send() {
		if _, err := s.conn.Write(datagram); err != nil {
			if err = s.ignoreSoft(err); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
	return nil
}

// receive waits for a datagram until wake and gives it to the client.
func (s *udpSession) receive(d *phaseDeadline, wake time.Time) (devicedtls.Step, error) {
	if err := d.wakeAt(wake); err != nil {
		return devicedtls.NotDTLS, fmt.Errorf("set a deadline: %w", err)
	}
	n, err := d.read(s.buffer(devicedtls.MaxDatagram))
	if err != nil {
		return devicedtls.Waiting, s.ignoreSoft(err)
	}
	if s.out.FirstReply == 0 {
		s.out.FirstReply = max(s.conn.Elapsed(), 1)
		s.trip = s.out.FirstReply // at most: the first hello may have been lost
	}
	step, err := s.client.Take(s.buf[:n])
	if step == devicedtls.NotDTLS {
		s.notDTLS++
	} else {
		s.replies++
	}
	return step, err
}

// ignoreSoft remembers an error that may be transient and returns nil for it; other errors are returned unchanged.
// ICMP host unreachable and the like are soft errors, as for TCP (RFC 1122 §4.2.3.9): the next retransmission may get
// through. Port unreachable is an answer. A datagram that this machine's packet filter drops is a soft error too: TCP
// does not even report it.
func (s *udpSession) ignoreSoft(err error) error {
	if fault := sockerr.Of(err); fault == sockerr.Unreachable || fault == sockerr.Filtered {
		s.softError = err
		return nil
	}
	return err
}

// failHello records the end of a hello.
func (s *udpSession) failHello(err error) bool {
	// After silence the server may still keep state, which close_notify releases.
	s.peerClosed = !errors.Is(err, errRoundOver) && !errors.Is(err, errSilence)
	if failure, detail, ok := helloFailure(&s.out, err); ok {
		return s.fail(measurement.Hello, failure, detail)
	}
	switch fault := sockerr.Of(err); {
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime, s.deadlineDetail())
	case errors.Is(err, errSilence) && s.client.Flight().Done:
		return false // the flight does not prove its key, and no better one came: package trust has a verdict for that
	case errors.Is(err, errSilence) && sockerr.Of(s.softError) == sockerr.Filtered:
		return s.fail(measurement.Hello, measurement.Unreachable, errorDetail(measurement.DetailPacketFilter, s.softError))
	case errors.Is(err, errSilence) && s.softError != nil:
		return s.fail(measurement.Hello, measurement.Unreachable, errorDetail(measurement.DetailICMP, s.softError))
	case errors.Is(err, errSilence) && s.notDTLS > 0 && s.replies == 0:
		return s.fail(measurement.Hello, measurement.NotTLS, measurement.Detail{Kind: measurement.DetailNotDTLS, N: s.notDTLS})
	case errors.Is(err, errSilence):
		return s.fail(measurement.Hello, measurement.Silent, s.silenceDetail())
	case fault == sockerr.Refused, fault == sockerr.Reset: // Windows reports ICMP port unreachable as a reset
		return s.fail(measurement.Hello, measurement.Refused, measurement.Detail{Kind: measurement.DetailPortUnreachable})
	}
	return s.failLocally(measurement.Hello, err)
}

// silenceDetail returns how far the hello got before nothing more came.
func (s *udpSession) silenceDetail() measurement.Detail {
	first := s.out.FirstReply.Round(100 * time.Microsecond)
	switch {
	case s.replies == 0:
		return measurement.Detail{Kind: measurement.DetailHelloUnanswered, N: 1 + s.out.Retransmissions}
	case s.client.Flight().Bytes == 0 && s.client.CookieSeen():
		return measurement.Detail{Kind: measurement.DetailCookieOnly, After: first}
	}
	return measurement.Detail{Kind: measurement.DetailFragmentsMissing, After: first}
}

// deadlineDetail returns how far the hello got when the round ended.
func (s *udpSession) deadlineDetail() measurement.Detail {
	if s.replies == 0 {
		return measurement.Detail{Kind: measurement.DetailHelloDeadline}
	}
	return measurement.Detail{Kind: measurement.DetailFlightDeadline, N: s.client.Flight().Bytes}
}

// udpData carries CoAP over an established session: a Write is a record in a datagram, a Read returns the content of
// one.
type udpData struct {
	*udpSession
	deadline *phaseDeadline
}

// SetReadDeadline sets when the next reads end, within the phase.
func (d *udpData) SetReadDeadline(t time.Time) error { return d.deadline.wakeAt(t) }

func (d *udpData) Write(p []byte) (int, error) {
	datagram := d.client.Seal(p)
	if datagram == nil {
		return 0, errNotFinished
	}
	if _, err := d.conn.Write(datagram); d.ignoreSoft(err) != nil {
		return 0, err
	}
	return len(p), nil
}

// Read returns the next application data. It ignores at most maxDatagrams datagrams without any.
func (d *udpData) Read(p []byte) (int, error) {
	for range maxDatagrams {
		if data, ok := d.client.Received(); ok {
			return copy(p, data), nil
		}
		if _, ended := d.client.Take(nil); ended != nil {
			return 0, ended // it was received with earlier data
		}
		n, err := d.deadline.read(d.buffer(devicedtls.MaxDatagram))
		switch {
		case d.deadline.ctx.Err() != nil:
			return 0, errRoundOver // not a time-out, which would lead to a retransmission
		case sockerr.Of(err) == sockerr.Unreachable:
		case err != nil:
			return 0, err
		default:
			_, ended := d.client.Take(d.buf[:n])
			if data, ok := d.client.Received(); ok { // first, even if close_notify came with it
				return copy(p, data), nil
			}
			if ended != nil {
				return 0, ended
			}
		}
	}
	return 0, coap.ErrNoPong
}
