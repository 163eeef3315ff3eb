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

// rest waits for the moment in which nobody asks anything, and releases memory then: never while a path is walked, whose
// clocks would run late by it.
type rest struct {
	release func()

	mu    sync.Mutex
	asked int // requests being answered
	timer *time.Timer
}

// newRest begins with the silence after the start.
func newRest(release func()) *rest {
	return &rest{release: release, timer: time.AfterFunc(restAfter, release)}
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

// Close ends the waiting for good.
func (r *rest) Close() {
	r.begin() // and no end
}
