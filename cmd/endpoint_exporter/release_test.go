package main

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleReleaser(t *testing.T) {
	for name, test := range map[string]struct {
		grown    bool
		during   time.Duration // how long the one request takes
		wait     time.Duration // after its end
		releases int
	}{
		"heap grown, idle for long enough: released":     {grown: true, wait: releaseAfter, releases: 1},
		"heap grown, idle for too short: kept":           {grown: true, wait: releaseAfter / 2},
		"heap unchanged: kept":                           {wait: time.Minute},
		"request in progress past the idle period: kept": {grown: true, during: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newIdleReleaser()
				defer r.timer.Stop()
				releases := 0
				r.release = func() { releases++ }
				r.timer.Stop()
				r.held = func() uint64 { return 0 }
				if test.grown {
					r.held = func() uint64 { return releaseGrowth }
				}
				handler := r.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(test.during) })) //nolint:forbidigo // virtual time
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
				time.Sleep(test.wait) //nolint:forbidigo // virtual time
				synctest.Wait()
				if releases != test.releases {
					t.Errorf("%d releases, want %d", releases, test.releases)
				}
			})
		})
	}
}

// TestIdleReleaserSpacing makes requests at an interval for an hour, after each of which the heap has grown.
func TestIdleReleaserSpacing(t *testing.T) {
	for name, test := range map[string]struct {
		every    time.Duration
		growth   uint64
		releases int // in an hour, and in an idle minute after it
	}{
		"rarer than the spacing: after each request":         {every: 2 * time.Minute, growth: releaseGrowth, releases: 30},
		"more often than the spacing: once in a spacing":     {every: 15 * time.Second, growth: garbageRoom - 1, releases: 61},
		"without an idle period in between: after the last":  {every: releaseAfter / 2, growth: releaseGrowth, releases: 1},
		"more often, but much has grown: after each request": {every: 15 * time.Second, growth: garbageRoom, releases: 240},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newIdleReleaser()
				defer r.timer.Stop()
				r.timer.Stop()
				releases := 0
				r.release = func() { releases++ }
				r.held = func() uint64 { return r.heldAfter + test.growth }
				handler := r.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					r.releasing.Lock()
					defer r.releasing.Unlock()
					r.heldAfter = 0
				}))
				for began := time.Now(); time.Since(began) < time.Hour; {
					handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
					time.Sleep(test.every) //nolint:forbidigo // virtual time
				}
				time.Sleep(releaseSpacing) //nolint:forbidigo // virtual time
				synctest.Wait()
				if releases != test.releases {
					t.Errorf("%d releases, want %d", releases, test.releases)
				}
			})
		})
	}
}

func TestIdleReleaserGCPercent(t *testing.T) {
	for name, test := range map[string]struct {
		live uint64
		want int
	}{
		"no collection yet: as when idle":     {0, idleGCPercent},
		"small heap: the most":                {1 << 20, maxGCPercent},
		"5 MB: the room, in steps":            {5 << 20, 300},
		"heap as large as the room: as idle":  {garbageRoom, idleGCPercent},
		"heap larger than the room: the same": {100 * garbageRoom, idleGCPercent},
	} {
		t.Run(name, func(t *testing.T) {
			if got := gcPercent(test.live); got != test.want {
				t.Errorf("%d %%, want %d %%", got, test.want)
			}
		})
	}
}

// TestIdleReleaserSetsGCPercent makes requests and waits for the idle period.
func TestIdleReleaserSetsGCPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer debug.SetGCPercent(debug.SetGCPercent(idleGCPercent))
		inForce := func() int {
			percent := debug.SetGCPercent(idleGCPercent)
			debug.SetGCPercent(percent)
			return percent
		}
		r := newIdleReleaser()
		defer r.timer.Stop()
		r.release = func() {}
		var during int
		handler := r.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = inForce() }))
		runtime.GC()
		for range 2 { // the first request learns the size of the heap
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
		}
		if during <= idleGCPercent {
			t.Errorf("%d %% during a request", during)
		}
		time.Sleep(2 * releaseAfter) //nolint:forbidigo // virtual time
		synctest.Wait()
		if got := inForce(); got != idleGCPercent {
			t.Errorf("%d %% at rest", got)
		}
	})
}
