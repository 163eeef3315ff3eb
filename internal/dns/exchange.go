package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Query is one question. It is sent as devices send theirs, since the form chooses the cache entry that answers: dnsmasq
// and CoreDNS keep other entries for DO, CD, client subnets, cookies or mixed case, or go upstream. Hence RD as said,
// CD=0, DO=0, AD=0, lower case, and a plain OPT record (RFC 6891) of 1232 bytes: see [plainAfter].
type Query struct {
	Name      string // lower case, with the final dot
	Type      uint16
	Recursive bool // RD: of a resolver; a zone's own server is asked without
}

// Exchanger asks one server one question. The reply says how that went; there is no error beside it.
type Exchanger interface {
	Exchange(ctx context.Context, server netip.AddrPort, q Query) Reply
}

// Timers are how long one server gets for one question.
type Timers struct {
	Patience time.Duration // all tries together
	Resend   time.Duration // until the question is sent again over UDP, if nothing came
	Pause    time.Duration // before a server that answered "not now" is asked once more
}

// ResolverTimers fit a look-up into the 2.5 s that a round of 10 s leaves it beside the walks (package path): three
// datagrams, of which two may be lost. Knot serves stale data only after 8 s and BIND after more than 5 s, while they
// wait for a silent authority: such a first question ends in a time-out here as it does on a device, and a later round
// sees the stale answer.
var ResolverTimers = Timers{Patience: 2500 * time.Millisecond, Resend: 800 * time.Millisecond, Pause: 200 * time.Millisecond}

// AuthorityTimers are shorter: there are more servers of the zone to ask. One datagram of each direction may be lost.
var AuthorityTimers = Timers{Patience: 1200 * time.Millisecond, Resend: 600 * time.Millisecond, Pause: 200 * time.Millisecond}

// Bounds of one exchange.
const (
	udpSize    = 1232 // stated in the OPT record (DNS flag day 2020)
	readSize   = 4096 // more than any server may send to that
	maxPackets = 256  // looked at before the exchange is given up: whoever sends so many means harm
	maxBad     = 2    // answers of no use before the exchange is given up
	// plainAfter so many questions without any answer the next goes without an OPT record: DNS proxies of gateways are known
	// to drop questions that have one (RFC 5625 §4.4), and most devices send none.
	plainAfter = 2
)

// Client asks servers over the network. The zero value works. It is safe for concurrent use.
type Client struct {
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the kernel's
	Now    func() time.Time                                                     // nil: time.Now; of the answers' times
	Counts *Counts                                                              // nil: not counted
	// Resolver and Authority are the timers of recursive and of direct questions; zero: the defaults.
	Resolver, Authority Timers
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) timers(q Query) Timers {
	switch {
	case q.Recursive && c.Resolver != Timers{}:
		return c.Resolver
	case q.Recursive:
		return ResolverTimers
	case c.Authority != Timers{}:
		return c.Authority
	}
	return AuthorityTimers
}

// Exchange asks over UDP, again when nothing comes or the server could not say, and over TCP when the answer does not
// fit. It returns after the timers' patience at the latest, or when ctx ends.
func (c *Client) Exchange(ctx context.Context, server netip.AddrPort, q Query) Reply {
	timers := c.timers(q)
	own, cancel := context.WithTimeout(ctx, timers.Patience)
	defer cancel()
	x := &exchange{client: c, server: server, query: q, timers: timers, round: ctx, id: dns.Id(), edns: true}
	x.failed = Reply{Answer: measurement.Answer{
		Server: server, Name: q.Name, Type: q.Type, Asked: c.now(), Failure: measurement.DNSTimeout, Detail: measurement.Detail{Text: "no answer in time"},
	}}
	asked := x.failed.Asked
	reply, truncated := x.udp(own)
	if truncated {
		reply = x.tcp(own)
	}
	// Every try counts from the first: an answer is never taken for younger than it may be.
	reply.Server, reply.Name, reply.Type, reply.Asked, reply.Tries = server, q.Name, q.Type, asked, x.sent
	x.count(&reply)
	return reply
}

// exchange is one under way.
type exchange struct {
	client *Client
	server netip.AddrPort
	query  Query
	timers Timers
	round  context.Context
	id     uint16
	edns   bool // the next question has an OPT record
	told   bool // the server has said that it knows none

	failed         Reply // what is returned if nothing better comes
	bad            int   // answers of no use
	sent, answered int
}

// udp sends the question until there is an answer of use; truncated says that it is to be had over TCP.
func (x *exchange) udp(own context.Context) (reply Reply, truncated bool) {
	conn, err := x.dial(own, "udp")
	if err != nil {
		x.fail(own, err, "open a socket")
		return x.failed, false
	}
	defer conn.Close()
	defer interrupt(own, conn)()
	buffer := make([]byte, readSize)
	next := time.Now()
	end, _ := own.Deadline()
	for range maxPackets {
		switch now := time.Now(); {
		case now.Before(next):
		case end.Sub(now) < x.timers.Pause: // too late to be answered
			next = end.Add(x.timers.Pause)
		default:
			next = now.Add(x.timers.Resend)
			if x.sent == plainAfter && x.answered == 0 {
				x.edns = false
			}
			if err := x.send(conn, false); err != nil && !x.useless(own, err, &next) {
				return x.failed, false
			}
		}
		_ = conn.SetReadDeadline(next)
		if own.Err() != nil { // it may have come before the deadline was set anew
			break
		}
		n, err := conn.Read(buffer)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			if !x.useless(own, err, &next) {
				return x.failed, false
			}
			continue
		}
		reply, kind := x.read(buffer[:n])
		switch kind {
		case answer:
			return reply, false
		case cut:
			return Reply{}, true
		case unable:
			x.failed = reply
			if x.bad++; x.bad >= maxBad {
				return x.failed, false
			}
			next = time.Now().Add(x.timers.Pause)
		case noEDNS:
			x.edns, x.told, next = false, true, time.Now()
		case foreign:
		}
	}
	x.expired(own)
	return x.failed, false
}

// tcp asks over TCP, once.
func (x *exchange) tcp(own context.Context) Reply {
	x.failed.Failure, x.failed.Detail = measurement.DNSTimeout, measurement.Detail{Text: "truncated over UDP; no answer over TCP in time"}
	conn, err := x.dial(own, "tcp")
	if err != nil {
		x.fail(own, err, "truncated over UDP; no connection over TCP")
		return x.failed
	}
	defer conn.Close()
	defer interrupt(own, conn)()
	if err := x.send(conn, true); err != nil {
		x.fail(own, err, "truncated over UDP; send over TCP")
		return x.failed
	}
	for range maxBad {
		packet, err := readFrame(conn)
		if err != nil {
			x.fail(own, err, "truncated over UDP; read over TCP")
			return x.failed
		}
		reply, kind := x.read(packet)
		reply.TCP = true
		switch kind {
		case answer, unable:
			return reply
		case cut, noEDNS:
			return x.malformed("truncated over UDP, and not to be had over TCP")
		case foreign:
		}
	}
	return x.malformed("truncated over UDP, and another answer over TCP")
}

// readFrame reads one message with its length before it (RFC 1035 §4.2.2).
func readFrame(conn net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, packet)
	return packet, err
}

func (x *exchange) dial(ctx context.Context, network string) (net.Conn, error) {
	dial := x.client.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return dial(ctx, network, x.server.String())
}

// interrupt ends a connection's reads and writes when ctx ends.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// send sends the question, in its frame over a stream.
func (x *exchange) send(conn net.Conn, stream bool) error {
	m := new(dns.Msg)
	m.Id = x.id
	m.RecursionDesired = x.query.Recursive
	m.Question = []dns.Question{{Name: x.query.Name, Qtype: x.query.Type, Qclass: dns.ClassINET}}
	if x.edns {
		m.SetEdns0(udpSize, false)
	}
	packet, err := m.Pack()
	if err != nil {
		return fmt.Errorf("pack the question: %w", err)
	}
	if stream {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	x.sent++
	_, err = conn.Write(packet)
	return err
}

// useless notes that the kernel gave an error for an answer, as it does for ICMP, and says whether to go on: the server
// may be just starting.
func (x *exchange) useless(own context.Context, err error, next *time.Time) bool {
	x.fail(own, err, "send over UDP")
	x.answered++
	x.count1(rcodeOther)
	*next = time.Now().Add(x.timers.Pause)
	x.bad++
	return x.bad < maxBad
}

// fail maps an error of the network to a failure.
func (x *exchange) fail(own context.Context, err error, doing string) {
	var timeout net.Error
	switch {
	case own.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		x.expired(own)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		x.malformed(doing + ": ended early")
	case isExhausted(err):
		x.failed.Failure, x.failed.Detail = measurement.DNSOutOfTime, measurement.Detail{Text: measurement.Text(fmt.Sprintf("this machine has no socket left: %s: %v", doing, err))}
	default:
		x.failed.Failure, x.failed.Detail = measurement.DNSUnreachable, measurement.Detail{Text: measurement.Text(fmt.Sprintf("%s: %v", doing, err))}
	}
}

// isExhausted reports whether it is this machine that cannot ask.
func isExhausted(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// expired tells the end of the round from the end of our own patience. What the server said before stays said.
func (x *exchange) expired(own context.Context) {
	if x.failed.Failure != measurement.DNSTimeout {
		return
	}
	round, limited := x.round.Deadline()
	end, _ := own.Deadline()
	if x.round.Err() != nil || limited && !round.After(end) {
		x.failed.Failure, x.failed.Detail = measurement.DNSOutOfTime, measurement.Detail{Text: "the round ended before an answer came"}
	}
}

func (x *exchange) malformed(detail string) Reply {
	x.failed.Failure, x.failed.Detail = measurement.DNSMalformed, measurement.Detail{Text: detail}
	return x.failed
}

// kind is what a packet is to an exchange.
type kind int

const (
	foreign kind = iota // not an answer to our question: passed over, the right one may follow
	answer
	unable // an answer of no use, that another try may better
	noEDNS // the server knows no OPT record (RFC 6891 §7)
	cut    // truncated
)

// read reads a packet that came from the server's address: the socket is connected.
func (x *exchange) read(packet []byte) (Reply, kind) {
	m, state := parse(packet, x.id, x.query)
	switch state {
	case notOurs:
		return Reply{}, foreign
	case broken:
		x.answered++
		x.count1(rcodeOther)
		return x.malformed("the answer breaks the protocol"), unable
	}
	x.answered++
	x.count1(rcodeLabel(m.Rcode))
	if m.Truncated {
		return Reply{}, cut
	}
	if !x.told && (m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented) {
		return Reply{}, noEDNS
	}
	reply := interpret(m, x.query)
	reply.Server, reply.Asked, reply.Received = x.server, x.failed.Asked, x.client.now()
	if reply.Failure == measurement.DNSServFail {
		return reply, unable
	}
	return reply, answer
}

func (x *exchange) count1(rcode string) { x.client.Counts.add(x.query, rcode, 1) }

// count counts what was sent and not answered.
func (x *exchange) count(reply *Reply) {
	label := rcodeTimeout
	if reply.Failure == measurement.DNSOutOfTime {
		label = rcodeOther
	}
	x.client.Counts.add(x.query, label, max(0, x.sent-x.answered))
}
