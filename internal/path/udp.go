package path

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// A flight that goes unanswered is sent again after 4 s, then 8 s and so on up to 32 s: the timers of a device on Linux.
// (Mbed OS takes 13 to 107 s, which no scrape waits for.)
const (
	firstRetransmission = 4 * time.Second
	lastRetransmission  = 32 * time.Second
)

// maxRepeats bounds the flights sent again in one phase. The timers alone send far fewer; a server that keeps repeating
// its own flight must not make us a source of traffic.
const maxRepeats = 16

// maxDatagrams bounds the datagrams and ICMP errors taken in one phase. A flight in fragments of 100 bytes has some
// forty, each perhaps several times.
const maxDatagrams = 2048

// udpSession is a [Session] over UDP.
type udpSession struct {
	walk
	client *devicedtls.Client

	sent    time.Time // the first hello
	foreign int       // datagrams that were no DTLS
	replies int       // datagrams that were
	passed  error     // the last ICMP error, or refusal of this machine's own packet filter, that is no proof by itself
}

func (s *udpSession) Connect(ctx context.Context) bool {
	s.out.Started = time.Now()
	dial := s.walker.Dial
	if dial == nil {
		dial = (&net.Dialer{ControlContext: controlUDP}).DialContext
	}
	conn, err := dial(ctx, "udp", s.target.Address.String())
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return s.fail(measurement.Hello, measurement.OutOfTime, "the round ended before the hello")
		case isUnreachable(err):
			return s.fail(measurement.Hello, measurement.Unreachable, fmt.Sprintf("no route: %v", err))
		}
		return s.fail(measurement.Hello, measurement.Internal, fmt.Sprintf("open a socket: %v", err))
	}
	s.conn = conn
	s.out.Local = localOf(conn)
	return true
}

func (s *udpSession) Hello(ctx context.Context) bool {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	s.client = devicedtls.New(random)
	s.sent = time.Now()
	err := s.converse(ctx, s.patience.Flight, s.timer(firstRetransmission), devicedtls.FlightWhole)
	took := time.Since(s.sent)
	s.out.TLS = s.client.Flight().Evidence()
	if err != nil {
		return s.failHello(err)
	}
	return s.greeted(took, s.client.Flight())
}

func (s *udpSession) Finish(ctx context.Context) bool {
	started := time.Now()
	if err := s.client.Finish(s.walker.certificate()); err != nil {
		return s.fail(measurement.Finish, measurement.Internal, err.Error())
	}
	// A server sends the end of its handshake again only when ours comes again (RFC 6347 §4.2.4). So ours is repeated within
	// the phase, sooner than a device would: a datagram that is lost there costs a device seconds, not the session.
	if err := s.converse(ctx, s.patience.Finish, s.timer(min(firstRetransmission, s.patience.Finish/3)), devicedtls.Done); err != nil {
		return s.failFinish(err)
	}
	return s.finished(time.Since(started), s.client.Flight())
}

// Ping over UDP repeats its message by RFC 7252 §4.2. Its framing is always that of RFC 7252: RFC 8323 is for streams.
func (s *udpSession) Ping(ctx context.Context) error {
	return s.ping(ctx, coap.Pinger{Unreliable: true}, func(b *bound) coap.Conn { return &udpData{s, b} })
}

func (s *udpSession) Listen(ctx context.Context) error {
	return s.listen(ctx, devicedtls.MaxDatagram, func(b []byte) error {
		if s.client == nil {
			return nil
		}
		_, err := s.client.Take(b)
		passOver(s.client)
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

// timer is the first interval of a flight's retransmission, unless the walker has its own.
func (s *udpSession) timer(first time.Duration) time.Duration {
	return cmp.Or(s.walker.retransmission, first)
}

// converse sends the flight that the client has ready, sends it again after first and then as a device does, and takes
// datagrams until the client has come to the goal.
func (s *udpSession) converse(ctx context.Context, patience, first time.Duration, goal devicedtls.Step) error {
	b, err := newBound(ctx, s.conn, patience)
	if err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	defer b.release()
	interval, repeats := first, 0
	again := time.Now().Add(interval)
	if err := s.send(); err != nil {
		return b.of(err)
	}
	for range maxDatagrams {
		wake := b.end
		if repeats < maxRepeats && again.Before(b.end) {
			wake = again
		}
		step, err := s.receive(b, wake)
		switch {
		case isTimeout(err) && wake.Before(b.end) && ctx.Err() == nil:
			interval = min(interval*2, lastRetransmission)
			step = devicedtls.Resend
		case err != nil:
			return b.of(err)
		}
		switch {
		case step >= goal:
			return nil
		case step == devicedtls.Cookie:
			interval = first
		case step == devicedtls.Resend && repeats < maxRepeats:
			repeats++
			s.out.Retransmissions++
		default:
			continue
		}
		again = time.Now().Add(interval)
		if err := s.send(); err != nil {
			return b.of(err)
		}
	}
	return errSilence
}

// send sends the client's flight. An ICMP error that an earlier datagram caused may come out of a write; what it means
// is the same as of a read.
func (s *udpSession) send() error {
	for _, datagram := range s.client.Send() {
		if _, err := s.conn.Write(datagram); err != nil {
			if err = s.passing(err); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
	return nil
}

// receive waits for a datagram until wake and gives it to the client.
func (s *udpSession) receive(b *bound, wake time.Time) (devicedtls.Step, error) {
	if err := b.wake(wake); err != nil {
		return devicedtls.Foreign, fmt.Errorf("set a deadline: %w", err)
	}
	n, err := s.conn.Read(s.buffer(devicedtls.MaxDatagram))
	if err != nil {
		return devicedtls.Waiting, s.passing(err)
	}
	if s.out.FirstReply == 0 {
		s.out.FirstReply = max(time.Since(s.sent), 1)
	}
	step, err := s.client.Take(s.buf[:n])
	if step == devicedtls.Foreign {
		s.foreign++
	} else {
		s.replies++
	}
	return step, err
}

// passing remembers an ICMP error that may pass (no host, no route, filtered, too large), as TCP does (RFC 1122
// §4.2.3.9): the next retransmission may get through. Port unreachable is an answer: nobody is there. What a packet filter
// of this machine drops may pass too: TCP is not even told.
func (s *udpSession) passing(err error) error {
	if isUnreachable(err) || isBarred(err) {
		s.passed = err
		return nil
	}
	return err
}

// failHello says what ended the hello.
func (s *udpSession) failHello(err error) bool {
	var alert *devicetls.AlertError
	s.dead = !errors.Is(err, errRoundOver) && !errors.Is(err, errSilence) // else it may be there, and keep what it has for us
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime, "the round ended: "+s.soFar())
	case errors.Is(err, errSilence) && s.client.Flight().Done:
		return false // it proves no key, and nothing better came: it is for package trust to say what that means
	case errors.Is(err, errSilence) && isBarred(s.passed):
		return s.fail(measurement.Hello, measurement.Unreachable, fmt.Sprintf("a packet filter of this machine: %v; %s", s.passed, s.soFar()))
	case errors.Is(err, errSilence) && s.passed != nil:
		return s.fail(measurement.Hello, measurement.Unreachable, fmt.Sprintf("ICMP: %v; %s", s.passed, s.soFar()))
	case errors.Is(err, errSilence) && s.foreign > 0 && s.replies == 0:
		return s.fail(measurement.Hello, measurement.NotTLS, fmt.Sprintf("%d datagrams came back, none of them DTLS", s.foreign))
	case errors.Is(err, errSilence):
		return s.fail(measurement.Hello, measurement.Silent, s.soFar())
	case errors.As(err, &alert) && !alert.CloseNotify():
		s.sawAlert(alert)
		return s.fail(measurement.Hello, measurement.Alert, alert.Error())
	case errors.As(err, &alert):
		return s.fail(measurement.Hello, measurement.Closed, "ended by the other side: "+alert.Error())
	case errors.Is(err, devicetls.ErrMalformed):
		return s.fail(measurement.Hello, measurement.Malformed, err.Error())
	case isRefused(err):
		return s.fail(measurement.Hello, measurement.Refused, "ICMP: port unreachable")
	}
	return s.fail(measurement.Hello, measurement.Internal, err.Error())
}

// soFar tells how far the hello came before nothing more did.
func (s *udpSession) soFar() string {
	const lost = "large datagrams or fragments may be lost (MTU)"
	switch first := s.out.FirstReply.Round(100 * time.Microsecond); {
	case s.replies == 0:
		if s.out.Retransmissions == 0 {
			return "no answer to the hello"
		}
		return fmt.Sprintf("no answer to the hello, sent %d times", 1+s.out.Retransmissions)
	case s.client.Flight().Bytes == 0 && s.client.CookieSeen():
		return fmt.Sprintf("the server asked for a cookie after %v, so the path is open both ways; its flight did not come: %s", first, lost)
	default:
		return fmt.Sprintf("the first answer came after %v, but not all of the server's flight: %s", first, lost)
	}
}

// udpData is a finished session as a carrier of CoAP: a Write is a record in a datagram, a Read the content of one.
type udpData struct {
	*udpSession
	bound *bound
}

// SetReadDeadline sets when a read gives up, within the phase.
func (d *udpData) SetReadDeadline(t time.Time) error { return d.bound.wake(t) }

func (d *udpData) Write(p []byte) (int, error) {
	datagram := d.client.Seal(p)
	if datagram == nil {
		return 0, errNotFinished
	}
	if _, err := d.conn.Write(datagram); d.passing(err) != nil {
		return 0, err
	}
	return len(p), nil
}

// Read gives the next application data. Datagrams without any are passed over, so many at most as make a phase.
func (d *udpData) Read(p []byte) (int, error) {
	for range maxDatagrams {
		if data, ok := d.client.Received(); ok {
			return copy(p, data), nil
		}
		if _, ended := d.client.Take(nil); ended != nil {
			return 0, ended // it came with the data before it
		}
		n, err := d.conn.Read(d.buffer(devicedtls.MaxDatagram))
		switch {
		case d.bound.ctx.Err() != nil:
			return 0, errRoundOver // no time-out, after which there would be time to repeat
		case isUnreachable(err):
		case err != nil:
			return 0, err
		default:
			_, ended := d.client.Take(d.buf[:n])
			if data, ok := d.client.Received(); ok { // first, even if the server's farewell came with it
				return copy(p, data), nil
			}
			if ended != nil {
				return 0, ended
			}
		}
	}
	return 0, coap.ErrNoPong
}
