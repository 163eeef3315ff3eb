package idle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// Patience is how long the steps around a silence may take. No scrape waits for them, and what is lost on the way must have
// been repeated before silence is blamed: TCP's kernel repeats a segment after 0.2, 0.6, 1.4, 3, 6.2 and 12.6 s; a CoAP
// ping over UDP is repeated after 2 to 3 s and twice that again (RFC 7252 §4.8), so three datagrams must get lost.
func Patience() path.Patience {
	return path.Patience{
		Connect: 8 * time.Second,
		Hello:   15 * time.Second,
		Flight:  15 * time.Second,
		Finish:  15 * time.Second,
		Ping:    15 * time.Second,
	}
}

// longestAround is how long a measurement may take beside its silence: to open a connection and prove it alive, and after the
// silence the same once more, or a sign of life that does not come and a fresh connection to hold that against.
func longestAround() time.Duration {
	p := Patience()
	alive := p.Connect + p.Hello + p.Finish + p.Ping
	return alive + p.Ping + alive
}

// clockSlack is by how much a silence may be longer than it was to be, by either clock. The monotonic one stands still while a
// machine is suspended, so the clock on the wall has a say too.
const clockSlack = 5 * time.Second

// Proof is what shows on a path that a connection is alive.
type Proof string

const (
	ByPing  Proof = "ping"  // a CoAP ping in a finished session is answered
	ByHello Proof = "hello" // TCP: the device's hello is answered, however
)

// Open begins a walk of a path, as [path.Walker.Session] does.
type Open func(path.Target) path.Session

// prober makes the connections of one round.
type prober struct {
	open   Open
	target path.Target

	// What a connection without a silence showed.
	proof  Proof
	answer measurement.Failure // how the hello was answered
}

// prepare finds out what will prove on this path that a connection is alive. why is empty if something will.
func (p *prober) prepare(ctx context.Context) (out measurement.Outcome, why string) {
	s := p.open(p.target)
	defer s.Close()
	if !s.Connect(ctx) {
		return s.Outcome(), "no connection: " + s.Outcome().Detail.Text
	}
	greeted := s.Hello(ctx)
	if !answered(s) {
		return s.Outcome(), "the hello is not answered: " + s.Outcome().Detail.Text
	}
	p.answer = s.Outcome().Failure
	if why = p.tryPing(ctx, s, greeted); why == "" {
		p.proof = ByPing
		return s.Outcome(), ""
	}
	if p.target.Transport == measurement.UDP {
		return s.Outcome(), "over UDP only a CoAP ping in a finished session shows that it is alive, and " + why
	}
	p.proof = ByHello
	return s.Outcome(), ""
}

// tryPing finishes a session and pings in it; why it cannot is said.
func (p *prober) tryPing(ctx context.Context, s path.Session, greeted bool) (why string) {
	switch {
	case !p.target.Finish:
		return "the configuration forbids to finish it (finish: false)"
	case !p.target.Ping:
		return "the configuration forbids to ping (coap_ping: false)"
	case !greeted:
		return "the server's flight allows none: " + s.Outcome().Detail.Text
	case !s.Finish(ctx):
		return "it cannot be finished: " + s.Outcome().Detail.Text
	}
	if err := s.Ping(ctx); err != nil {
		return "the server does not answer it"
	}
	return ""
}

// answered reports whether bytes of somebody came back after the hello, whatever they were.
func answered(s path.Session) bool {
	out := s.Outcome()
	switch out.Failure {
	case measurement.Completed, measurement.Unfit, measurement.Alert, measurement.HTTP, measurement.NotTLS, measurement.Malformed:
		return true
	}
	return false
}

// begin makes a connection ready to fall silent; why it could not is said. One that is not answered before the silence
// proves nothing after it.
func (p *prober) begin(ctx context.Context, s path.Session) (why string) {
	if !s.Connect(ctx) {
		return "no connection: " + s.Outcome().Detail.Text
	}
	if p.proof == ByHello {
		return ""
	}
	if !s.Hello(ctx) || !s.Finish(ctx) {
		return "no session: " + s.Outcome().Detail.Text
	}
	if err := s.Ping(ctx); err != nil {
		return "the ping before the silence was not answered"
	}
	return ""
}

// over reports whether ctx has ended, or its deadline has come: a connection may say so a moment before the context does.
func over(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

// silence keeps one connection silent and says how it fared. ok is false if ctx ended first.
func (p *prober) silence(ctx context.Context, step time.Duration) (o Observation, ok bool) {
	s := p.open(p.target)
	defer s.Close()
	o = Observation{Step: step, Ending: Unknown}
	if why := p.begin(ctx, s); why != "" {
		o.Detail = why
		return o, !over(ctx)
	}
	began := time.Now()
	listen, cancel := context.WithTimeout(ctx, step)
	err := s.Listen(listen)
	cancel()
	now := time.Now()
	kept := now.Sub(began)
	slept := now.Round(0).Sub(began.Round(0))-kept > clockSlack || kept-step > clockSlack
	if over(ctx) {
		return o, false
	}
	if err != nil {
		o.After, o.Ended = kept, now
		o.Ending, o.Detail = p.ended(err, "during the silence")
	} else {
		o.After = step // what the timer was late is the machine's, not the path's
		o.Ending, o.Detail = p.speak(ctx, s)
	}
	switch o.Ending {
	case Survived:
		return o, !over(ctx)
	case Dropped, Reset:
		s.Close() // before the control: it may take this connection's place
		if why := p.control(ctx); why != "" {
			o.Ending, o.Detail = Unknown, "the path is down: a fresh connection fares no better ("+why+")"
		}
	case Closed, Unknown:
	}
	if slept && o.Ending != Unknown {
		o.Ending, o.Detail = Unknown, "this machine's clock jumped, or it was suspended or overloaded"
	}
	if o.Ending == Unknown {
		o.After, o.Ended = 0, time.Time{}
	}
	return o, !over(ctx)
}

// speak asks a connection for a sign of life.
func (p *prober) speak(ctx context.Context, s path.Session) (Ending, string) {
	const after = "in answer to what was sent after it"
	if p.proof == ByPing {
		return p.ended(s.Ping(ctx), after)
	}
	s.Hello(ctx)
	out := s.Outcome()
	switch {
	case answered(s) && out.Failure == p.answer:
		return Survived, ""
	case answered(s):
		return Unknown, "the hello was answered in another way than without a silence: " + out.Detail.Text
	case out.Failure == measurement.Silent && out.TLS == nil:
		return p.ended(path.ErrNoPong, after)
	case out.Failure == measurement.Reset:
		return p.ended(path.ErrCut, after)
	case out.Failure == measurement.Closed:
		return p.ended(fmt.Errorf("%w: %w", path.ErrEnded, io.EOF), after)
	}
	return Unknown, out.Detail.Text
}

// ended maps the end of a connection.
func (p *prober) ended(err error, when string) (Ending, string) {
	var alert *devicetls.AlertError
	switch {
	case err == nil:
		return Survived, ""
	case errors.Is(err, path.ErrNoPong):
		return Dropped, "dropped without a word, while a fresh connection is answered"
	case errors.As(err, &alert) && alert.CloseNotify(): // authentic: only the server has the keys
		return Closed, "close_notify"
	case errors.As(err, &alert):
		return Closed, alert.Error()
	case errors.Is(err, path.ErrEnded):
		return Closed, "FIN"
	case errors.Is(err, path.ErrCut) && p.target.Transport == measurement.UDP:
		return Reset, "ICMP port unreachable " + when
	case errors.Is(err, path.ErrCut):
		return Reset, "RST " + when
	}
	return Unknown, measurement.Text(err.Error())
}

// control walks a fresh connection to its sign of life without a silence; why it did not get there is said.
func (p *prober) control(ctx context.Context) (why string) {
	s := p.open(p.target)
	defer s.Close()
	if why := p.begin(ctx, s); why != "" {
		return why
	}
	if p.proof == ByHello {
		if ending, detail := p.speak(ctx, s); ending != Survived {
			return detail
		}
	}
	return ""
}
