package path

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// pastDeadline is a deadline that makes every read and write end at once.
var pastDeadline = time.Unix(1, 0)

const (
	// lateRead is how late a read may return after its deadline before it is suspected to have missed data. A read
	// whose deadline has passed returns a time-out even if data waits in the socket buffer.
	lateRead = 10 * time.Millisecond
	// secondRead bounds the second read after a late one.
	secondRead = 20 * time.Millisecond
	// lateWake is how late a read may return before this machine is taken to have been suspended or overloaded.
	lateWake = 250 * time.Millisecond
)

var (
	// errSilence means that the phase's time ran out before its goal was reached.
	errSilence = errors.New("no answer in time")
	// errRoundOver means that the round ended first, which says nothing about the path.
	errRoundOver = errors.New("the round ended first")
	// errSuspended means that this machine did not run when the answer should have come, which says nothing about the
	// path.
	errSuspended = errors.New("this machine was suspended or overloaded")
)

// phaseDeadline ends the reads and writes of one phase on a connection: when the phase's own time runs out or the round
// ends, whichever comes first. It is absolute, so bytes that trickle in do not extend it.
type phaseDeadline struct {
	ctx        context.Context
	turn       Turn
	conn       net.Conn
	end        time.Time // zero: none
	wake       time.Time // of the next read; zero: none
	roundFirst bool      // the round's deadline comes before the phase's own
	suspended  bool      // a read returned more than lateWake late: this machine did not run
	release    func()
}

// startPhase sets the deadline of a phase on conn. A patience of 0 ends only with ctx. The caller must call release
// before it starts the next phase; afterwards the phase has no effect on conn.
func startPhase(ctx context.Context, conn net.Conn, patience time.Duration) (*phaseDeadline, error) {
	d := &phaseDeadline{ctx: ctx, turn: turnOf(ctx), conn: conn}
	var end time.Time
	if patience > 0 {
		end = time.Now().Add(patience)
	}
	if err := d.setEnd(end); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = conn.SetDeadline(pastDeadline) // fails only on a closed connection, whose reads end anyway
	})
	d.release = func() {
		if !stop() {
			<-done
		}
	}
	return d, nil
}

// setEnd sets when the phase's own time runs out.
func (d *phaseDeadline) setEnd(end time.Time) error {
	d.end, d.roundFirst = end, false
	if deadline, ok := d.ctx.Deadline(); ok && (end.IsZero() || deadline.Before(end)) {
		d.end, d.roundFirst = deadline, true
	}
	d.wake = d.end
	return d.conn.SetDeadline(d.end)
}

// extendTo makes the phase end at t if it would end earlier. A round that has ended is not extended.
func (d *phaseDeadline) extendTo(t time.Time) error {
	if d.end.IsZero() || !d.end.Before(t) || d.roundFirst {
		return nil
	}
	if err := d.setEnd(t); err != nil {
		return err
	}
	return d.checkRound()
}

// wakeAt makes the next reads end at t if the phase does not end earlier: for a read that ends so that something can be
// sent again.
func (d *phaseDeadline) wakeAt(t time.Time) error {
	if !d.end.IsZero() && d.end.Before(t) {
		t = d.end
	}
	d.wake = t
	if err := d.conn.SetReadDeadline(t); err != nil {
		return err
	}
	return d.checkRound()
}

// checkRound sets pastDeadline again if ctx ended before another deadline was set. If ctx ends from now on,
// startPhase's hook runs later.
func (d *phaseDeadline) checkRound() error {
	if d.ctx.Err() != nil {
		return d.conn.SetDeadline(pastDeadline)
	}
	return nil
}

// read reads from the connection. A read that returns late after its deadline is repeated once, and its delay is
// added to the phase: this machine did not run, so the time was not the path's. If nothing waits and the read that
// ends the phase was more than lateWake late, it returns errSuspended.
func (d *phaseDeadline) read(p []byte) (int, error) {
	d.turn.Pause()
	defer d.turn.Resume()
	n, err := d.conn.Read(p)
	if n > 0 || d.wake.IsZero() || !errors.Is(err, os.ErrDeadlineExceeded) || d.ctx.Err() != nil {
		return n, err
	}
	late := time.Since(d.wake)
	if late < lateRead {
		return 0, err
	}
	d.suspended = d.suspended || late > lateWake
	last := !d.wake.Before(d.end)
	if err := d.conn.SetReadDeadline(time.Now().Add(secondRead)); err != nil {
		return 0, err
	}
	n, again := d.conn.Read(p)
	switch {
	case d.ctx.Err() != nil:
		return n, err
	case !errors.Is(again, os.ErrDeadlineExceeded):
		if again == nil {
			again = d.extendTo(d.end.Add(late))
		}
		return n, again
	case last && late > lateWake:
		return 0, errSuspended
	case late > lateWake:
		if err := d.extendTo(d.end.Add(late)); err != nil {
			return 0, err
		}
	}
	return 0, err
}

// cause returns what a time-out of the connection means: errRoundOver or errSilence. Other errors are returned
// unchanged.
func (d *phaseDeadline) cause(err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case d.roundFirst || d.ctx.Err() != nil:
		return errRoundOver
	}
	return errSilence
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
