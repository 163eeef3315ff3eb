package main

import (
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// releaseAfter is how long no request may be in progress before free memory is returned to the system: a release
	// takes milliseconds in which the clocks of a walk would run late.
	releaseAfter = time.Second
	// releaseGrowth is the growth of the heap, in bytes, that makes a release worth its processor time.
	releaseGrowth = 2 << 20
	// releaseSpacing is the time from one release to the next at least, while the heap has grown by less than
	// garbageRoom: a release takes as much processor time as the walks of several paths, and the next scrape has to get
	// the memory back.
	releaseSpacing = time.Minute
)

// While requests are in progress, the garbage collector lets the heap grow by garbageRoom bytes beyond the live
// objects, but by at most maxGCPercent of them and by no less than idleGCPercent, Go's default. A heap of a few MB
// would otherwise be collected several times in a round. A heap of hundreds of paths is larger and is collected as
// usual.
const (
	garbageRoom   = 16 << 20
	maxGCPercent  = 400
	idleGCPercent = 100
)

// idleReleaser adapts memory to the load. While requests are in progress it lets the garbage collector run less often.
// When the exporter is idle and the heap has grown since the last release, it returns free heap to the system.
type idleReleaser struct {
	release        func()
	held           func() uint64 // heap bytes held from the system
	timer          *time.Timer
	active         atomic.Int64 // requests in progress
	requestPercent atomic.Int64 // garbage collector's percentage during requests, by the live heap after the last one

	mu      sync.Mutex
	percent int // garbage collector's percentage in force; 0: not adapted, since GOGC is set in the environment

	releasing sync.Mutex // locked during a release; guards the fields below
	heldAfter uint64     // result of held after the last release
	released  time.Time  // when that was; zero: there was none
}

func newIdleReleaser() *idleReleaser {
	r := &idleReleaser{release: debug.FreeOSMemory, held: heapHeld}
	if os.Getenv("GOGC") == "" {
		r.percent = idleGCPercent
	}
	r.requestPercent.Store(idleGCPercent)
	r.releasing.Lock()
	defer r.releasing.Unlock()
	r.timer = time.AfterFunc(releaseAfter, r.releaseIfGrown)
	return r
}

// releaseIfGrown releases memory at the end of an idle period, or plans that for the end of the spacing.
func (r *idleReleaser) releaseIfGrown() {
	if r.active.Load() > 0 {
		return
	}
	r.setGCPercent(idleGCPercent)
	r.releasing.Lock()
	defer r.releasing.Unlock()
	held := r.held()
	if held < r.heldAfter+releaseGrowth {
		return
	}
	if wait := releaseSpacing - time.Since(r.released); wait > 0 && held < r.heldAfter+garbageRoom {
		r.timer.Reset(wait) // a request restarts the idle period
		return
	}
	r.release()
	r.heldAfter, r.released = r.held(), time.Now()
}

// wrap makes a handler that restarts the idle period after each request.
func (r *idleReleaser) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if r.active.Add(1) == 1 {
			r.setGCPercent(int(r.requestPercent.Load()))
		}
		defer func() {
			r.adapt()
			r.active.Add(-1)
			r.schedule()
		}()
		next.ServeHTTP(w, request)
	})
}

// setGCPercent sets the garbage collector's percentage, unless it is in force or GOGC is set.
func (r *idleReleaser) setGCPercent(percent int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.percent != 0 && r.percent != percent {
		r.percent = percent
		debug.SetGCPercent(percent)
	}
}

// adapt sets the garbage collector's percentage during requests by the objects that the last collection found alive.
func (r *idleReleaser) adapt() {
	percent := gcPercent(readMetrics("/gc/heap/live:bytes"))
	r.requestPercent.Store(int64(percent))
	r.setGCPercent(percent)
}

// gcPercent is the garbage collector's percentage while requests are in progress, by the bytes of live objects; 0 means
// that there was no collection yet.
func gcPercent(live uint64) int {
	if live == 0 {
		return idleGCPercent
	}
	const step = 50 // a change stops the program for a moment
	return max(idleGCPercent, min(maxGCPercent, int(100*garbageRoom/live)/step*step))
}

// schedule restarts the idle period, unless a request is in progress.
func (r *idleReleaser) schedule() {
	if r.active.Load() == 0 {
		r.timer.Reset(releaseAfter)
	}
}

// heapHeld is how many bytes of heap the process holds from the system.
func heapHeld() uint64 {
	return readMetrics("/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes")
}

// readMetrics returns the sum of metrics of the runtime.
func readMetrics(names ...string) (sum uint64) {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for _, s := range samples {
		sum += s.Value.Uint64()
	}
	return sum
}
