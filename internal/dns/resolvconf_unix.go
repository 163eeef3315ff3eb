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

// SystemResolvers are those that the system names in /etc/resolv.conf, at most three; none if the file names none or is not
// there, as may be for a moment while it is replaced: see [MachinesOwn].
func SystemResolvers() ([]netip.AddrPort, error) {
	f, err := os.Open(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
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
