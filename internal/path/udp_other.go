//go:build !linux

package path

import (
	"context"
	"syscall"
)

// controlUDP does nothing: only Linux can report transient ICMP errors. On other systems they look like silence.
func controlUDP(context.Context, string, string, syscall.RawConn) error { return nil }
