package share

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sleeper is a computation that takes a time and numbers its runs.
type sleeper struct {
	takes   time.Duration
	discard bool
	number  int
	err     error // of the context when Run returned
}

func (s *sleeper) Run(ctx context.Context) bool {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	s.err = ctx.Err()
	return !s.discard
}

const (
	maxAge = 7 * time.Second
	budget = 10 * time.Second
)

// factory makes sleepers and counts them.
type factory struct {
	takes   time.Duration
	discard bool
	made    int
}

func (f *factory) make() *sleeper {
	f.made++
	return &sleeper{takes: f.takes, discard: f.discard, number: f.made}
}

func open(t *testing.T, o Options) *Group[string, *sleeper] {
	t.Helper()
	g := NewGroup[string, *sleeper](o)
	t.Cleanup(g.Close)
	return g
}

func join(t *testing.T, g *Group[string, *sleeper], key string, f *factory) *Call[*sleeper] {
	t.Helper()
	c, err := g.Join(key, maxAge, budget, f.make)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMaxAge(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{0: 0, 10 * time.Second: 7500 * time.Millisecond} {
		if got := MaxAge(interval); got != want {
			t.Errorf("MaxAge(%v) = %v, want %v", interval, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		name    string
		factory factory
		key     string        // of the second caller; the first one asks for "a"
		after   time.Duration // from the first caller to the second
		forget  bool
		shared  bool
	}{
		{name: "at the same time: shared", factory: factory{takes: time.Second}, key: "a", shared: true},
		{name: "while it runs, older than the limit: shared", factory: factory{takes: 9 * time.Second}, key: "a", after: 8 * time.Second, shared: true},
		{name: "ended, younger than the limit: shared", factory: factory{takes: time.Second}, key: "a", after: maxAge - 1, shared: true},
		{name: "ended, as old as the limit: new", factory: factory{takes: time.Second}, key: "a", after: maxAge},
		{name: "ended, not worth keeping: new", factory: factory{takes: time.Second, discard: true}, key: "a", after: 2 * time.Second},
		{name: "running, not worth keeping: shared", factory: factory{takes: 3 * time.Second, discard: true}, key: "a", after: 2 * time.Second, shared: true},
		{name: "another key: new", factory: factory{takes: time.Second}, key: "b"},
		{name: "running, forgotten: new", factory: factory{takes: 3 * time.Second}, key: "a", after: time.Second, forget: true},
		{name: "ended, forgotten: new", factory: factory{takes: time.Second}, key: "a", after: 2 * time.Second, forget: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, f := open(t, Options{}), &test.factory
				first := join(t, g, "a", f)
				<-time.After(test.after)
				synctest.Wait()
				if test.forget {
					g.Forget()
				}
				if current, ok := g.Current(test.key, maxAge); ok != test.shared || ok && current != first {
					t.Errorf("current: %v", ok)
				}
				second := join(t, g, test.key, f)
				if (first == second) != test.shared || f.made > 2 {
					t.Errorf("shared: %v after %d computations", first == second, f.made)
				}
				for _, c := range []*Call[*sleeper]{first, second} {
					if !c.Wait(context.Background()) || c.Computation().err != nil {
						t.Errorf("call %d ended with %v", c.Computation().number, c.Computation().err)
					}
				}
			})
		})
	}
}

func TestWait(t *testing.T) {
	for _, test := range []struct {
		name     string
		patience time.Duration // of the caller; 0: its context is already done
		takes    time.Duration
		ended    bool
		waited   time.Duration
	}{
		{"the call ends first: its result", 5 * time.Second, time.Second, true, time.Second},
		{"the caller's time ends first: no result yet", time.Second, 5 * time.Second, false, time.Second},
		{"the caller has no time at all: no result yet", 0, 5 * time.Second, false, 0},
		{"the call takes longer than its budget: it ends there", time.Minute, time.Hour, true, budget},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, f := open(t, Options{}), &factory{takes: test.takes}
				c := join(t, g, "a", f)
				ctx, cancel := context.WithTimeout(context.Background(), test.patience)
				defer cancel()
				began := time.Now()
				if ended := c.Wait(ctx); ended != test.ended || time.Since(began) != test.waited {
					t.Errorf("ended %v after %v", ended, time.Since(began))
				}
			})
		})
	}
	t.Run("the call has ended and the caller has no time: its result", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := open(t, Options{})
			c := join(t, g, "a", &factory{})
			c.Wait(context.Background())
			over, cancel := context.WithCancel(context.Background())
			cancel()
			for range 100 { // select picks at random
				if !c.Wait(over) {
					t.Fatal("no result")
				}
			}
		})
	})
}

// TestLeave has every caller leave: the call goes on with its own budget, and the next caller shares it.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := open(t, Options{}), &factory{takes: 4 * time.Second}
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if join(t, g, "a", f).Wait(ctx) {
					t.Error("ended within a second")
				}
			})
		}
		callers.Wait()
		c := join(t, g, "a", f)
		if !c.Wait(context.Background()) || c.Computation().err != nil || f.made != 1 {
			t.Errorf("%v after %d computations", c.Computation().err, f.made)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := NewGroup[string, *sleeper](Options{}), &factory{takes: time.Hour}
		running := join(t, g, "a", f)
		g.Forget() // a forgotten call is waited for too
		other := join(t, g, "b", f)
		g.Close()
		for _, c := range []*Call[*sleeper]{running, other} {
			if !c.Ended() || !errors.Is(c.Computation().err, context.Canceled) {
				t.Errorf("ended %v with %v", c.Ended(), c.Computation().err)
			}
		}
		if _, err := g.Join("a", maxAge, budget, f.make); !errors.Is(err, ErrClosed) || f.made != 2 {
			t.Errorf("joined with error %v, %d computations", err, f.made)
		}
	})
}

func TestMaxRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := open(t, Options{MaxRunning: 2}), &factory{takes: time.Second}
		first := join(t, g, "a", f)
		join(t, g, "b", f)
		if _, err := g.Join("c", maxAge, budget, f.make); !errors.Is(err, ErrBusy) {
			t.Errorf("the third: %v", err)
		}
		if join(t, g, "a", f) != first {
			t.Error("a call that runs is not shared while the group is busy")
		}
		g.Forget()
		if _, err := g.Join("a", maxAge, budget, f.make); !errors.Is(err, ErrBusy) {
			t.Errorf("forgotten calls still run: %v", err)
		}
		first.Wait(context.Background())
		synctest.Wait()
		join(t, g, "c", f)
	})
}

func TestMaxKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := open(t, Options{MaxKept: 3}), &factory{}
		for _, key := range []string{"a", "b", "c", "d"} {
			join(t, g, key, f).Wait(context.Background())
			<-time.After(time.Second)
		}
		if len(g.calls) != 3 || g.calls["a"] != nil {
			t.Errorf("%d calls are kept, the oldest among them: %v", len(g.calls), g.calls["a"] != nil)
		}
		if _, err := g.Join("a", maxAge, budget, f.make); !errors.Is(err, ErrBusy) {
			t.Errorf("a new call of a key whose young call made room: %v", err)
		}
		<-time.After(maxAge)
		join(t, g, "e", f).Wait(context.Background())
		if len(g.dropped) != 0 {
			t.Errorf("%d dropped calls are remembered, although they are too old", len(g.dropped))
		}
		join(t, g, "a", f).Wait(context.Background())
		if len(g.calls) != 2 {
			t.Errorf("%d calls are kept, although all but one are too old", len(g.calls))
		}
	})
}

// TestManyCallers checks under -race that a result can be read by everyone.
func TestManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := open(t, Options{}), &factory{takes: time.Second}
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				<-time.After(time.Duration(i) * 100 * time.Millisecond)
				c := join(t, g, "a", f)
				if !c.Wait(context.Background()) || c.Computation().number != 1 {
					t.Errorf("caller %d got computation %d", i, c.Computation().number)
				}
			})
		}
		callers.Wait()
	})
}

// TestJoinDropsOldCalls joins keys that are never joined again: a group without bounds keeps few of them.
func TestJoinDropsOldCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, Options{})
		f := &factory{}
		for key := range 1000 {
			join(t, g, strconv.Itoa(key), f)
			time.Sleep(maxAge) //nolint:forbidigo // virtual time
		}
		if n := len(g.calls); n > minSweep {
			t.Errorf("%d calls are kept, although all but one are too old", n)
		}
	})
}
