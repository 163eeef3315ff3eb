package survey

import (
	"net/netip"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// addressPlan is which of a host's addresses a round walks.
type addressPlan struct {
	// walk lists the addresses to probe, the one that a device would take first.
	walk []netip.Addr
	// sinkholes are addresses that cannot be the cloud: reported, never connected to.
	sinkholes []netip.Addr
	// sinkholeFirst: the address that a device would take is a sinkhole.
	sinkholeFirst bool
	// omitted counts addresses over the limit, or without a route.
	omitted int
}

// planAddresses orders and bounds the addresses of one host. perResolver holds what each of the site's resolvers gave,
// in the order of the configuration, each list with IPv6 first. A device resolves once, takes the first address that it
// has a route to, and calls no other: so the first of the first resolver that answered leads, and the union of all follows
// in the order seen. sinkhole says which addresses must not be connected to, of those that the host has.
func planAddresses(perResolver [][]netip.Addr, sinkhole sinkholeRule, hasRoute func(netip.Addr) bool, limit int) addressPlan {
	var plan addressPlan
	seen := make(map[netip.Addr]bool)
	first := true
	for _, addresses := range perResolver {
		for _, addr := range addresses {
			addr = addr.Unmap()
			if seen[addr] {
				continue
			}
			seen[addr] = true
			switch {
			case !hasRoute(addr):
				plan.omitted++
				continue // a device without this route takes the next one
			case sinkhole(addr, perResolver):
				if len(plan.sinkholes) >= limit {
					plan.omitted++
					continue
				}
				plan.sinkholes = append(plan.sinkholes, addr)
				plan.sinkholeFirst = plan.sinkholeFirst || first
			case len(plan.walk) >= limit:
				plan.omitted++
			default:
				plan.walk = append(plan.walk, addr)
			}
			first = false
		}
	}
	return plan
}

// sinkholeRule says whether an address of a host must not be connected to; among are all that the host has.
type sinkholeRule func(addr netip.Addr, among [][]netip.Addr) bool

// notTheCloud are the sinkholes of a host that should have public addresses, which its operator gives it: but for one that a
// DNS64 server (RFC 6147) made of such an address, with the prefix of the site's own translator, which may be a private one
// (RFC 6052). Its last 32 bits are then the IPv4 address.
func notTheCloud(addr netip.Addr, among [][]netip.Addr) bool {
	if !diagnose.IsSinkhole(addr) {
		return false
	}
	if !addr.Is6() || addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	bytes := addr.As16()
	within := netip.AddrFrom4([4]byte(bytes[12:]))
	return diagnose.IsSinkhole(within) || !slices.ContainsFunc(among, func(addresses []netip.Addr) bool {
		return slices.ContainsFunc(addresses, func(a netip.Addr) bool { return a.Unmap() == within })
	})
}

// notAnywhere are the sinkholes of a host whose addresses may be any.
func notAnywhere(netip.Addr, [][]netip.Addr) bool { return false }
