//go:build !linux

package path

import (
	"net"
	"time"
)

// roundTrip is 0: only Linux is asked for its round-trip time.
func roundTrip(net.Conn) time.Duration { return 0 }
