package lab

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// dropPackets makes the kernel drop every packet to a socket that is not bound yet, by a filter that accepts no byte
// (socket(7), SO_ATTACH_FILTER). It needs no privilege. It is for [net.ListenConfig.Control].
func dropPackets(_, _ string, socket syscall.RawConn) error {
	drop := unix.SockFprog{Len: 1, Filter: &unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	var failed error
	err := socket.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &drop)
	})
	return errors.Join(err, failed)
}
