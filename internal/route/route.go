// Package route asks the kernel's routing table how it would reach an address, and orders addresses as getaddrinfo
// does. It sends nothing.
package route

import (
	"net"
	"net/netip"
)

// Exists reports whether this machine has a route to a remote address and port over the network "tcp" or "udp". Policy
// rules can depend on all three. Where the kernel cannot be asked about TCP, the answer is that for UDP.
func Exists(network string, remote netip.AddrPort) bool {
	if network == "tcp" {
		switch err := askTCP(remote); {
		case err == nil:
			return true
		case isNoRoute(err):
			return false
		}
	}
	_, ok := Source(remote)
	return ok
}

// Source returns the address that this machine would send from to a remote address and port, as getaddrinfo asks for
// it to order addresses; ok is false without a route. It connects a UDP socket, whatever the caller will connect
// later. An error that is not about routes, such as a lack of sockets, counts as a route with an unknown source, so
// that the walk finds out.
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
