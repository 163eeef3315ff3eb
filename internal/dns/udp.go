package dns

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
)

// udpSocket asks one or more questions of one client over one socket.
type udpSocket struct {
	ctx         context.Context // ends with the exchange
	conn        *sockclock.Conn // nil: none could be opened
	questions   []udpQuestion
	ended       func(*exchange)
	errors      int  // of reads and writes
	mayHaveMore bool // an answer was read last, so that another may wait in the socket
}

// udpQuestion is the state of one question on a socket.
type udpQuestion struct {
	*exchange
	next    time.Time // when the question is sent again; zero: at once, whatever waits in the socket
	waiting bool      // for the answer to what was sent last
	done    bool      // the question has ended; its exchange may go on over TCP

	// On the clock of the connection.
	began      time.Duration // when the question was first sent on this socket; 0: not yet
	unusableAt time.Duration // when the answer arrived after which the question is sent again at once; 0: none
	ownTime    time.Duration // that this process took from the arrival of such answers until it sent the question again
}

// exchangeUDP sends the questions until each has a usable answer or has failed, and calls ended for each when it has
// its reply or is found to be truncated.
func exchangeUDP(ctx context.Context, exchanges []*exchange, ended func(*exchange)) {
	u := udpSocket{ctx: ctx, ended: ended, questions: make([]udpQuestion, len(exchanges))}
	for i, x := range exchanges {
		u.questions[i].exchange = x
	}
	conn, err := exchanges[0].dial(ctx, "udp")
	if err != nil {
		u.each(func(q *udpQuestion) {
			q.failUDP(ctx, err)
			u.end(q, q.failed)
		})
		return
	}
	defer conn.Close()
	defer interrupt(ctx, conn)()
	u.conn = conn
	u.run()
}

// each calls f for each question that has not ended, and reports whether there is one afterwards.
func (u *udpSocket) each(f func(*udpQuestion)) (pending bool) {
	for i := range u.questions {
		if q := &u.questions[i]; !q.done {
			f(q)
			pending = pending || !q.done
		}
	}
	return pending
}

// end ends a question. Its exchange must not be used afterwards.
func (u *udpSocket) end(q *udpQuestion, reply Reply) {
	if q.began != 0 {
		q.took += max(0, u.conn.Arrived()-q.began-q.ownTime)
	}
	q.reply, q.done = reply, true
	u.ended(q.exchange)
}

// readBuffers holds the read buffers of sockets that were closed. A reply has copies of what was read.
var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

func (u *udpSocket) run() {
	buffer := readBuffers.Get().(*[readSize]byte)
	defer readBuffers.Put(buffer)
	started := time.Now()
	end, _ := u.ctx.Deadline()
	for range maxPackets {
		now := time.Now()
		if !u.mayHaveMore && (!now.Before(end) || u.ctx.Err() != nil) {
			u.each(func(q *udpQuestion) {
				q.expired(u.ctx)
				u.end(q, q.failed)
			})
			return
		}
		deadline := end
		u.each(func(q *udpQuestion) { u.send(q, now, end) })
		if !u.each(func(q *udpQuestion) {
			if q.next.Before(deadline) {
				deadline = q.next
			}
		}) {
			return
		}
		u.each(func(q *udpQuestion) { q.reportProgress(started, deadline) })
		n, late, err := u.receive(buffer[:], deadline)
		u.each(func(q *udpQuestion) { q.late = max(q.late, late) })
		u.mayHaveMore = false
		switch {
		case err == nil:
			u.mayHaveMore = u.take(buffer[:n])
		case !errors.Is(err, os.ErrDeadlineExceeded):
			u.failedTry(err)
		}
	}
	u.each(func(q *udpQuestion) {
		q.fail(measurement.DNSMalformed, measurement.Detail{Kind: measurement.DNSDetailFlood, N: maxPackets})
		u.end(q, q.failed)
	})
}

// send sends a question if it is time to. end is when the exchange ends.
func (u *udpSocket) send(q *udpQuestion, now, end time.Time) {
	switch {
	case now.Before(q.next), u.mayHaveMore && !q.next.IsZero():
	case q.sent > 0 && end.Sub(now) < q.timers.Pause: // too late for an answer
		q.next = end
	default:
		q.next, q.waiting = now.Add(q.timers.Resend<<q.sent), true
		if q.sent == plainAfter && q.answered+q.refused == 0 {
			q.edns = false
		}
		err := q.send(u.conn, false)
		switch at := u.conn.Written(); {
		case q.began == 0:
			q.began = at
		case q.unusableAt != 0:
			q.ownTime, q.unusableAt = q.ownTime+max(0, at-q.unusableAt), 0
		}
		if err != nil {
			u.failedTry(err)
		}
	}
}

// failedTry records an error of the kernel, such as ICMP causes, for every question that waits for an answer: the
// kernel does not tell which of them it is about. They are sent again, because the server may be starting. All end
// after more errors than the questions can have caused.
func (u *udpSocket) failedTry(err error) {
	u.errors++
	u.each(func(q *udpQuestion) {
		if q.waiting {
			q.failUDP(u.ctx, err)
			q.refused++
			q.waiting, q.next = false, time.Now().Add(q.timers.Pause)
			q.bad++
		}
		if q.bad >= maxBad || u.errors > maxBad*len(u.questions) {
			u.end(q, q.failed)
		}
	})
}

// take reads a packet as the answer to the question that has its ID, and reports whether there is one.
func (u *udpSocket) take(packet []byte) bool {
	for i := range u.questions {
		q := &u.questions[i]
		switch {
		case q.done && q.hasID(packet):
			return true // a second answer
		case q.done:
			continue
		}
		switch reply, kind := q.read(packet); kind {
		case foreign:
			continue
		case usable:
			u.end(q, reply)
		case incomplete:
			q.truncated = true
			u.end(q, Reply{})
		case unusable:
			u.takeUnusable(q, reply)
		}
		return true
	}
	u.each(func(q *udpQuestion) {
		if q.edns { // only these questions were sent from the socket, so the server may have garbled one with EDNS
			q.edns = false
			q.next = time.Now().Add(q.timers.Pause)
		}
	})
	return false
}

// takeUnusable has the question sent again after an unusable answer, without EDNS.
func (u *udpSocket) takeUnusable(q *udpQuestion, reply Reply) {
	q.waiting = false
	if q.bad == 0 || reply.Failure != q.failed.Failure { // else the first one has the EDE
		q.failed = reply
	}
	if q.bad++; q.bad >= maxBad {
		u.end(q, q.failed)
		return
	}
	q.next = time.Now().Add(q.timers.Pause)
	if q.edns && q.ednsBroken {
		q.next, q.unusableAt = time.Time{}, u.conn.Arrived() // the server need not recover
	}
	q.edns = false
}

// reportProgress tells the question's tracker since when, and until when, the exchange waits for an answer.
func (x *exchange) reportProgress(started, until time.Time) {
	p := Progress{Asked: started, Sent: x.sent, Until: until, Late: x.late}
	if x.answered+x.refused > 0 {
		p = Progress{}
	}
	x.query.Tracker.Report(x.query.Type, p)
}

// lateWake is how late this process may run after a deadline. A later wake means that this machine was suspended or
// overloaded: silence is then no statement about the server.
const lateWake = 250 * time.Millisecond

// receive reads a packet until the deadline. After a wake that is late, the deadline has expired although a packet may
// wait in the socket, so receive reads once more.
func (u *udpSocket) receive(buffer []byte, deadline time.Time) (n int, late time.Duration, err error) {
	_ = u.conn.SetReadDeadline(deadline)
	if errors.Is(u.ctx.Err(), context.Canceled) { // the deadline of interrupt may just have been overwritten
		return 0, 0, os.ErrDeadlineExceeded
	}
	n, err = u.conn.Read(buffer)
	late = time.Since(deadline)
	if late <= 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, 0, err
	}
	_ = u.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err = u.conn.Read(buffer)
	return n, late, err
}

// interrupt ends the reads and writes of a connection when ctx is cancelled. The end of its time is left to the
// connection's deadlines, which [udpSocket.receive] extends after a late wake.
func interrupt(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			_ = conn.SetDeadline(time.Unix(1, 0))
		}
	})
}
