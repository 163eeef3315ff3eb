package survey

import (
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// snapshot reports an endpoint as far as the round has come; what is missing is out_of_time. A resolver that has been
// silent for as long as the shortest look-up waits is reported as silent.
func (r *round) snapshot(endpoint int) report.Host {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.host(&r.slots[endpoint])
}

// host reports one endpoint. r.mu is held.
func (r *round) host(s *slot) report.Host {
	h := report.Host{
		Endpoint:  s.endpoint,
		Resolvers: r.resolvers,
		Zone:      r.zone,
		Paths:     make([]report.Path, len(s.endpoint.Paths)),
	}
	complete := s.planned
	if r.resolving != nil { // servers are still being asked
		h.Resolvers, h.Zone, complete = r.resolving.Preliminary(minPatience)
	}
	noAddress := diagnose.OutOfTimeFinding()
	lookups := lookupsOf(s.endpoint, h.Resolvers)
	// An address that has just arrived is not planned yet.
	if complete && !slices.ContainsFunc(lookups, func(l measurement.Lookup) bool { return l.Failure == measurement.DNSOK }) {
		noAddress = diagnose.DNSFinding(lookups, h.Zone.Failure)
	}
	withdrawn := withdrawnAddresses(h.Resolvers)
	for i, p := range s.endpoint.Paths {
		h.Paths[i] = r.path(s, i, p, withdrawn, noAddress)
	}
	diagnose.SetState(&h)
	return h
}

// onlyPaths returns what is reported of some paths of a host.
func onlyPaths(h report.Host, paths []measurement.Path) report.Host {
	e := *h.Endpoint
	e.Paths = paths
	all := h.Paths
	h.Endpoint, h.Paths = &e, make([]report.Path, 0, len(paths))
	for _, p := range paths {
		at := slices.IndexFunc(all, func(q report.Path) bool { return q.Path == p })
		h.Paths = append(h.Paths, all[at])
	}
	diagnose.SetState(&h)
	return h
}

// withdrawnAddresses lists the addresses that a resolver still gives although the zone has withdrawn them.
func withdrawnAddresses(resolvers []report.Resolver) []netip.Addr {
	var out []netip.Addr
	for i := range resolvers {
		out = append(out, resolvers[i].Staleness.Withdrawn...)
	}
	return out
}

// path reports one path of an endpoint: the walks to every address, and the finding of the first, or noAddress if
// there is none. r.mu is held.
func (r *round) path(s *slot, i int, p measurement.Path, withdrawn []netip.Addr, noAddress report.Finding) report.Path {
	out := report.Path{Path: p, Omitted: s.plan.omitted}
	out.OK, out.Failed = s.counts.of(p)
	if r.site.Idle != nil {
		out.Idle = r.site.Idle(s.endpoint, p)
	}
	for _, addr := range s.plan.walk {
		var w *judgedWalk
		if walks := s.walks[addr]; walks != nil {
			w = walks[i]
		}
		if w == nil { // the deadline came before the walk began or ended
			w = r.judgeWalk(s.endpoint, &measurement.Outcome{
				Address: netip.AddrPortFrom(addr, p.Port), Transport: p.Transport, Client: s.endpoint.Client,
				Failure: measurement.OutOfTime,
			})
		}
		out.Walks = append(out.Walks, r.walk(w, slices.Contains(withdrawn, addr)))
	}
	var sinkholes []report.Walk
	for _, addr := range s.plan.sinkholes {
		sinkholes = append(sinkholes, report.Walk{
			Outcome: measurement.Outcome{Address: netip.AddrPortFrom(addr, p.Port), Transport: p.Transport, Client: s.endpoint.Client},
			Finding: diagnose.SinkholeFinding(addr),
		})
	}
	if s.plan.sinkholeFirst { // otherwise a device would not connect to the sinkholes
		out.Walks = append(sinkholes, out.Walks...)
	} else {
		out.Walks = append(out.Walks, sinkholes...)
	}
	out.Finding = noAddress
	if len(out.Walks) > 0 {
		out.Finding = out.Walks[0].Finding
		// Where another address has a route, those without one are not in the plan.
		if out.Finding.Reason == reason.Unreachable && !r.hasRoute(s.endpoint, out.Walks[0].Outcome.Address.Addr()) {
			out.Finding = diagnose.NoRouteFinding()
		}
	}
	out.Known = out.Finding.Reason != reason.OutOfTime
	out.Up = out.Finding.Reason == reason.OK
	out.Unproven = out.Up && out.Walks[0].Unproven
	out.Unjudged = out.Up && out.Walks[0].Judgement.Unjudged
	return out
}

// lookupsOf returns the look-up at each resolver as an endpoint's devices see it: it has no address if they use the
// family of none.
func lookupsOf(e *config.Endpoint, resolvers []report.Resolver) []measurement.Lookup {
	out := make([]measurement.Lookup, len(resolvers))
	for i := range out {
		out[i] = resolvers[i].Lookup
		if l := &out[i]; len(l.Addresses) > 0 && !slices.ContainsFunc(l.Addresses, e.Uses) {
			l.Failure, l.Detail = measurement.DNSNoAddress, measurement.Detail{Kind: measurement.DNSDetailNoAddress}
		}
	}
	return out
}

// judgedWalk is a walk whose certificates are judged. It is diagnosed when it is reported, because only then is it
// known whether the zone has withdrawn the address.
type judgedWalk struct {
	outcome measurement.Outcome
	own     trust.Judgement
	web     *trust.Judgement // nil if no browser's hello was sent after the device's own
	shown   trust.Judgement  // the one to report
}

// judgeWalk judges the certificates of one walk.
func (r *round) judgeWalk(e *config.Endpoint, o *measurement.Outcome) *judgedWalk {
	out := &judgedWalk{outcome: *o, own: r.judge(e, o.TLS)}
	out.shown = out.own
	if o.Web == nil {
		return out
	}
	j := r.judge(e, o.Web.TLS)
	if !out.own.Seen {
		out.shown = j
	}
	out.web = &j
	if j.Verdict == trust.WrongIssuer {
		// A browser may be shown another certificate than a device.
		if public, ok := r.public(e, o.Web.TLS); ok {
			out.web = &public
		}
	}
	return out
}

// walk diagnoses a walk.
func (r *round) walk(w *judgedWalk, withdrawn bool) report.Walk {
	f := diagnose.Walk(diagnose.Evidence{
		Outcome: &w.outcome, Own: w.own, Web: w.web, CredentialConfigured: r.site.CredentialConfigured, Withdrawn: withdrawn,
	})
	return report.Walk{
		Outcome: w.outcome, Judgement: w.shown, Finding: f, Withdrawn: withdrawn, Unproven: w.outcome.Unproven && f.Reason == reason.OK,
	}
}

// judge judges a server's certificates by the endpoint's anchor, for the endpoint's client. So does the judgement of
// the web hello that was sent instead of a device's.
func (r *round) judge(e *config.Endpoint, seen *measurement.TLS) trust.Judgement {
	if seen == nil || len(seen.RawChain) == 0 {
		return trust.Judgement{}
	}
	anchor := r.site.Anchors.Get(e.Trust) // there is one, because the configuration was checked
	j := anchor.Judge(r.subject(e, seen))
	if j.Verdict == trust.WrongIssuer && anchor.Web() && !j.MachineRoot {
		if public, ok := r.public(e, seen); ok && public.Verdict != trust.WrongName {
			// Signed by a public authority that is not among the anchor's.
			j.Verdict, j.Detail = trust.Unrooted, measurement.Detail{Kind: measurement.DetailTrustUnrooted}
		}
	}
	return j
}

// public judges a server's certificates by the authorities of the public web. ok is true if one of them signed it, or
// if it is for this host and appears to be signed by one: in date or not, no inspecting firewall can have issued it.
// A certificate for other names belongs to the present owner of the address: a DNS server that keeps old records
// leads there too, without interception.
func (r *round) public(e *config.Endpoint, seen *measurement.TLS) (j trust.Judgement, ok bool) {
	s := r.subject(e, seen)
	s.Client = measurement.Web
	j = r.site.Anchors.Public().Judge(s)
	if j.Authentic && !j.NamesHost {
		j.Verdict = trust.WrongName
	}
	return j, j.Authentic || j.NamesHost && j.Verdict == trust.Unrooted
}

// subject returns a server's certificates as the subject of a judgement.
func (r *round) subject(e *config.Endpoint, seen *measurement.TLS) trust.Subject {
	return trust.Subject{
		Chain: seen.RawChain, Client: e.Client, KeyProved: seen.KeyProved, SignatureChecked: seen.SignatureChecked,
		Host: e.Host, Now: time.Now(),
	}
}
