package dns

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
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
			passed.Store(0) // a socket has a port of its own
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
