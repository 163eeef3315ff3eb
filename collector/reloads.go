package collector

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloads shows what became of the configuration when it was last read. It is a [prometheus.Collector] and safe for
// concurrent use.
type Reloads struct {
	mu        sync.Mutex
	known     bool // it was read, or tried to
	succeeded bool
	last      time.Time // of the last success
}

// NewReloads makes one that knows of no reload yet and shows nothing.
func NewReloads() *Reloads { return &Reloads{} }

// Succeeded records that a configuration was read and is in force since then.
func (r *Reloads) Succeeded(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.succeeded, r.last = true, true, at
}

// Failed records that a configuration was refused.
func (r *Reloads) Failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.succeeded = true, false
}

// Describe implements [prometheus.Collector].
func (r *Reloads) Describe(ch chan<- *prometheus.Desc) {
	ch <- descs[reloadSuccessful]
	ch <- descs[reloadTime]
}

// Collect implements [prometheus.Collector].
func (r *Reloads) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return
	}
	ch <- constant(reloadSuccessful, number(r.succeeded))
	if !r.last.IsZero() {
		ch <- constant(reloadTime, unix(r.last))
	}
}
