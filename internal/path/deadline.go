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

var (
	// errSilence means that the phase's time ran out before its goal was reached.
	errSilence = errors.New("no answer in time")
	// errRoundOver means that the round ended first, which says nothing about the path.
	errRoundOver = errors.New("the round ended first")
)

// phaseDeadline ends the reads and writes of one phase on a connection: when the phase's own time runs out or the round
// ends, whichever comes first. It is absolute, so bytes that trickle in do not extend it.
type phaseDeadline struct {
	ctx        context.Context
	conn       net.Conn
	end        time.Time // zero: none
	roundFirst bool      // the round's deadline comes before the phase's own
	release    func()
}

// startPhase sets the deadline of a phase on conn. A patience of 0 ends only with ctx. The caller must call release before
// it starts the next phase; afterwards the phase has no effect on conn.
func startPhase(ctx context.Context, conn net.Conn, patience time.Duration) (*phaseDeadline, error) {
	d := &phaseDeadline{ctx: ctx, conn: conn}
	if patience > 0 {
		d.end = time.Now().Add(patience)
	}
	if deadline, ok := ctx.Deadline(); ok && (d.end.IsZero() || deadline.Before(d.end)) {
		d.end, d.roundFirst = deadline, true
	}
	if err := conn.SetDeadline(d.end); err != nil {
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

// wakeAt makes the next reads end at t if the phase does not end earlier: for a read that ends so that something can be
// sent again.
func (d *phaseDeadline) wakeAt(t time.Time) error {
	if !d.end.IsZero() && d.end.Before(t) {
		t = d.end
	}
	if err := d.conn.SetReadDeadline(t); err != nil {
		return err
	}
	if d.ctx.Err() != nil { // it may have ended before this deadline was set; if it ends from now on, startPhase's hook runs later
		return d.conn.SetReadDeadline(pastDeadline)
	}
	return nil
}

// cause returns what a time-out of the connection means: errRoundOver or errSilence. Other errors are returned unchanged.
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
