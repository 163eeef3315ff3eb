//go:build !linux

package path

import (
	"context"
	"syscall"
)

// controlUDP does nothing: only Linux tells the ICMP errors that may pass. Elsewhere they look like silence.
func controlUDP(context.Context, string, string, syscall.RawConn) error { return nil }
