package path

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// controlUDP asks the kernel for every ICMP error of the socket. Without it only those that it takes for final, such as
// port unreachable, would be told, and a host that a router calls unreachable would look silent.
func controlUDP(_ context.Context, network, _ string, raw syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_RECVERR
	if strings.HasSuffix(network, "6") {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	var set error
	err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), level, option, 1) })
	if err = errors.Join(err, set); err != nil {
		return fmt.Errorf("ask for ICMP errors: %w", err)
	}
	return nil
}
