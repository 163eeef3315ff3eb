//go:build !linux

package trace

// kernelProbe is nil: only Linux reports ICMP errors to the socket of a program without privileges.
var kernelProbe probe
