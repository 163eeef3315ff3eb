// Package sockclock measures how long a peer takes to answer on a socket, by the clock of the kernel where there is
// one.
//
// A process that reads the clock after a read also measures how long it waited for a processor, which on a busy machine
// is longer than the round trip. On Linux the kernel stamps received packets when they arrive, and knows the round trip
// of a TCP handshake. [Conn] uses the stamps of sockets of package net; of any other connection, on other systems, and
// after the wall clock was set, it uses the clock of this process. [Connect] does the same for a TCP handshake.
package sockclock

import (
	"net"
	"time"
)

// Conn is a connection that measures exchanges: see [Conn.Begin]. Read and Write must not be called at the same time;
// the other methods of net.Conn may be.
type Conn struct {
	net.Conn
	stamps *stamps // nil: the clock of this process

	started      bool          // something was written since Begin: the exchange has begun
	start        reading       // when it began
	written      time.Duration // when data was written last, on the monotonic clock
	arrived      time.Duration // when the data that was read last arrived, on the monotonic clock
	answered     bool          // the last read of the exchange returned data
	lastWasRead  bool          // the last call was that read, and not a write
	ownTime      time.Duration // that this process took to answer, before the data that was read last arrived; see Elapsed
	ownSinceRead time.Duration // the same since that data arrived
}

// New returns a connection that measures the exchanges of conn.
func New(conn net.Conn) *Conn { return &Conn{Conn: conn, stamps: newStamps(conn)} }

// NetConn returns the connection that c wraps.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Begin makes the next write the beginning of an exchange.
func (c *Conn) Begin() {
	c.started, c.answered, c.lastWasRead, c.ownTime, c.ownSinceRead = false, false, false, 0, 0
}

// Elapsed returns how long the peer and the network have taken in the exchange: from the first write to the arrival of
// the data that the last read returned, or until now if that returned none. It does not include the time that this
// process took to answer received data, from the arrival to the write.
func (c *Conn) Elapsed() time.Duration {
	own := c.ownTime
	switch {
	case !c.started:
		return 0
	case !c.answered:
		own += c.ownSinceRead
	}
	return max(0, c.Arrived()-c.start.mono-own)
}

// Written returns when the last write began, on the monotonic clock of [Conn.Arrived]. Both are for several exchanges
// at the same time.
func (c *Conn) Written() time.Duration { return c.written }

// Arrived returns when the data arrived that the last read returned, or the present time if that returned none.
func (c *Conn) Arrived() time.Duration {
	if !c.answered {
		return now().mono
	}
	return c.arrived
}

// Write writes to the connection. The time is read right before the system call, because a peer on a fast path can
// answer before the call returns.
func (c *Conn) Write(p []byte) (int, error) {
	at := now()
	if !c.started {
		c.start, c.started = at, true
	} else if c.lastWasRead {
		c.ownSinceRead += max(0, at.mono-c.arrived)
	}
	c.written, c.lastWasRead = at.mono, false
	return c.Conn.Write(p)
}

// Read reads from the connection. If the data came in several packets, it arrived with the last one.
func (c *Conn) Read(p []byte) (n int, err error) {
	var stamp time.Duration
	if c.stamps != nil && len(p) > 0 {
		n, stamp, err = c.stamps.read(p)
	} else {
		n, err = c.Conn.Read(p)
	}
	c.answered, c.lastWasRead = n > 0, n > 0
	if n > 0 {
		c.ownTime, c.ownSinceRead = c.ownTime+c.ownSinceRead, 0
		c.arrived = c.arrival(stamp)
	}
	return n, err
}

// arrival returns when data with this stamp arrived, on the monotonic clock.
func (c *Conn) arrival(stamp time.Duration) time.Duration {
	at := now()
	if stamp == 0 || !c.started {
		return at.mono
	}
	for range maxReadings {
		if arrived, ok := arrivalOf(stamp, c.start, at); ok {
			return arrived
		}
		at = now()
	}
	return at.mono
}

// maxReadings is how often the clocks are read for one stamp. The first reading is unusable if this process lost its
// processor between reading one clock and the other.
const maxReadings = 3

// tolerance is by how much the wall clock may differ from the monotonic clock over an exchange. Both are slewed
// together, so that they differ only if the wall clock was set, and by the time between reading one and the other.
const tolerance = 20 * time.Microsecond

// arrivalOf converts a stamp of the wall clock to the monotonic clock, by a reading of both after the arrival. ok is
// false if the wall clock was set since the exchange began, or the stamp is not of this exchange.
func arrivalOf(stamp time.Duration, began, at reading) (arrived time.Duration, ok bool) {
	step := (at.wall - began.wall) - (at.mono - began.mono)
	arrived = at.mono - (at.wall - stamp)
	return arrived, step.Abs() <= tolerance && arrived >= began.mono && arrived <= at.mono
}

// reading is a reading of the wall clock, since 1970, and of the monotonic clock, since epoch.
type reading struct{ wall, mono time.Duration }

// epoch is the zero of monotonic readings.
var epoch = time.Now()

func now() reading {
	t := time.Now()
	return reading{time.Duration(t.UnixNano()), t.Sub(epoch)}
}

// TCPInfo is what the kernel knows about a TCP connection.
type TCPInfo struct {
	RTT time.Duration // smoothed round-trip time
	// Acked is the number of bytes that the peer acknowledged, the SYN included; 0 if the kernel does not count them.
	Acked         uint64
	OutOfOrder    uint32 // segments received out of order
	Retransmitted uint32 // segments sent again, the SYN included
}

// Info returns the TCP_INFO of a connection; the zero value where it is not available, as on macOS and Windows. A
// connection of a test may have its own, by a method TCPInfo.
func Info(conn net.Conn) TCPInfo {
	switch c := conn.(type) {
	case *Conn:
		return Info(c.Conn)
	case interface{ TCPInfo() TCPInfo }:
		return c.TCPInfo()
	case *net.TCPConn:
		return kernelInfo(c)
	}
	return TCPInfo{}
}

// Connect returns how long the handshake of a TCP connection took, whose TCP_INFO was read right after it; took is the
// time by the clock of this process. The kernel's round-trip time is exact, but after a lost SYN it is only that of the
// last one.
func Connect(info TCPInfo, took time.Duration) time.Duration {
	if info.RTT > 0 && info.RTT < took && info.Retransmitted == 0 {
		return info.RTT
	}
	return took
}
