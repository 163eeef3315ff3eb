package collector

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// handshakeBuckets are the classic buckets, in seconds: from a server in the same network to a device's timeout.
// Prometheus servers that accept native histograms get those instead, with buckets that grow by a tenth each.
var handshakeBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8}

const (
	nativeFactor     = 1.1
	nativeMaxBuckets = 100
	nativeMinReset   = time.Hour
)

// Histograms keeps the durations of each path's handshakes over all rounds. It is not a collector: pass it to [New] in
// [Options], which shows the histograms of the report's paths, and pass [Histograms.Observe] to the survey.
//
// It keeps the paths of the endpoints last given to [Histograms.Keep] and no others, so that a host given to /probe
// leaves no state behind. It is safe for concurrent use.
type Histograms struct {
	vec *prometheus.HistogramVec

	mu    sync.RWMutex
	paths map[pathKey]prometheus.Histogram
}

// pathKey holds the values of the labels of a path.
type pathKey [4]string

func keyOf(service, host string, t measurement.Transport, port uint16) pathKey {
	return pathKey{measurement.Text(service), measurement.Text(host), measurement.Text(string(t)), strconv.Itoa(int(port))}
}

// NewHistograms makes histograms without a path.
func NewHistograms() *Histograms {
	m := table[handshakeDuration]
	return &Histograms{
		vec: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: m.Name, Help: m.Help,
			Buckets:                         handshakeBuckets,
			NativeHistogramBucketFactor:     nativeFactor,
			NativeHistogramMaxBucketNumber:  nativeMaxBuckets,
			NativeHistogramMinResetDuration: nativeMinReset,
		}, m.Labels),
		paths: make(map[pathKey]prometheus.Histogram),
	}
}

// Keep sets the endpoints whose paths have histograms: those of the configuration in force. Other paths are dropped,
// and new ones begin empty.
func (h *Histograms) Keep(endpoints []config.Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := make(map[pathKey]prometheus.Histogram)
	for i := range endpoints {
		e := &endpoints[i]
		for _, p := range e.Paths {
			key := keyOf(e.Service, e.Host, p.Transport, p.Port)
			kept[key] = h.vec.WithLabelValues(key[:]...).(prometheus.Histogram)
		}
	}
	for key := range h.paths {
		if kept[key] == nil {
			h.vec.DeleteLabelValues(key[:]...)
		}
	}
	h.paths = kept
}

// Observe adds a finished round: each path's handshake with the address that a device would use now, unless the zone
// has withdrawn that address.
func (h *Histograms) Observe(rep *report.Report) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := range rep.Hosts {
		host := &rep.Hosts[i]
		for j := range host.Paths {
			p := &host.Paths[j]
			if len(p.Walks) == 0 || p.Walks[0].Withdrawn {
				continue
			}
			took, ok := handshake(&p.Walks[0].Outcome)
			if known := h.paths[keyOf(host.Endpoint.Service, host.Endpoint.Host, p.Transport, p.Port)]; ok && known != nil {
				known.Observe(took.Seconds())
			}
		}
	}
}

// of is the histogram of a path; nil for a path that is not kept.
func (h *Histograms) of(path *subject) prometheus.Histogram {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.paths[pathKey(path.values)]
}
