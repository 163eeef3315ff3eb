package measurement

import "net/netip"

// NAT is the kind of address translation that must lie between two addresses, as far as the addresses show it.
type NAT string

const (
	NoNAT      NAT = ""                                  // none must; there may be one all the same
	SiteNAT    NAT = "private local address"             // RFC 1918, RFC 4193, RFC 3927
	CarrierNAT NAT = "local address of a carrier's NAT"  // RFC 6598, or RFC 6333 and RFC 7335 (DS-Lite, 464XLAT)
	NAT64      NAT = "IPv4 address in NAT64 form called" // RFC 6052, RFC 8215
)

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10")  // RFC 6598
	dsLite      = netip.MustParsePrefix("192.0.0.0/29")   // RFC 6333, RFC 7335
	wellKnown64 = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	local64     = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
)

// NATBetween says whether a connection from local to remote must pass a NAT: from an address that the Internet does not
// route to one that it does. Where both are of the same kind nothing can be said, and nothing is.
func NATBetween(local, remote netip.Addr) NAT {
	local, remote = local.Unmap(), remote.Unmap()
	switch {
	case !local.IsValid() || !routed(remote) || local.IsLoopback() || local.IsUnspecified():
		return NoNAT
	case wellKnown64.Contains(remote), local64.Contains(remote):
		return NAT64
	case sharedSpace.Contains(local), dsLite.Contains(local):
		return CarrierNAT
	case local.IsPrivate(), local.Is4() && local.IsLinkLocalUnicast():
		return SiteNAT
	}
	return NoNAT
}

// BehindNAT reports whether the walk must have passed a NAT.
func (o *Outcome) BehindNAT() bool { return NATBetween(o.Local.Addr(), o.Address.Addr()) != NoNAT }

// routed reports whether the Internet routes an address, as far as its kind shows.
func routed(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a) && !dsLite.Contains(a)
}
