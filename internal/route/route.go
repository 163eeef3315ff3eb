// Package route asks the kernel's routing table how it would reach an address, and orders addresses as getaddrinfo
// does. It sends nothing.
package route

import (
	"net"
	"net/netip"
)

// discardPort is the port that is asked for where none is known (RFC 863).
const discardPort = 9

// Exists reports whether this machine has a route to the address.
func Exists(addr netip.Addr) bool {
	_, ok := Source(netip.AddrPortFrom(addr, discardPort))
	return ok
}

// Source returns the address that this machine would send from to a remote address and port; ok is false without a
// route. It connects a UDP socket, as getaddrinfo does, which looks up the route and applies policy rules for the
// destination port. An error that is not about routes, such as a lack of sockets, counts as a route with an unknown
// source, so that the walk finds out.
func Source(remote netip.AddrPort) (local netip.Addr, ok bool) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.Addr{}, !isNoRoute(err)
	}
	defer conn.Close()
	at, isUDP := conn.LocalAddr().(*net.UDPAddr)
	if !isUDP {
		return netip.Addr{}, true
	}
	return at.AddrPort().Addr().Unmap(), true
}
