//go:build !linux

package route

import (
	"errors"
	"net/netip"
	"syscall"
)

// askTCP returns [errUnknown]: only Linux has a way to ask for the route of a TCP connection without a connection.
func askTCP(netip.AddrPort, Uplink) error { return errUnknown }

// mayBindToDevice is false: only Linux binds sockets to an interface by its name.
func mayBindToDevice() bool { return false }

// bindToDevice is not called.
func bindToDevice(syscall.RawConn, string) error { return errors.ErrUnsupported }
