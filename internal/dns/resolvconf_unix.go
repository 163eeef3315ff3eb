//go:build unix

package dns

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
)

// resolvConf is the file that lists the resolvers of this machine.
const resolvConf = "/etc/resolv.conf"

// SystemResolvers returns the resolvers listed in /etc/resolv.conf, at most three. It returns none if the file lists none or
// does not exist, which can be so for a moment while the file is replaced; see [DefaultResolver].
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
