package survey

import (
	"log/slog"
	"sync"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// endpointCounts are the counts of an endpoint's paths. The map is not changed once made: a reload makes another one,
// which shares the counts of the paths that stay, so that a round that runs adds to the counts that the next one
// reads.
type endpointCounts map[measurement.Path]*pathCounts

// pathCounts counts the rounds in which a path carried a device or did not. It is safe for concurrent use.
type pathCounts struct {
	mu         sync.Mutex
	ok, failed uint64
	reason     reason.Reason // logged last
}

// newEndpointCounts returns the counts of an endpoint; before are those of the configuration before a reload, or nil.
func newEndpointCounts(e *config.Endpoint, before endpointCounts) endpointCounts {
	counts := make(endpointCounts, len(e.Paths))
	for _, p := range e.Paths {
		counts[p] = &pathCounts{}
		if before[p] != nil {
			counts[p] = before[p]
		}
	}
	return counts
}

func (c endpointCounts) of(p measurement.Path) (ok, failed uint64) {
	known := c[p]
	known.mu.Lock()
	defer known.mu.Unlock()
	return known.ok, known.failed
}

// count adds the result of a round to the counts of a path, which it stores in the report. It logs a change of state;
// logger is nil if nothing is to be logged.
func (c endpointCounts) count(e *config.Endpoint, p *report.Path, logger *slog.Logger) {
	known := c[p.Path]
	known.mu.Lock()
	defer known.mu.Unlock()
	if p.Up {
		known.ok++
	} else {
		known.failed++
	}
	p.OK, p.Failed = known.ok, known.failed
	if p.Finding.Reason == known.reason || logger == nil {
		return
	}
	known.reason = p.Finding.Reason
	about := []any{"service", e.Service, "host", e.Host, "transport", p.Transport, "port", p.Port}
	if p.Up {
		logger.Info("path carries a device again", about...)
		return
	}
	logger.Warn("path does not carry a device", append(about,
		"reason", p.Finding.Reason, "class", p.Finding.Reason.Class(), "phase", p.Finding.Phase, "detail", p.Finding.Detail.Text,
		"issuer", p.Finding.Certificate.Issuer)...)
}
