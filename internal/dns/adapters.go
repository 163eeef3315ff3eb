package dns

import (
	"cmp"
	"net/netip"
	"slices"
)

// adapter is a network adapter of a machine that keeps its resolvers by adapter, as Windows does.
type adapter struct {
	up       bool
	loopback bool
	metric   uint32 // of its routes: the system prefers adapters with a low one
	servers  []netip.Addr
}

// unconfiguredServers are the addresses that Windows lists for an adapter without an IPv6 resolver (RFC 3879 deprecates
// them): fec0:0:0:ffff::1 to fec0:0:0:ffff::3.
var unconfiguredServers = netip.MustParsePrefix("fec0:0:0:ffff::/64")

// adapterResolvers returns the resolvers of the adapters that are up, at most three as [SystemResolvers] does: those of
// the adapter with the lowest metric first, each once.
func adapterResolvers(adapters []adapter) (out []netip.AddrPort) {
	adapters = slices.Clone(adapters)
	slices.SortStableFunc(adapters, func(a, b adapter) int { return cmp.Compare(a.metric, b.metric) })
	for i := range adapters {
		a := &adapters[i]
		if !a.up || a.loopback {
			continue
		}
		for _, addr := range a.servers {
			addr = addr.Unmap()
			if !addr.IsValid() || addr.IsUnspecified() || unconfiguredServers.Contains(addr.WithZone("")) ||
				addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "" {
				continue
			}
			if at := netip.AddrPortFrom(addr, dnsPort); !slices.Contains(out, at) && len(out) < maxResolvers {
				out = append(out, at)
			}
		}
	}
	return out
}
