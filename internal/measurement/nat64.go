package measurement

import (
	"net/netip"
	"slices"
)

// NAT64Lengths lists the lengths that a NAT64 prefix can have, the longest first.
var NAT64Lengths = []int{96, 64, 56, 48, 40, 32}

// EmbeddedIPv4 returns the IPv4 address in an IPv6 address that was synthesised with a NAT64 prefix of the given
// length (RFC 6052). ok is false if the address cannot be of that form.
func EmbeddedIPv4(addr netip.Addr, length int) (v4 netip.Addr, ok bool) {
	if !slices.Contains(NAT64Lengths, length) || !addr.Is6() || addr.Is4In6() {
		return netip.Addr{}, false
	}
	bytes := addr.As16()
	rest := bytes[:]
	if length < 96 { // byte 8 is reserved, and the IPv4 address goes around it (RFC 6052 §2.2)
		if bytes[8] != 0 {
			return netip.Addr{}, false
		}
		rest = slices.Delete(rest, 8, 9)
	}
	return netip.AddrFrom4([4]byte(rest[length/8:])), true
}
