//go:build !windows

package path

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isReset reports whether the connection was reset.
func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNABORTED)
}

// isNoConnection reports whether the kernel gave up a connect: ICMP, no route, or its own time-out.
func isNoConnection(err error) bool {
	for _, errno := range []error{unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ETIMEDOUT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isRefused reports whether RST answered a connect, or ICMP port or protocol unreachable a datagram.
func isRefused(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOPROTOOPT)
}

// isUnreachable reports whether err is an ICMP error that may be transient: host, net, filtered, or packet too big.
func isUnreachable(err error) bool {
	for _, errno := range []error{unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EACCES, unix.EMSGSIZE, unix.EPROTO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isBarred reports whether this machine's own packet filter dropped a datagram.
func isBarred(err error) bool { return errors.Is(err, unix.EPERM) }
