//go:build unix

package dns

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
)

const (
	// resolvConf is the file that lists the resolvers of this machine.
	resolvConf = "/etc/resolv.conf"
	// upstreamConf lists the resolvers that systemd-resolved asks, where resolvConf lists only its stub
	// (systemd-resolved(8)).
	upstreamConf = "/run/systemd/resolve/resolv.conf"
)

// SystemResolvers returns the resolvers listed in /etc/resolv.conf, at most three. If that is only the stub of
// systemd-resolved, SystemResolvers returns the resolvers that the stub asks, because devices ask those. It returns
// none if the file lists none or does not exist, which can be so for a moment while the file is replaced; see
// [DefaultResolver].
func SystemResolvers() ([]netip.AddrPort, error) { return systemResolvers(resolvConf, upstreamConf) }

func systemResolvers(resolvConf, upstreamConf string) ([]netip.AddrPort, error) {
	out, err := readResolvConfFile(resolvConf)
	if err != nil || len(out) != 1 || !IsStub(out[0].Addr()) {
		return out, err
	}
	upstream, err := readResolvConfFile(upstreamConf)
	if err != nil || len(upstream) == 0 {
		return out, err // the stub still answers
	}
	return upstream, nil
}

func readResolvConfFile(name string) ([]netip.AddrPort, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	out, err := readResolvConf(f)
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: %s: %w", name, err)
	}
	return out, nil
}
