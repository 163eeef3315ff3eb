package survey

import (
	"net"
	"net/netip"
)

// HasRoute reports whether this machine has a route to the address. Connecting a UDP socket asks the kernel's routing
// table and sends nothing. A want of sockets says nothing of routes: then there is one, and the walk finds out.
func HasRoute(addr netip.Addr) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 9)))
	if err != nil {
		return !isNoRoute(err)
	}
	conn.Close()
	return true
}
