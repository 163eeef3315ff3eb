// Package route asks the kernel's routing table how it would reach an address. It sends nothing.
package route

import (
	"net"
	"net/netip"
)

// discardPort is the port that is asked for where none is known (RFC 863).
const discardPort = 9

// Exists reports whether this machine has a route to the address. It connects a UDP socket, which only looks up the route. An
// error that is not about routes, such as a lack of sockets, counts as a route, so that the walk finds out.
func Exists(addr netip.Addr) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, discardPort)))
	if err != nil {
		return !isNoRoute(err)
	}
	conn.Close()
	return true
}
