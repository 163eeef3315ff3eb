package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockerr"
)

// Query is one question. It is sent in the form that devices use, because the form selects the cache entry that
// answers: dnsmasq and CoreDNS keep separate entries for DO, CD, client subnets, cookies or mixed case, or forward
// such questions. Hence CD=0, DO=0, AD=0, lower case, and a plain OPT record (RFC 6891) of 1232 bytes, unless the
// server cannot handle it.
type Query struct {
	Name      string // lower case, with the final dot
	Type      uint16
	Recursive bool // RD, set for questions to a resolver and clear for questions to an authoritative server
	// WithoutEDNS asks without an OPT record, because the answer to a question with one was empty.
	WithoutEDNS bool
	// Patience is the time for all tries together; 0: that of the client's timers.
	Patience time.Duration
	// Tracker shows callers how far the exchange has come; nil: none.
	Tracker *Tracker
}

// Exchanger asks a server. A reply contains the failure, if there is one. It is safe for concurrent use.
type Exchanger interface {
	// Exchange asks one question.
	Exchange(ctx context.Context, server netip.AddrPort, q Query) Reply
	// ExchangeTypes asks q for several types at the same time, and returns the replies in their order. It ignores the
	// type of q.
	ExchangeTypes(ctx context.Context, server netip.AddrPort, q Query, types []uint16) []Reply
}

// Timers are how long one server gets for one question.
type Timers struct {
	Patience time.Duration // for all tries together
	Resend   time.Duration // until the question is sent again over UDP, if nothing arrives; doubled each time
	Pause    time.Duration // before a server that answered with a temporary error is asked again
}

// MaxPatience is how long a look-up waits for a resolver: as long as glibc waits for one try, and musl for all. While
// they wait for a silent authoritative server, Knot serves stale data only after 8 s and BIND after more than 5 s:
// such a look-up times out here as it does on a device, and a later round sees the stale answer.
const MaxPatience = 5 * time.Second

// ResolverTimers are for questions about zones, of which several follow each other in a search. Three datagrams are
// sent, of which two may be lost. Look-ups of hosts have a patience of their own; see [Query].
var ResolverTimers = Timers{Patience: 2500 * time.Millisecond, Resend: 600 * time.Millisecond, Pause: 200 * time.Millisecond}

// AuthorityTimers are shorter, because a zone has more than one server. One datagram of each direction may be lost.
var AuthorityTimers = Timers{Patience: 1200 * time.Millisecond, Resend: 600 * time.Millisecond, Pause: 200 * time.Millisecond}

// Bounds of one exchange.
const (
	udpSize    = 1232 // announced in the OPT record (DNS flag day 2020)
	readSize   = 4096 // more than any server may send after that
	maxPackets = 256  // read before the exchange is abandoned: more than that is an attack
	maxBad     = 2    // unusable answers before the exchange is abandoned: one with EDNS and one without
	// plainAfter is the number of questions without any answer after which the next one is sent without an OPT
	// record: some proxies drop questions that have one (RFC 5625 §4.4).
	plainAfter = 2
)

// Client asks servers over the network. The zero value is ready to use. It is safe for concurrent use.
type Client struct {
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	Now    func() time.Time                                                     // of answers; nil: time.Now
	Counts *Counts                                                              // nil: questions are not counted
	// Resolver and Authority are the timers of recursive and of direct questions; zero: the defaults.
	Resolver, Authority Timers

	edns ednsMemory
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Client) timers(q Query) Timers {
	timers := AuthorityTimers
	switch {
	case q.Recursive && c.Resolver != Timers{}:
		timers = c.Resolver
	case q.Recursive:
		timers = ResolverTimers
	case c.Authority != Timers{}:
		timers = c.Authority
	}
	if q.Patience > 0 {
		// With doubling, a third datagram is sent after three quarters of the patience at the latest.
		timers.Patience, timers.Resend = q.Patience, min(timers.Resend, q.Patience/4)
	}
	return timers
}

// Exchange asks over UDP, again when nothing arrives or the answer is unusable, and over TCP when the answer is
// truncated. It returns when the timers' patience is over or ctx is done, at the latest. An answer is usable if it
// echoes the question and has NXDOMAIN or NOERROR. If the answer to a question with EDNS is unusable, the next
// question is sent without.
func (c *Client) Exchange(ctx context.Context, server netip.AddrPort, q Query) Reply {
	return c.ExchangeTypes(ctx, server, q, []uint16{q.Type})[0]
}

// ExchangeTypes asks q for several types as Exchange does, over one UDP socket. The libcs of devices ask for A and AAAA
// so, and a NAT or firewall that passes only one of two questions from one port (the reason for glibc's option
// single-request-reopen, resolv.conf(5)) is seen only by clients that do.
func (c *Client) ExchangeTypes(ctx context.Context, server netip.AddrPort, q Query, types []uint16) []Reply {
	timers := c.timers(q)
	exchangeCtx, cancel := context.WithTimeout(ctx, timers.Patience)
	defer cancel()
	asked := c.now()
	avoided := q.WithoutEDNS || c.edns.avoided(server, asked)
	ids, exchanges := newIDs(2*len(types)), make([]*exchange, len(types))
	for i := range exchanges {
		x := &exchange{client: c, server: server, query: q, timers: timers, round: ctx, edns: !avoided, id: ids[2*i], plainID: ids[2*i+1]}
		x.query.Type = types[i]
		x.failed = Reply{Answer: measurement.Answer{Asked: asked}}
		x.fail(measurement.DNSTimeout, measurement.Detail{Kind: measurement.DNSDetailSilent})
		exchanges[i] = x
	}
	// A truncated answer is fetched while the other questions wait.
	var streams sync.WaitGroup
	exchangeUDP(exchangeCtx, exchanges, func(x *exchange) {
		x.query.Tracker.Report(x.query.Type, Progress{})
		if x.truncated {
			streams.Go(func() { x.fetchTCP(exchangeCtx) })
		}
	})
	streams.Wait()
	replies := make([]Reply, len(types))
	for i, x := range exchanges {
		reply := x.reply
		// The age of an answer counts from the first question, so that it is never taken for younger than it may be.
		reply.Server, reply.Name, reply.Type, reply.Asked, reply.Tries = server, q.Name, types[i], asked, x.sent
		reply.Took = x.took
		if reply.Failure == measurement.DNSTimeout {
			reply.Detail.N, reply.Detail.After = x.sent, c.now().Sub(asked)
		}
		x.count(&reply)
		x.learnEDNS(&reply, avoided)
		replies[i] = reply
	}
	return replies
}

// newIDs returns n different message IDs.
func newIDs(n int) []uint16 {
	ids := make([]uint16, 0, n)
	for len(ids) < n {
		if id := dns.Id(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// fetchTCP fetches a truncated answer over TCP. If that fails, the answer to a question without EDNS may fit into a
// datagram, or be an error.
func (x *exchange) fetchTCP(ctx context.Context) {
	x.truncated = false
	if x.reply = x.tcp(ctx); isUsable(&x.reply) || !x.edns {
		return
	}
	overTCP := x.reply
	x.edns = false
	exchangeUDP(ctx, []*exchange{x}, func(*exchange) {})
	if x.truncated || !isUsable(&x.reply) {
		x.reply = overTCP
	}
}

// learnEDNS remembers whether the server can handle EDNS; avoided is true if it was not tried.
func (x *exchange) learnEDNS(reply *Reply, avoided bool) {
	answered := len(reply.Chain) > 0 || reply.Failure == measurement.DNSNXDomain
	switch {
	case answered && !reply.WithoutEDNS:
		x.client.edns.worked(x.server)
	case len(reply.Chain) > 0 && x.query.WithoutEDNS:
		x.client.edns.failed(x.server, true, x.client.now())
	case !avoided && reply.WithoutEDNS && (answered || reply.Failure == measurement.DNSNoAddress):
		x.client.edns.failed(x.server, x.ednsBroken, x.client.now())
	}
}

// exchange is the state of one question.
type exchange struct {
	client      *Client
	server      netip.AddrPort
	query       Query
	timers      Timers
	round       context.Context
	id, plainID uint16 // of the questions with and without an OPT record, whose answers mean different things
	edns        bool   // the next question has an OPT record
	ednsBroken  bool   // an answer showed that the server cannot handle EDNS

	truncated bool  // the answer must be fetched over TCP
	reply     Reply // the result, unless truncated

	took           time.Duration // see Reply
	late           time.Duration // how late this process ran after a deadline, at most
	failed         Reply         // returned if no better reply arrives
	bad            int           // unusable answers
	sent, answered int
	refused        int // questions that were not answered before an error of the network
}

// tcp asks over TCP, once.
func (x *exchange) tcp(ctx context.Context) Reply {
	x.fail(measurement.DNSTimeout, measurement.Detail{Kind: measurement.DNSDetailTCPSilent})
	started := time.Now()
	conn, err := x.dial(ctx, "tcp")
	connected := time.Since(started)
	if err != nil {
		x.took += connected
		x.failTCP(ctx, err)
		return x.failed
	}
	x.took += sockclock.Connect(sockclock.Info(conn), connected)
	defer conn.Close()
	defer func() { x.took += conn.Elapsed() }()
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
	defer interrupt(ctx, conn)()
	if err := x.send(conn, true); err != nil {
		x.failTCP(ctx, err)
		return x.failed
	}
	for range maxBad {
		packet, err := readFrame(conn)
		if err != nil {
			x.failTCP(ctx, err)
			return x.failed
		}
		reply, kind := x.read(packet)
		reply.TCP = true
		switch kind {
		case usable, unusable:
			return reply
		case incomplete:
			x.fail(measurement.DNSMalformed, measurement.Detail{Kind: measurement.DNSDetailTCPTruncated})
			return x.failed
		case foreign:
		}
	}
	x.fail(measurement.DNSMalformed, measurement.Detail{Kind: measurement.DNSDetailTCPForeign})
	return x.failed
}

// readFrame reads one message with its length prefix (RFC 1035 §4.2.2).
func readFrame(conn net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, packet)
	return packet, err
}

func (x *exchange) dial(ctx context.Context, network string) (*sockclock.Conn, error) {
	dial := x.client.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, x.server.String())
	if err != nil {
		return nil, err
	}
	return sockclock.New(conn), nil
}

// send sends the question, with a length prefix over a stream.
func (x *exchange) send(conn net.Conn, stream bool) error {
	m := new(dns.Msg)
	m.Id = x.plainID
	m.RecursionDesired = x.query.Recursive
	m.Question = []dns.Question{{Name: x.query.Name, Qtype: x.query.Type, Qclass: dns.ClassINET}}
	if x.edns {
		m.Id = x.id
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

func (x *exchange) fail(why measurement.DNSFailure, detail measurement.Detail) {
	x.failed.Failure, x.failed.Detail = why, detail
}

// failUDP maps an error of the UDP socket to a failure.
func (x *exchange) failUDP(ctx context.Context, err error) {
	x.failNetwork(ctx, err, measurement.DNSDetailUnreachable)
}

// failTCP maps an error of the TCP connection to a failure.
func (x *exchange) failTCP(ctx context.Context, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		x.fail(measurement.DNSMalformed, measurement.Detail{Kind: measurement.DNSDetailTCPClosed})
		return
	}
	x.failNetwork(ctx, err, measurement.DNSDetailTCPFailed)
}

// failNetwork maps an error to a failure; kind is that of an error of the network.
func (x *exchange) failNetwork(ctx context.Context, err error, kind measurement.DetailKind) {
	var timeout net.Error
	fault := sockerr.Of(err) // before any test for a time-out, see package sockerr
	noAnswer := fault == sockerr.TimedOut ||
		fault == sockerr.Unknown && (errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout())
	text := measurement.Text(err.Error())
	switch {
	case fault == sockerr.Shortage:
		x.fail(measurement.DNSOutOfTime, measurement.Detail{Kind: measurement.DNSDetailNoSocket, Text: text})
	case ctx.Err() != nil, noAnswer:
		x.expired(ctx)
	case fault == sockerr.Unknown: // of this machine
		x.fail(measurement.DNSOutOfTime, measurement.Detail{Kind: measurement.DNSDetailNoSocket, Text: text})
	case fault == sockerr.Filtered, fault == sockerr.Unreachable, fault == sockerr.Refused, fault == sockerr.Reset:
		x.fail(measurement.DNSUnreachable, measurement.Detail{Kind: kind, Text: text})
	}
}

// minDatagrams is the number of datagrams that must have gone unanswered for a server to count as silent.
const minDatagrams = 2

// expired records that an exchange without an answer has ended, and whether its own patience was over, the round ended
// first, or this machine did not run in time. A failure that was recorded before is kept.
func (x *exchange) expired(ctx context.Context) {
	if x.failed.Failure != measurement.DNSTimeout {
		return
	}
	if end, _ := ctx.Deadline(); max(x.late, time.Since(end)) > lateWake {
		x.fail(measurement.DNSOutOfTime, measurement.Detail{Kind: measurement.DNSDetailSuspended, After: max(x.late, time.Since(end))})
		return
	}
	round, limited := x.round.Deadline()
	end, _ := ctx.Deadline()
	if x.round.Err() != nil || limited && !round.After(end) || x.sent < minDatagrams {
		x.fail(measurement.DNSOutOfTime, measurement.Detail{Kind: measurement.DNSDetailRoundEnded})
	}
}

// packetKind is what a packet means to an exchange.
type packetKind int

const (
	foreign packetKind = iota // not an answer to this question: ignored, because the right one may follow
	usable
	unusable   // an error, or a message that breaks the protocol
	incomplete // truncated
)

// hasID reports whether a packet has the ID of one of the exchange's questions.
func (x *exchange) hasID(packet []byte) bool {
	if len(packet) < headerSize {
		return false
	}
	id := binary.BigEndian.Uint16(packet)
	return id == x.id || id == x.plainID
}

// read reads a packet that came from the server's address, since the socket is connected.
func (x *exchange) read(packet []byte) (Reply, packetKind) {
	m, state := parse(packet, x.id, x.query)
	withoutEDNS := false
	if state == unrelated {
		m, state = parse(packet, x.plainID, x.query)
		withoutEDNS = true
	}
	switch state {
	case unrelated:
		return Reply{}, foreign
	case broken:
		x.answered++
		x.countOne(measurement.RcodeOther)
		x.ednsBroken = x.ednsBroken || !withoutEDNS
		reply := x.failed
		reply.Failure, reply.Detail = measurement.DNSMalformed, measurement.Detail{Kind: measurement.DNSDetailBroken}
		return reply, unusable
	case parsed:
	}
	x.answered++
	x.countOne(rcodeLabel(m.Rcode))
	// Like glibc, an error is not fetched again over TCP.
	if m.Truncated && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) {
		return Reply{}, incomplete
	}
	reply := interpret(m, x.query)
	reply.Server, reply.Asked, reply.Received, reply.WithoutEDNS = x.server, x.failed.Asked, x.client.now(), withoutEDNS
	switch {
	case isUsable(&reply):
		return reply, usable
	case m.Rcode == dns.RcodeFormatError, m.Rcode == dns.RcodeNotImplemented, m.Rcode == dns.RcodeBadVers:
		x.ednsBroken = x.ednsBroken || !withoutEDNS
	}
	return reply, unusable
}

// isUsable reports whether a reply has an address, or states that there is none.
func isUsable(r *Reply) bool {
	return r.Failure == measurement.DNSOK || r.Failure == measurement.DNSNXDomain || r.Failure == measurement.DNSNoAddress
}

func (x *exchange) countOne(rcode string) { x.client.Counts.add(x.query, rcode, 1) }

// count counts the questions that were sent and not answered. An answer may have followed an error, which was then
// about another question.
func (x *exchange) count(reply *Reply) {
	label := measurement.RcodeTimeout
	if reply.Failure == measurement.DNSOutOfTime {
		label = measurement.RcodeOther
	}
	silent := max(0, x.sent-x.answered)
	refused := min(x.refused, silent)
	x.client.Counts.add(x.query, measurement.RcodeOther, refused)
	x.client.Counts.add(x.query, label, silent-refused)
}
