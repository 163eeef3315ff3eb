package route

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// mayBindToDevice reports whether this process may bind sockets to an interface: Linux permits it without privileges
// since version 5.7, and a sandbox may forbid it.
var mayBindToDevice = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.BindToDevice(fd, "lo") == nil
})

// bindToDevice binds a socket to an interface. An interface that has gone is one without a route.
func bindToDevice(raw syscall.RawConn, device string) error {
	var bind error
	err := raw.Control(func(fd uintptr) { bind = unix.BindToDevice(int(fd), device) })
	if errors.Is(bind, unix.ENODEV) {
		bind = noRoute
	}
	if err = errors.Join(err, bind); err != nil {
		return fmt.Errorf("bind to interface %s: %w", device, err)
	}
	return nil
}
