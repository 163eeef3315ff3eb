package dns

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of resolv.conf(5): libc, and therefore a device, uses at most three name servers.
const (
	maxResolvers  = 3
	maxResolvConf = 64 << 10
	dnsPort       = 53
)

// readResolvConf reads the name servers of a resolv.conf(5) as libc does: it ignores lines that it cannot use, and
// servers that are listed twice.
func readResolvConf(r io.Reader) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for lines.Scan() && len(out) < maxResolvers {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(fields[1])
		if err != nil || addr.IsLinkLocalUnicast() && addr.Is6() && addr.Zone() == "" {
			continue // not an address, or a link-local one without its interface
		}
		if at := netip.AddrPortFrom(addr.Unmap(), dnsPort); !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	return out, nil
}

// DefaultResolver is the resolver that libc asks if resolv.conf(5) lists none.
var DefaultResolver = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)

// IsStub reports whether an address is that of the stub of systemd-resolved, which forwards this machine's questions
// to the resolvers of the site (systemd-resolved(8)). Devices do not ask it.
func IsStub(addr netip.Addr) bool {
	return addr == netip.AddrFrom4([4]byte{127, 0, 0, 53}) || addr == netip.AddrFrom4([4]byte{127, 0, 0, 54})
}
