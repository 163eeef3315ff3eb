package collector

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	reloadSuccessfulDesc = descriptor(reloadSuccessful)
	reloadTimeDesc       = descriptor(reloadTime)
)

// descriptor describes a metric without labels for client_golang.
func descriptor(n name) *prometheus.Desc {
	return prometheus.NewDesc(table[n].Name, table[n].Help, nil, nil)
}

// Reloads shows the result of the last reload of the configuration. It is a [prometheus.Collector] and safe for
// concurrent use.
type Reloads struct {
	mu        sync.Mutex
	known     bool // there was a reload
	succeeded bool
	last      time.Time // of the last success
}

// NewReloads makes a collector that shows nothing before the first reload.
func NewReloads() *Reloads { return &Reloads{} }

// Succeeded records that a configuration was loaded and is in force since then.
func (r *Reloads) Succeeded(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.succeeded, r.last = true, true, at
}

// Failed records that a configuration was rejected.
func (r *Reloads) Failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known, r.succeeded = true, false
}

// Describe implements [prometheus.Collector].
func (r *Reloads) Describe(ch chan<- *prometheus.Desc) {
	ch <- reloadSuccessfulDesc
	ch <- reloadTimeDesc
}

// Collect implements [prometheus.Collector].
func (r *Reloads) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return
	}
	ch <- prometheus.MustNewConstMetric(reloadSuccessfulDesc, prometheus.GaugeValue, number(r.succeeded))
	if !r.last.IsZero() {
		ch <- prometheus.MustNewConstMetric(reloadTimeDesc, prometheus.GaugeValue, unix(r.last))
	}
}
