package diagnose

import (
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// alternatePort is the port that devices can be set to instead of their cloud's own. A client that is set to it
// alternates between it and the cloud's own port after each socket error, so that one port hides the other's fault.
const alternatePort = 443

// item is advice with what orders it.
type item struct {
	report.Advice
	class reason.Class // of the failures that it explains
}

// cause tells apart what is one cause and what is not: items with an equal cause are merged.
type cause struct {
	kind      reason.Advice
	issuer    string         // of the certificates that a box makes
	server    netip.AddrPort // the DNS server
	keepalive time.Duration
	family    config.IPVersion
}

// aboutServer are the kinds of advice about one DNS server.
var aboutServer = []reason.Advice{reason.StopStaleRecords, reason.ReplaceResolver, reason.ResolveAtServer, reason.RepeatLookupAtServer}

func (i *item) cause() cause {
	c := cause{kind: i.Kind, keepalive: i.Keepalive, family: i.Family}
	if i.Kind == reason.ExemptFromInspection {
		c.issuer = i.Certificate.Issuer
	}
	if slices.Contains(aboutServer, i.Kind) {
		c.server = i.Resolvers[0].Server
	}
	return c
}

// items gathers advice, each cause once.
type items []item

// add merges each item into the one with the same cause, or appends it.
func (s *items) add(added ...item) {
	for _, one := range added {
		if at := slices.IndexFunc(*s, func(known item) bool { return known.cause() == one.cause() }); at >= 0 {
			(*s)[at].merge(&one)
		} else {
			*s = append(*s, one)
		}
	}
}

// merge adds what another item of the same cause explains.
func (i *item) merge(other *item) {
	for _, p := range other.Places {
		i.Places = addPlace(i.Places, p)
	}
	i.Paths += other.Paths
	i.Alternates = i.Alternates || other.Alternates
	i.InspectedToo = i.InspectedToo || other.InspectedToo
	i.Certificate = commonCertificate(i.Certificate, other.Certificate)
	if len(i.Resolvers) == 0 {
		i.Resolvers = other.Resolvers
	}
	i.Lost = min(i.Lost, other.Lost)
	if other.class.Rank() < i.class.Rank() {
		i.class = other.class
	}
}

// commonCertificate keeps the names that two certificates share.
func commonCertificate(a, b report.Certificate) report.Certificate {
	same := func(a, b string) string {
		if a != b {
			return ""
		}
		return a
	}
	out := report.Certificate{Issuer: same(a.Issuer, b.Issuer), Subject: same(a.Subject, b.Subject), Expected: same(a.Expected, b.Expected)}
	if a.Detail == b.Detail {
		out.Detail = a.Detail
	}
	return out
}

// addPlace merges a place into the one with the same host and paths, or appends it.
func addPlace(places []report.Place, added report.Place) []report.Place {
	for i := range places {
		if known := &places[i]; known.Host == added.Host && slices.Equal(known.Paths, added.Paths) {
			known.Addresses = union(known.Addresses, added.Addresses)
			return places
		}
	}
	added.Paths, added.Addresses = slices.Clone(added.Paths), slices.Clone(added.Addresses)
	return append(places, added)
}

// joinPaths merges the places of one host that have the same addresses.
func joinPaths(places []report.Place) []report.Place {
	var out []report.Place
	for _, p := range places {
		at := slices.IndexFunc(out, func(known report.Place) bool {
			return known.Host == p.Host && slices.Equal(known.Addresses, p.Addresses)
		})
		if at < 0 {
			out = append(out, p)
			continue
		}
		out[at].Paths = union(out[at].Paths, p.Paths)
	}
	return out
}

// union appends the elements that are not there yet, to a copy.
func union[T comparable](to, from []T) []T {
	out := slices.Clone(to)
	for _, v := range from {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// hostItems is what to do about the paths to one host.
func hostItems(h *report.Host) items {
	var out items
	for i := range h.Paths {
		out.addPath(h, &h.Paths[i])
	}
	for i := range h.Paths {
		out.addIdle(h, &h.Paths[i])
	}
	passing := passingPaths(h)
	inspected := slices.ContainsFunc(h.Paths, func(p report.Path) bool {
		return p.Finding.Reason.Class() == reason.Interception && p.Finding.Reason != reason.Sinkhole
	})
	for i := range out {
		one := &out[i]
		one.Places = joinPaths(one.Places)
		for j := range one.Places {
			place := &one.Places[j]
			place.Down = h.Known && !h.Up
			for _, p := range passing {
				if !slices.Contains(place.Paths, p) {
					place.Passing = append(place.Passing, p)
				}
			}
		}
		one.InspectedToo = one.class == reason.Blocked && inspected && len(passing) == 0
		one.Alternates = one.class == reason.Blocked && alternates(one.Places, passing)
	}
	return out
}

// passingPaths lists the paths of a host that carry a device by every address that was probed.
func passingPaths(h *report.Host) []measurement.Path {
	var out []measurement.Path
	for i := range h.Paths {
		p := &h.Paths[i]
		if p.Up && !slices.ContainsFunc(p.Walks, func(w report.Walk) bool {
			return !w.Withdrawn && (w.Unproven || w.Judgement.Unjudged || failed(&w.Finding))
		}) {
			out = append(out, p.Path)
		}
	}
	return out
}

// failed reports whether a finding is known to be a failure.
func failed(f *report.Finding) bool { return f.Reason != reason.OK && f.Reason != reason.OutOfTime }

// alternates reports whether a device that is set to port 443 meets one open and one blocked port of its host.
func alternates(places []report.Place, passing []measurement.Path) bool {
	isAlternate := func(p measurement.Path) bool { return p.Transport == measurement.TCP && p.Port == alternatePort }
	isOwn := func(p measurement.Path) bool { return p.Transport == measurement.TCP && p.Port != alternatePort }
	return slices.ContainsFunc(places, func(place report.Place) bool {
		return slices.ContainsFunc(place.Paths, isAlternate) && slices.ContainsFunc(passing, isOwn) ||
			slices.ContainsFunc(place.Paths, isOwn) && slices.ContainsFunc(passing, isAlternate)
	})
}

// addPath adds what to do about one path: about each of its addresses, or about the whole path if it has none. An
// address that the zone has withdrawn asks for nothing by itself.
func (s *items) addPath(h *report.Host, p *report.Path) {
	family, splits := brokenFamily(p)
	add := func(f *report.Finding, kind reason.Advice, other report.Certificate, addresses ...netip.Addr) {
		added := item{class: f.Reason.Class()}
		added.Kind, added.Certificate, added.Paths = kind, f.Certificate, 1
		if kind == reason.CheckAddress {
			added.Certificate = other
		}
		if kind == reason.RepairFamily {
			added.Family = family
		}
		added.Places = []report.Place{{Host: h.Endpoint.Host, Paths: []measurement.Path{p.Path}, Addresses: addresses}}
		if slices.ContainsFunc(*s, func(known item) bool {
			return known.cause() == added.cause() &&
				slices.ContainsFunc(known.Places, func(place report.Place) bool { return slices.Contains(place.Paths, p.Path) })
		}) {
			added.Paths = 0 // another address of a path that is counted already
		}
		s.add(added)
	}
	if len(p.Walks) == 0 && p.Finding.Reason != reason.OK {
		add(&p.Finding, p.Finding.Advice, report.Certificate{})
	}
	somePass := slices.ContainsFunc(p.Walks, func(w report.Walk) bool { return !w.Withdrawn && w.Finding.Reason == reason.OK })
	for i := range p.Walks {
		w := &p.Walks[i]
		if w.Withdrawn || w.Finding.Reason == reason.OK && !w.Unproven && !w.Judgement.Unjudged {
			continue
		}
		kind, other := w.Finding.Advice, w.Finding.Other
		switch {
		case w.Finding.Reason != reason.OK:
		case w.Judgement.Unjudged:
			kind = reason.NameAnchor
		case w.Unproven:
			kind = reason.ConfigureCertificate
		}
		if isBlockOfAddress(kind) {
			if foreign, ok := otherServer(h, w.Outcome.Address.Addr()); ok {
				kind, other = reason.CheckAddress, foreign
			} else if somePass {
				kind = reason.AllowByName
			}
		}
		var addresses []netip.Addr
		if addr := w.Outcome.Address.Addr(); addr.IsValid() && addr.String() != h.Endpoint.Host {
			addresses = []netip.Addr{addr}
		}
		if splits && kind != reason.CheckAddress {
			add(&w.Finding, reason.RepairFamily, other, addresses...)
			if kind == reason.AllowByName {
				continue
			}
		}
		add(&w.Finding, kind, other, addresses...)
	}
}

// otherServer is the certificate of another site's server that some path of the host met at an address. If there is
// one, it explains why the cloud's ports are blocked at that address.
func otherServer(h *report.Host, addr netip.Addr) (other report.Certificate, ok bool) {
	for i := range h.Paths {
		for j := range h.Paths[i].Walks {
			if w := &h.Paths[i].Walks[j]; w.Finding.Advice == reason.CheckAddress && w.Outcome.Address.Addr() == addr {
				return w.Finding.Other, true
			}
		}
	}
	return report.Certificate{}, false
}

// isBlockOfAddress reports whether a kind of advice is about a block that may depend on the address. Where a browser's
// hello or the server's flight passes, the block depends on something else.
func isBlockOfAddress(kind reason.Advice) bool {
	return slices.Contains([]reason.Advice{reason.AllowOutbound, reason.StopFiltering}, kind)
}

// addIdle adds what to do about a path that drops a silent connection sooner than the host's devices send a keepalive.
// They send none over UDP.
func (s *items) addIdle(h *report.Host, p *report.Path) {
	keepalive := h.Endpoint.Keepalive
	if p.Transport != measurement.TCP || p.Idle == nil || p.Idle.Lost == 0 || p.Idle.Lost > keepalive {
		return
	}
	var added item
	added.Kind, added.Paths, added.Lost, added.Keepalive = reason.ShortenKeepalive, 1, p.Idle.Lost, keepalive
	added.Places = []report.Place{{Host: h.Endpoint.Host, Paths: []measurement.Path{p.Path}}}
	s.add(added)
}
