package path

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isReset reports whether the connection was reset.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) || errors.Is(err, windows.WSAESHUTDOWN)
}

// isNoConnection reports whether the kernel gave up a connect: ICMP, no route, or its own time-out.
func isNoConnection(err error) bool {
	for _, errno := range []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN, windows.WSAETIMEDOUT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isRefused reports whether RST answered a connect, or ICMP port unreachable a datagram, which Windows reports as a reset.
func isRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNREFUSED)
}

// isUnreachable reports whether err is an ICMP error that may be transient: host, net, or TTL exceeded.
func isUnreachable(err error) bool {
	for _, errno := range []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAENETRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isBarred reports whether this machine's own packet filter dropped a datagram.
func isBarred(err error) bool { return errors.Is(err, windows.WSAEACCES) }
