package path

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// suspendedConn is a connection on a machine that does not run from one time to another: a read that would return in
// between returns when the machine runs again. If its deadline has passed by then, it returns a time-out, whatever
// waits in the socket buffer, as the runtime's does.
type suspendedConn struct {
	net.Conn
	from, to time.Time
	deadline time.Time
}

func (c *suspendedConn) SetDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

func (c *suspendedConn) SetReadDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetReadDeadline(t)
}

func (c *suspendedConn) Read(p []byte) (int, error) {
	if now := time.Now(); now.Before(c.from) {
		// Wait for what comes before the machine is suspended.
		until := c.from
		if !c.deadline.IsZero() && c.deadline.Before(until) {
			until = c.deadline
		}
		_ = c.Conn.SetReadDeadline(until)
		n, err := c.Conn.Read(p)
		_ = c.Conn.SetReadDeadline(c.deadline)
		if n > 0 || !isTimeout(err) || until.Before(c.from) {
			return n, err
		}
	}
	if now := time.Now(); now.Before(c.to) {
		<-time.After(c.to.Sub(now))
	}
	return c.Conn.Read(p)
}

// suspended makes the walker's connections those of a machine that is suspended for a time.
func (w *world) suspended(after, length time.Duration) {
	dial := w.network.Dial
	from := time.Now().Add(after)
	w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &suspendedConn{Conn: conn, from: from, to: from.Add(length)}, nil
	}
}

// TestWalkSuspended suspends this machine at any time of a walk over a healthy path. The walk completes, unless the
// server has given up after a minute.
func TestWalkSuspended(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		for after := 10 * time.Millisecond; after < 400*time.Millisecond; after += 13 * time.Millisecond {
			for _, length := range []time.Duration{2500 * time.Millisecond, time.Minute} {
				t.Run(fmt.Sprintf("%v after %v", length, after), func(t *testing.T) {
					inWorld(t, deviceHost(), func(t *testing.T, w *world) {
						w.network.Delay = 50 * time.Millisecond
						w.suspended(after, length)
						o := w.walker.Walk(t.Context(), w.target(t, transport))
						if o.Failure != measurement.Completed && o.Failure != measurement.OutOfTime {
							t.Error(describe(o))
						}
						if _, ok := o.Took(measurement.Finish); !ok && length < time.Minute {
							t.Errorf("the walk did not complete: %s", describe(o))
						}
					})
				})
			}
		}
	})
}

// TestWalkSuspendedInSilence suspends this machine over the end of a phase in which nothing comes: that is not silence.
func TestWalkSuspendedInSilence(t *testing.T) {
	for _, test := range []struct {
		transport     measurement.Transport
		fault         string
		after, length time.Duration
		want          measurement.Failure
		detail        measurement.DetailKind
	}{
		{measurement.TCP, lab.Silence, 2 * time.Second, 1200 * time.Millisecond, measurement.Silent, measurement.DetailHelloUnanswered},
		{measurement.TCP, lab.Silence, 2 * time.Second, 1500 * time.Millisecond, measurement.OutOfTime, measurement.DetailSuspended},
		{measurement.TCP, lab.Silence, 2 * time.Second, time.Hour, measurement.OutOfTime, measurement.DetailSuspended},
		{measurement.UDP, lab.Drop, 5 * time.Second, 3 * time.Second, measurement.OutOfTime, measurement.DetailSuspended},
		{measurement.UDP, lab.NoAnswerAfter, 5 * time.Second, 3 * time.Second, measurement.OutOfTime, measurement.DetailSuspended},
		{measurement.UDP, lab.Drop, time.Second, time.Second, measurement.Silent, measurement.DetailHelloUnanswered},
	} {
		t.Run(fmt.Sprintf("%s/%s/%v after %v", test.transport, test.fault, test.length, test.after), func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				inflict(t, w.Lab, bootstrap, test.transport, test.fault)
				w.suspended(test.after, test.length)
				target := w.target(t, test.transport)
				target.WebRetry = false
				o := w.walker.Walk(t.Context(), target)
				if o.Failure != test.want || o.FailedIn != measurement.Hello || o.Detail.Kind != test.detail {
					t.Errorf("%s, want %q (%s)", describe(o), test.want, test.detail)
				}
			})
		})
	}
}

// TestConnectSuspended: a connect whose time-out comes late says nothing about the path.
func TestConnectSuspended(t *testing.T) {
	for late, want := range map[time.Duration]measurement.Failure{
		200 * time.Millisecond: measurement.Unreachable,
		time.Second:            measurement.OutOfTime,
	} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &Walker{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					<-time.After(late)
					return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
				}}
				o := w.Walk(t.Context(), Target{Transport: measurement.TCP, Client: measurement.Device})
				if o.Failure != want || o.FailedIn != measurement.Connect {
					t.Errorf("%s, want %q", describe(o), want)
				}
			})
		})
	}
}
