package survey

import (
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"log/slog"
	"sync"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// endpointMemory is what outlives a round of one endpoint. It is not changed once made: a reload makes another one, with
// the same path memories for the paths that stay, so that a round under way counts where the next one reads.
type endpointMemory struct {
	names HostNames
	paths map[measurement.Path]*pathMemory
	// stranger: of a host that is not configured. Nothing of it outlives its round, so nothing is a change of state.
	stranger bool
}

// pathMemory counts the rounds in which a path carried a device or did not.
type pathMemory struct {
	mu         sync.Mutex
	ok, failed uint64
	reason     diagnose.Reason // as last logged
}

func newEndpointMemory(e *config.Endpoint, names HostNames, old *endpointMemory) *endpointMemory {
	m := &endpointMemory{names: names, paths: make(map[measurement.Path]*pathMemory, len(e.Paths))}
	for _, p := range e.Paths {
		m.paths[p] = &pathMemory{}
		if old != nil && old.paths[p] != nil {
			m.paths[p] = old.paths[p]
		}
	}
	return m
}

func (m *endpointMemory) attemptsOf(p measurement.Path) (ok, failed uint64) {
	known := m.paths[p]
	known.mu.Lock()
	defer known.mu.Unlock()
	return known.ok, known.failed
}

// remember counts a finished round's paths, puts the new counts into its report, and logs what changed.
func (r *round) remember(made *report.Report) {
	for i := range made.Hosts {
		m := r.slots[i].memory
		host := &made.Hosts[i]
		for j := range host.Paths {
			p := &host.Paths[j]
			if p.Known {
				m.count(host.Endpoint, p, r.survey.opts.Logger)
			}
		}
	}
}

// count adds one round to a path's sums and logs a change of state once.
func (m *endpointMemory) count(e *config.Endpoint, p *report.Path, logger *slog.Logger) {
	known := m.paths[p.Path]
	known.mu.Lock()
	defer known.mu.Unlock()
	if p.Up {
		known.ok++
	} else {
		known.failed++
	}
	p.OK, p.Failed = known.ok, known.failed
	if p.Finding.Reason == known.reason || m.stranger {
		return
	}
	known.reason = p.Finding.Reason
	about := []any{"service", e.Service, "host", e.Host, "transport", p.Transport, "port", p.Port}
	if p.Up {
		logger.Info("path carries a device again", about...)
		return
	}
	logger.Warn("path does not carry a device", append(about,
		"reason", p.Finding.Reason, "class", p.Finding.Class, "seen", p.Finding.Summary)...)
}
