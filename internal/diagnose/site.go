package diagnose

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Summarize judges a report whose hosts, paths and findings are complete: it sets the advice of each host, and the
// summary of the site. It is to be called once, when the report is assembled.
func Summarize(r *report.Report) {
	s := report.Summary{
		Paths:     countPaths(r),
		Resolvers: resolvers(r),
		Probed:    anyPath(r, func(p *report.Path) bool { return len(p.Walks) > 0 }),
		Open:      openVerdicts(r),

		Interrupted: r.Interrupted,
	}
	var all items
	for i := range r.Hosts {
		h := &r.Hosts[i]
		own := hostItems(h)
		h.Advice = own.ordered()
		all.add(own...)
		all.add(staleItems(h, s.Resolvers)...)
	}
	var site explanation
	if !r.Interrupted {
		site = siteCause(r, s.Resolvers)
	}
	s.Cause = site.cause
	if site.cause != report.CauseNone {
		all = slices.DeleteFunc(all, func(i item) bool { return i.class == site.class })
	}
	if site.class != reason.DNS {
		all.add(resolverItems(s.Resolvers)...)
	}
	if site.cause == report.CauseNone {
		all.add(cutOffItems(s.Resolvers)...)
	}
	for i := range all {
		if all[i].Kind == reason.ResolveName || all[i].Kind == reason.RepeatLookup {
			all[i].Resolvers = failingFor(s.Resolvers, all[i].Places)
		}
	}
	if r.Interrupted { // nothing is known about the time that the round would have taken
		all = slices.DeleteFunc(all, func(i item) bool { return i.class == reason.Survey && i.Kind != reason.CheckThisMachine })
	}
	s.Advice = all.ordered()
	if site.cause != report.CauseNone {
		s.Advice = slices.Insert(s.Advice, 0, site.advice)
	}
	s.Advice = withProxy(s.Advice, r.Proxy)
	s.Suspected = slices.ContainsFunc(s.Resolvers, func(r report.ResolverSummary) bool { return r.Suspect }) &&
		!slices.ContainsFunc(s.Resolvers, func(r report.ResolverSummary) bool { return r.Stale })
	s.State = siteState(r, &s)
	r.Summary = s
}

// directFails are the kinds of advice that a site gets whose only way out is a proxy: its firewall blocks other
// connections, it has no route, or its DNS servers resolve only the site's own names.
var directFails = []reason.Advice{
	reason.AllowOutbound, reason.OpenNetwork, reason.FindRoute, reason.FindOwnRoute, reason.AllowNames, reason.AllowQueries, reason.CheckForwarders,
}

// withProxy adds, after the first advice about direct connections that fail, that devices do not use the proxy that
// this machine has.
func withProxy(advice []report.Advice, proxy report.Proxy) []report.Advice {
	at := slices.IndexFunc(advice, func(a report.Advice) bool { return slices.Contains(directFails, a.Kind) })
	if proxy.Variable == "" || at < 0 {
		return advice
	}
	return slices.Insert(advice, at+1, report.Advice{Kind: reason.PassProxy, Proxy: proxy})
}

// Urgency of advice, the most urgent first.
const (
	urgencyHostDown = iota // a host has no path that carries a device
	urgencyPath            // a path or an address fails, and others pass
	urgencyResolver        // a DNS server that fails some devices, now or after the next change of address
	urgencyKeepalive
	urgencyDoubt
	urgencySurvey
)

func (i *item) urgency() int {
	switch {
	case i.class == reason.Survey:
		return urgencySurvey
	case i.Kind == reason.ConfigureCertificate, i.Kind == reason.NameAnchor:
		return urgencyDoubt
	case i.Kind == reason.ShortenKeepalive:
		return urgencyKeepalive
	case slices.Contains(aboutServer, i.Kind):
		return urgencyResolver
	case slices.ContainsFunc(i.Places, func(p report.Place) bool { return p.Down }):
		return urgencyHostDown
	}
	return urgencyPath
}

// ordered lists advice by what its cause costs devices: by urgency, then by class, then by the number of paths.
func (s items) ordered() []report.Advice {
	sorted := make([]*item, len(s))
	for i := range s {
		sorted[i] = &s[i]
	}
	slices.SortStableFunc(sorted, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), cmp.Compare(a.class.Rank(), b.class.Rank()), cmp.Compare(b.Paths, a.Paths))
	})
	var out []report.Advice
	for _, one := range sorted {
		out = append(out, one.Advice)
	}
	return out
}

// anyPath reports whether some path of the report has a property.
func anyPath(r *report.Report, is func(*report.Path) bool) bool {
	for _, p := range r.Paths() {
		if is(p) {
			return true
		}
	}
	return false
}

// everyPath reports whether all paths of the report have a property.
func everyPath(r *report.Report, is func(*report.Path) bool) bool {
	return !anyPath(r, func(p *report.Path) bool { return !is(p) })
}

func countPaths(r *report.Report) report.PathCount {
	c := report.PathCount{ByClass: make(map[reason.Class]int)}
	for _, p := range r.Paths() {
		c.All++
		switch {
		case !p.Known:
			c.Unknown++
		case p.Unjudged:
			c.Unjudged++
		case p.Unproven:
			c.Unproven++
		case p.Up:
			c.Up++
			if slices.ContainsFunc(p.Walks, func(w report.Walk) bool { return failed(&w.Finding) }) {
				c.PartlyUp++
			}
		}
		if r := p.Finding.Reason; r == reason.Sinkhole {
			c.Diverted++
		} else if r != reason.OK {
			c.ByClass[r.Class()]++
		}
	}
	return c
}

// siteState is Up only if everything is known to be well, and Down only if something is known to be wrong.
func siteState(r *report.Report, s *report.Summary) report.State {
	if c := s.Paths; c.Up+c.Unproven+c.Unjudged+c.Unknown < c.All || c.PartlyUp > 0 {
		return report.Down
	}
	if slices.ContainsFunc(s.Resolvers, func(r report.ResolverSummary) bool { return r.Stale || len(r.OnlyHere) > 0 }) {
		return report.Down
	}
	incomplete := anyPath(r, func(p *report.Path) bool {
		return !p.Known || slices.ContainsFunc(p.Walks, func(w report.Walk) bool {
			return !w.Withdrawn && (w.Unproven || w.Judgement.Unjudged || w.Finding.Reason != reason.OK)
		})
	})
	unanswered := slices.ContainsFunc(s.Resolvers, func(r report.ResolverSummary) bool { return r.CutOff > 0 || len(r.Failing) > 0 })
	if incomplete || unanswered || s.Paths.All == 0 {
		return report.Unknown
	}
	return report.Up
}

// resolvers summarizes each of the site's DNS servers over all hosts.
func resolvers(r *report.Report) []report.ResolverSummary {
	var out []report.ResolverSummary
	for i := range r.Hosts {
		h := &r.Hosts[i]
		resolved := slices.ContainsFunc(h.Resolvers, func(r report.Resolver) bool { return len(r.Lookup.Addresses) > 0 })
		for j := range h.Resolvers {
			l := &h.Resolvers[j].Lookup
			at := slices.IndexFunc(out, func(s report.ResolverSummary) bool { return s.Server == l.Resolver })
			if at < 0 {
				at = len(out)
				out = append(out, report.ResolverSummary{Server: l.Resolver})
			}
			s := &out[at]
			s.Asked++
			s.Stale = s.Stale || h.Resolvers[j].Staleness.Verdict == staleness.Stale
			s.Suspect = s.Suspect || h.Resolvers[j].Staleness.Verdict == staleness.Suspect
			if l.Failure == measurement.DNSOutOfTime {
				s.CutOff++
			} else if l.Failure != measurement.DNSOK {
				s.Failing = append(s.Failing, h.Endpoint.Host)
				if resolved {
					s.OnlyHere = append(s.OnlyHere, h.Endpoint.Host)
				}
				s.Failures = union(s.Failures, []measurement.DNSFailure{l.Failure})
			}
		}
	}
	for i := range out {
		s := &out[i]
		s.Silent = len(s.Failing) > 0 && len(s.Failing) == s.Asked-s.CutOff && !slices.ContainsFunc(s.Failures, isAnswer)
	}
	return out
}

// cutOffItems is what to do about DNS servers whose answers the deadline cut off.
func cutOffItems(all []report.ResolverSummary) items {
	cutOff := slices.DeleteFunc(slices.Clone(all), func(s report.ResolverSummary) bool { return s.CutOff == 0 })
	if len(cutOff) == 0 {
		return nil
	}
	added := item{class: reason.Survey}
	added.Kind, added.Resolvers = reason.AllowMoreTimeForNames, cutOff
	return items{added}
}

// failingFor lists the DNS servers that give no address for one of the places' hosts.
func failingFor(all []report.ResolverSummary, places []report.Place) []report.ResolverSummary {
	return slices.DeleteFunc(slices.Clone(all), func(s report.ResolverSummary) bool {
		return !slices.ContainsFunc(places, func(p report.Place) bool { return slices.Contains(s.Failing, p.Host) })
	})
}

// resolverItems is what to do about DNS servers that give no address where others do.
func resolverItems(all []report.ResolverSummary) items {
	var out items
	for _, s := range all {
		if len(s.OnlyHere) == 0 {
			continue
		}
		added := item{class: reason.DNS}
		added.Kind, added.Resolvers = reason.ResolveAtServer, []report.ResolverSummary{s}
		switch {
		case s.Silent:
			added.Kind = reason.ReplaceResolver
		case !slices.ContainsFunc(s.Failures, isAnswer):
			added.Kind = reason.RepeatLookupAtServer
		}
		out.add(added)
	}
	return out
}

// staleItems is what to do about DNS servers that keep a host's records past their TTL, or are suspected of it and
// give an address that fails.
func staleItems(h *report.Host, all []report.ResolverSummary) items {
	withdrawnFails := slices.ContainsFunc(h.Paths, func(p report.Path) bool {
		return slices.ContainsFunc(p.Walks, func(w report.Walk) bool { return w.Withdrawn && failed(&w.Finding) })
	})
	var out items
	for i := range h.Resolvers {
		r := &h.Resolvers[i]
		if r.Staleness.Verdict != staleness.Stale && (len(r.Staleness.Withdrawn) == 0 || !withdrawnFails) {
			continue
		}
		at := slices.IndexFunc(all, func(s report.ResolverSummary) bool { return s.Server == r.Lookup.Resolver })
		var added item
		added.Kind, added.Staleness, added.Resolvers = reason.StopStaleRecords, &r.Staleness, all[at:at+1]
		added.Places = []report.Place{{Host: h.Endpoint.Host}}
		out.add(added)
	}
	return out
}

// openVerdicts lists the DNS servers without a verdict on staleness. The suspicions against one server are alike from
// host to host, and so is the time that it takes to learn: the first host's stands for all. Other assessments are
// listed together if they are equal.
func openVerdicts(r *report.Report) []report.OpenVerdict {
	var out []report.OpenVerdict
	for i := range r.Hosts {
		h := &r.Hosts[i]
		for j := range h.Resolvers {
			res := &h.Resolvers[j]
			a := &res.Staleness
			if a.Verdict != staleness.Suspect && a.Verdict != staleness.Unknown || res.Lookup.Failure != measurement.DNSOK {
				continue
			}
			at := slices.IndexFunc(out, func(o report.OpenVerdict) bool {
				return o.Server == res.Lookup.Resolver && sameBasis(o.Staleness, a)
			})
			if at < 0 {
				at = len(out)
				out = append(out, report.OpenVerdict{
					Server: res.Lookup.Resolver, Staleness: a, MayChange: a.Verdict == staleness.Suspect || !a.Ready.IsZero(),
				})
			}
			out[at].Hosts = append(out[at].Hosts, h.Endpoint.Host)
		}
	}
	return out
}

// sameBasis reports whether two open verdicts rest on the same grounds.
func sameBasis(a, b *staleness.Assessment) bool {
	if a.Verdict != b.Verdict || a.Ready.IsZero() != b.Ready.IsZero() {
		return false
	}
	if a.Verdict == staleness.Suspect || !a.Ready.IsZero() {
		return true
	}
	basis := func(a *staleness.Assessment) staleness.Assessment {
		out := *a
		out.Counts, out.TTLExcess, out.Staleness, out.Withdrawn = nil, 0, 0, nil
		return out
	}
	return reflect.DeepEqual(basis(a), basis(b))
}
