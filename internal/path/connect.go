package path

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// Dialer returns the function that opens the sockets of walks by an uplink.
func Dialer(u route.Uplink) func(ctx context.Context, network, address string) (net.Conn, error) {
	// The kernel's keep-alive probes would keep alive what an idle measurement wants to see expire.
	tcp := u.Dialer(net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1})
	udp := u.Dialer(net.Dialer{ControlContext: controlUDP})
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if network == "udp" {
			return udp(ctx, network, address)
		}
		return tcp(ctx, network, address)
	}
}

// connect opens a TCP connection and records in out how that went; it returns nil if the connect failed.
func (w *Walker) connect(ctx context.Context, t Target, patience time.Duration, out *measurement.Outcome) *sockclock.Conn {
	dial := w.Dial
	if dial == nil {
		dial = Dialer(route.Uplink{})
	}
	phase, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	turn := turnOf(ctx)
	out.Started = time.Now()
	turn.Pause()
	conn, err := dial(phase, "tcp", t.Address.String())
	took := time.Since(out.Started)
	turn.Resume()
	if err != nil {
		out.FailedIn = measurement.Connect
		out.Failure, out.Detail = connectFailure(ctx, phase, err)
		if out.Detail.Kind == measurement.DetailConnectSilent {
			out.Detail.After = took
		}
		return nil
	}
	info := sockclock.Info(conn)
	out.Times = append(out.Times, measurement.PhaseTime{Phase: measurement.Connect, Took: sockclock.Connect(info, took)})
	out.Local = localAddr(conn)
	out.RTT = info.RTT
	return sockclock.New(conn)
}

// localAddr returns this machine's address of a connection.
func localAddr(conn net.Conn) netip.AddrPort {
	local, ok := conn.LocalAddr().(interface{ AddrPort() netip.AddrPort }) // those of TCP and UDP have it
	if !ok {
		return netip.AddrPort{}
	}
	at := local.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// connectFailure maps the error of a connect. A reset of the half-open connection is a refusal.
func connectFailure(ctx, phase context.Context, err error) (measurement.Failure, measurement.Detail) {
	fault := sockerr.Of(err)
	switch {
	case fault == sockerr.Refused, fault == sockerr.Reset:
		return measurement.Refused, measurement.Detail{Kind: measurement.DetailConnectRST}
	case ctx.Err() != nil, fault == sockerr.Unknown && timedOut(err) && endsWithRound(ctx, phase):
		return measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailConnectDeadline}
	case fault == sockerr.Filtered:
		return measurement.Unreachable, errorDetail(measurement.DetailPacketFilter, err)
	case fault == sockerr.Unreachable:
		return measurement.Unreachable, errorDetail(measurement.DetailConnectFailed, err)
	case fault == sockerr.Unknown && timedOut(err) && lateAfter(phase):
		return measurement.OutOfTime, measurement.Detail{Kind: measurement.DetailSuspended}
	case fault == sockerr.TimedOut, fault == sockerr.Unknown && timedOut(err):
		return measurement.Unreachable, measurement.Detail{Kind: measurement.DetailConnectSilent}
	}
	return measurement.Internal, errorDetail(measurement.DetailSocketFailed, err)
}

// lateAfter reports whether the phase's deadline passed longer ago than lateWake: this machine did not run in time to
// see an answer.
func lateAfter(phase context.Context) bool {
	end, ok := phase.Deadline()
	return ok && time.Since(end) > lateWake
}

func timedOut(err error) bool { return errors.Is(err, context.DeadlineExceeded) || isTimeout(err) }

// endsWithRound reports whether phase, derived from ctx, has the deadline of ctx because its own would be later. A dial
// may time out a moment before either context reports its end.
func endsWithRound(ctx, phase context.Context) bool {
	round, limited := ctx.Deadline()
	end, _ := phase.Deadline()
	return limited && !round.After(end)
}
