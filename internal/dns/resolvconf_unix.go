//go:build unix

package dns

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
)

// resolvConf is where the system names its resolvers.
const resolvConf = "/etc/resolv.conf"

// SystemResolvers are those that the system's programs ask: of /etc/resolv.conf, at most three.
func SystemResolvers() ([]netip.AddrPort, error) {
	f, err := os.Open(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		return []netip.AddrPort{machinesOwn}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	out, err := readResolvConf(f)
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: %s: %w", resolvConf, err)
	}
	return out, nil
}
