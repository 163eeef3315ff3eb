package route

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// Destination is an address of a host, with the address that this machine would send from.
type Destination struct {
	Addr   netip.Addr
	Source netip.Addr // invalid if it is not known
	Routed bool       // this machine has a route to Addr
}

// Sort sorts destinations in the order of RFC 6724 §6, in which getaddrinfo returns them. Devices connect to the
// first. The order of equal destinations is kept. Rules 3, 4 and 7 need properties of source addresses that a device
// rarely has, and are left out, as in musl.
func Sort(destinations []Destination) {
	slices.SortStableFunc(destinations, func(a, b Destination) int {
		return cmp.Or(
			compareBool(a.Routed, b.Routed),                                                              // rule 1
			compareBool(a.sameScope(), b.sameScope()),                                                    // rule 2
			compareBool(a.sameLabel(), b.sameLabel()),                                                    // rule 5
			-cmp.Compare(policyOf(a.Addr).precedence, policyOf(b.Addr).precedence),                       // rule 6
			cmp.Compare(scopeOf(a.Addr), scopeOf(b.Addr)),                                                // rule 8
			-cmp.Compare(commonPrefix(a.Addr, a.Source, b.Addr), commonPrefix(b.Addr, b.Source, a.Addr)), // rule 9
		)
	})
}

// compareBool sorts true before false.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (d *Destination) sameScope() bool {
	return d.Source.IsValid() && scopeOf(d.Source) == scopeOf(d.Addr)
}

func (d *Destination) sameLabel() bool {
	return d.Source.IsValid() && policyOf(d.Source).label == policyOf(d.Addr).label
}

// scope is an address scope (RFC 4007 §4); a smaller one reaches less far.
type scope int

const (
	linkLocal scope = 0x2
	siteLocal scope = 0x5
	global    scope = 0xe
)

var deprecatedSiteLocal = netip.MustParsePrefix("fec0::/10")

// scopeOf returns the scope of a unicast address (RFC 6724 §3.1 and §3.2).
func scopeOf(a netip.Addr) scope {
	a = a.Unmap()
	switch {
	case a.IsLoopback(), a.IsLinkLocalUnicast():
		return linkLocal
	case deprecatedSiteLocal.Contains(a):
		return siteLocal
	}
	return global
}

// policy is an entry of the policy table.
type policy struct {
	prefix            netip.Prefix
	precedence, label int
}

// policies is the default policy table (RFC 6724 §2.1), the longest prefix first. The last one has every address.
var policies = []policy{
	{netip.MustParsePrefix("::1/128"), 50, 0},
	{netip.MustParsePrefix("::ffff:0:0/96"), 35, 4},
	{netip.MustParsePrefix("::/96"), 1, 3},
	{netip.MustParsePrefix("2001::/32"), 5, 5},
	{netip.MustParsePrefix("2002::/16"), 30, 2},
	{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	{netip.MustParsePrefix("fec0::/10"), 1, 11},
	{netip.MustParsePrefix("fc00::/7"), 3, 13},
	{netip.MustParsePrefix("::/0"), 40, 1},
}

func policyOf(a netip.Addr) policy {
	addr := netip.AddrFrom16(a.As16()) // an IPv4 address in IPv6 form
	return policies[slices.IndexFunc(policies, func(p policy) bool { return p.prefix.Contains(addr) })]
}

// commonPrefix is the length of the common prefix of an IPv6 destination and its source, without the interface
// identifiers of 64 bits; 0 unless other is IPv6 too.
func commonPrefix(destination, source, other netip.Addr) int {
	if !source.IsValid() || destination.Unmap().Is4() || other.Unmap().Is4() || source.Unmap().Is4() {
		return 0
	}
	d, s := destination.As16(), source.As16()
	return bits.LeadingZeros64(binary.BigEndian.Uint64(d[:]) ^ binary.BigEndian.Uint64(s[:]))
}
