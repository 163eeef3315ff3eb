package path

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isReset reports whether the connection was cut by RST.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) || errors.Is(err, windows.WSAESHUTDOWN)
}

// isNoConnection reports whether the kernel gave a connect up: ICMP, no route, or its own patience.
func isNoConnection(err error) bool {
	for _, errno := range []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN, windows.WSAETIMEDOUT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isRefused reports whether an ICMP port unreachable answered a datagram: Windows says so as a reset.
func isRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNREFUSED)
}

// isUnreachable reports whether an ICMP error came that may pass: no host, no net, too many hops.
func isUnreachable(err error) bool {
	for _, errno := range []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAENETRESET} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// isBarred reports whether a packet filter of this machine kept a datagram of ours from leaving.
func isBarred(err error) bool { return errors.Is(err, windows.WSAEACCES) }
