package config

import (
	"errors"
	"net/netip"
	"strings"
)

// parseAllow reads one entry of probe.allow and returns it in its canonical form: a name, a wildcard of all names below one
// (*.example.org, which does not hold example.org itself), or a CIDR prefix; a single address is its own prefix.
func parseAllow(s string) (string, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if prefix.Masked() != prefix {
			return "", errors.New("bits are set beyond the prefix, write " + prefix.Masked().String())
		}
		if prefix.Addr().Is4In6() {
			return "", errors.New("an IPv4 prefix written as IPv6 matches nothing, write it as IPv4")
		}
		return prefix.String(), nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return "", errors.New("an address with a zone is not taken")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	if parent, ok := strings.CutPrefix(s, "*."); ok {
		name, err := ParseHost(parent)
		if err != nil {
			return "", err
		}
		if _, err := netip.ParseAddr(name); err == nil {
			return "", errors.New("a wildcard of an address means nothing, write a CIDR prefix")
		}
		return "*." + name, nil
	}
	if strings.Contains(s, "/") {
		if strings.Contains(s, "://") {
			return "", errors.New("a URL: write its host alone")
		}
		return "", errors.New("not a CIDR prefix")
	}
	return ParseHost(s)
}

// AllowsHost reports whether /probe may be asked for a host, as [ParseHost] writes it: a name by name or wildcard, an
// address by prefix.
func (p Probe) AllowsHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.inPrefix(addr)
	}
	for _, entry := range p.Allow {
		if entry == host {
			return true
		}
		if parent, ok := strings.CutPrefix(entry, "*"); ok && len(host) > len(parent) && strings.HasSuffix(host, parent) {
			return true
		}
	}
	return false
}

// AllowsAddress reports whether /probe may connect to an address that an allowed host leads to: a public one, or one in an
// allowed prefix, or one that DNS64 made of such a one with the well-known prefix. A name in somebody else's hands must not
// lead into the site's own network.
func (p Probe) AllowsAddress(addr netip.Addr) bool {
	if p.inPrefix(addr) {
		return true
	}
	if translated.Contains(addr) {
		bytes := addr.As16()
		addr = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return p.inPrefix(addr) || isPublic(addr)
}

// translated is the well-known prefix of NAT64, before an IPv4 address (RFC 6052 §2.1). A translator with a prefix of the
// site's own is like any other part of its network: it must be allowed.
var translated = netip.MustParsePrefix("64:ff9b::/96")

func (p Probe) inPrefix(addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, entry := range p.Allow {
		if prefix, err := netip.ParsePrefix(entry); err == nil && prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// reserved are the blocks of IANA's special-purpose registries (RFC 6890) that are not globally reachable and that
// net/netip has no word for.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), // documentation
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), // IPv4-compatible, deprecated
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: leads to any IPv4 address
	netip.MustParsePrefix("fec0::/10"), // site-local, deprecated
}

func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, prefix := range reserved {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}
