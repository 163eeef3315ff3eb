//go:build unix

package sockerr

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// faults has every errno of socket(2), bind(2), connect(2), send(2) and recv(2), of ip(7) and of the kernel's
// conversion of ICMP errors, that is not a mistake of the caller.
var faults = map[syscall.Errno]Fault{
	unix.EMFILE:          Shortage, // descriptors of this process
	unix.ENFILE:          Shortage, // descriptors of this machine
	unix.ENOBUFS:         Shortage, // buffers, or a full send queue
	unix.ENOMEM:          Shortage,
	unix.EAGAIN:          Shortage, // free ports: connect of a UDP socket
	unix.EADDRNOTAVAIL:   Shortage, // free ports: connect of a TCP socket; or the local address is gone
	unix.EADDRINUSE:      Shortage, // free ports: bind
	unix.EAFNOSUPPORT:    Shortage, // this kernel or sandbox has no IPv6, or no IPv4
	unix.EPROTONOSUPPORT: Shortage,
	unix.ESOCKTNOSUPPORT: Shortage,

	unix.EPERM: Filtered, // nftables on output, eBPF, seccomp

	unix.ENETUNREACH:  Unreachable, // no route, or ICMP net unreachable
	unix.EHOSTUNREACH: Unreachable, // no route, no answer to ARP, ICMP host unreachable or administratively prohibited
	unix.EHOSTDOWN:    Unreachable, // ICMP host unknown
	unix.ENETDOWN:     Unreachable, // the interface is down
	unix.EACCES:       Unreachable, // ICMPv6 administratively prohibited, or a prohibiting route
	unix.EMSGSIZE:     Unreachable, // ICMP fragmentation needed
	unix.EPROTO:       Unreachable, // ICMP parameter problem
	unix.EOPNOTSUPP:   Unreachable, // ICMP source route failed

	unix.ECONNREFUSED: Refused,
	unix.ENOPROTOOPT:  Refused, // ICMP protocol unreachable

	unix.ECONNRESET:   Reset,
	unix.ECONNABORTED: Reset,
	unix.EPIPE:        Reset, // a write after the reset was reported

	unix.ETIMEDOUT: TimedOut,
}
