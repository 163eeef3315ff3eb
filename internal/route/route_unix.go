//go:build unix

package route

import "golang.org/x/sys/unix"

// noRoute is the error of a destination that this machine has no route to.
const noRoute = unix.ENETUNREACH

var noRouteErrors = []error{
	unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EACCES, unix.EINVAL, unix.EAFNOSUPPORT,
}
