package main

import (
	"net/http"
	"net/http/httptest"
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
				if !test.grown {
					r.kept.Store(1 << 60)
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
