package dns

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// rawServer answers packets with packets, in memory, and logs the questions. It is safe for concurrent use.
type rawServer struct {
	answer func(q *dns.Msg) []byte // nil: silence
	delay  time.Duration           // of an answer; 0: rawDelay

	mu    sync.Mutex
	asked []*dns.Msg
}

// rawDelay is the round-trip time to a rawServer.
const rawDelay = 5 * time.Millisecond

// dial connects to the server, whatever the address. It refuses TCP.
func (s *rawServer) dial(_ context.Context, network, _ string) (net.Conn, error) {
	if network == "tcp" {
		return nil, syscall.ECONNREFUSED
	}
	near, far := net.Pipe()
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
			s.mu.Lock()
			s.asked = append(s.asked, q)
			s.mu.Unlock()
			go func() {
				<-time.After(cmp.Or(s.delay, rawDelay))
				if packet := s.answer(q); packet != nil {
					_, _ = far.Write(packet)
				}
			}()
		}
	}()
	return near, nil
}

// count is the number of questions of a type, with and without an OPT record.
func (s *rawServer) count(typ uint16) (with, without int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		switch {
		case q.Question[0].Qtype != typ:
		case q.IsEdns0() != nil:
			with++
		default:
			without++
		}
	}
	return with, without
}

// packet decodes a packet written in hex and gives it the id of the question.
func packet(q *dns.Msg, text string) []byte {
	out, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(text))
	if err != nil {
		panic(err)
	}
	out[0], out[1] = byte(q.Id>>8), byte(q.Id)
	return out
}

// misplacedOPT is an answer to coap.example A with the OPT record in the answer section and the address in the
// additional one.
const misplacedOPT = "12348180 0001 0001 0000 0001 | 04636f6170 076578616d706c65 00 0001 0001 | " +
	"00 0029 04d0 00000000 0000 | c00c 0001 0001 0000003c 0004 cb00711f"

// TestLookupEDNS looks up a host with an IPv4 address only, at servers that cannot handle an OPT record. Devices send
// none.
func TestLookupEDNS(t *testing.T) {
	const name = "coap.example."
	good := func(q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeA {
			return reply(q, name+" 60 IN A 203.0.113.31")
		}
		return reply(q)
	}
	rcode := func(code int) func(q *dns.Msg) []byte {
		return func(q *dns.Msg) []byte {
			m := reply(q)
			m.Rcode = code
			return pack(m)
		}
	}
	for _, test := range []struct {
		name    string
		withOPT func(q *dns.Msg) []byte // nil: silence
		plain   func(q *dns.Msg) []byte // nil: the address
		failure measurement.DNSFailure
		first   [2]int // questions of type A in the first look-up, with and without OPT
		second  [2]int // and in the second
	}{
		{name: "healthy: one question", withOPT: func(q *dns.Msg) []byte {
			m := good(q)
			m.SetEdns0(udpSize, false)
			return pack(m)
		}, first: [2]int{1, 0}, second: [2]int{1, 0}},
		{name: "no OPT in the answer: one question", withOPT: func(q *dns.Msg) []byte { return pack(good(q)) }, first: [2]int{1, 0}, second: [2]int{1, 0}},
		{name: "OPT in the answer section, the address elsewhere: asked without", withOPT: func(q *dns.Msg) []byte {
			if q.Question[0].Qtype == dns.TypeA {
				return packet(q, misplacedOPT)
			}
			return pack(reply(q))
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "SERVFAIL: asked without", withOPT: rcode(dns.RcodeServerFailure), first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "REFUSED: asked without", withOPT: rcode(dns.RcodeRefused), first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "FORMERR: asked without", withOPT: rcode(dns.RcodeFormatError), first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "NOTIMP: asked without", withOPT: rcode(dns.RcodeNotImplemented), first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "BADVERS: asked without", withOPT: func(q *dns.Msg) []byte {
			m := reply(q)
			m.SetEdns0(udpSize, false)
			m.Rcode = dns.RcodeBadVers
			return pack(m)
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "a broken answer: asked without", withOPT: func(q *dns.Msg) []byte { p := pack(good(q)); return p[:len(p)-1] },
			first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "silence: asked without", first: [2]int{2, 1}, second: [2]int{0, 1}},
		{name: "an empty answer: asked without", withOPT: func(q *dns.Msg) []byte {
			m := reply(q)
			m.SetEdns0(udpSize, false)
			return pack(m)
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "SERVFAIL without the question: asked without", withOPT: func(q *dns.Msg) []byte {
			return packet(q, "0000 8182 0000 0000 0000 0000")
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "an answer without the question: asked without", withOPT: func(q *dns.Msg) []byte {
			return packet(q, "0000 8180 0000 0000 0000 0000")
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "another id: asked without", withOPT: func(q *dns.Msg) []byte {
			m := good(q)
			m.Id++
			return pack(m)
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "truncated, and TCP refused: asked without", withOPT: func(q *dns.Msg) []byte {
			m := reply(q)
			m.Truncated = true
			return pack(m)
		}, first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "SERVFAIL to both: the failure", withOPT: rcode(dns.RcodeServerFailure), plain: rcode(dns.RcodeServerFailure),
			failure: measurement.DNSServFail, first: [2]int{1, 1}, second: [2]int{1, 1}},
		{name: "NXDOMAIN: asked without", withOPT: rcode(dns.RcodeNameError), first: [2]int{1, 1}, second: [2]int{0, 1}},
		{name: "NXDOMAIN to both: the failure", withOPT: rcode(dns.RcodeNameError), plain: rcode(dns.RcodeNameError),
			failure: measurement.DNSNXDomain, first: [2]int{1, 1}, second: [2]int{1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rawServer{answer: func(q *dns.Msg) []byte {
					switch {
					case q.IsEdns0() == nil && test.plain != nil:
						return test.plain(q)
					case q.IsEdns0() == nil:
						return pack(good(q))
					case test.withOPT == nil:
						return nil
					}
					return test.withOPT(q)
				}}
				client := &Client{Dial: s.dial}
				var before [2]int
				for i, want := range [2][2]int{test.first, test.second} {
					l := Lookup(context.Background(), client, somewhere, name, 0, nil)
					if addresses := fmt.Sprint(l.Addresses); l.Failure != test.failure || (addresses == "[203.0.113.31]") != (test.failure == "") {
						t.Errorf("look-up %d: %s, failure %q", i+1, addresses, l.Failure)
					}
					with, without := s.count(dns.TypeA)
					if got := [2]int{with - before[0], without - before[1]}; got != want {
						t.Errorf("look-up %d: %d questions with OPT and %d without, want %v", i+1, got[0], got[1], want)
					}
					before = [2]int{with, without}
					if l.Answers[0].WithoutEDNS != (want[1] > 0 && test.failure == "") {
						t.Errorf("look-up %d: answered without EDNS: %v", i+1, l.Answers[0].WithoutEDNS)
					}
				}
				// It is remembered for an hour.
				<-time.After(time.Hour)
				Lookup(context.Background(), client, somewhere, name, 0, nil)
				if with, _ := s.count(dns.TypeA); with == before[0] {
					t.Error("an hour later it is not asked with OPT again")
				}
			})
		})
	}
}

// TestExchangeTransientFailure has a server fail once: it keeps its OPT record, without which it could not send EDE.
func TestExchangeTransientFailure(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(q *dns.Msg) []byte
	}{
		{"SERVFAIL", func(q *dns.Msg) []byte {
			m := reply(q)
			m.Rcode = dns.RcodeServerFailure
			return pack(m)
		}},
		{"silence", func(*dns.Msg) []byte { return nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fails atomic.Bool
				s := &rawServer{answer: func(q *dns.Msg) []byte {
					if fails.Load() && q.IsEdns0() != nil {
						return test.fail(q)
					}
					return pack(reply(q, good))
				}}
				client := &Client{Dial: s.dial}
				for range 3 {
					fails.Store(true)
					client.Exchange(context.Background(), somewhere, asked)
					fails.Store(false)
					client.Exchange(context.Background(), somewhere, asked)
				}
				before, _ := s.count(dns.TypeA)
				client.Exchange(context.Background(), somewhere, asked)
				if with, _ := s.count(dns.TypeA); with != before+1 {
					t.Error("asked without OPT after transient failures")
				}
			})
		})
	}
}

// TestEDNSMemoryIsBounded fills the memory of servers that cannot handle EDNS.
func TestEDNSMemoryIsBounded(t *testing.T) {
	var m ednsMemory
	now := time.Now()
	for i := range 2 * maxEDNSServers {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 53)
		m.failed(at, true, now)
		if !m.avoided(at, now) {
			t.Fatalf("server %d is not remembered", i)
		}
	}
	if len(m.servers) > maxEDNSServers {
		t.Errorf("%d servers are remembered", len(m.servers))
	}
}
