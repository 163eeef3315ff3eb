package survey

import (
	"net/netip"
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// addressPlan is the selection of a host's addresses that a round walks.
type addressPlan struct {
	// walk lists the addresses to walk, in the order of a device: it connects to the first.
	walk []netip.Addr
	// sinkholes are addresses that must not be connected to. They are reported only.
	sinkholes []netip.Addr
	// sinkholeFirst is true if a device would connect to a sinkhole.
	sinkholeFirst bool
	// omitted counts the addresses beyond the limit, and those without a route.
	omitted int
}

// planAddresses orders and bounds the addresses of one host. perResolver holds the addresses from each of the site's resolvers, in
// the order of the configuration, IPv6 first in each list. A device resolves once and connects to the first address that it has a
// route to, and to no other. So the first address of the first resolver that answered leads, and the union of all others follows.
// sinkhole reports which of the host's addresses must not be connected to.
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
				continue // a device without this route uses the next address
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

// sinkholeRule reports whether an address of a host must not be connected to; among are all addresses of the host.
type sinkholeRule func(addr netip.Addr, among [][]netip.Addr) bool

// notTheCloud is the rule for hosts that have public addresses: any other address is a sinkhole, except one that a DNS64 server
// (RFC 6147) synthesised from a public address of the host. The prefix of the site's translator may be private (RFC 6052); the
// last 32 bits are then the IPv4 address.
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

// notAnywhere is the rule for hosts that may have any address.
func notAnywhere(netip.Addr, [][]netip.Addr) bool { return false }
