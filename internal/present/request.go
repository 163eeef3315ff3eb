package present

import (
	"fmt"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// requests words what only the network's owner can change, as one writes to them: paths to open, paths to exempt from
// inspection, names to let resolve, DNS servers to mend. Whatever else is wrong is nothing to ask them for.
func (v *View) requests() []Task {
	var out []Task
	ask := func(text string, lines []string) {
		if len(lines) > 0 {
			out = append(out, Task{text, lines})
		}
	}
	exempt := v.pathsOf(func(a *Address) bool { return a.Class == diagnose.ClassInterception && a.Reason != diagnose.Sinkhole })
	ask("Exempt these from TLS inspection, and let them pass without a proxy. Devices refuse any certificate but their cloud's own:", exempt)
	ask("Allow these outbound, answers included, without TLS inspection or application filtering:",
		v.pathsOf(func(a *Address) bool {
			return a.Class == diagnose.ClassBlocked && !a.finding.SmallOnly && !a.finding.Elsewhere
		}))
	ask("On these, small datagrams pass and large ones, or their fragments, are lost. Let them through in both directions:",
		v.pathsOf(func(a *Address) bool { return a.finding.SmallOnly }))
	ask("The answers on these do not come from the cloud, or are altered on the way. Find out which box acts there, and exempt them:",
		v.pathsOf(func(a *Address) bool {
			return a.Reason == diagnose.NotTLS || a.Reason == diagnose.Alert || a.finding.Elsewhere
		}))
	ask("Exempt these names from DNS filtering; they resolve to addresses that cannot be the cloud:", v.sinkholes())
	for _, s := range v.servers() {
		switch {
		case s.silent():
			ask("Make this DNS server answer devices and this machine:", []string{s.words()})
		case len(s.failing) > 0:
			ask(fmt.Sprintf("Let these names resolve at DNS server %s (%s):", s.name, s.why()), s.failing)
		}
	}
	ask("Stop these DNS servers from keeping records past their TTL: the cloud's addresses change, and devices call the old ones:", v.staleServers())
	return out
}

// pathsOf lists the paths to those addresses that are wanted.
func (v *View) pathsOf(want func(*Address) bool) []string {
	var p places
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			path := &h.Paths[j]
			if slices.ContainsFunc(path.Addresses, func(a Address) bool { return !a.Withdrawn && want(&a) }) {
				p.addPath(h.Host, path, want)
			}
		}
	}
	return p.lines()
}

// sinkholes lists the hosts that resolve to what cannot be the cloud, with that.
func (v *View) sinkholes() []string {
	var out []string
	for i := range v.Hosts {
		h := &v.Hosts[i]
		var to []string
		for j := range h.Paths {
			for k := range h.Paths[j].Addresses {
				if a := &h.Paths[j].Addresses[k]; a.Reason == diagnose.Sinkhole && !slices.Contains(to, a.Address) {
					to = append(to, a.Address)
				}
			}
		}
		if len(to) > 0 {
			out = append(out, h.Host+" ("+strings.Join(to, ", ")+")")
		}
	}
	return out
}

// staleServers lists the DNS servers that are proved to keep records too long, with the proof of one host each.
func (v *View) staleServers() []string {
	var out, seen []string
	for i := range v.Hosts {
		for j := range v.Hosts[i].Resolvers {
			if r := &v.Hosts[i].Resolvers[j]; r.stale() && !slices.Contains(seen, r.shown) {
				seen = append(seen, r.shown)
				out = append(out, r.shown+", "+v.Hosts[i].Host+": "+r.Why)
			}
		}
	}
	return out
}
