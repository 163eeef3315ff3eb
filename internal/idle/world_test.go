package idle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// rtt is what every exchange in a world takes.
const rtt = 50 * time.Millisecond

// world is a simulated path and server in virtual time.
type world struct {
	// forgets is the NAT's timeout for the n-th connection, counted from 1; nil or 0: none.
	forgets func(n int) time.Duration
	// manner is what it then does: IdleDropped, or IdleReset in answer to data.
	manner report.IdleEnding
	// early sends the RST as soon as the timeout has passed.
	early bool
	// limit is the silence after which the server closes the n-th connection; nil or 0: never.
	limit func(n int) time.Duration
	// alert closes by close_notify instead of FIN only.
	alert bool
	// restarts are the times after the first connection at which every connection is ended by RST.
	restarts []time.Duration
	mute     bool                                           // the server answers no pings
	hello    measurement.Failure                            // how the hello ends
	down     func() bool                                    // whether the path is down
	slip     func(n int, silent time.Duration) error        // another failure of a ping, for example a lost datagram
	other    func(silent time.Duration) measurement.Failure // how the hello ends after a silence

	mu                 sync.Mutex
	opened, open, most int
	openedAt           []time.Time
}

func always(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

func (w *world) session(t path.Target) path.Session {
	return &fakeSession{world: w, target: t, out: measurement.Outcome{Address: t.Address, Transport: t.Transport}}
}

// count is how many sessions are open, the most at a time, and how many were opened.
func (w *world) count() (open, most, opened int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open, w.most, w.opened
}

// firstAt is when the first session was opened.
func (w *world) firstAt() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.openedAt[0]
}

type fakeSession struct {
	world  *world
	target path.Target
	n      int       // 0: not connected
	last   time.Time // when something last passed
	out    measurement.Outcome
}

func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return path.ErrRoundOver
	}
}

func (s *fakeSession) fail(in measurement.Phase, f measurement.Failure) bool {
	s.out.FailedIn, s.out.Failure, s.out.Detail = in, f, measurement.Detail{Text: "as scripted"}
	return false
}

func (s *fakeSession) Connect(ctx context.Context) bool {
	s.world.mu.Lock()
	s.world.opened++
	s.world.open++
	s.world.most = max(s.world.most, s.world.open)
	s.world.openedAt = append(s.world.openedAt, time.Now())
	s.n = s.world.opened
	s.world.mu.Unlock()
	if pass(ctx, rtt) != nil {
		return s.fail(measurement.Connect, measurement.OutOfTime)
	}
	if s.world.down != nil && s.world.down() {
		return s.fail(measurement.Connect, measurement.Unreachable)
	}
	s.last = time.Now()
	return true
}

// after is f for this session; 0 if f is nil.
func (s *fakeSession) after(f func(int) time.Duration) time.Duration {
	if f == nil {
		return 0
	}
	return f(s.n)
}

// exchange sends data and waits for the answer.
func (s *fakeSession) exchange(ctx context.Context) error {
	silent := time.Since(s.last)
	forgets := s.after(s.world.forgets)
	s.last = time.Now()
	forgotten := forgets > 0 && silent > forgets
	if forgotten && s.world.manner == report.IdleReset {
		return fmt.Errorf("ping: %w", path.ErrCut)
	}
	lost := error(nil)
	if s.world.slip != nil {
		lost = s.world.slip(s.n, silent)
	}
	if forgotten || lost != nil || s.world.down != nil && s.world.down() {
		if err := pass(ctx, Patience().Ping); err != nil {
			return err
		}
		if lost != nil {
			return lost
		}
		return path.ErrNoPong
	}
	return pass(ctx, rtt)
}

func (s *fakeSession) Hello(ctx context.Context) bool {
	silent := time.Since(s.last)
	switch err := s.exchange(ctx); {
	case errors.Is(err, path.ErrRoundOver):
		return s.fail(measurement.Hello, measurement.OutOfTime)
	case errors.Is(err, path.ErrCut):
		return s.fail(measurement.Hello, measurement.Reset)
	case errors.Is(err, path.ErrEnded):
		return s.fail(measurement.Hello, measurement.Closed)
	case err != nil:
		return s.fail(measurement.Hello, measurement.Silent)
	}
	ending := s.world.hello
	if s.world.other != nil {
		ending = s.world.other(silent)
	}
	if ending != measurement.Completed {
		return s.fail(measurement.Hello, ending)
	}
	return true
}

func (s *fakeSession) Finish(ctx context.Context) bool { return pass(ctx, rtt) == nil }

func (s *fakeSession) Ping(ctx context.Context) error {
	if err := s.exchange(ctx); err != nil || !s.world.mute {
		return err
	}
	if err := pass(ctx, Patience().Ping); err != nil {
		return err
	}
	return path.ErrNoPong
}

func (s *fakeSession) Listen(ctx context.Context) error {
	forgets, limit := s.after(s.world.forgets), s.after(s.world.limit)
	end := time.Hour
	var err error
	if limit > 0 && (forgets == 0 || limit <= forgets) {
		end, err = limit, fmt.Errorf("listen: %w: %w", path.ErrEnded, io.EOF)
		if s.world.alert {
			err = fmt.Errorf("listen: %w: %w", path.ErrEnded, &devicetls.AlertError{Level: 1})
		}
	} else if s.world.early && forgets > 0 {
		end, err = forgets, fmt.Errorf("listen: %w", path.ErrCut)
	}
	for _, at := range s.world.restarts {
		if left := time.Until(s.world.firstAt().Add(at)); left > 0 && left < end {
			end, err = left, fmt.Errorf("listen: %w", path.ErrCut)
		}
	}
	if pass(ctx, end) == nil {
		return err
	}
	return nil
}

func (s *fakeSession) Outcome() measurement.Outcome { return s.out }

func (s *fakeSession) Close() {
	if s.n == 0 {
		return
	}
	s.n = 0
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.open--
}

// steps are the default steps of the configuration.
func steps() []time.Duration {
	var out []time.Duration
	for _, n := range []int{30, 60, 90, 100, 120, 180, 240, 350, 540} {
		out = append(out, s(n))
	}
	return out
}

func targetTo(address string, transport measurement.Transport) path.Target {
	return path.Target{Address: netip.MustParseAddrPort(address), Transport: transport, Client: measurement.Device, Finish: true, Ping: true}
}
