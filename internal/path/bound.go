package path

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// longPast is a deadline that has passed on any clock.
var longPast = time.Unix(1, 0)

// bound is the end of one phase on a connection: that of its patience or of the round, whichever comes first. It is
// absolute: bytes that trickle in do not put it off.
type bound struct {
	ctx     context.Context
	conn    net.Conn
	end     time.Time // zero: none
	round   bool      // the round's deadline comes before the phase's
	release func()
}

// newBound ends conn's reads and writes when patience has run out or ctx ends. Its release must be called before
// another; after it nothing of it runs. A patience of 0 has no end of its own.
func newBound(ctx context.Context, conn net.Conn, patience time.Duration) (*bound, error) {
	b := &bound{ctx: ctx, conn: conn}
	if patience > 0 {
		b.end = time.Now().Add(patience)
	}
	if deadline, ok := ctx.Deadline(); ok && (b.end.IsZero() || deadline.Before(b.end)) {
		b.end, b.round = deadline, true
	}
	if err := conn.SetDeadline(b.end); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = conn.SetDeadline(longPast) // fails only on a closed connection, whose reads end anyway
	})
	b.release = func() {
		if !unhook() {
			<-done
		}
	}
	return b, nil
}

// wake makes the next reads end at t, if that is before the end of the bound: for a read that ends in order to send again.
func (b *bound) wake(t time.Time) error {
	if !b.end.IsZero() && b.end.Before(t) {
		t = b.end
	}
	if err := b.conn.SetReadDeadline(t); err != nil {
		return err
	}
	if b.ctx.Err() != nil { // it may have ended before the deadline was set; if it ends now, newBound's hook comes after us
		return b.conn.SetReadDeadline(longPast)
	}
	return nil
}

// of says what a time-out of the connection means: that the round ended, or that nothing came in time. Other errors are
// as they were.
func (b *bound) of(err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case b.round || b.ctx.Err() != nil:
		return errRoundOver
	}
	return errSilence
}

var (
	// errSilence means that a phase's patience ran out before its goal was reached.
	errSilence = errors.New("no answer in time")
	// errRoundOver means that the round ended first, which says nothing about the path.
	errRoundOver = errors.New("the round ended first")
)

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
