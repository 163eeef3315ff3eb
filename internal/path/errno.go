//go:build !windows

package path

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isReset reports whether the connection was cut by RST.
func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNABORTED)
}

// isNoConnection reports whether the kernel gave a connect up: ICMP, no route, or its own patience.
func isNoConnection(err error) bool {
	for _, errno := range []error{unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ETIMEDOUT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isRefused reports whether an ICMP port unreachable (or protocol unreachable) answered a datagram.
func isRefused(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOPROTOOPT)
}

// isUnreachable reports whether an ICMP error came that may pass: no host, no net, filtered, too big.
func isUnreachable(err error) bool {
	for _, errno := range []error{unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EACCES, unix.EMSGSIZE, unix.EPROTO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isBarred reports whether a packet filter of this machine kept a datagram of ours from leaving.
func isBarred(err error) bool { return errors.Is(err, unix.EPERM) }
