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
	end     time.Time // zero: none
	round   bool      // the round's deadline comes before the phase's
	release func()
}

// newBound ends conn's reads and writes when patience has run out or ctx ends. Its release must be called before
// another; after it nothing of it runs. A patience of 0 has no end of its own.
func newBound(ctx context.Context, conn net.Conn, patience time.Duration) (*bound, error) {
	b := &bound{ctx: ctx}
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
