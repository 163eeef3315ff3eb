package survey

import (
	"cmp"
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

	// Of the change of state that was logged last.
	reason reason.Reason
	rounds uint64
}

// newEndpointCounts returns the counts of an endpoint; before are those of the configuration before a reload, or nil.
func newEndpointCounts(e *config.Endpoint, before endpointCounts) endpointCounts {
	counts := make(endpointCounts, len(e.Paths))
	for _, p := range e.Paths {
		counts[p] = cmp.Or(before[p], &pathCounts{})
	}
	return counts
}

func (c endpointCounts) of(p measurement.Path) (ok, failed uint64) {
	known := c[p]
	known.mu.Lock()
	defer known.mu.Unlock()
	return known.ok, known.failed
}

// count adds the result of a round to the counts of a path, which it stores in the report.
func (c endpointCounts) count(p *report.Path) {
	known := c[p.Path]
	known.mu.Lock()
	defer known.mu.Unlock()
	if p.Up {
		known.ok++
	} else {
		known.failed++
	}
	p.OK, p.Failed = known.ok, known.failed
}

// changed reports whether the state of a path differs from the one that was logged last, and takes it for logged. A
// report that was made of an older round changes nothing.
func (c endpointCounts) changed(p *report.Path) bool {
	known := c[p.Path]
	if known == nil || !p.Known {
		return false
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if rounds := p.OK + p.Failed; rounds < known.rounds || p.Finding.Reason == known.reason {
		return false
	}
	known.reason, known.rounds = p.Finding.Reason, p.OK+p.Failed
	return true
}

// changeCause takes the cause of a report of the whole site for logged, and returns it with the one before. A report
// without a path that is up, of which the deadline cut off a part, does not end a cause.
func (s *Survey) changeCause(rep *report.Report) (before, now report.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now = s.cause, rep.Summary.Cause
	if now == report.CauseNoTime || now == report.CauseNone && rep.Summary.Paths.Up == 0 && rep.IncompletePaths > 0 {
		now = before
	}
	s.cause = now
	return before, now
}

// logChanges logs what changed since the last report, once. whole is true for a report of all endpoints: while one
// cause explains all failures in it, only the cause is logged, and not each path. A report of one host does not show
// such a cause, so its paths are logged.
func (s *Survey) logChanges(rep *report.Report, whole bool) {
	if whole {
		before, now := s.changeCause(rep)
		switch {
		case now != report.CauseNone && now != before:
			s.opts.Logger.Warn("no path carries a device", "cause", now, "paths", rep.Summary.Paths.All, "resolvers", rep.Resolvers)
		case now == report.CauseNone && now != before:
			s.opts.Logger.Info("the common cause of all failures has ended", "cause", before)
		}
		if now != report.CauseNone {
			return
		}
	}
	s.mu.Lock()
	counts := s.counts
	s.mu.Unlock()
	for h, p := range rep.Paths() {
		if counts[h.Endpoint.Key()].changed(p) {
			logPath(s.opts.Logger, h.Endpoint, p)
		}
	}
}

// logPath logs the state of a path.
func logPath(logger *slog.Logger, e *config.Endpoint, p *report.Path) {
	about := []any{"service", e.Service, "host", e.Host, "transport", p.Transport, "port", p.Port}
	if p.Up {
		logger.Info("path carries a device again", about...)
		return
	}
	f := &p.Finding
	about = append(about, "reason", f.Reason, "class", f.Reason.Class())
	for _, known := range [][2]string{{"phase", string(f.Phase)}, {"detail", f.Detail.Text}, {"issuer", f.Certificate.Issuer}} {
		if known[1] != "" {
			about = append(about, known[0], known[1])
		}
	}
	logger.Warn("path does not carry a device", about...)
}
