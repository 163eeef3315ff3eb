package route

import "golang.org/x/sys/windows"

// noRoute is the error of a destination that this machine has no route to.
const noRoute = windows.WSAENETUNREACH

var noRouteErrors = []error{
	windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAEADDRNOTAVAIL, windows.WSAEACCES, windows.WSAEINVAL, windows.WSAEAFNOSUPPORT,
}
