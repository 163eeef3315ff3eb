package dns

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"strings"
)

// Bounds of resolv.conf(5): libc reads three name servers, and so do devices; the file is read no further than this.
const (
	maxNameServers = 3
	maxResolvConf  = 64 << 10
	dnsPort        = 53
)

// readResolvConf reads the name servers of a resolv.conf(5), as libc does: what it cannot use is passed over, and without
// any name server there is the machine's own.
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
		out = append(out, netip.AddrPortFrom(addr.Unmap(), dnsPort))
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	if len(out) == 0 {
		out = append(out, machinesOwn)
	}
	return out, nil
}

// machinesOwn is the resolver that libc asks where none is named.
var machinesOwn = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)
