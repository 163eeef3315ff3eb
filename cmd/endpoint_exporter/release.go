package main

import (
	"net/http"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// releaseAfter is how long no request may be in progress before free memory is returned to the system: a release
	// takes milliseconds in which the clocks of a walk would run late.
	releaseAfter = time.Second
	// releaseGrowth is the growth of the heap, in bytes, that makes a release worth its processor time.
	releaseGrowth = 1 << 20
)

// idleReleaser returns free heap to the system when the exporter is idle and the heap has grown since the last release.
type idleReleaser struct {
	release func()
	timer   *time.Timer
	active  atomic.Int64  // requests in progress
	kept    atomic.Uint64 // heap bytes held from the system after the last release
}

func newIdleReleaser() *idleReleaser {
	r := &idleReleaser{release: debug.FreeOSMemory}
	r.timer = time.AfterFunc(releaseAfter, r.releaseIfGrown)
	return r
}

func (r *idleReleaser) releaseIfGrown() {
	if r.active.Load() > 0 || heapHeld() < r.kept.Load()+releaseGrowth {
		return
	}
	r.release()
	r.kept.Store(heapHeld())
}

// wrap makes a handler that restarts the idle period after each request.
func (r *idleReleaser) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.active.Add(1)
		defer func() {
			r.active.Add(-1)
			r.schedule()
		}()
		next.ServeHTTP(w, request)
	})
}

// schedule restarts the idle period, unless a request is in progress.
func (r *idleReleaser) schedule() {
	if r.active.Load() == 0 {
		r.timer.Reset(releaseAfter)
	}
}

// heapHeld is how many bytes of heap the process holds from the system.
func heapHeld() (bytes uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples {
		bytes += s.Value.Uint64()
	}
	return bytes
}
