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
	// omitted counts addresses over the limit, or of a family without a route.
	omitted int
}

// planAddresses orders and bounds the addresses of one host. perResolver holds what each of the site's resolvers gave,
// in the order of the configuration, each list with IPv6 first. A device resolves once, takes the first address of a
// family it has a route to, and calls no other: so the first of the first resolver that answered leads, and the union of
// all follows in the order seen. sinkhole says which addresses must not be connected to.
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
			case sinkhole(addr):
				if len(plan.sinkholes) >= limit {
					plan.omitted++
					continue
				}
				plan.sinkholes = append(plan.sinkholes, addr)
				plan.sinkholeFirst = plan.sinkholeFirst || first
			case !hasRoute(addr):
				plan.omitted++
				continue // a device without this route takes the next one
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
