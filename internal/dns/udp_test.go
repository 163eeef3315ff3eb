package dns

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// bothTypes asks somewhere for A and AAAA of host.
func bothTypes(t *testing.T, client *Client, q Query) (a, aaaa Reply) {
	t.Helper()
	replies := client.ExchangeTypes(context.Background(), somewhere, q, Types[:])
	if len(replies) != 2 || replies[0].Type != dns.TypeA || replies[1].Type != dns.TypeAAAA {
		t.Fatalf("%+v", replies)
	}
	return replies[0], replies[1]
}

// TestExchangeTypes has a server treat the two questions of one socket differently.
func TestExchangeTypes(t *testing.T) {
	const goodAAAA = host + " 60 IN AAAA 2001:db8::1"
	answer := func(q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeA {
			return reply(q, good)
		}
		return reply(q, goodAAAA)
	}
	after := func(delay time.Duration, m *dns.Msg) *dns.Msg { pass(delay); return m }
	servfail := func(q *dns.Msg) *dns.Msg { m := reply(q); m.Rcode = dns.RcodeServerFailure; return m }
	long := make([]string, 60)
	for i := range long {
		long[i] = host + " 60 IN A " + netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}).String()
	}
	type result struct {
		failure measurement.DNSFailure
		took    time.Duration
		tries   int
		tcp     bool
	}
	ok := result{tries: 1}
	silent := result{failure: measurement.DNSTimeout, took: ResolverTimers.Patience, tries: 3}
	for _, test := range []struct {
		name    string
		server  func(q *dns.Msg, n int) *dns.Msg // n counts the questions of the type
		a, aaaa result
	}{
		{"both answered: both", func(q *dns.Msg, _ int) *dns.Msg { return answer(q) }, ok, ok},
		{"AAAA answered first: each has its own time", func(q *dns.Msg, _ int) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeA {
				return after(100*time.Millisecond, answer(q))
			}
			return answer(q)
		}, result{took: 100 * time.Millisecond, tries: 1}, ok},
		{"A silent: AAAA at once, and A after its patience", func(q *dns.Msg, _ int) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeA {
				return nil
			}
			return answer(q)
		}, silent, ok},
		{"both silent: both after their patience", func(*dns.Msg, int) *dns.Msg { return nil }, silent, silent},
		{"the first AAAA lost: only AAAA sent again", func(q *dns.Msg, n int) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeAAAA && n == 1 {
				return nil
			}
			return answer(q)
		}, ok, result{took: ResolverTimers.Resend, tries: 2}},
		{"SERVFAIL for A once: only A sent again after the pause", func(q *dns.Msg, n int) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeA && n == 1 {
				return servfail(q)
			}
			return answer(q)
		}, result{took: ResolverTimers.Pause, tries: 2}, ok},
		{"A truncated and AAAA silent: A over TCP while AAAA waits", func(q *dns.Msg, _ int) *dns.Msg {
			if q.Question[0].Qtype == dns.TypeAAAA {
				return nil
			}
			return reply(q, long...)
		}, result{tries: 2, tcp: true}, silent},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				asked := map[uint16]int{}
				n := new(lab.Network)
				n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					mu.Lock()
					typ := q.Question[0].Qtype
					asked[typ]++
					count := asked[typ]
					mu.Unlock()
					return test.server(q, count)
				}))
				var sockets atomic.Int32
				client := &Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					if network == "udp" {
						sockets.Add(1)
					}
					return n.Dial(ctx, network, address)
				}}
				a, aaaa := bothTypes(t, client, Query{Name: host, Recursive: true})
				for i, r := range []Reply{a, aaaa} {
					if got, want := (result{r.Failure, r.Took, r.Tries, r.TCP}), []result{test.a, test.aaaa}[i]; got != want {
						t.Errorf("%s: %+v, want %+v", dns.TypeToString[r.Type], got, want)
					}
				}
				if sockets.Load() != 1 {
					t.Errorf("%d sockets", sockets.Load())
				}
			})
		})
	}
}

// TestExchangeTypesSecondAnswers has a server answer the question for A twice: the second answer is not taken for a
// garbled one to AAAA, which would be asked again without EDNS.
func TestExchangeTypesSecondAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var withoutEDNS atomic.Int32
		go func() {
			defer far.Close()
			buffer := make([]byte, dns.MaxMsgSize)
			for {
				n, err := far.Read(buffer)
				if err != nil {
					return
				}
				q := new(dns.Msg)
				if q.Unpack(buffer[:n]) != nil {
					continue
				}
				if q.IsEdns0() == nil {
					withoutEDNS.Add(1)
				}
				go func() {
					if q.Question[0].Qtype == dns.TypeAAAA {
						pass(300 * time.Millisecond)
						_, _ = far.Write(pack(reply(q)))
						return
					}
					for range 2 {
						_, _ = far.Write(pack(reply(q, good)))
					}
				}()
			}
		}()
		client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		a, aaaa := bothTypes(t, client, Query{Name: host, Recursive: true})
		if a.Failure != "" || aaaa.Failure != measurement.DNSNoAddress || aaaa.Tries != 1 || withoutEDNS.Load() != 0 {
			t.Errorf("A %q, AAAA %q after %d tries, %d without EDNS", a.Failure, aaaa.Failure, aaaa.Tries, withoutEDNS.Load())
		}
	})
}

// TestExchangeTypesOneReplyPerPort has a NAT that forgets the first of two questions from one port: a device sees it,
// because its libc asks for both types from one port.
func TestExchangeTypesOneReplyPerPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(lab.Network)
		var passed atomic.Int32
		n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg { return reply(q, good) }))
		client := &Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			passed.Store(0) // a new socket has a new port
			return n.Dial(ctx, network, address)
		}}
		n.Lose(func(netip.AddrPort) bool { return passed.Add(1) == 2 })
		l := Lookup(context.Background(), client, somewhere, host, 0, nil)
		if l.Failure != "" || l.Took != ResolverTimers.Resend {
			t.Errorf("failure %q after %v, want an answer after %v", l.Failure, l.Took, ResolverTimers.Resend)
		}
	})
}

// TestExchangeTypesUnreachable has the kernel report errors of a socket, which are about any of its questions.
func TestExchangeTypesUnreachable(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := packets.LocalAddr().(*net.UDPAddr).AddrPort()
	packets.Close()
	for _, r := range (&Client{Resolver: once}).ExchangeTypes(context.Background(), at, Query{Name: host, Recursive: true}, Types[:]) {
		if r.Failure != measurement.DNSUnreachable || r.Tries != maxBad {
			t.Errorf("%q after %d tries, %+v", r.Failure, r.Tries, r.Detail)
		}
	}
}

// stalledConn is a socket in which the answers to all questions wait while this process does not run: from before the
// deadline of the first read until some time after it.
type stalledConn struct {
	net.Conn
	stall time.Duration

	answers  [][]byte
	deadline time.Time
	stalled  bool
}

func (c *stalledConn) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }
func (c *stalledConn) SetDeadline(time.Time) error       { return nil }
func (c *stalledConn) Close() error                      { return nil }

func (c *stalledConn) Write(b []byte) (int, error) {
	q := new(dns.Msg)
	if err := q.Unpack(b); err != nil {
		return 0, err
	}
	c.answers = append(c.answers, pack(reply(q)))
	return len(b), nil
}

func (c *stalledConn) Read(b []byte) (n int, err error) {
	if !c.stalled {
		c.stalled = true
		pass(time.Until(c.deadline) + c.stall)
	}
	switch {
	case time.Until(c.deadline) <= 0:
		return 0, os.ErrDeadlineExceeded
	case len(c.answers) == 0:
		pass(time.Until(c.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	n = copy(b, c.answers[0])
	c.answers = c.answers[1:]
	return n, nil
}

// TestExchangeTypesStalled has this process stall while both answers wait in the socket.
func TestExchangeTypesStalled(t *testing.T) {
	for _, test := range []struct {
		name   string
		resend time.Duration
		stall  time.Duration
	}{
		{"until after a question is to be sent again: both answers, neither sent again", 600 * time.Millisecond, 100 * time.Millisecond},
		{"until shortly after the end: both answers", time.Minute, 100 * time.Millisecond},
		{"until long after the end: both answers", time.Minute, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				defer near.Close()
				conn := &stalledConn{Conn: near, stall: test.stall}
				client := &Client{
					Dial:     func(context.Context, string, string) (net.Conn, error) { return conn, nil },
					Resolver: Timers{Patience: 2500 * time.Millisecond, Resend: test.resend, Pause: 200 * time.Millisecond},
				}
				for _, r := range client.ExchangeTypes(context.Background(), somewhere, Query{Name: host, Recursive: true}, Types[:]) {
					if r.Failure != measurement.DNSNoAddress || r.Tries != 1 {
						t.Errorf("%s: %q after %d tries, %+v", dns.TypeToString[r.Type], r.Failure, r.Tries, r.Detail)
					}
				}
			})
		})
	}
}

// TestExchangeTypesTook has this process stall between the arrival of the answer for A and its next step, on a socket
// of the kernel, which knows when packets arrive. The time of AAAA is that of the server all the same.
func TestExchangeTypesTook(t *testing.T) {
	const delay = 100 * time.Millisecond // of the answer for AAAA
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	go func() {
		buffer := make([]byte, dns.MaxMsgSize)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buffer[:n]) != nil {
				continue
			}
			if q.Question[0].Qtype == dns.TypeAAAA {
				pass(delay)
			}
			_, _ = packets.WriteTo(pack(reply(q)), from)
		}
	}()
	var calls atomic.Int32
	client := &Client{
		Now: func() time.Time {
			if calls.Add(1) == 2 { // for the answer for A
				pass(2 * delay)
			}
			return time.Now()
		},
		Resolver: Timers{Patience: 10 * time.Second, Resend: delay / 2, Pause: delay / 2},
	}
	at := packets.LocalAddr().(*net.UDPAddr).AddrPort()
	r := client.ExchangeTypes(context.Background(), at, Query{Name: host, Recursive: true}, Types[:])[1]
	if r.Failure != measurement.DNSNoAddress || r.Took < delay {
		t.Errorf("%q after %v, want at least %v", r.Failure, r.Took, delay)
	}
}

// slowConn is a socket whose first write takes some time.
type slowConn struct {
	net.Conn
	wrote bool
}

const slowWrite = 100 * time.Millisecond

func (c *slowConn) Write(b []byte) (int, error) {
	if !c.wrote {
		c.wrote = true
		pass(slowWrite)
	}
	return c.Conn.Write(b)
}

// TestExchangeTypesOwnTime has this process take its time before the question for AAAA, and before it sends one again.
func TestExchangeTypesOwnTime(t *testing.T) {
	for _, test := range []struct {
		name    string
		broken  bool          // FORMERR for EDNS, and silence for AAAA
		stall   time.Duration // after the first answer
		a, aaaa time.Duration
	}{
		{"AAAA asked later than A: from there", false, 0, slowWrite + rawDelay, rawDelay},
		{"A sent again late after FORMERR: without the time until then", true, time.Second, slowWrite + 2*rawDelay,
			ResolverTimers.Patience - slowWrite},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rawServer{answer: func(q *dns.Msg) []byte {
					m := reply(q)
					switch {
					case test.broken && q.Question[0].Qtype == dns.TypeAAAA:
						return nil
					case test.broken && q.IsEdns0() != nil:
						m.Rcode = dns.RcodeFormatError
					}
					return pack(m)
				}}
				calls := 0
				client := &Client{
					Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
						conn, err := s.dial(ctx, network, address)
						return &slowConn{Conn: conn}, err
					},
					Now: func() time.Time {
						if calls++; calls == 2 {
							pass(test.stall)
						}
						return time.Now()
					},
				}
				a, aaaa := bothTypes(t, client, Query{Name: host, Recursive: true})
				if a.Took != test.a || aaaa.Took != test.aaaa {
					t.Errorf("A took %v, AAAA %v, want %v and %v", a.Took, aaaa.Took, test.a, test.aaaa)
				}
			})
		})
	}
}

// brokenConn fails every read at once.
type brokenConn struct {
	net.Conn
	err error
}

func (c brokenConn) Write(b []byte) (int, error)     { return len(b), nil }
func (c brokenConn) Read([]byte) (int, error)        { return 0, c.err }
func (c brokenConn) SetReadDeadline(time.Time) error { return nil }

// TestExchangeTypesReadErrors has each read fail, although no question waits for an answer any more.
func TestExchangeTypesReadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		conn := brokenConn{near, &net.OpError{Op: "read", Err: os.NewSyscallError("recvmsg", syscall.ENOBUFS)}}
		client := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		a, aaaa := bothTypes(t, client, Query{Name: host, Recursive: true})
		for _, r := range []Reply{a, aaaa} {
			if r.Failure != measurement.DNSOutOfTime || r.Detail.Kind != measurement.DNSDetailNoSocket {
				t.Errorf("%s: %q, %+v", dns.TypeToString[r.Type], r.Failure, r.Detail)
			}
		}
	})
}

// TestExchangeTypesNotSent has the round be over before the questions are sent.
func TestExchangeTypesNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range (&Client{Dial: new(lab.Network).Dial}).ExchangeTypes(ctx, somewhere, Query{Name: host, Recursive: true}, Types[:]) {
		if r.Failure != measurement.DNSOutOfTime || r.Took != 0 || r.Tries != 0 {
			t.Errorf("%q after %v and %d tries", r.Failure, r.Took, r.Tries)
		}
	}
}

// refusedConn is a socket whose first read fails, as after an ICMP error about AAAA. The answer to the first question,
// which is for A, follows, and nothing after that.
type refusedConn struct {
	net.Conn
	asked    []byte
	reads    int
	deadline time.Time
}

func (c *refusedConn) SetReadDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *refusedConn) Write(b []byte) (int, error) {
	if c.asked == nil {
		c.asked = slices.Clone(b)
	}
	return len(b), nil
}

func (c *refusedConn) Read(b []byte) (int, error) {
	c.reads++
	switch c.reads {
	case 1:
		return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("recvmsg", syscall.ECONNREFUSED)}
	case 2:
		q := new(dns.Msg)
		if err := q.Unpack(c.asked); err != nil {
			return 0, err
		}
		return copy(b, pack(reply(q, good))), nil
	}
	pass(time.Until(c.deadline))
	return 0, os.ErrDeadlineExceeded
}

// TestExchangeTypesCounts has the kernel report an error of AAAA before the answer for A arrives: each question is
// counted once.
func TestExchangeTypesCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		client := &Client{
			Dial:   func(context.Context, string, string) (net.Conn, error) { return &refusedConn{Conn: near}, nil },
			Counts: new(Counts),
		}
		a, aaaa := bothTypes(t, client, Query{Name: host, Recursive: true})
		if a.Failure != "" || a.Tries != 1 || aaaa.Failure != measurement.DNSUnreachable || aaaa.Tries < 2 {
			t.Errorf("A: %q after %d tries, AAAA: %q after %d", a.Failure, a.Tries, aaaa.Failure, aaaa.Tries)
		}
		var counted uint64
		for _, c := range client.Counts.All() {
			counted += c.Count
		}
		if counted != uint64(a.Tries+aaaa.Tries) {
			t.Errorf("%d questions counted, %d sent", counted, a.Tries+aaaa.Tries)
		}
	})
}

// behaviour is how a server treats one question.
type behaviour int

const (
	lost behaviour = iota
	servFail
	refused
	noEDNS // FORMERR for a question with EDNS
	truncated
	answered
	behaviours
)

// answer returns what a server with the behaviour answers to q.
func (b behaviour) answer(q *dns.Msg) *dns.Msg {
	m := reply(q)
	switch b {
	case lost:
		return nil
	case servFail:
		m.Rcode = dns.RcodeServerFailure
	case refused:
		m.Rcode = dns.RcodeRefused
	case noEDNS:
		if q.IsEdns0() != nil {
			m.Rcode = dns.RcodeFormatError
		}
	case truncated:
		m.Truncated = true
	case answered, behaviours:
	}
	return m
}

// TestExchangeTypesIndependent draws servers that treat each question of each type differently: the replies
// and the counts are the same from one socket as from two.
func TestExchangeTypesIndependent(t *testing.T) {
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 0))
			var script [len(Types)][8]struct {
				delay     time.Duration
				behaviour behaviour
			}
			for i := range script {
				for j := range script[i] {
					script[i][j].delay = time.Duration(draw.IntN(int(time.Second)))
					script[i][j].behaviour = behaviour(draw.IntN(int(behaviours)))
				}
			}
			round := time.Second + time.Duration(draw.IntN(int(4*time.Second)))
			exchange := func(ask func(ctx context.Context, c *Client, q Query) [2]Reply) ([2]Reply, []measurement.QueryCount) {
				var seen [len(Types)]atomic.Int32
				n := new(lab.Network)
				n.Put(somewhere, answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
					i := slices.Index(Types[:], q.Question[0].Qtype)
					step := script[i][min(int(seen[i].Add(1)), len(script[i]))-1]
					pass(step.delay)
					return step.behaviour.answer(q)
				}))
				client := &Client{Dial: n.Dial, Counts: new(Counts)}
				ctx, cancel := context.WithTimeout(context.Background(), round)
				defer cancel()
				out := ask(ctx, client, Query{Name: host, Recursive: true})
				for i := range out {
					out[i].Asked, out[i].Received = time.Time{}, time.Time{}
				}
				pass(time.Minute) // until the late answers have been sent
				return out, client.Counts.All()
			}
			one, counted := exchange(func(ctx context.Context, c *Client, q Query) [2]Reply {
				return [2]Reply(c.ExchangeTypes(ctx, somewhere, q, Types[:]))
			})
			each, countedEach := exchange(func(ctx context.Context, c *Client, q Query) (out [2]Reply) {
				var all sync.WaitGroup
				for i, typ := range Types {
					all.Go(func() { out[i] = c.ExchangeTypes(ctx, somewhere, q, []uint16{typ})[0] })
				}
				all.Wait()
				return out
			})
			if !reflect.DeepEqual(one, each) || !slices.Equal(counted, countedEach) {
				t.Errorf("seed %d, script %+v, %v\none socket:  %+v %v\ntwo sockets: %+v %v", seed, script, round, one, counted, each, countedEach)
			}
		})
	}
}
