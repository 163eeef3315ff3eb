package report

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Trace is how far one packet of a blocked path gets, by increasing IP TTL.
type Trace struct {
	Host    string
	Path    measurement.Path
	Address netip.Addr
	Packet  TracePacket
	Hops    []TraceHop // by TTL from 1; those after the last one that answers are left out
	Tried   int        // the greatest TTL that was tried
	Ending  TraceEnding
}

// TracePacket is the packet that a trace sends. It is a closed list.
type TracePacket string

const (
	TraceSYN      TracePacket = "syn"      // that opens a TCP connection
	TraceHello    TracePacket = "hello"    // the device's hello over a TCP connection that opens
	TraceDatagram TracePacket = "datagram" // the device's hello over UDP
)

// TraceHop is what answers a packet of one TTL.
type TraceHop struct {
	Reply   TraceReply
	Address netip.Addr    // zero if it is not known
	RTT     time.Duration // 0 if there is no reply
	Code    int           // of ICMP, for TraceRejected; -1 if it is not known
}

// TraceReply is a closed list.
type TraceReply string

const (
	TraceSilent   TraceReply = "silent"
	TraceExpired  TraceReply = "expired"  // a router reports that the TTL is used up
	TraceRejected TraceReply = "rejected" // a router or firewall reports that it does not let the packet pass
	TraceRefused  TraceReply = "refused"  // RST, or ICMP port unreachable from the address itself
	TraceAnswered TraceReply = "answered" // the address answers, or acknowledges the hello
)

// TraceEnding is the result of a trace. It is a closed list.
type TraceEnding string

const (
	TraceLost        TraceEnding = "lost" // after the last hop that answers
	TraceStopped     TraceEnding = "rejected"
	TraceTurnedDown  TraceEnding = "refused"
	TraceArrived     TraceEnding = "answered"
	TraceUnavailable TraceEnding = "unavailable" // this system has no way to trace
)
