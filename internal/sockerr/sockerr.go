// Package sockerr classifies the errors of sockets by whose fault they are, in one table for TCP, UDP and DNS.
//
// Ask [Of] before any test for a time-out: syscall.EAGAIN, which a UDP socket returns when this machine has no free
// port, has a method Timeout that returns true.
package sockerr

import (
	"errors"
	"syscall"
)

// Fault is whose fault an error of socket, bind, connect, send or receive is.
type Fault uint8

const (
	// Unknown is an error that is not in the table. It is safest to take it for an error of this machine.
	Unknown Fault = iota
	// Shortage means that this machine has no descriptor, port, buffer, memory or support for the protocol. It says
	// nothing about the path.
	Shortage
	// Filtered means that the packet filter or a security policy of this machine forbids the packet.
	Filtered
	// Unreachable means that this machine has no route or link, or that ICMP reports an error that may be transient
	// (RFC 1122 §3.2.2.1).
	Unreachable
	// Refused means that RST answered a SYN, or ICMP port or protocol unreachable a datagram.
	Refused
	// Reset means that an open connection was reset.
	Reset
	// TimedOut means that the kernel gave up after its own retransmissions.
	TimedOut
)

// Of returns whose fault an error is. The error may wrap the errno of a system call, as those of package net do.
func Of(err error) Fault {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Unknown
	}
	return faults[errno]
}
