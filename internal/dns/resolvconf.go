package dns

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// Bounds of resolv.conf(5): libc reads three name servers, and so do devices; the file is read no further than this.
const (
	maxNameServers = 3
	maxResolvConf  = 64 << 10
	dnsPort        = 53
)

// readResolvConf reads the name servers of a resolv.conf(5), as libc does: other keywords are passed over, and without
// any name server there is the machine's own.
func readResolvConf(r io.Reader) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "nameserver" || len(out) == maxNameServers {
			continue
		}
		if len(fields) < 2 {
			return nil, fmt.Errorf("line %d: nameserver without an address", n)
		}
		addr, err := netip.ParseAddr(fields[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: nameserver %q is not an IP address", n, evidence.Text(fields[1]))
		}
		if addr.IsLinkLocalUnicast() && addr.Is6() && addr.Zone() == "" {
			return nil, fmt.Errorf("line %d: nameserver %s is link-local and needs its interface (%s%%eth0)", n, addr, addr)
		}
		out = append(out, netip.AddrPortFrom(addr.Unmap(), dnsPort))
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, errors.New("a line is longer than any name server's")
		}
		return nil, err
	}
	if len(out) == 0 {
		out = append(out, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort))
	}
	return out, nil
}
