package path

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/coap"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// A flight that goes unanswered is sent again after 4 s, then 8 s and so on up to 32 s: the timers of a device on Linux
// (FACTS: Mbed OS takes 13 to 107 s, which no scrape waits for).
const (
	udpFirstRetransmission = 4 * time.Second
	udpLastRetransmission  = 32 * time.Second
)

// udpMaxRepeats bounds the flights sent again in one phase. The timers alone send far fewer; a server that keeps
// repeating its own flight must not make us a source of traffic.
const udpMaxRepeats = 16

// udpMaxDatagrams bounds the datagrams and ICMP errors taken in one phase. A flight in fragments of 100 bytes has some
// forty, each perhaps several times.
const udpMaxDatagrams = 2048

// walkUDP walks one UDP path: hello, finish, ping. It returns when the walk ended or ctx did.
func (w *Walker) walkUDP(ctx context.Context, t Target) evidence.Outcome {
	s := w.newUDPSession(t)
	defer s.Close()
	if !s.Connect(ctx) || !s.Hello(ctx) {
		return s.out
	}
	if !t.Finish {
		s.out.FinishSkipped = true
		return s.out
	}
	if s.Finish(ctx) && t.Ping {
		s.Ping(ctx)
	}
	return s.out
}

// udpSession is one DTLS session, walked step by step. Each step returns whether the next one can be taken, and writes
// what it saw to out. It is not safe for concurrent use.
type udpSession struct {
	walker   *Walker
	patience Patience
	target   Target
	conn     *udpConn
	client   *devicedtls.Client
	buf      []byte
	out      evidence.Outcome

	sent    time.Time // the first hello
	foreign int       // datagrams that were no DTLS
	replies int       // datagrams that were
	icmp    error     // the last ICMP error that is no proof by itself
	dead    bool      // the server ended the session: no farewell is due
	asked   bool      // the server asked for our certificate, and the flight that answers was sent
}

func (w *Walker) newUDPSession(t Target) *udpSession {
	return &udpSession{
		walker: w, patience: w.Patience.udp(), target: t,
		out: evidence.Outcome{Address: t.Address, Transport: evidence.UDP, Client: evidence.Device},
	}
}

// Connect opens the socket. It sends nothing: UDP has no connect phase.
func (s *udpSession) Connect(ctx context.Context) bool {
	s.out.Started = time.Now()
	dial := s.walker.Dial
	if dial == nil {
		dial = (&net.Dialer{ControlContext: controlUDP}).DialContext
	}
	conn, err := dial(ctx, "udp", s.target.Address.String())
	if err != nil {
		if ctx.Err() != nil {
			return s.fail(evidence.Hello, evidence.OutOfTime, "the round ended before the hello")
		}
		return s.fail(evidence.Hello, evidence.Internal, fmt.Sprintf("open a socket: %v", err))
	}
	s.conn = &udpConn{Conn: conn}
	if local, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		s.out.Local = netip.AddrPortFrom(local.AddrPort().Addr().Unmap(), local.AddrPort().Port())
	}
	return true
}

// Hello sends the device's hello and waits for the server's whole flight.
func (s *udpSession) Hello(ctx context.Context) bool {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return s.fail(evidence.Hello, evidence.Internal, fmt.Sprintf("make a random: %v", err))
	}
	s.client = devicedtls.New(random)
	s.sent = time.Now()
	err := s.converse(ctx, s.patience.Flight, devicedtls.Flight)
	took := time.Since(s.sent)
	flightFailure, detail := s.judgeFlight()
	if err != nil {
		return s.failHello(err)
	}
	s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Hello, Took: took})
	if flightFailure != evidence.Completed {
		return s.fail(evidence.Hello, flightFailure, detail)
	}
	return true
}

// Finish shows our certificate if it is asked for and completes the session.
func (s *udpSession) Finish(ctx context.Context) bool {
	var credential *Credential
	if s.walker.Credential != nil {
		credential = s.walker.Credential()
	}
	started := time.Now()
	var err error
	if credential == nil {
		err = s.client.Finish(nil)
	} else {
		err = s.client.Finish(&credential.Certificate)
	}
	if err == nil {
		s.asked = s.out.TLS.CertificateRequested
		err = s.converse(ctx, s.patience.Finish, devicedtls.Done)
	}
	if err != nil {
		return s.failFinish(err)
	}
	s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Finish, Took: time.Since(started)})
	return true
}

// Ping sends an empty CoAP message through the finished session and waits for its reset, which some servers do not give
// to strangers: that is no failure. It may be called again after a silence.
func (s *udpSession) Ping(ctx context.Context) bool {
	deadline := time.Now().Add(s.patience.Ping)
	limited := false
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline, limited = end, true
	}
	stop := s.conn.watch(ctx)
	defer stop()
	s.out.Pinged = true
	took, _, err := coap.Pinger{Framing: s.target.Framing, Unreliable: true}.Ping((*udpData)(s), deadline)
	if s.out.Ponged = err == nil; s.out.Ponged {
		s.out.Times = append(s.out.Times, evidence.PhaseTime{Phase: evidence.Ping, Took: took})
		return true
	}
	if ctx.Err() != nil || limited && errors.Is(err, coap.ErrNoPong) {
		return s.fail(evidence.Ping, evidence.OutOfTime, "the round ended before the answer to the ping")
	}
	return false
}

// Close tells the server, if it keeps anything for us, that the session ends, and closes the socket.
func (s *udpSession) Close() {
	if s.conn == nil {
		return
	}
	if s.client != nil && !s.dead {
		if farewell := s.client.Close(); farewell != nil {
			_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second)) // a courtesy: nothing depends on it
			_, _ = s.conn.Write(farewell)
		}
	}
	_ = s.conn.Close() // a datagram socket has nothing left to lose
	s.conn, s.buf = nil, nil
}

var (
	// errSilence means that a phase's patience ran out before its goal was reached.
	errSilence = errors.New("no answer in time")
	// errRoundOver means that the round ended first, which says nothing about the path.
	errRoundOver = errors.New("the round ended first")
)

// converse sends the flight that the client has ready, sends it again as a device does, and takes datagrams until the
// client has come to the goal.
func (s *udpSession) converse(ctx context.Context, patience time.Duration, goal devicedtls.Step) error {
	deadline := time.Now().Add(patience)
	end, limited := ctx.Deadline()
	if limited = limited && end.Before(deadline); limited {
		deadline = end
	}
	stop := s.conn.watch(ctx)
	defer stop()
	if s.buf == nil {
		s.buf = make([]byte, devicedtls.MaxDatagram)
	}
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}

	interval := udpFirstRetransmission
	again := time.Now().Add(interval)
	if err := s.send(); err != nil {
		return err
	}
	repeats := 0
	for range udpMaxDatagrams {
		wake := deadline
		if again.Before(deadline) && repeats < udpMaxRepeats {
			wake = again
		}
		step, err := s.receive(wake)
		switch {
		case ctx.Err() != nil && step < goal:
			return errRoundOver
		case isTimeout(err) && wake.Before(deadline):
			repeats++
			interval = min(interval*2, udpLastRetransmission)
			step = devicedtls.Resend
		case isTimeout(err) && limited:
			return errRoundOver
		case isTimeout(err):
			return errSilence
		case err != nil:
			return err
		case step == devicedtls.Resend:
			repeats++
		}
		switch {
		case step >= goal:
			return nil
		case step == devicedtls.Cookie:
			interval = udpFirstRetransmission
		case step == devicedtls.Resend && repeats <= udpMaxRepeats:
			s.out.Retransmissions++
		default:
			continue
		}
		again = time.Now().Add(interval)
		if err := s.send(); err != nil {
			return err
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
func (s *udpSession) receive(wake time.Time) (devicedtls.Step, error) {
	if err := s.conn.SetReadDeadline(wake); err != nil {
		return devicedtls.Foreign, fmt.Errorf("set a deadline: %w", err)
	}
	n, err := s.conn.Read(s.buf)
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
// §4.2.3.9): the next retransmission may get through. Port unreachable is an answer: nobody is there.
func (s *udpSession) passing(err error) error {
	if isUnreachable(err) {
		s.icmp = err
		return nil
	}
	return err
}

func (s *udpSession) fail(in evidence.Phase, failure evidence.Failure, detail string) bool {
	s.out.FailedIn, s.out.Failure, s.out.Detail = in, failure, evidence.Text(detail)
	return false
}

// failHello says what ended the hello.
func (s *udpSession) failHello(err error) bool {
	var alert *devicedtls.AlertError
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(evidence.Hello, evidence.OutOfTime, s.soFar())
	case errors.Is(err, errSilence) && s.icmp != nil:
		return s.fail(evidence.Hello, evidence.Unreachable, fmt.Sprintf("ICMP: %v", s.icmp))
	case errors.Is(err, errSilence) && s.foreign > 0 && s.replies == 0:
		return s.fail(evidence.Hello, evidence.NotTLS, fmt.Sprintf("%d datagrams came back, none of them DTLS", s.foreign))
	case errors.Is(err, errSilence):
		return s.fail(evidence.Hello, evidence.Silent, s.soFar())
	case errors.As(err, &alert):
		s.dead = true
		s.sawAlert(alert)
		return s.fail(evidence.Hello, evidence.Alert, fmt.Sprintf("alert %d", alert.Description))
	case errors.Is(err, devicedtls.ErrTooLarge), errors.Is(err, devicedtls.ErrMalformed):
		return s.fail(evidence.Hello, evidence.Malformed, err.Error())
	case isRefused(err):
		s.dead = true
		return s.fail(evidence.Hello, evidence.Refused, "ICMP: port unreachable")
	}
	return s.fail(evidence.Hello, evidence.Internal, err.Error())
}

// soFar tells how far the hello came before nothing more did.
func (s *udpSession) soFar() string {
	switch first := s.out.FirstReply.Round(time.Millisecond); {
	case s.replies == 0:
		return fmt.Sprintf("no answer to the hello, sent %d times", 1+s.out.Retransmissions)
	case len(s.client.ServerFlight()) == 0 && s.client.CookieSeen():
		return fmt.Sprintf("the server asked for a cookie after %v, so the path is open both ways; its flight did not come: "+
			"large datagrams or fragments may be lost (MTU)", first)
	default:
		return fmt.Sprintf("the first answer came after %v, but not all of the server's flight: "+
			"large datagrams or fragments may be lost (MTU)", first)
	}
}

// failFinish says what ended the finish. An alert of a server that asked for our certificate is its refusal, unless the
// alert says that the protocol went wrong.
func (s *udpSession) failFinish(err error) bool {
	var alert *devicedtls.AlertError
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(evidence.Finish, evidence.OutOfTime, "the round ended before the server's Finished")
	case errors.As(err, &alert):
		s.dead = true
		s.sawAlert(alert)
		if s.asked && refusesCertificate(alert.Description) {
			return s.fail(evidence.Finish, evidence.CertificateNeeded, fmt.Sprintf("alert %d after our certificate", alert.Description))
		}
		return s.fail(evidence.Finish, evidence.FinishFailed, fmt.Sprintf("alert %d", alert.Description))
	case isRefused(err):
		s.dead = true
		if s.asked {
			return s.fail(evidence.Finish, evidence.CertificateNeeded, "the port was closed after our certificate")
		}
		return s.fail(evidence.Finish, evidence.FinishFailed, "the port was closed after our answer")
	case errors.Is(err, devicedtls.ErrCredential):
		return s.fail(evidence.Finish, evidence.Internal, err.Error())
	case errors.Is(err, errSilence):
		return s.fail(evidence.Finish, evidence.FinishFailed, "no Finished came in time")
	}
	return s.fail(evidence.Finish, evidence.FinishFailed, err.Error())
}

func (s *udpSession) sawAlert(alert *devicedtls.AlertError) {
	if s.out.TLS == nil {
		s.out.TLS = &evidence.TLS{}
	}
	s.out.TLS.Alert, s.out.TLS.HasAlert = alert.Description, true
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

// udp fills the fields that a UDP walk uses with their defaults.
func (p Patience) udp() Patience {
	fill := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	fill(&p.Flight, DefaultPatience.Flight)
	fill(&p.Finish, DefaultPatience.Finish)
	fill(&p.Ping, DefaultPatience.Ping)
	return p
}
