// Package watch follows a site over many rounds: which paths and DNS servers change, how often each path fails, and how
// long it takes to connect. It needs the same memory however many rounds there are.
package watch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Watch is what is known after some rounds of one configuration. The zero value has none. It is not safe for concurrent
// use.
type Watch struct {
	Started, Finished       time.Time // of the first round, and of the last one
	Rounds, Failed, Unknown int       // Failed counts the rounds whose state is Down, Unknown those whose state is not known
	Changes                 int
	Paths                   []*Path // in the order of the first report
	// Last is the report of the last round, and LastFailed that of the last round whose state is Down; nil if there is
	// none.
	Last, LastFailed *report.Report

	resolvers map[resolverKey]*currentState[ResolverState]
}

// Path is one path over all rounds.
type Path struct {
	config.Key
	measurement.Path
	Rounds, Failed, Unknown int // Failed counts the rounds in which some address of the path failed
	Connect, Hello          Durations
	State                   PathState // in the last round

	current currentState[PathState]
}

// PathState is what a change of a path is: two rounds with equal states are no change. It is comparable.
type PathState struct {
	State              report.State // Down if the path or one of its addresses fails
	Partly             bool         // Down, and the address that a device would take now works
	Unproven, Unjudged bool
	Reason             reason.Reason // of the first failure
}

// ResolverState is the same for a host at a DNS server.
type ResolverState struct {
	Failure measurement.DNSFailure
	Verdict staleness.Verdict // the last one that is known
}

// Change is a change of paths or of hosts at a DNS server in one round, with everything that changed in the same way.
type Change struct {
	Time   time.Time     // when the round began
	Lasted time.Duration // how long the state before lasted, the shortest of the places
	Places []report.Place

	// Of paths; Finding is that of the failure.
	Before, After PathState
	Finding       report.Finding

	// Of a DNS server; Resolver is nil for paths.
	Resolver *report.Resolver
}

// currentState is the newest known state, and since when it lasts.
type currentState[T comparable] struct {
	state T
	since time.Time
	known bool
}

// next sets the state of a round. It returns how long the one before lasted, and whether this one differs. The first
// state is no change.
func (h *currentState[T]) next(state T, at time.Time) (lasted time.Duration, changed bool) {
	changed = h.known && h.state != state
	lasted = at.Sub(h.since)
	if !h.known || changed {
		*h = currentState[T]{state, at, true}
	}
	return lasted, changed
}

type resolverKey struct {
	config.Key
	server netip.AddrPort
}

// Add adds the report of a round and returns what changed since the round before. The reports are those of one survey
// and one configuration, in the order in which they were made. Add keeps the report.
func (w *Watch) Add(r *report.Report) []Change {
	if w.Rounds == 0 {
		w.Started = r.Started
		w.resolvers = make(map[resolverKey]*currentState[ResolverState])
	}
	w.Rounds++
	w.Finished, w.Last = r.Finished, r
	switch r.Summary.State {
	case report.Down:
		w.Failed++
		w.LastFailed = r
	case report.Unknown:
		w.Unknown++
	case report.Up:
	}
	var changes []Change
	for i := range r.Hosts {
		h := &r.Hosts[i]
		for j := range h.Resolvers {
			changes = w.addResolver(changes, r.Started, h, &h.Resolvers[j])
		}
	}
	for i := range r.Hosts {
		h := &r.Hosts[i]
		for j := range h.Paths {
			changes = w.addPath(changes, r.Started, h, &h.Paths[j])
		}
	}
	w.Changes += len(changes)
	return changes
}

func (w *Watch) addPath(changes []Change, at time.Time, h *report.Host, p *report.Path) []Change {
	state, finding := stateOf(p)
	path := w.path(h.Endpoint.Key(), p.Path)
	path.State = state
	path.Rounds++
	switch state.State {
	case report.Down:
		path.Failed++
	case report.Unknown:
		if !state.Unproven && !state.Unjudged {
			path.Unknown++
		}
	case report.Up:
	}
	if len(p.Walks) > 0 {
		for _, t := range p.Walks[0].Outcome.Times {
			switch t.Phase {
			case measurement.Connect:
				path.Connect.add(t.Took)
			case measurement.Hello:
				path.Hello.add(t.Took)
			case measurement.Finish, measurement.Ping:
			}
		}
	}
	before := path.current.state
	lasted, changed := path.current.next(state, at)
	if !changed {
		return changes
	}
	same := slices.IndexFunc(changes, func(c Change) bool {
		return c.Resolver == nil && c.Before == before && c.After == state && c.Finding == finding
	})
	if same < 0 {
		same = len(changes)
		changes = append(changes, Change{Time: at, Lasted: lasted, Before: before, After: state, Finding: finding})
	}
	c := &changes[same]
	c.Lasted = min(c.Lasted, lasted)
	if last := len(c.Places) - 1; last >= 0 && c.Places[last].Host == h.Endpoint.Host {
		c.Places[last].Paths = append(c.Places[last].Paths, p.Path)
	} else {
		c.Places = append(c.Places, report.Place{Host: h.Endpoint.Host, Paths: []measurement.Path{p.Path}})
	}
	return changes
}

func (w *Watch) addResolver(changes []Change, at time.Time, h *report.Host, r *report.Resolver) []Change {
	key := resolverKey{h.Endpoint.Key(), r.Lookup.Resolver}
	known := w.resolvers[key]
	if known == nil {
		known = &currentState[ResolverState]{}
		w.resolvers[key] = known
	}
	state := ResolverState{r.Lookup.Failure, r.Staleness.Verdict}
	if state.Verdict == staleness.Unknown && known.known {
		state.Verdict = known.state.Verdict // the end of a verdict is not a change, nor is the same verdict after it
	}
	lasted, changed := known.next(state, at)
	if !changed {
		return changes
	}
	same := slices.IndexFunc(changes, func(c Change) bool {
		return c.Resolver != nil && c.Resolver.Lookup.Resolver == r.Lookup.Resolver &&
			c.Resolver.Lookup.Failure == r.Lookup.Failure && c.Resolver.Staleness.Verdict == r.Staleness.Verdict
	})
	if same < 0 {
		same = len(changes)
		changes = append(changes, Change{Time: at, Lasted: lasted, Resolver: r})
	}
	c := &changes[same]
	c.Lasted = min(c.Lasted, lasted)
	if !slices.ContainsFunc(c.Places, func(p report.Place) bool { return p.Host == h.Endpoint.Host }) {
		c.Places = append(c.Places, report.Place{Host: h.Endpoint.Host})
	}
	return changes
}

// path returns the record of a path.
func (w *Watch) path(key config.Key, p measurement.Path) *Path {
	for _, known := range w.Paths {
		if known.Key == key && known.Path == p {
			return known
		}
	}
	added := &Path{Key: key, Path: p}
	w.Paths = append(w.Paths, added)
	return added
}

// stateOf returns the state of a path in one round, with the finding that decides it.
func stateOf(p *report.Path) (PathState, report.Finding) {
	switch {
	case !p.Known:
		return PathState{State: report.Unknown, Reason: p.Finding.Reason}, p.Finding
	case !p.Up:
		return PathState{State: report.Down, Reason: p.Finding.Reason}, p.Finding
	}
	for i := range p.Walks {
		walk := &p.Walks[i]
		if r := walk.Finding.Reason; !walk.Withdrawn && r != reason.OK && r != reason.OutOfTime {
			return PathState{State: report.Down, Partly: true, Reason: r}, walk.Finding
		}
	}
	if p.Unproven || p.Unjudged {
		return PathState{State: report.Unknown, Unproven: p.Unproven, Unjudged: p.Unjudged}, report.Finding{}
	}
	return PathState{State: report.Up}, report.Finding{}
}
