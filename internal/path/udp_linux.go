package path

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// controlUDP makes the kernel report every ICMP error of the socket. Without it the kernel reports only hard errors
// such as port unreachable, and a host that a router reports as unreachable would look silent.
func controlUDP(_ context.Context, network, _ string, raw syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if strings.HasSuffix(network, "6") {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	var set error
	err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, 1) })
	if err = errors.Join(err, set); err != nil {
		return fmt.Errorf("enable ICMP errors: %w", err)
	}
	return nil
}
