package dns

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// pausedConn has this process stop at a deadline and go on some time later, when the deadline has expired and packets
// may wait.
type pausedConn struct {
	net.Conn
	pause   time.Duration
	answers bool // an answer to the last question waits in the socket after the pause
	rcode   int  // of the answer

	question []byte
	deadline time.Time
	paused   bool
}

func (c *pausedConn) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }
func (c *pausedConn) SetDeadline(time.Time) error       { return nil }
func (c *pausedConn) Close() error                      { return nil }

func (c *pausedConn) Write(b []byte) (int, error) {
	c.question = append([]byte(nil), b...)
	return len(b), nil
}

func (c *pausedConn) Read(b []byte) (int, error) {
	if c.paused && c.answers && time.Until(c.deadline) > 0 {
		q := new(dns.Msg)
		if err := q.Unpack(c.question); err != nil {
			return 0, err
		}
		m := reply(q, good)
		m.Rcode = c.rcode
		return copy(b, pack(m)), nil
	}
	if wait := time.Until(c.deadline); wait > 0 {
		<-time.After(wait)
	}
	if !c.paused {
		c.paused = true
		<-time.After(c.pause)
	}
	return 0, os.ErrDeadlineExceeded
}

// TestExchangePause has this process pause in an exchange, as with SIGSTOP or a closed laptop.
func TestExchangePause(t *testing.T) {
	for _, test := range []struct {
		name    string
		pause   time.Duration
		answers bool
		failure measurement.DNSFailure
		kind    measurement.DetailKind
	}{
		{"2.5 s, the answer waits: the answer", 2500 * time.Millisecond, true, "", ""},
		{"2.5 s, no answer: out of time", 2500 * time.Millisecond, false, measurement.DNSOutOfTime, measurement.DNSDetailSuspended},
		{"an hour, the answer waits: the answer", time.Hour, true, "", ""},
		{"an hour, no answer: out of time", time.Hour, false, measurement.DNSOutOfTime, measurement.DNSDetailSuspended},
		{"200 ms, no answer: timeout", 200 * time.Millisecond, false, measurement.DNSTimeout, measurement.DNSDetailSilent},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				conn := &pausedConn{Conn: near, pause: test.pause, answers: test.answers}
				client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
				q := asked
				q.Patience = MaxPatience
				r := client.Exchange(context.Background(), somewhere, q)
				if r.Failure != test.failure || r.Detail.Kind != test.kind {
					t.Errorf("%q (%+v)", r.Failure, r.Detail)
				}
			})
		})
	}
}

// failingConn fails every write.
type failingConn struct {
	net.Conn
	err error
}

func (c failingConn) Write([]byte) (int, error) { return 0, c.err }

// TestExchangeErrno has each call fail with the error of the system: a shortage of this machine is no statement about
// the server.
func TestExchangeErrno(t *testing.T) {
	for _, test := range []struct {
		name    string
		call    string
		errno   syscall.Errno
		failure measurement.DNSFailure
		kind    measurement.DetailKind
	}{
		{"no descriptor: out of time", "socket", syscall.EMFILE, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no free UDP port: out of time", "connect", syscall.EAGAIN, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no source address: out of time", "connect", syscall.EADDRNOTAVAIL, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no buffers: out of time", "sendto", syscall.ENOBUFS, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"a full buffer: out of time", "sendto", syscall.EAGAIN, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"an errno that is not in the table: out of time", "connect", syscall.EINVAL, measurement.DNSOutOfTime, measurement.DNSDetailNoSocket},
		{"no route: unreachable", "connect", syscall.ENETUNREACH, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
		{"packet filter: unreachable", "sendto", syscall.EPERM, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
		{"ICMP port unreachable: unreachable", "sendto", syscall.ECONNREFUSED, measurement.DNSUnreachable, measurement.DNSDetailUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := &net.OpError{Op: test.call, Err: os.NewSyscallError(test.call, test.errno)}
				client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
					if test.call != "sendto" {
						return nil, err
					}
					near, far := net.Pipe()
					t.Cleanup(func() { far.Close() })
					return failingConn{near, err}, nil
				}}
				r := client.Exchange(context.Background(), somewhere, asked)
				if r.Failure != test.failure || r.Detail.Kind != test.kind || r.Detail.Text == "" {
					t.Errorf("%q (%+v)", r.Failure, r.Detail)
				}
			})
		})
	}
}
