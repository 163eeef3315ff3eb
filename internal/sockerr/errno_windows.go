package sockerr

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// faults has every error of socket, bind, connect, send and recv (Windows Sockets) that is not a mistake of the caller.
var faults = map[syscall.Errno]Fault{
	windows.WSAEMFILE:          Shortage, // sockets of this process
	windows.WSAENOBUFS:         Shortage, // buffers or ports
	windows.WSAEADDRNOTAVAIL:   Shortage,
	windows.WSAEADDRINUSE:      Shortage,
	windows.WSAEAFNOSUPPORT:    Shortage,
	windows.WSAEPROTONOSUPPORT: Shortage,
	windows.WSAESOCKTNOSUPPORT: Shortage,

	windows.WSAEACCES: Filtered, // Windows Filtering Platform

	windows.WSAENETUNREACH:  Unreachable,
	windows.WSAEHOSTUNREACH: Unreachable,
	windows.WSAEHOSTDOWN:    Unreachable,
	windows.WSAENETDOWN:     Unreachable,
	windows.WSAENETRESET:    Unreachable, // TTL exceeded, on a UDP socket
	windows.WSAEMSGSIZE:     Unreachable,

	windows.WSAECONNREFUSED: Refused,

	windows.WSAECONNRESET:   Reset, // on a UDP socket it is ICMP port unreachable
	windows.WSAECONNABORTED: Reset,
	windows.WSAESHUTDOWN:    Reset,

	windows.WSAETIMEDOUT: TimedOut,
}
