package path

import "context"

// Turn bounds the walks that compute at once without counting those that wait for the network. A walk calls Pause
// before it waits, and Resume, which may block, before it goes on. Both are called by the goroutine of the walk.
type Turn interface {
	Pause()
	Resume()
}

type turnKey struct{}

// WithTurn returns a context whose walk takes turns with others.
func WithTurn(ctx context.Context, t Turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// turnOf returns the turn of the context's walk; without one it never blocks.
func turnOf(ctx context.Context) Turn {
	if t, ok := ctx.Value(turnKey{}).(Turn); ok {
		return t
	}
	return noTurn{}
}

type noTurn struct{}

func (noTurn) Pause()  {}
func (noTurn) Resume() {}
