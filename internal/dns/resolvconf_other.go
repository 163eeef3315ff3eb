//go:build !unix && !windows

package dns

import (
	"errors"
	"net/netip"
)

// SystemResolvers fails: this system has no /etc/resolv.conf.
func SystemResolvers() ([]netip.AddrPort, error) {
	return nil, errors.New("read the system's resolvers: this system has no /etc/resolv.conf: set resolvers in the configuration")
}
