package survey

import (
	"net/netip"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
)

// addressPlan is the selection of a host's addresses that a round walks.
type addressPlan struct {
	// walk lists the addresses to walk, in the order of a device: it connects to the first.
	walk []netip.Addr
	// sinkholes are addresses that must not be connected to. They are reported only.
	sinkholes []netip.Addr
	// sinkholeFirst is true if a device would connect to a sinkhole.
	sinkholeFirst bool
	// omitted counts the addresses beyond the limit, and those without a route where others have one.
	omitted int
}

// planner holds the rules by which the addresses of one endpoint are planned.
type planner struct {
	nat64    resolve.NAT64
	uses     func(addr netip.Addr) bool // the endpoint's devices use the family of an address
	sinkhole sinkholeRule
	source   sourceRule
	routed   func(addr netip.Addr) bool // some path of the endpoint has a route to an address
	limit    int                        // of addresses to walk, and of sinkholes
}

// plan orders and bounds the addresses of one host. perResolver holds the addresses from each of the site's
// resolvers, in the order of the configuration. A device resolves once, sorts the addresses by RFC 6724, and connects
// to the first and to no other. So the first address of the first resolver that answered leads, and the union of all
// others follows. An address without a route is omitted: getaddrinfo puts it last, and no path leads there. If none
// has a route all are walked, so that the report shows what happens. For the only address of a host the kernel is not
// asked: it is walked whatever the answer. If there are too many addresses, both families keep places.
func (p *planner) plan(perResolver [][]netip.Addr) addressPlan {
	var plan addressPlan
	destinations := p.sort(perResolver)
	anyRoute := false
	if len(destinations) > 1 {
		for i := range destinations {
			d := &destinations[i]
			d.Routed = d.Routed || p.routed(d.Addr)
			anyRoute = anyRoute || d.Routed
		}
	}
	for _, d := range destinations {
		switch {
		case anyRoute && !d.Routed: // a device uses the next address
			plan.omitted++
		case !p.sinkhole(d.Addr, p.nat64):
			plan.walk = append(plan.walk, d.Addr)
		case len(plan.sinkholes) >= p.limit:
			plan.omitted++
		default:
			plan.sinkholeFirst = plan.sinkholeFirst || len(plan.walk)+len(plan.sinkholes) == 0
			plan.sinkholes = append(plan.sinkholes, d.Addr)
		}
	}
	walk := measurement.BoundFamilies(plan.walk, p.limit)
	plan.omitted += len(plan.walk) - len(walk)
	plan.walk = walk
	return plan
}

// sourceRule returns the address that getaddrinfo takes this machine to send from to an address of a host; ok is false
// if it finds no route.
type sourceRule func(addr netip.Addr) (source netip.Addr, ok bool)

// sort lists each address once: those of one resolver after the other, each resolver's sorted as getaddrinfo does.
func (p *planner) sort(perResolver [][]netip.Addr) []route.Destination {
	known := make(map[netip.Addr]route.Destination)
	for _, list := range perResolver {
		for _, addr := range list {
			if addr = addr.Unmap(); p.uses(addr) {
				known[addr] = route.Destination{Addr: addr}
			}
		}
	}
	if len(known) > 1 {
		for addr, d := range known {
			d.Source, d.Routed = p.source(addr)
			known[addr] = d
		}
	}
	var sorted []route.Destination
	for _, list := range perResolver {
		first := len(sorted)
		for _, addr := range list {
			if d, used := known[addr.Unmap()]; used {
				sorted = append(sorted, d)
			}
		}
		route.Sort(sorted[first:])
	}
	return slices.DeleteFunc(sorted, func(d route.Destination) bool {
		_, unlisted := known[d.Addr]
		delete(known, d.Addr)
		return !unlisted
	})
}

// sinkholeRule reports whether an address of a host must not be connected to.
type sinkholeRule func(addr netip.Addr, nat64 resolve.NAT64) bool

// notPublic is the rule for hosts that have public addresses: any other address is a sinkhole, except one that a
// DNS64 server (RFC 6147) synthesised from a public address of the host. The prefix of the site's translator may be
// private (RFC 6052).
//
// If the prefix is not known, the address is compared with the IPv4 addresses of the host. If these are not known, as
// behind a resolver that filters A records, nothing shows that the address is a sinkhole, and the walk finds out.
func notPublic(addr netip.Addr, nat64 resolve.NAT64) bool {
	if !diagnose.IsSinkhole(addr) {
		return false
	}
	if !addr.Is6() || !addr.IsPrivate() {
		return true
	}
	for _, prefix := range nat64.Prefixes {
		if v4, ok := measurement.EmbeddedIPv4(addr, prefix.Bits()); ok && prefix.Contains(addr) {
			return diagnose.IsSinkhole(v4)
		}
	}
	for _, length := range measurement.NAT64Lengths {
		if v4, ok := measurement.EmbeddedIPv4(addr, length); ok && slices.Contains(nat64.IPv4, v4) {
			return diagnose.IsSinkhole(v4)
		}
	}
	return len(nat64.IPv4) > 0
}

// unspecified is the rule for hosts that may have any address: only the unspecified one is a sinkhole. It names no
// host, and DNS filters answer with it.
func unspecified(addr netip.Addr, _ resolve.NAT64) bool { return addr.Unmap().IsUnspecified() }
