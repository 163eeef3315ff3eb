//go:build unix

package survey

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isNoRoute reports whether the kernel knows no way to an address: no route, a route that rejects, no address of ours of
// its family, or no such family at all.
func isNoRoute(err error) bool {
	for _, errno := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EACCES, unix.EINVAL, unix.EAFNOSUPPORT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
