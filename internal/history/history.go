// Package history keeps the last rounds of each path in memory, for the status page.
package history

import (
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// History keeps the rounds of the paths of the endpoints last given to [History.Keep] and no others, so that a host
// given to /probe leaves no state behind. It is safe for concurrent use.
type History struct {
	mu    sync.Mutex
	paths map[key]*ring
}

// key names a path of an endpoint.
type key struct {
	endpoint config.Key
	path     measurement.Path
}

// ring holds the last rounds of a path. It grows to [report.MaxPoints] entries and then overwrites the oldest.
type ring struct {
	entries []entry
	oldest  int
}

// entry is a [report.Point] in 16 bytes.
type entry struct {
	at        int64   // in ns since 1970
	took      float32 // in seconds
	up, known bool
}

func (r *ring) add(e entry) {
	if len(r.entries) < report.MaxPoints {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.oldest] = e
	r.oldest = (r.oldest + 1) % report.MaxPoints
}

// New returns a history without paths.
func New() *History { return &History{paths: make(map[key]*ring)} }

// Keep sets the endpoints whose paths have a history: those of the configuration in force. Paths that stay keep
// theirs.
func (h *History) Keep(endpoints []config.Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := make(map[key]*ring)
	for i := range endpoints {
		for _, p := range endpoints[i].Paths {
			k := key{endpoints[i].Key(), p}
			kept[k] = h.paths[k]
			if kept[k] == nil {
				kept[k] = &ring{}
			}
		}
	}
	h.paths = kept
}

// Observe adds a finished round.
func (h *History) Observe(rep *report.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range rep.Hosts {
		host := &rep.Hosts[i]
		for j := range host.Paths {
			p := &host.Paths[j]
			if r := h.paths[key{host.Endpoint.Key(), p.Path}]; r != nil {
				r.add(entryOf(rep.Finished, p))
			}
		}
	}
}

// entryOf is what a round found about a path at the address that a device would take. A session that is not proved or
// not judged is neither up nor down.
func entryOf(at time.Time, p *report.Path) entry {
	out := entry{at: at.UnixNano(), up: p.Up, known: p.Known && !p.Unproven && !p.Unjudged}
	if len(p.Walks) > 0 {
		o := &p.Walks[0].Outcome
		if hello, ok := o.Took(measurement.Hello); ok {
			connect, _ := o.Took(measurement.Connect) // absent over UDP
			out.took = float32((connect + hello).Seconds())
		}
	}
	return out
}

// point is the entry as others read it.
func (e entry) point() report.Point {
	out := report.Point{At: time.Unix(0, e.at), State: report.Unknown, Took: time.Duration(float64(e.took) * float64(time.Second))}
	switch {
	case !e.known:
	case e.up:
		out.State = report.Up
	default:
		out.State = report.Down
	}
	return out
}

// Of returns the rounds of a path, the oldest first; nil for a path that is not kept.
func (h *History) Of(endpoint config.Key, p measurement.Path) (points []report.Point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.paths[key{endpoint, p}]
	if r == nil {
		return nil
	}
	for i := range r.entries {
		points = append(points, r.entries[(r.oldest+i)%len(r.entries)].point())
	}
	return points
}
