package program

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// Ports below those that Linux gives to sockets that ask for none (net.ipv4.ip_local_port_range), and above those of
// services.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// FreePort gives a port of 127.0.0.1 for a program that cannot choose one itself. It is free for TCP and UDP on every
// address, as is the one below it, and the kernel does not give it to other sockets before the program starts.
func FreePort(tb testing.TB) netip.AddrPort {
	tb.Helper()
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if free(port-1) && free(port) {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
		}
	}
	tb.Fatal("no port is free")
	return netip.AddrPort{}
}

// free reports whether a port is free for both transports.
func free(port int) bool {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
	if err != nil {
		return false
	}
	defer listener.Close()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
