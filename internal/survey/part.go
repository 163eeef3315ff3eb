package survey

import "github.com/endpoint-exporter/endpoint_exporter/internal/report"

// partOf is the part of a report that concerns one host.
func partOf(r *report.Report, host string) *report.Report {
	part := &report.Report{Site: r.Site, Started: r.Started, Finished: r.Finished}
	for i := range r.Hosts {
		if r.Hosts[i].Endpoint.Host != host {
			continue
		}
		part.Hosts = append(part.Hosts, r.Hosts[i])
		part.IncompletePaths += incompletePaths(&r.Hosts[i])
	}
	return part
}

// incompletePaths counts the host's paths that the deadline cut off.
func incompletePaths(h *report.Host) (n int) {
	for i := range h.Paths {
		if !h.Paths[i].Known {
			n++
		}
	}
	return n
}
