package path

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// kernelInfo reads TCP_INFO, which Linux keeps after the connection has ended.
func kernelInfo(conn *net.TCPConn) (out tcpInfo) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return tcpInfo{}
	}
	_ = raw.Control(func(fd uintptr) { // fails only on a closed socket
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			out = tcpInfo{time.Duration(info.Rtt) * time.Microsecond, info.Bytes_acked, info.Rcv_ooopack}
		}
	})
	return out
}
