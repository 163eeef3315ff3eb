//go:build unix

package route

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noRoute is the error of a destination that this machine has no route to.
const noRoute = unix.ENETUNREACH

// isNoRoute reports whether the kernel cannot reach an address: it has no route, a route that rejects, no local
// address of the family, or no support for the family.
func isNoRoute(err error) bool {
	for _, errno := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EACCES, unix.EINVAL, unix.EAFNOSUPPORT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
