//go:build unix

package lab

import (
	"fmt"
	"net"
	"syscall"
)

// shrinkBacklog leaves a listener room for as few unaccepted connections as the kernel allows. Listening again on a
// listening socket does nothing else.
func shrinkBacklog(listener *net.TCPListener) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach listener: %w", err)
	}
	var listen error
	if err := raw.Control(func(fd uintptr) { listen = syscall.Listen(int(fd), 0) }); err != nil {
		return fmt.Errorf("reach listener: %w", err)
	}
	return listen
}
