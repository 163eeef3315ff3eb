//go:build !linux

package lab

import (
	"errors"
	"syscall"
)

// dropPackets is for Linux only.
func dropPackets(_, _ string, _ syscall.RawConn) error { return errors.ErrUnsupported }
