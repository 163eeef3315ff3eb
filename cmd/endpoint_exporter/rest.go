package main

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/memory"
)

// restAfter is how long nobody has to ask anything until memory is released: longer than the gap between requests that
// come in one go, far shorter than the time between two scrapes.
const restAfter = time.Second

// rest waits for the moment in which nobody asks anything, and releases memory then: never while a request is answered, since
// the clocks of its walks would run late by it.
type rest struct {
	release func()

	mu    sync.Mutex // held while memory is released: a request that comes then waits for some milliseconds
	asked int        // requests being answered
	timer *time.Timer
}

// newRest begins with the silence after the start.
func newRest(release func()) *rest {
	r := &rest{release: release}
	r.timer = time.AfterFunc(restAfter, r.begun)
	return r
}

// begun releases memory, unless somebody has asked in the meantime.
func (r *rest) begun() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == 0 {
		r.release()
	}
}

// releaseMemory is what a program at rest does.
func releaseMemory(logger *slog.Logger) func() {
	return func() {
		if err := memory.Release(); err != nil {
			logger.Debug("memory not released", "err", err)
		}
	}
}

// during keeps the rest from beginning while next answers.
func (r *rest) during(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.begin()
		defer r.end()
		next.ServeHTTP(w, request)
	})
}

func (r *rest) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.timer.Stop()
}

func (r *rest) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked--; r.asked == 0 {
		r.timer.Reset(restAfter)
	}
}

// Close ends the waiting for good, after a release that is under way.
func (r *rest) Close() {
	r.begin() // and no end
}
