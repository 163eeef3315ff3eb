package survey

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGateOrder has work of every class wait for the only place: the class decides, then the order of arrival.
func TestGateOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 100)
		first := g.walk(t.Context(), leadingWalk)
		var order []string
		for _, waiting := range []struct {
			name  string
			class class
		}{
			{"further 1", furtherWalk}, {"leading 1", leadingWalk}, {"resuming", resumingWalk}, {"further 2", furtherWalk}, {"leading 2", leadingWalk},
		} {
			go func() {
				if !g.enter(t.Context(), waiting.class, 0) {
					return
				}
				order = append(order, waiting.name) // one at a time
				g.leave(func() { g.computing-- })
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Errorf("%v began before there was room", order)
		}
		first.end()
		synctest.Wait()
		if want := []string{"resuming", "leading 1", "leading 2", "further 1", "further 2"}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// TestGateWaiting has walks that wait for the network: after the grace another one may begin, and when the answer comes
// they compute again only if there is room.
func TestGateWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 100)
		waits := g.walk(t.Context(), leadingWalk)
		started := time.Now()
		waits.Pause()
		other := g.walk(t.Context(), leadingWalk)
		if took := time.Since(started); took != grace {
			t.Errorf("the second walk began after %v, want %v", took, grace)
		}
		time.AfterFunc(time.Second, other.end)
		waits.Resume()
		if took := time.Since(started); took != grace+time.Second {
			t.Errorf("the first walk went on after %v, want %v", took, grace+time.Second)
		}
		waits.Pause()
		waits.Resume() // within the grace: it has kept its place
		if g.computing != 1 {
			t.Errorf("%d walks compute, want 1", g.computing)
		}
		waits.Pause()
		<-time.After(2 * grace)
		waits.Resume()
		waits.end()
		if g.computing != 0 || g.walking != 0 {
			t.Errorf("at the end %d compute, %d walk", g.computing, g.walking)
		}
	})
}

// TestGateSockets fills the sockets with silent walks to further addresses: half of them are left to the others.
func TestGateSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sockets = 8
		g := newGate(100, sockets)
		begin := func(c class, n int) (begun []*turn) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for range n {
				if w := g.walk(ctx, c); w != nil {
					w.Pause()
					begun = append(begun, w)
				}
			}
			return begun
		}
		others, leaders := begin(furtherWalk, sockets), begin(leadingWalk, sockets)
		if len(others) != sockets/2 || len(leaders) != sockets/2 {
			t.Errorf("%d walks to further addresses began, and %d to leading ones; want %d of each", len(others), len(leaders), sockets/2)
		}
		var hosts []func()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range sockets {
			if _, done, ok := g.lookUp(ctx, 2); ok {
				hosts = append(hosts, done)
			}
		}
		if len(hosts) != sockets/2/2 {
			t.Errorf("look-ups of %d hosts with 2 sockets each began, want %d", len(hosts), sockets/2/2)
		}
		for _, done := range hosts {
			done()
			done() // a second time changes nothing
		}
		for _, w := range append(others, leaders...) {
			w.Resume()
			w.end()
		}
		if g.computing != 0 || g.walking != 0 || g.further != 0 || g.asking != 0 || g.lookups != 0 {
			t.Errorf("at the end %+v", g)
		}
	})
}

// TestGateLookups has hosts whose resolver is silent, so that their look-ups have no address: after lookupGrace those
// of another host begin.
func TestGateLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 100)
		started := time.Now()
		for i := range 6 {
			_, done, ok := g.lookUp(t.Context(), 2)
			if want := time.Duration(i/2) * lookupGrace; !ok || time.Since(started) != want {
				t.Errorf("host %d began after %v, want %v", i, time.Since(started), want)
			}
			defer done()
		}
	})
}

// TestGateEndOfRound has work wait until the round is over.
func TestGateEndOfRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 100)
		place := g.walk(t.Context(), leadingWalk)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other := &turn{gate: g, ctx: ctx}
		other.Pause()
		other.Resume() // returns without a place
		if g.walk(ctx, leadingWalk) != nil || other.computing || len(g.queues[leadingWalk])+len(g.queues[resumingWalk]) != 0 {
			t.Errorf("after the end of the round: %+v", g)
		}
		place.end()
		g.resize(2)
		if first, second := g.walk(t.Context(), leadingWalk), g.walk(t.Context(), leadingWalk); first == nil || second == nil {
			t.Error("two places, and not two walks at once")
		}
	})
}

func TestSocketsOf(t *testing.T) {
	for limit, want := range map[int]int{0: maxSockets, 1: 1, 64: 32, 1024: 512, 8192: 4096, 1 << 20: maxSockets} {
		if got := socketsOf(limit); got != want {
			t.Errorf("with %d files %d sockets, want %d", limit, got, want)
		}
	}
	if DescriptorLimit() < 0 {
		t.Error("a negative limit")
	}
}
