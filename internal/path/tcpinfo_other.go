//go:build !linux

package path

import "net"

// kernelInfo returns nothing: TCP_INFO is read only on Linux.
func kernelInfo(*net.TCPConn) tcpInfo { return tcpInfo{} }
