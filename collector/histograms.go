package collector

import (
	"slices"
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
var handshakeBuckets = [...]float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8}

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
	mu    sync.RWMutex
	paths map[pathLabels]*histogram
}

// histogram is the histogram of one path. Scrapes in the text format read its classic buckets, which client_golang's
// histogram gives only together with all native ones: that takes a tenth of the processor time of a path. It is safe
// for concurrent use.
type histogram struct {
	native prometheus.Histogram // with the classic buckets too

	mu      sync.Mutex
	classic buckets
}

// buckets are classic buckets.
type buckets struct {
	counts [len(handshakeBuckets) + 1]uint64 // of the observations up to each bound and above the one before; then of the others
	sum    float64
}

func newHistogram() *histogram {
	m := table[handshakeDuration]
	return &histogram{native: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help,
		Buckets:                         handshakeBuckets[:],
		NativeHistogramBucketFactor:     nativeFactor,
		NativeHistogramMaxBucketNumber:  nativeMaxBuckets,
		NativeHistogramMinResetDuration: nativeMinReset,
	})}
}

func (h *histogram) observe(seconds float64) {
	h.native.Observe(seconds)
	bucket, _ := slices.BinarySearch(handshakeBuckets[:], seconds)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.classic.counts[bucket]++
	h.classic.sum += seconds
}

// snapshot returns the classic buckets as they are now.
func (h *histogram) snapshot() buckets {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.classic
}

// pathLabels holds the values of the labels of a path: service, host, transport, port.
type pathLabels [4]string

func labelsOf(e *config.Endpoint, p measurement.Path) pathLabels {
	return pathLabels{measurement.Text(e.Service), measurement.Text(e.Host), measurement.Text(string(p.Transport)), strconv.Itoa(int(p.Port))}
}

// NewHistograms makes histograms without a path.
func NewHistograms() *Histograms { return &Histograms{paths: make(map[pathLabels]*histogram)} }

// Keep sets the endpoints whose paths have histograms: those of the configuration in force. Other paths are dropped,
// and new ones begin empty.
func (h *Histograms) Keep(endpoints []config.Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := make(map[pathLabels]*histogram)
	for i := range endpoints {
		e := &endpoints[i]
		for _, p := range e.Paths {
			key := labelsOf(e, p)
			if kept[key] = h.paths[key]; kept[key] == nil {
				kept[key] = newHistogram()
			}
		}
	}
	h.paths = kept
}

// Observe adds a finished round: each path's handshake with the address that a device would use now, unless the zone
// has withdrawn that address.
func (h *Histograms) Observe(rep *report.Report) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for host, p := range rep.Paths() {
		if len(p.Walks) == 0 || p.Walks[0].Withdrawn {
			continue
		}
		took, ok := handshake(&p.Walks[0].Outcome)
		if known := h.paths[labelsOf(host.Endpoint, p.Path)]; ok && known != nil {
			known.observe(took.Seconds())
		}
	}
}

// of is the histogram of a path; nil for a path that is not kept.
func (h *Histograms) of(path *subject) *histogram {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.paths[pathLabels(path.values)]
}
