package lab

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// shrinkBacklog sets the backlog of a listener to 0. Calling listen on a listening socket does nothing else.
func shrinkBacklog(listener *net.TCPListener) error {
	return control(listener, func(fd int) error { return unix.Listen(fd, 0) })
}

// backlogOf is how many connections of a listener are not accepted yet, and its backlog. The kernel reports both in the
// TCP_INFO of a listening socket (tcp_get_info).
func backlogOf(listener *net.TCPListener) (waiting, limit int, err error) {
	err = control(listener, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			waiting, limit = int(info.Unacked), int(info.Sacked)
		}
		return err
	})
	return waiting, limit, err
}

// control calls do with a listener's descriptor.
func control(listener *net.TCPListener, do func(fd int) error) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the listener: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return fmt.Errorf("reach the listener: %w", err)
	}
	return failed
}
