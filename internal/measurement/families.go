package measurement

import "net/netip"

// BoundFamilies returns the first addresses, at most limit, in their order. The family of the first address has half of
// the places at least, and the other family has the rest if it can fill them.
func BoundFamilies(addresses []netip.Addr, limit int) []netip.Addr {
	if len(addresses) <= limit {
		return addresses
	}
	isOther := func(addr netip.Addr) bool { return addr.Is4() != addresses[0].Is4() }
	others := 0
	for _, addr := range addresses {
		if isOther(addr) {
			others++
		}
	}
	others = min(others, max(limit/2, limit-(len(addresses)-others)))
	leading := limit - others
	var out []netip.Addr
	for _, addr := range addresses {
		places := &leading
		if isOther(addr) {
			places = &others
		}
		if *places > 0 {
			*places--
			out = append(out, addr)
		}
	}
	return out
}
