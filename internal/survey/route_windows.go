package survey

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isNoRoute reports whether the system knows no way to an address: no route, no address of ours of its family, or no such
// family at all.
func isNoRoute(err error) bool {
	for _, errno := range []error{windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAEADDRNOTAVAIL, windows.WSAEACCES, windows.WSAEINVAL, windows.WSAEAFNOSUPPORT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
