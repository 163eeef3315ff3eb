package route

import (
	"errors"

	"golang.org/x/sys/windows"
)

// noRoute is the error of a destination that this machine has no route to.
const noRoute = windows.WSAENETUNREACH

// isNoRoute reports whether the system cannot reach an address: it has no route, no local address of the family, or
// no support for the family.
func isNoRoute(err error) bool {
	for _, errno := range []error{
		windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAEADDRNOTAVAIL, windows.WSAEACCES, windows.WSAEINVAL, windows.WSAEAFNOSUPPORT,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
