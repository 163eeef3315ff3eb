package diagnose

import (
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// explanation is a cause of everything, with the advice about it.
type explanation struct {
	cause  report.Cause
	class  reason.Class // of the failures that it explains: their own advice is not given as well
	advice report.Advice
}

// siteCause looks for one cause that explains why no path carries a device: DNS servers that give no address at all, or
// a network that lets nothing out.
func siteCause(r *report.Report, servers []report.ResolverSummary) explanation {
	switch {
	case len(r.Hosts) == 0:
		return explanation{}
	case everyPath(r, func(p *report.Path) bool { return p.Finding.Reason == reason.OutOfTime && len(p.Walks) == 0 }):
		return explanation{report.CauseNoTime, reason.Survey, report.Advice{Kind: reason.AllowMoreTimeForNames, Resolvers: servers}}
	case everyPath(r, func(p *report.Path) bool { return p.Finding.Reason.Class() == reason.DNS }):
		return namesCause(r, servers)
	case len(r.Hosts) > 1 && everyPath(r, blockedEverywhere):
		return blockedCause(r)
	}
	return explanation{}
}

// blockedEverywhere reports whether a path is blocked, and nothing passes to any of its addresses: no device, no
// browser's hello and no part of the server's answer.
func blockedEverywhere(p *report.Path) bool {
	return p.Finding.Reason.Class() == reason.Blocked &&
		!slices.ContainsFunc(p.Walks, func(w report.Walk) bool {
			f := &w.Finding
			return !w.Withdrawn && (f.Reason == reason.OK || f.Reason.Class() == reason.Blocked && !isBlockOfAddress(f.Advice))
		})
}

// namesCause is the cause for a site whose DNS servers give no address of any host. The name of a single host that does
// not resolve is that name's own matter, unless the servers are silent.
func namesCause(r *report.Report, servers []report.ResolverSummary) explanation {
	out := explanation{class: reason.DNS, advice: report.Advice{Resolvers: servers}}
	for i := range r.Hosts {
		out.advice.Places = append(out.advice.Places, report.Place{Host: r.Hosts[i].Endpoint.Host})
	}
	all := func(failure measurement.DNSFailure) bool {
		return !slices.ContainsFunc(servers, func(s report.ResolverSummary) bool {
			return !slices.Equal(s.Failures, []measurement.DNSFailure{failure})
		})
	}
	switch {
	case len(servers) == 0:
		out.cause, out.advice.Kind = report.CauseNoResolver, reason.SetResolvers
	case !slices.ContainsFunc(servers, func(s report.ResolverSummary) bool { return !s.Silent }):
		out.cause, out.advice.Kind = report.CauseResolversSilent, reason.JoinNetwork
	case len(r.Hosts) == 1:
		return explanation{}
	case all(measurement.DNSServFail):
		out.cause, out.advice.Kind = report.CauseResolversFail, reason.CheckForwarders
	case all(measurement.DNSRefused):
		out.cause, out.advice.Kind = report.CauseResolversRefuse, reason.AllowQueries
	default:
		out.cause, out.advice.Kind = report.CauseNamesUnknown, reason.AllowNames
	}
	return out
}

// blockedCause is the cause for a site that lets nothing out.
func blockedCause(r *report.Report) explanation {
	out := explanation{cause: report.CauseNoRoute, class: reason.Blocked, advice: report.Advice{Kind: reason.FindOwnRoute}}
	for h, p := range r.Paths() {
		place := report.Place{Host: h.Endpoint.Host, Paths: []measurement.Path{p.Path}, Down: true}
		for i := range p.Walks {
			w := &p.Walks[i]
			if addr := w.Outcome.Address.Addr(); !w.Withdrawn && addr.String() != h.Endpoint.Host {
				place.Addresses = append(place.Addresses, addr)
			}
		}
		out.advice.Places = addPlace(out.advice.Places, place)
		out.advice.Paths++
	}
	out.advice.Places = joinPaths(out.advice.Places)
	if everyPath(r, func(p *report.Path) bool { return len(p.Walks) == 0 }) {
		return out
	}
	out.cause, out.advice.Kind = report.CauseAllBlocked, reason.OpenNetwork
	if anyPath(r, connects) {
		out.cause = report.CauseAllStopped
	}
	return out
}

// connects reports whether a TCP connection to some address of the path was opened, whatever happened then.
func connects(p *report.Path) bool {
	return slices.ContainsFunc(p.Walks, func(w report.Walk) bool { _, connected := w.Outcome.Took(measurement.Connect); return connected })
}
