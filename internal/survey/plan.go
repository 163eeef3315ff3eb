package survey

import "net/netip"

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
// in the order seen. sinkhole says which addresses must not be connected to.
func planAddresses(perResolver [][]netip.Addr, sinkhole, hasRoute func(netip.Addr) bool, limit int) addressPlan {
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
			case sinkhole(addr) && !isNAT64(addr, perResolver, sinkhole):
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

// isNAT64 reports whether an IPv6 address holds, in its last 32 bits, an IPv4 address of the same host that may be called:
// a DNS64 server (RFC 6147) made it, with the prefix of the site's own translator, which may be a private one (RFC 6052).
func isNAT64(addr netip.Addr, perResolver [][]netip.Addr, sinkhole func(netip.Addr) bool) bool {
	if !addr.Is6() || addr.IsLoopback() || addr.IsUnspecified() {
		return false
	}
	bytes := addr.As16()
	within := netip.AddrFrom4([4]byte(bytes[12:]))
	for _, addresses := range perResolver {
		for _, a := range addresses {
			if a.Unmap() == within && !sinkhole(within) {
				return true
			}
		}
	}
	return false
}
