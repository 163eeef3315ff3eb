package measurement

import "net/netip"

// nat64Positions are the bytes of an IPv6 address that hold the IPv4 address, by the length of the NAT64 prefix (RFC
// 6052 §2.2).
var nat64Positions = map[int][4]int{
	32: {4, 5, 6, 7}, 40: {5, 6, 7, 9}, 48: {6, 7, 9, 10}, 56: {7, 9, 10, 11}, 64: {9, 10, 11, 12}, 96: {12, 13, 14, 15},
}

// NAT64Lengths lists the lengths that a NAT64 prefix can have, the longest first.
var NAT64Lengths = []int{96, 64, 56, 48, 40, 32}

// EmbeddedIPv4 returns the IPv4 address in an IPv6 address that was synthesised with a NAT64 prefix of the given
// length (RFC 6052). ok is false if the address cannot be of that form.
func EmbeddedIPv4(addr netip.Addr, length int) (v4 netip.Addr, ok bool) {
	positions, valid := nat64Positions[length]
	if !valid || !addr.Is6() || addr.Is4In6() {
		return netip.Addr{}, false
	}
	bytes := addr.As16()
	if length < 96 && bytes[8] != 0 { // reserved
		return netip.Addr{}, false
	}
	var out [4]byte
	for i, at := range positions {
		out[i] = bytes[at]
	}
	return netip.AddrFrom4(out), true
}
