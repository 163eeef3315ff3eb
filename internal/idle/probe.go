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
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Patience is how long the phases around a silence may take. No scrape waits for them, and lost packets must have
// been repeated before a loss is attributed to the silence: Linux repeats a TCP segment after 0.2, 0.6, 1.4, 3, 6.2
// and 12.6 s; a CoAP ping over UDP is repeated after 2 to 3 s and after twice that time (RFC 7252 §4.8), so that
// three datagrams would have to be lost.
func Patience() path.Patience {
	return path.Patience{
		Connect: 8 * time.Second,
		Hello:   15 * time.Second,
		Flight:  15 * time.Second,
		Finish:  15 * time.Second,
		Ping:    15 * time.Second,
	}
}

// maxOverhead is how long an observation may take in addition to its silence: opening a connection and proving it
// alive, then a proof that fails, and a fresh connection for comparison.
func maxOverhead() time.Duration {
	p := Patience()
	alive := p.Connect + p.Hello + p.Finish + p.Ping
	return alive + p.Ping + alive
}

// maxClockError is by how much a silence may exceed its step, by the monotonic or the wall clock, before the
// observation is discarded. The monotonic clock stands still while a machine is suspended.
const maxClockError = 5 * time.Second

// Open begins a walk of a path, as [path.Walker.Session] does.
type Open func(path.Target) path.Session

// fact is one with the detail of a walk.
func fact(kind report.IdleKind, s path.Session) report.IdleFact {
	return report.IdleFact{Kind: kind, Detail: s.Outcome().Detail}
}

// prepare finds out what proves on this path that a connection is alive. why is zero if something does.
func (m *roundState) prepare(ctx context.Context) (out measurement.Outcome, why report.IdleFact) {
	s := m.Open(m.Target)
	defer s.Close()
	if !s.Connect(ctx) {
		return s.Outcome(), fact(report.IdleNoConnection, s)
	}
	helloDone := s.Hello(ctx)
	if !answered(s) {
		return s.Outcome(), fact(report.IdleHelloUnanswered, s)
	}
	m.answer = s.Outcome().Failure
	why = m.tryPing(ctx, s, helloDone)
	switch {
	case why == report.IdleFact{}:
		m.proof = report.IdleByPing
		return s.Outcome(), why
	case m.Target.Transport == measurement.UDP:
		return s.Outcome(), report.IdleFact{Kind: report.IdleNeedsPing, Cause: why.Kind, Detail: why.Detail}
	}
	m.proof = report.IdleByHello
	return s.Outcome(), report.IdleFact{}
}

// tryPing completes a session and pings in it. It returns why that is not possible; zero if it is.
func (m *roundState) tryPing(ctx context.Context, s path.Session, helloDone bool) report.IdleFact {
	switch {
	case !m.Target.Finish:
		return report.IdleFact{Kind: report.IdleFinishDisabled}
	case !m.Target.Ping:
		return report.IdleFact{Kind: report.IdlePingDisabled}
	case !helloDone:
		return fact(report.IdleFlightUnfit, s)
	case !s.Finish(ctx):
		return fact(report.IdleFinishFailed, s)
	}
	if err := s.Ping(ctx); err != nil {
		return report.IdleFact{Kind: report.IdlePingNotSupported}
	}
	return report.IdleFact{}
}

// answered reports whether anything came back after the hello.
func answered(s path.Session) bool {
	out := s.Outcome()
	switch out.Failure {
	case measurement.Completed, measurement.Unfit, measurement.Alert, measurement.HTTP, measurement.NotTLS, measurement.Malformed:
		return true
	case measurement.Refused, measurement.Unreachable, measurement.Reset, measurement.Closed, measurement.Silent,
		measurement.FinishFailed, measurement.CertificateNeeded, measurement.OutOfTime, measurement.Internal:
	}
	return false
}

// begin makes a connection ready to be silent. It returns why that failed; zero if it did not. A connection without
// an answer before the silence proves nothing after it.
func (m *roundState) begin(ctx context.Context, s path.Session) report.IdleFact {
	if !s.Connect(ctx) {
		return fact(report.IdleNoConnection, s)
	}
	if m.proof == report.IdleByHello {
		return report.IdleFact{}
	}
	if !s.Hello(ctx) || !s.Finish(ctx) {
		return fact(report.IdleNoSession, s)
	}
	if err := s.Ping(ctx); err != nil {
		return report.IdleFact{Kind: report.IdlePingUnanswered}
	}
	return report.IdleFact{}
}

// isOver reports whether ctx has ended or its deadline has passed: a connection may report a timeout a moment before
// the context does.
func isOver(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

// observe keeps one connection silent and reports how it ended. ok is false if ctx ended first.
func (m *roundState) observe(ctx context.Context, step time.Duration) (o report.IdleObservation, ok bool) {
	s := m.Open(m.Target)
	defer s.Close()
	o = report.IdleObservation{Step: step, Ending: report.IdleUnknown}
	if o.How = m.begin(ctx, s); o.How != (report.IdleFact{}) {
		return o, !isOver(ctx)
	}
	began := time.Now()
	listen, cancel := context.WithTimeout(ctx, step)
	err := s.Listen(listen)
	cancel()
	now := time.Now()
	kept := now.Sub(began)
	clockJumped := now.Round(0).Sub(began.Round(0))-kept > maxClockError || kept-step > maxClockError
	if isOver(ctx) {
		return o, false
	}
	if err != nil {
		o.After, o.Ended = kept, now
		o.Ending, o.How = m.ending(err, true)
	} else {
		o.After = step // a late timer is this machine's fault, not the path's
		o.Ending, o.How = m.prove(ctx, s)
	}
	switch o.Ending {
	case report.IdleSurvived:
		return o, !isOver(ctx)
	case report.IdleDropped, report.IdleReset:
		s.Close() // first: the fresh connection may use the same mapping
		if why := m.compare(ctx); why != (report.IdleFact{}) {
			o.Ending, o.How = report.IdleUnknown, report.IdleFact{Kind: report.IdlePathDown, Cause: why.Kind, Detail: why.Detail}
		}
	case report.IdleClosed, report.IdleUnknown:
	}
	if clockJumped && o.Ending != report.IdleUnknown {
		o.Ending, o.How = report.IdleUnknown, report.IdleFact{Kind: report.IdleClockJumped}
	}
	if o.Ending == report.IdleUnknown {
		o.After, o.Ended = 0, time.Time{}
	}
	return o, !isOver(ctx)
}

// prove tests whether a connection is alive after a silence.
func (m *roundState) prove(ctx context.Context, s path.Session) (report.IdleEnding, report.IdleFact) {
	if m.proof == report.IdleByPing {
		return m.ending(s.Ping(ctx), false)
	}
	s.Hello(ctx)
	out := s.Outcome()
	switch {
	case answered(s) && out.Failure == m.answer:
		return report.IdleSurvived, report.IdleFact{}
	case answered(s):
		return report.IdleUnknown, fact(report.IdleHelloDiffers, s)
	case out.Failure == measurement.Silent && out.TLS == nil:
		return m.ending(path.ErrNoPong, false)
	case out.Failure == measurement.Reset:
		return m.ending(path.ErrCut, false)
	case out.Failure == measurement.Closed:
		return m.ending(fmt.Errorf("%w: %w", path.ErrEnded, io.EOF), false)
	}
	return report.IdleUnknown, fact(report.IdleWalkFailed, s)
}

// ending maps the error that ended a connection; during is true if that was during the silence.
func (m *roundState) ending(err error, during bool) (report.IdleEnding, report.IdleFact) {
	var alert *devicetls.AlertError
	var kind report.IdleKind
	switch udp := m.Target.Transport == measurement.UDP; {
	case err == nil:
		return report.IdleSurvived, report.IdleFact{}
	case errors.Is(err, path.ErrNoPong):
		return report.IdleDropped, report.IdleFact{Kind: report.IdleNoAnswer}
	case errors.As(err, &alert) && alert.CloseNotify(): // authentic: only the server has the keys
		return report.IdleClosed, report.IdleFact{Kind: report.IdleNotify}
	case errors.As(err, &alert):
		return report.IdleClosed, report.IdleFact{Kind: report.IdleAlert, Detail: measurement.Detail{Kind: measurement.DetailAlert, N: int(alert.Description)}}
	case errors.Is(err, path.ErrEnded):
		return report.IdleClosed, report.IdleFact{Kind: report.IdleFIN}
	case errors.Is(err, path.ErrUnsent):
		return report.IdleUnknown, report.IdleFact{Kind: report.IdlePingUnsent}
	case !errors.Is(err, path.ErrCut):
		return report.IdleUnknown, report.IdleFact{Kind: report.IdleWalkFailed, Detail: measurement.Detail{Text: measurement.Text(err.Error())}}
	case udp && during:
		kind = report.IdleICMPDuring
	case udp:
		kind = report.IdleICMPAfter
	case during:
		kind = report.IdleRSTDuring
	default:
		kind = report.IdleRSTAfter
	}
	return report.IdleReset, report.IdleFact{Kind: kind}
}

// compare proves a fresh connection alive, without a silence. It returns why that failed; zero if it did not.
func (m *roundState) compare(ctx context.Context) report.IdleFact {
	s := m.Open(m.Target)
	defer s.Close()
	if why := m.begin(ctx, s); why != (report.IdleFact{}) {
		return why
	}
	if m.proof == report.IdleByHello {
		if ending, how := m.prove(ctx, s); ending != report.IdleSurvived {
			return how
		}
	}
	return report.IdleFact{}
}
