package dns

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of resolv.conf(5): libc reads three name servers, and so do devices; the file is read no further than this.
const (
	maxNameServers = 3
	maxResolvConf  = 64 << 10
	dnsPort        = 53
)

// readResolvConf reads the name servers of a resolv.conf(5), as libc does: what it cannot use is passed over. One that is
// named twice counts once.
func readResolvConf(r io.Reader) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for lines.Scan() && len(out) < maxNameServers {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(fields[1])
		if err != nil || addr.IsLinkLocalUnicast() && addr.Is6() && addr.Zone() == "" {
			continue // no address, or one that means nothing without its interface
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

// MachinesOwn is the resolver that libc asks where none is named.
var MachinesOwn = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)
