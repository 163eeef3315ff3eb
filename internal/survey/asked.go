package survey

import (
	"cmp"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// askedMemory is how long a path of a host that is not configured is walked after it was last asked for: twice the
// longest scrape interval that Prometheus can use (5 minutes, after which a series is stale).
const askedMemory = 10 * time.Minute

// askedPath is a path of a host that is not configured, as one client uses it.
type askedPath struct {
	client measurement.Client
	path   measurement.Path
}

// askedPaths remembers which paths of hosts that are not configured were asked for, and when last, so that one round of
// a host serves every request for any of them. It holds at most [maxUnconfiguredKept] hosts; probe.ports bounds
// the paths of each. It is not safe for concurrent use.
type askedPaths map[string]map[askedPath]time.Time

// add remembers the paths of a host. If there are too many hosts it forgets the one not asked for the longest.
func (a askedPaths) add(host string, asked config.ProbeRequest, now time.Time) {
	if a[host] == nil {
		if len(a) >= maxUnconfiguredKept {
			a.dropOldest()
		}
		a[host] = make(map[askedPath]time.Time)
	}
	for _, p := range asked.Paths {
		a[host][askedPath{asked.Client, p}] = now
	}
}

// dropOldest forgets the host that was not asked for the longest.
func (a askedPaths) dropOldest() {
	var oldest string
	var at time.Time
	for host, paths := range a {
		var last time.Time
		for _, when := range paths {
			if when.After(last) {
				last = when
			}
		}
		if oldest == "" || last.Before(at) {
			oldest, at = host, last
		}
	}
	delete(a, oldest)
}

// of returns what is to be walked of a host, by client, and forgets what was last asked for too long ago.
func (a askedPaths) of(host string, now time.Time) (asked []config.ProbeRequest) {
	for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
		var paths []measurement.Path
		for p, when := range a[host] {
			switch {
			case now.Sub(when) > askedMemory:
				delete(a[host], p)
			case p.client == client:
				paths = append(paths, p.path)
			}
		}
		if len(paths) == 0 {
			continue
		}
		slices.SortStableFunc(paths, func(p, q measurement.Path) int {
			return cmp.Or(cmp.Compare(p.Port, q.Port), cmp.Compare(p.Transport, q.Transport))
		})
		asked = append(asked, config.ProbeRequest{Client: client, Paths: paths})
	}
	return asked
}

// covers reports whether a round walks all that is asked for, and in which slot.
func (r *round) covers(asked config.ProbeRequest) (slot int, ok bool) {
	for i := range r.slots {
		e := r.slots[i].endpoint
		if e.Client == asked.Client && !slices.ContainsFunc(asked.Paths, func(p measurement.Path) bool { return !slices.Contains(e.Paths, p) }) {
			return i, true
		}
	}
	return 0, false
}
