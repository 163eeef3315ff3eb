package path

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// walkTCP walks one TCP path as a device does and, if its hello failed in a way that a browser's may not, once more with
// a web hello.
func (w *Walker) walkTCP(ctx context.Context, t Target) evidence.Outcome {
	out := w.walkDevice(ctx, t)
	if t.WebRetry && out.FailedIn == evidence.Hello && worthWebHello(out.Failure) && ctx.Err() == nil {
		web := w.walkWeb(ctx, t)
		out.Web = &web
	}
	return out
}

// walkDevice is the device's walk: connect, hello, finish, ping, close.
func (w *Walker) walkDevice(ctx context.Context, t Target) evidence.Outcome {
	s := w.Session(t)
	defer s.Close()
	if !s.Connect(ctx) {
		return s.out
	}
	if !s.Hello(ctx) || !t.Finish {
		s.out.FinishSkipped = s.out.Failure == evidence.Completed
		return s.out
	}
	if s.Finish(ctx) && t.Ping {
		_ = s.Ping(ctx) // a server may ignore strangers: the outcome has what there is to say
	}
	return s.out
}

// worthWebHello says after which ends of a device's hello a browser's may show who it was that ended it: a box that does
// not know the device's suite, or does not like its hello.
func worthWebHello(f evidence.Failure) bool {
	switch f {
	case evidence.Alert, evidence.Reset, evidence.Closed, evidence.Silent, evidence.NotTLS:
		return true
	}
	return false
}

func (s *Session) fail(in evidence.Phase, failure evidence.Failure, detail string) bool {
	s.out.FailedIn, s.out.Failure, s.out.Detail = in, failure, evidence.Text(detail)
	return false
}

// failHello says what ended the hello.
func (s *Session) failHello(err error) bool {
	var alert *devicetls.AlertError
	var other *devicetls.NotTLSError
	s.dead = true
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(evidence.Hello, evidence.OutOfTime, "the round ended before the server's flight was whole")
	case errors.Is(err, errSilence):
		return s.fail(evidence.Hello, evidence.Silent, "connected, but not in time "+s.soFar())
	case errors.As(err, &alert) && !alert.CloseNotify():
		s.sawAlert(alert)
		return s.fail(evidence.Hello, evidence.Alert, alert.Error())
	case errors.Is(err, io.EOF), errors.As(err, &alert):
		return s.fail(evidence.Hello, evidence.Closed, "ended by the other side "+s.soFar())
	case errors.As(err, &other) && other.HTTP:
		return s.fail(evidence.Hello, evidence.HTTP, string(other.Line))
	case errors.As(err, &other):
		return s.fail(evidence.Hello, evidence.NotTLS, other.Error())
	case errors.Is(err, devicetls.ErrMalformed):
		return s.fail(evidence.Hello, evidence.Malformed, err.Error())
	case isReset(err):
		return s.fail(evidence.Hello, evidence.Reset, "cut by RST "+s.soFar())
	}
	return s.fail(evidence.Hello, evidence.Internal, err.Error())
}

// soFar tells how much of the server's flight came.
func (s *Session) soFar() string {
	if s.heard == 0 {
		return "(nothing came after our hello)"
	}
	return fmt.Sprintf("(%d bytes came, not the whole of the server's flight)", s.heard)
}

// failFinish says what ended the finish. A server that asked for our certificate and then ends the session refuses the
// certificate, unless its alert says that the protocol went wrong.
func (s *Session) failFinish(err error) bool {
	var alert *devicetls.AlertError
	asked := s.out.TLS.CertificateRequested
	s.dead = true
	switch {
	case errors.Is(err, errRoundOver):
		return s.fail(evidence.Finish, evidence.OutOfTime, "the round ended before the server's Finished")
	case errors.Is(err, errSilence):
		return s.fail(evidence.Finish, evidence.FinishFailed, "no Finished came in time")
	case errors.As(err, &alert):
		s.sawAlert(alert)
		if asked && refusesCertificate(alert.Description) {
			return s.fail(evidence.Finish, evidence.CertificateNeeded, alert.Error()+" after our certificate")
		}
		return s.fail(evidence.Finish, evidence.FinishFailed, alert.Error())
	case asked && (errors.Is(err, io.EOF) || isReset(err)):
		return s.fail(evidence.Finish, evidence.CertificateNeeded, "the server ended the connection after our certificate")
	}
	return s.fail(evidence.Finish, evidence.FinishFailed, err.Error())
}

func (s *Session) sawAlert(alert *devicetls.AlertError) {
	if s.out.TLS == nil {
		s.out.TLS = &evidence.TLS{}
	}
	s.out.TLS.Alert, s.out.TLS.HasAlert = alert.Description, true
}

// tcp fills the fields that a TCP walk uses with their defaults.
func (p Patience) tcp() Patience {
	if p.Connect <= 0 {
		p.Connect = DefaultPatience.Connect
	}
	if p.Hello <= 0 {
		p.Hello = DefaultPatience.Hello
	}
	if p.Finish <= 0 {
		p.Finish = DefaultPatience.Finish
	}
	if p.Ping <= 0 {
		p.Ping = DefaultPatience.Ping
	}
	return p
}
