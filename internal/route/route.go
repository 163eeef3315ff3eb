// Package route asks the kernel's routing table how it would reach an address, and orders addresses as getaddrinfo
// does. It sends nothing.
package route

import (
	"errors"
	"net"
	"net/netip"
	"slices"
)

// HasRoute reports whether this machine has a route by the uplink to a remote address and port over the network "tcp"
// or "udp". Policy rules can depend on all three. Where the kernel cannot be asked about TCP, the answer is that for
// UDP.
func (u Uplink) HasRoute(network string, remote netip.AddrPort) bool {
	if network == "tcp" {
		b, err := u.bindingFor(remote.Addr())
		if err != nil {
			return !isNoRoute(err)
		}
		switch err := askTCP(remote, b); {
		case err == nil:
			return true
		case isNoRoute(err):
			return false
		}
	}
	_, ok := u.Source(remote)
	return ok
}

// Source returns the address that this machine would send from, by the uplink, to a remote address and port, as
// getaddrinfo asks for it to order addresses; ok is false without a route. It connects a UDP socket, whatever the
// caller will connect later. An error that is not about routes, such as a lack of sockets, counts as a route with an
// unknown source, so that the walk finds out.
func (u Uplink) Source(remote netip.AddrPort) (local netip.Addr, ok bool) {
	b, err := u.bindingFor(remote.Addr())
	if err != nil {
		return netip.Addr{}, !isNoRoute(err)
	}
	conn, err := b.dialer(net.Dialer{}, "udp").Dial("udp", remote.String()) //nolint:noctx // it does not wait
	if err != nil {
		return netip.Addr{}, !isNoRoute(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}

// errUnknown is returned if the kernel did not answer the question for a route, or cannot be asked.
var errUnknown = errors.New("route: no answer from the kernel")

// isNoRoute reports whether the system cannot reach an address: it has no route, a route that rejects, no local address
// of the family, or no support for the family.
func isNoRoute(err error) bool {
	return slices.ContainsFunc(noRouteErrors, func(errno error) bool { return errors.Is(err, errno) })
}
