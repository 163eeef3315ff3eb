package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// kernelProbe sends packets with the kernel's sockets.
var kernelProbe probe = sockets{unix.Socket}.probe

// sockets open the sockets of a trace. Tests open them in another network namespace.
type sockets struct {
	open func(domain, kind, protocol int) (fd int, err error)
}

// poll is how often a socket is asked whether the hello was acknowledged, for which there is no event.
const poll = 20 * time.Millisecond

// connection is one socket of a trace.
type connection struct {
	fd    int
	level int // IP or IPv6
	ttl   int // the socket option
}

// probe sends one packet. Errors of the socket itself look like silence: there is then nothing to report.
func (s sockets) probe(ctx context.Context, t target, ttl int) report.TraceHop {
	c, err := s.connection(t)
	if err != nil {
		return silent
	}
	defer c.close()
	if t.Packet == report.TraceHello {
		if hop := c.connect(ctx, t, 0); hop.Reply != report.TraceAnswered {
			return silent
		}
		hop := c.send(ctx, t, ttl)
		if hop.Reply != report.TraceExpired || hop.Address.IsValid() {
			return hop
		}
		// The kernel tells that the TTL of a segment of an open connection is used up, and not where. A SYN tells it.
		syn := t
		syn.Packet, syn.hello = report.TraceSYN, nil
		if at := s.probe(ctx, syn, ttl); at.Reply == report.TraceExpired {
			hop.Address, hop.RTT = at.Address, at.RTT
		}
		return hop
	}
	if t.Packet == report.TraceSYN {
		return c.connect(ctx, t, ttl)
	}
	if err := unix.Connect(c.fd, addressOf(t)); err != nil {
		return silent
	}
	return c.send(ctx, t, ttl)
}

func (s sockets) connection(t target) (connection, error) {
	c := connection{level: unix.SOL_IP, ttl: unix.IP_TTL}
	domain, kind, errorQueue := unix.AF_INET, unix.SOCK_STREAM, unix.IP_RECVERR
	if t.Address.Is6() {
		c.level, c.ttl = unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS
		domain, errorQueue = unix.AF_INET6, unix.IPV6_RECVERR
	}
	if t.Packet == report.TraceDatagram {
		kind = unix.SOCK_DGRAM
	}
	fd, err := s.open(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return c, err
	}
	c.fd = fd
	if err := unix.SetsockoptInt(fd, c.level, errorQueue, 1); err != nil {
		c.close()
		return c, err
	}
	if kind == unix.SOCK_STREAM { // the connection is ended by RST: nothing lingers
		err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	return c, err
}

func (c connection) close() { _ = unix.Close(c.fd) }

func addressOf(t target) unix.Sockaddr {
	if t.Address.Is4() {
		return &unix.SockaddrInet4{Port: int(t.Path.Port), Addr: t.Address.As4()}
	}
	return &unix.SockaddrInet6{Port: int(t.Path.Port), Addr: t.Address.As16()}
}

// connect opens a TCP connection whose packets have a TTL; 0 is the system's own.
func (c connection) connect(ctx context.Context, t target, ttl int) report.TraceHop {
	if ttl > 0 && unix.SetsockoptInt(c.fd, c.level, c.ttl, ttl) != nil {
		return silent
	}
	began := time.Now()
	if err := unix.Connect(c.fd, addressOf(t)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return silent
	}
	if !c.wait(ctx, unix.POLLOUT) {
		return silent
	}
	rtt := time.Since(began)
	return c.reply(c.failure(), t.Address, rtt)
}

// send sends the hello with a TTL and waits for an error, an answer, or over TCP an acknowledgement.
func (c connection) send(ctx context.Context, t target, ttl int) report.TraceHop {
	if unix.SetsockoptInt(c.fd, c.level, c.ttl, ttl) != nil {
		return silent
	}
	began := time.Now()
	if _, err := unix.Write(c.fd, t.hello); err != nil {
		return silent
	}
	for ctx.Err() == nil {
		step, cancel := context.WithTimeout(ctx, poll)
		ready := c.wait(step, unix.POLLIN)
		cancel()
		if ready {
			rtt := time.Since(began)
			failure := c.failure()
			if failure == nil {
				_, failure = unix.Read(c.fd, make([]byte, 1))
			}
			return c.reply(failure, t.Address, rtt)
		}
		if t.Packet == report.TraceHello {
			if info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil && info.Unacked == 0 && info.Bytes_acked > 1 {
				return c.reply(nil, t.Address, time.Since(began))
			}
		}
	}
	return silent
}

// wait waits for events, an error or the end of the context.
func (c connection) wait(ctx context.Context, events int16) bool {
	deadline, _ := ctx.Deadline() // every context here has one
	for ctx.Err() == nil {
		left := min(time.Until(deadline), 100*time.Millisecond) // the context may also be cancelled
		fds := []unix.PollFd{{Fd: int32(c.fd), Events: events}}
		n, err := unix.Poll(fds, int(max(left.Milliseconds(), 1)))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if n > 0 {
			return true
		}
	}
	return false
}

// failure is the pending error of the socket.
func (c connection) failure() error {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return unix.Errno(code)
	}
	return nil
}

// reply is what an error of the socket tells, with what the error queue has about it. Without an error the destination
// has answered.
func (c connection) reply(failure error, destination netip.Addr, rtt time.Duration) report.TraceHop {
	if failure == nil {
		return report.TraceHop{Reply: report.TraceAnswered, Address: destination, RTT: rtt}
	}
	hop := report.TraceHop{RTT: rtt, Code: -1}
	oob := make([]byte, 512)
	if _, n, _, _, err := unix.Recvmsg(c.fd, make([]byte, 512), oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT); err == nil {
		if e, ok := parseError(oob[:n]); ok {
			return e.hop(destination, rtt)
		}
	}
	switch {
	case errors.Is(failure, unix.ECONNREFUSED), errors.Is(failure, unix.ECONNRESET):
		hop.Reply, hop.Address = report.TraceRefused, destination
	case errors.Is(failure, unix.EHOSTUNREACH):
		hop.Reply = report.TraceExpired // of an open connection: ICMP time exceeded and host unreachable look the same
	case errors.Is(failure, unix.ENETUNREACH), errors.Is(failure, unix.EACCES), errors.Is(failure, unix.EPERM):
		hop.Reply = report.TraceRejected
	default:
		return silent
	}
	return hop
}

// icmpError is an ICMP error in the error queue.
type icmpError struct {
	version    int // 4 or 6
	kind, code byte
	from       netip.Addr
}

// parseError reads the control messages of a message from the error queue: struct sock_extended_err of
// linux/errqueue.h, followed by the address of the host that sent the error.
func parseError(oob []byte) (e icmpError, ok bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return e, false
	}
	for _, m := range messages {
		const errorSize = 16 // of struct sock_extended_err; origin, type and code are its bytes 4 to 6
		if len(m.Data) < errorSize+2 {
			continue
		}
		origin, from := m.Data[4], m.Data[errorSize:]
		e.kind, e.code = m.Data[5], m.Data[6]
		family := binary.NativeEndian.Uint16(from)
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP && family == unix.AF_INET && len(from) >= 8:
			e.version, e.from = 4, netip.AddrFrom4([4]byte(from[4:8]))
			return e, true
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR && origin == unix.SO_EE_ORIGIN_ICMP6 && family == unix.AF_INET6 && len(from) >= 24:
			e.version, e.from = 6, netip.AddrFrom16([16]byte(from[8:24])).Unmap()
			return e, true
		}
	}
	return icmpError{}, false
}

// Types and codes of ICMP (RFC 792) and ICMPv6 (RFC 4443).
const (
	timeExceeded4    = 11
	timeExceeded6    = 3
	portUnreachable4 = 3
	portUnreachable6 = 4
)

// hop is what the error tells about a packet to destination.
func (e icmpError) hop(destination netip.Addr, rtt time.Duration) report.TraceHop {
	out := report.TraceHop{Reply: report.TraceRejected, Address: e.from, RTT: rtt, Code: int(e.code)}
	expired, port := byte(timeExceeded4), byte(portUnreachable4)
	if e.version == 6 {
		expired, port = timeExceeded6, portUnreachable6
	}
	switch {
	case e.kind == expired:
		out.Reply, out.Code = report.TraceExpired, 0
	case e.code == port && e.from == destination:
		out.Reply = report.TraceRefused
	}
	return out
}
