//go:build !linux

package route

import (
	"errors"
	"net/netip"
)

// errUnknown is returned if the kernel cannot be asked.
var errUnknown = errors.New("route: the kernel cannot be asked")

// askTCP returns [errUnknown]: only Linux has a way to ask for the route of a TCP connection without a connection.
func askTCP(netip.AddrPort, binding) error { return errUnknown }
