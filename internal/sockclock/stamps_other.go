//go:build !linux

package sockclock

import (
	"net"
	"time"
)

// stamps reads receive stamps; only Linux has them.
type stamps struct{}

func newStamps(net.Conn) *stamps { return nil }

func (*stamps) read([]byte) (n int, stamp time.Duration, err error) { panic("sockclock: no stamps") }

// kernelInfo returns nothing: TCP_INFO is read only on Linux.
func kernelInfo(*net.TCPConn) TCPInfo { return TCPInfo{} }
