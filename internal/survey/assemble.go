package survey

import (
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"net/netip"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// snapshot makes a report of what the round has so far; what is missing is out_of_time.
func (r *round) snapshot() *report.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &report.Report{
		Site:          r.survey.opts.Name,
		Started:       r.started,
		Finished:      r.survey.opts.Now(),
		Hosts:         make([]report.Host, len(r.slots)),
		AuthorityPath: r.site.Names.Path(),
		Queries:       r.site.Names.Queries(),
	}
	for i := range r.slots {
		out.Hosts[i] = r.host(&r.slots[i])
		out.IncompletePaths += incompletePaths(&out.Hosts[i])
	}
	return out
}

// host makes the view of one endpoint.
func (r *round) host(s *slot) report.Host {
	h := report.Host{
		Endpoint:  s.endpoint,
		Resolvers: s.resolvers,
		Zone:      s.zone,
		Paths:     make([]report.Path, len(s.endpoint.Paths)),
	}
	if !s.named { // the zone's view is still awaited: show the look-ups alone
		for _, l := range s.lookups {
			h.Resolvers = append(h.Resolvers, report.Resolver{Lookup: l})
		}
	}
	withdrawn := withdrawnAddresses(h.Resolvers)
	compared := make([]diagnose.PathFinding, len(s.endpoint.Paths))
	h.Known = true
	for i, p := range s.endpoint.Paths {
		h.Paths[i] = r.path(s, i, p, withdrawn)
		h.Up = h.Up || h.Paths[i].Up
		h.Known = h.Known && h.Paths[i].Known
		compared[i] = diagnose.PathFinding{Path: p, Finding: h.Paths[i].Finding, Addresses: addressFindings(h.Paths[i].Walks)}
	}
	h.Known = h.Known || h.Up
	h.Advice = diagnose.Compare(s.endpoint.Host, compared)
	return h
}

// addressFindings are those of the addresses that the zone has not withdrawn: that one of those fails is no surprise.
func addressFindings(walks []report.Walk) []diagnose.AddressFinding {
	var out []diagnose.AddressFinding
	for i := range walks {
		if !walks[i].Withdrawn {
			out = append(out, diagnose.AddressFinding{Address: walks[i].Outcome.Address.Addr(), Finding: walks[i].Finding})
		}
	}
	return out
}

// withdrawnAddresses lists the addresses that some resolver still hands out though the zone has withdrawn them.
func withdrawnAddresses(resolvers []report.Resolver) []netip.Addr {
	var out []netip.Addr
	for i := range resolvers {
		out = append(out, resolvers[i].Staleness.Withdrawn...)
	}
	return out
}

// path makes the view of one path of an endpoint: every address's walk, and the verdict of the first.
func (r *round) path(s *slot, i int, p measurement.Path, withdrawn []netip.Addr) report.Path {
	out := report.Path{Path: p, Omitted: s.plan.omitted}
	out.OK, out.Failed = s.memory.attemptsOf(p)
	if r.site.Idle != nil {
		out.Idle = r.site.Idle(s.endpoint, p)
	}
	for _, addr := range s.plan.sinkholes {
		at := netip.AddrPortFrom(addr, p.Port)
		out.Walks = append(out.Walks, report.Walk{
			Outcome: measurement.Outcome{Address: at, Transport: p.Transport, Client: s.endpoint.Client},
			Finding: diagnose.SinkholeFinding(s.endpoint.Host, addr),
		})
	}
	for j, addr := range s.plan.walk {
		w := s.walks[i][j]
		if w == nil { // the deadline came before it began or ended
			cut := r.judgeWalk(s.endpoint, &measurement.Outcome{
				Address: netip.AddrPortFrom(addr, p.Port), Transport: p.Transport, Client: s.endpoint.Client,
				Failure: measurement.OutOfTime,
			})
			w = &cut
		}
		out.Walks = append(out.Walks, *w)
		out.Walks[len(out.Walks)-1].Withdrawn = slices.Contains(withdrawn, addr)
	}
	if len(s.plan.walk) > 0 && !s.plan.sinkholeFirst {
		// The sinkholes were not walked and are not what a device would take: they go last.
		n := len(s.plan.sinkholes)
		out.Walks = slices.Concat(out.Walks[n:], out.Walks[:n])
	}
	switch {
	case len(out.Walks) > 0:
		out.Finding = out.Walks[0].Finding
	case !s.resolved:
		out.Finding = diagnose.OutOfTimeFinding(s.endpoint.Host)
	case out.Omitted > 0:
		out.Finding = diagnose.NoRouteFinding(s.endpoint.Host)
	default:
		out.Finding = diagnose.DNSFinding(s.endpoint.Host, s.lookups)
	}
	out.Known = out.Finding.Reason != diagnose.OutOfTime
	out.Up = out.Finding.Reason == diagnose.OK
	return out
}

// judgeWalk judges and diagnoses one walk.
func (r *round) judgeWalk(e *config.Endpoint, o *measurement.Outcome) report.Walk {
	own := r.judge(e, o.TLS)
	shown := own
	var web *trust.Judgement
	if o.Web != nil {
		j := r.judge(e, o.Web.TLS)
		if !own.Seen {
			shown = j
		}
		web = &j
		if j.Verdict == trust.WrongIssuer {
			// What a browser is shown need not be what a device is.
			if public, ok := r.public(e, o.Web.TLS); ok {
				web = &public
			}
		}
	}
	about := diagnose.Context{Service: e.Service, Host: e.Host, CredentialConfigured: r.site.CredentialConfigured}
	return report.Walk{Outcome: *o, Judgement: shown, Finding: diagnose.Walk(o, own, web, about)}
}

// judge holds what a server showed against the endpoint's anchor. A device compares no name, so neither does the web hello
// that was sent in its stead.
func (r *round) judge(e *config.Endpoint, seen *measurement.TLS) trust.Judgement {
	if seen.Leaf() == nil {
		return trust.Judgement{}
	}
	host := ""
	if e.Client == measurement.Web {
		host = e.Host
	}
	anchor := r.anchor(e)
	j := anchor.Judge(r.subject(seen, host))
	if j.Verdict == trust.WrongIssuer && anchor.Web() {
		if public, ok := r.public(e, seen); ok && public.Verdict != trust.WrongName {
			j.Verdict = trust.Unrooted // an authority of the public web that is not known here
		}
	}
	return j
}

// public judges what a server showed by the public web's own authorities. ok: one of them signed it, or it is for this very
// host and looks so; in date or not, it is no inspecting box's, since none can have made it. One for other names is that of
// somebody who has the address now: a DNS server that keeps old records leads there too, which is no interception.
func (r *round) public(e *config.Endpoint, seen *measurement.TLS) (j trust.Judgement, ok bool) {
	named := seen.Leaf().VerifyHostname(e.Host) == nil
	j = r.site.Anchors.Public().Judge(r.subject(seen, ""))
	if j.Authentic && !named {
		j.Verdict = trust.WrongName
	}
	return j, j.Authentic || named && j.Verdict == trust.Unrooted
}

// subject is what a server showed, to be judged; host is the name to compare, "" for none.
func (r *round) subject(seen *measurement.TLS, host string) trust.Subject {
	return trust.Subject{Chain: seen.Chain, KeyProved: seen.KeyProved, Host: host, Now: r.survey.opts.Now()}
}

// anchor is the endpoint's trust anchor. The configuration was refused if it named one that is not there.
func (r *round) anchor(e *config.Endpoint) *trust.Anchor {
	return r.site.Anchors.Get(e.Trust)
}
