package path

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// connect opens a TCP connection and writes to out how that went; nil if it failed.
func (w *Walker) connect(ctx context.Context, t Target, patience time.Duration, out *measurement.Outcome) net.Conn {
	out.Started = time.Now()
	dial := w.Dial
	if dial == nil {
		// Keep-alive probes of the kernel would disturb what an idle connection is to show.
		dial = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}).DialContext
	}
	phase, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(phase, "tcp", t.Address.String())
	took := time.Since(out.Started)
	if err != nil {
		out.FailedIn = measurement.Connect
		out.Failure, out.Detail = connectFailure(ctx, phase, err)
		return nil
	}
	out.Times = append(out.Times, measurement.PhaseTime{Phase: measurement.Connect, Took: took})
	out.Local = localOf(conn)
	out.RTT = roundTrip(conn)
	return conn
}

// localOf is this machine's end of a connection.
func localOf(conn net.Conn) netip.AddrPort {
	local, ok := conn.LocalAddr().(interface{ AddrPort() netip.AddrPort }) // TCP's and UDP's are
	if !ok {
		return netip.AddrPort{}
	}
	at := local.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// connectFailure says why there is no connection. A reset in place of an answer is a refusal like any other.
func connectFailure(ctx, phase context.Context, err error) (measurement.Failure, measurement.Detail) {
	switch {
	case isRefused(err), isReset(err):
		return measurement.Refused, measurement.Detail{Text: "RST in answer to the SYN"}
	case ctx.Err() != nil, timedOut(err) && endsWith(ctx, phase):
		return measurement.OutOfTime, measurement.Detail{Text: "the round ended before the connection stood"}
	case timedOut(err):
		return measurement.Unreachable, measurement.Detail{Text: "no answer to the SYN in time"}
	case isNoConnection(err):
		return measurement.Unreachable, measurement.Detail{Text: measurement.Text(fmt.Sprintf("no connection: %v", err))}
	}
	return measurement.Internal, measurement.Detail{Text: measurement.Text(fmt.Sprintf("open a connection: %v", err))}
}

func timedOut(err error) bool { return errors.Is(err, context.DeadlineExceeded) || isTimeout(err) }

// endsWith reports whether phase, made of ctx, has the deadline of ctx: its own would have been later. A dial may time
// out a moment before either says so itself.
func endsWith(ctx, phase context.Context) bool {
	round, limited := ctx.Deadline()
	end, _ := phase.Deadline()
	return limited && !round.After(end)
}
