package path

import (
	"net"
	"time"
)

// tcpInfo is what the kernel knows about a TCP connection.
type tcpInfo struct {
	rtt        time.Duration // smoothed round-trip time
	acked      uint64        // bytes that the peer acknowledged, the SYN included; 0 if the kernel does not count them
	outOfOrder uint32        // segments received out of order
}

// infoConn is a connection of a test with its own TCP_INFO.
type infoConn interface{ tcpInfo() tcpInfo }

// infoOf returns the TCP_INFO of a connection; the zero value where it is not available, as on macOS and Windows.
func infoOf(conn net.Conn) tcpInfo {
	switch c := conn.(type) {
	case infoConn:
		return c.tcpInfo()
	case *net.TCPConn:
		return kernelInfo(c)
	}
	return tcpInfo{}
}

// delivery says whether the peer's TCP has acknowledged everything that was sent.
type delivery int

const (
	deliveryUnknown delivery = iota
	delivered
	undelivered
)

// deliveryOf compares what was sent on a connection with what the peer acknowledged. The acknowledgement shows that the
// bytes reached the peer, or a middlebox that terminates TCP.
func deliveryOf(info tcpInfo, sent int) delivery {
	const syn = 1 // which Linux counts
	switch {
	case info.acked == 0:
		return deliveryUnknown
	case info.acked >= uint64(sent)+syn:
		return delivered
	}
	return undelivered
}
