package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloads shows the result of the last reload of the configuration. It is a [prometheus.Collector] and safe for
// concurrent use.
type Reloads struct {
	successful *prometheus.GaugeVec
	time       *prometheus.GaugeVec // of the last success
}

// NewReloads makes a collector that shows nothing before the first reload.
func NewReloads() *Reloads { return &Reloads{gauge(reloadSuccessful), gauge(reloadTime)} }

// gauge makes the gauge of a metric without labels, which has no value at first.
func gauge(n name) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: table[n].Name, Help: table[n].Help}, nil)
}

// Succeeded records that a configuration was loaded and is in force since then.
func (r *Reloads) Succeeded(at time.Time) {
	r.successful.WithLabelValues().Set(1)
	r.time.WithLabelValues().Set(unix(at))
}

// Failed records that a configuration was rejected.
func (r *Reloads) Failed() { r.successful.WithLabelValues().Set(0) }

// Describe implements [prometheus.Collector].
func (r *Reloads) Describe(ch chan<- *prometheus.Desc) {
	r.successful.Describe(ch)
	r.time.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (r *Reloads) Collect(ch chan<- prometheus.Metric) {
	r.successful.Collect(ch)
	r.time.Collect(ch)
}
