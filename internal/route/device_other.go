//go:build !linux

package route

import (
	"errors"
	"syscall"
)

// mayBindToDevice is false: only Linux binds sockets to an interface by its name.
func mayBindToDevice() bool { return false }

// bindToDevice is not called.
func bindToDevice(syscall.RawConn, string) error { return errors.ErrUnsupported }
