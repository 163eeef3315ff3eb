package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "host.example."

var asked = Query{Name: host, Type: dns.TypeA, Recursive: true}

// long waits long enough for any answer, even on a loaded machine.
var long = Timers{Patience: 20 * time.Second, Resend: 10 * time.Millisecond, Pause: time.Millisecond}

// once waits as long and does not resend, for scripts that depend on the number of questions.
var once = Timers{Patience: long.Patience, Resend: long.Patience, Pause: long.Pause}

// peer is a server that answers each question with the packets of a script.
type peer struct {
	at        netip.AddrPort
	questions atomic.Int32
}

// script returns the packets that answer the n-th question, counted from 1.
type script func(q *dns.Msg, n int) [][]byte

// listen serves udp, and tcp unless it is nil, on one loopback port.
func listen(t *testing.T, udp, tcp script) *peer {
	t.Helper()
	var listener net.Listener
	var packets *net.UDPConn
	p := new(peer)
	for packets == nil { // the port may be in use for the other transport
		var err error
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		p.at = listener.Addr().(*net.TCPAddr).AddrPort()
		if packets, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.at)); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
		if packets == nil {
			listener.Close()
		}
	}
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buffer[:n]) != nil {
				continue
			}
			for _, packet := range udp(q, int(p.questions.Add(1))) {
				_, _ = packets.WriteToUDPAddrPort(packet, from)
			}
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if tcp != nil {
				answerStream(conn, tcp)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		packets.Close()
		listener.Close()
		<-ended
		<-ended
	})
	return p
}

func answerStream(conn net.Conn, tcp script) {
	frame, err := readFrame(conn)
	if err != nil {
		return
	}
	q := new(dns.Msg)
	if q.Unpack(frame) != nil {
		return
	}
	packets := tcp(q, 1)
	for _, packet := range packets {
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...))
	}
	if len(packets) > 0 {
		_, _ = io.Copy(io.Discard, conn) // until the asker has read
	}
}

// reply returns an answer with records in the syntax of a zone file.
func reply(q *dns.Msg, records ...string) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}

func pack(m *dns.Msg) []byte {
	packet, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packet
}

func one(m *dns.Msg) [][]byte { return [][]byte{pack(m)} }

const good = host + " 60 IN A 198.51.100.1"

// spoil changes an answer and packs it.
func spoil(m *dns.Msg, change func(*dns.Msg)) []byte {
	change(m)
	return pack(m)
}

func TestExchange(t *testing.T) {
	rcode := func(code int) script {
		return func(q *dns.Msg, _ int) [][]byte {
			return [][]byte{spoil(reply(q), func(m *dns.Msg) { m.Rcode = code })}
		}
	}
	truncated := func(q *dns.Msg, _ int) [][]byte {
		return [][]byte{spoil(reply(q, good), func(m *dns.Msg) { m.Truncated = true })}
	}
	longChain, owner := "", host
	for i := range 30 {
		target := fmt.Sprintf("c%d.", i)
		longChain += owner + " 60 IN CNAME " + target + ", "
		owner = target
	}
	longChain += owner + " 60 IN A 198.51.100.1"
	for _, test := range []struct {
		name     string
		udp, tcp script
		failure  measurement.DNSFailure
		chain    string // owner, TTL and value of each record
		check    func(t *testing.T, r *Reply)
	}{
		{name: "an address", udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, good)) }, chain: "host.example. 60 198.51.100.1"},
		{
			name: "a chain of CNAMEs in capitals, with other records: the chain",
			udp: func(q *dns.Msg, _ int) [][]byte {
				return one(reply(q, "other.example. 5 IN A 198.51.100.9", "HOST.example. 300 IN CNAME mid.EXAMPLE.", "MID.example. 30 IN CNAME END.example.",
					"End.Example. 20 IN A 198.51.100.2", "end.example. 20 IN AAAA 2001:db8::1", "end.example. 20 IN A 198.51.100.1"))
			},
			chain: "host.example. 300 mid.example., mid.example. 30 end.example., end.example. 20 198.51.100.2, end.example. 20 198.51.100.1",
			check: func(t *testing.T, r *Reply) {
				if ttl, ok := r.TTL(); !ok || ttl != 20 {
					t.Errorf("TTL %d", ttl)
				}
			},
		},
		{
			name: "the address before its CNAME: no address, as with glibc", failure: measurement.DNSNoAddress,
			udp: func(q *dns.Msg, _ int) [][]byte {
				return one(reply(q, "end.example. 20 IN A 198.51.100.2", host+" 300 IN CNAME end.example."))
			},
		},
		{
			name: "the question comes back in mixed case",
			udp: func(q *dns.Msg, _ int) [][]byte {
				return [][]byte{spoil(reply(q, good), func(m *dns.Msg) { m.Question[0].Name = "hOsT.eXaMpLe." })}
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "a wrong id, a wrong question, another type and a query come before the answer, which comes twice",
			udp: func(q *dns.Msg, _ int) [][]byte {
				bad := host + " 60 IN A 192.0.2.66"
				return [][]byte{
					spoil(reply(q, bad), func(m *dns.Msg) { m.Id++ }),
					spoil(reply(q, bad), func(m *dns.Msg) { m.Question[0].Name = "else.example." }),
					spoil(reply(q, bad), func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }),
					spoil(reply(q, bad), func(m *dns.Msg) { m.Response = false }),
					{0}, {},
					pack(reply(q, good)), pack(reply(q, good)),
				}
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "two datagrams are lost",
			udp: func(q *dns.Msg, n int) [][]byte {
				if n < 3 {
					return nil
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
			check: func(t *testing.T, r *Reply) {
				if r.Tries < 3 || r.Received.Before(r.Asked) {
					t.Errorf("%d tries, asked %v, received %v", r.Tries, r.Asked, r.Received)
				}
			},
		},
		{
			name: "SERVFAIL once, then the answer",
			udp: func(q *dns.Msg, n int) [][]byte {
				if n == 1 {
					return rcode(dns.RcodeServerFailure)(q, n)
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "SERVFAIL every time, with EDE", failure: measurement.DNSServFail,
			udp: func(q *dns.Msg, _ int) [][]byte {
				return [][]byte{spoil(reply(q), func(m *dns.Msg) {
					m.Rcode = dns.RcodeServerFailure
					m.SetEdns0(1232, false)
					opt := m.IsEdns0()
					opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: 22, ExtraText: "at delegation\x00\xff " + strings.Repeat("x", 400)})
				})}
			},
			check: func(t *testing.T, r *Reply) {
				if len(r.EDE) != 1 || r.EDE[0].Code != 22 || len(r.EDE[0].Text) > measurement.MaxText ||
					r.Detail.Kind != measurement.DNSDetailRcode || r.Detail.N != dns.RcodeServerFailure || r.Detail.EDE != r.EDE[0] || !strings.HasPrefix(r.EDE[0].Text, "at delegation\ufffd") {
					t.Errorf("%+v, %+v", r.EDE, r.Detail)
				}
			},
		},
		{name: "NXDOMAIN", udp: rcode(dns.RcodeNameError), failure: measurement.DNSNXDomain},
		{name: "REFUSED", udp: rcode(dns.RcodeRefused), failure: measurement.DNSRefused},
		{name: "another response code", udp: rcode(dns.RcodeNotAuth), failure: measurement.DNSRcode},
		{name: "no address", udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q)) }, failure: measurement.DNSNoAddress},
		{
			name: "a CNAME without the record that it leads to: no address", failure: measurement.DNSNoAddress,
			udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, host+" 60 IN CNAME mid.example.")) },
			check: func(t *testing.T, r *Reply) {
				if len(r.Records) != 1 || r.Records[0].Target != "mid.example." {
					t.Errorf("%+v", r.Records)
				}
			},
		},
		{
			name: "a loop of CNAMEs", failure: measurement.DNSLoop,
			udp: func(q *dns.Msg, _ int) [][]byte {
				return one(reply(q, host+" 60 IN CNAME mid.example.", "mid.example. 60 IN CNAME "+host))
			},
		},
		{
			name: "a CNAME to itself", failure: measurement.DNSLoop,
			udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, host+" 60 IN CNAME "+host)) },
		},
		{
			name: "a CNAME to itself and an address: the address", chain: "host.example. 60 198.51.100.1",
			udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, host+" 60 IN CNAME "+host, good)) },
		},
		{
			name:  "a chain of 30 CNAMEs: the address",
			udp:   func(q *dns.Msg, _ int) [][]byte { return one(reply(q, strings.Split(longChain, ", ")...)) },
			chain: strings.ReplaceAll(strings.ReplaceAll(longChain, "IN CNAME ", ""), "IN A ", ""),
		},
		{
			name: "SERVFAIL, truncated: not asked over TCP", failure: measurement.DNSServFail,
			udp: func(q *dns.Msg, _ int) [][]byte {
				return [][]byte{spoil(reply(q), func(m *dns.Msg) { m.Rcode, m.Truncated = dns.RcodeServerFailure, true })}
			},
			tcp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, good)) },
		},
		{
			name: "a CNAME to a name that no host can have, without its address: no address", failure: measurement.DNSNoAddress,
			udp: func(q *dns.Msg, _ int) [][]byte { return one(reply(q, host+` 60 IN CNAME bad\000\.name.example.`)) },
		},
		{
			name: "a TTL with its sign bit set is 0",
			udp: func(q *dns.Msg, _ int) [][]byte {
				return [][]byte{spoil(reply(q, good), func(m *dns.Msg) { m.Answer[0].Header().Ttl = 1<<31 + 5 })}
			},
			chain: "host.example. 0 198.51.100.1",
		},
		{
			name: "a server without EDNS",
			udp: func(q *dns.Msg, n int) [][]byte {
				if q.IsEdns0() != nil {
					return rcode(dns.RcodeFormatError)(q, n)
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "a server without EDNS that does not even repeat the question",
			udp: func(q *dns.Msg, n int) [][]byte {
				if q.IsEdns0() != nil {
					return [][]byte{spoil(reply(q), func(m *dns.Msg) { m.Rcode, m.Question = dns.RcodeFormatError, nil })}
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "a proxy that drops EDNS",
			udp: func(q *dns.Msg, _ int) [][]byte {
				if q.IsEdns0() != nil {
					return nil
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "a server without EDNS says so late",
			udp: func(q *dns.Msg, n int) [][]byte {
				switch {
				case n <= plainAfter:
					return nil
				case n == plainAfter+1:
					return rcode(dns.RcodeFormatError)(q, n)
				}
				return one(reply(q, good))
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "what breaks off in the middle", failure: measurement.DNSMalformed,
			udp: func(q *dns.Msg, _ int) [][]byte { p := pack(reply(q, good)); return [][]byte{p[:len(p)-3]} },
		},
		{
			name: "a broken packet before the answer",
			udp: func(q *dns.Msg, _ int) [][]byte {
				p := pack(reply(q, good))
				return [][]byte{p[:len(p)-3], p}
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "truncated, whole over TCP", udp: truncated,
			tcp:   func(q *dns.Msg, _ int) [][]byte { return one(reply(q, good, host+" 60 IN A 198.51.100.2")) },
			chain: "host.example. 60 198.51.100.1, host.example. 60 198.51.100.2",
			check: func(t *testing.T, r *Reply) {
				if !r.TCP {
					t.Error("not marked as TCP")
				}
			},
		},
		{
			name: "truncated within a record, whole over TCP",
			udp: func(q *dns.Msg, n int) [][]byte {
				packet := truncated(q, n)[0]
				return [][]byte{packet[:len(packet)-3]}
			},
			tcp:   func(q *dns.Msg, _ int) [][]byte { return one(reply(q, good)) },
			chain: "host.example. 60 198.51.100.1",
		},
		{
			name: "truncated, and TCP answers another question first", udp: truncated,
			tcp: func(q *dns.Msg, _ int) [][]byte {
				return [][]byte{spoil(reply(q, good), func(m *dns.Msg) { m.Id++ }), pack(reply(q, good))}
			},
			chain: "host.example. 60 198.51.100.1",
		},
		{name: "truncated, and TCP ends without an answer", udp: truncated, tcp: func(*dns.Msg, int) [][]byte { return nil }, failure: measurement.DNSMalformed},
		{name: "truncated, and truncated over TCP", udp: truncated, tcp: truncated, failure: measurement.DNSMalformed},
		{
			name: "a flood of packets that answer other questions: malformed", failure: measurement.DNSMalformed,
			udp: func(q *dns.Msg, _ int) [][]byte {
				p := spoil(reply(q, good), func(m *dns.Msg) { m.Id++ })
				out := make([][]byte, 2*maxPackets)
				for i := range out {
					out[i] = p
				}
				return out
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := listen(t, test.udp, test.tcp)
			client := &Client{Resolver: long, Counts: new(Counts)}
			r := client.Exchange(context.Background(), p.at, asked)
			if r.Failure != test.failure {
				t.Fatalf("failure %q (%+v), want %q", r.Failure, r.Detail, test.failure)
			}
			if (r.Failure != "") != (r.Detail.Kind != "") {
				t.Errorf("failure %q, detail %+v", r.Failure, r.Detail)
			}
			if got := chainText(r.Chain); got != test.chain {
				t.Errorf("chain %q, want %q", got, test.chain)
			}
			if test.check != nil {
				test.check(t, &r)
			}
			var counted uint64
			for _, c := range client.Counts.All() {
				counted += c.Count
			}
			if counted < 1 || counted > uint64(r.Tries)+2 {
				t.Errorf("%d tries, counted %d: %v", r.Tries, counted, client.Counts.All())
			}
		})
	}
}

func chainText(chain []measurement.Record) string {
	var parts []string
	for _, r := range chain {
		value := r.Target
		if r.Addr.IsValid() {
			value = r.Addr.String()
		}
		parts = append(parts, fmt.Sprintf("%s %d %s", r.Owner, r.TTL, value))
	}
	return strings.Join(parts, ", ")
}

// TestExchangeQuestion checks the bits that select a cache entry.
func TestExchangeQuestion(t *testing.T) {
	seen := make(chan *dns.Msg, 2)
	p := listen(t, func(q *dns.Msg, _ int) [][]byte { seen <- q; return one(reply(q, good)) }, nil)
	client := &Client{Resolver: once, Authority: once}
	for _, recursive := range []bool{true, false} {
		q := asked
		q.Recursive = recursive
		client.Exchange(context.Background(), p.at, q)
		m := <-seen
		opt := m.IsEdns0()
		if m.RecursionDesired != recursive || m.CheckingDisabled || m.AuthenticatedData || m.Question[0].Name != host ||
			opt == nil || opt.Do() || opt.UDPSize() != udpSize || len(opt.Option) != 0 {
			t.Errorf("asked\n%v", m)
		}
	}
}

// TestExchangeIgnoresOtherSenders has an attacker know id and port, but send from another address.
func TestExchangeIgnoresOtherSenders(t *testing.T) {
	spoofer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer spoofer.Close()
	local := make(chan net.Addr, 1)
	p := listen(t, func(q *dns.Msg, _ int) [][]byte {
		_, _ = spoofer.WriteTo(pack(reply(q, host+" 60 IN A 192.0.2.66")), <-local)
		return one(reply(q, good))
	}, nil)
	client := &Client{Resolver: once, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			local <- conn.LocalAddr()
		}
		return conn, err
	}}
	r := client.Exchange(context.Background(), p.at, asked)
	if got := chainText(r.Chain); got != "host.example. 60 198.51.100.1" {
		t.Errorf("took %q", got)
	}
}

func TestExchangeUnreachable(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := packets.LocalAddr().(*net.UDPAddr).AddrPort()
	packets.Close()
	client := &Client{Resolver: long}
	if r := client.Exchange(context.Background(), at, asked); r.Failure != measurement.DNSUnreachable {
		t.Errorf("%q (%+v)", r.Failure, r.Detail)
	}
	client.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
	}
	if r := client.Exchange(context.Background(), at, asked); r.Failure != measurement.DNSUnreachable || r.Tries != 0 {
		t.Errorf("%q (%+v)", r.Failure, r.Detail)
	}
}

// answers is a function that implements lab.Answerer.
type answers func(q *dns.Msg, now time.Time) *dns.Msg

func (f answers) Answer(q *dns.Msg, now time.Time) *dns.Msg { return f(q, now) }

var somewhere = netip.MustParseAddrPort("192.0.2.1:53")

// TestExchangeTimers checks durations exactly, in virtual time.
func TestExchangeTimers(t *testing.T) {
	silent := answers(func(*dns.Msg, time.Time) *dns.Msg { return nil })
	servfail := answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
		m := reply(q)
		m.Rcode = dns.RcodeServerFailure
		return m
	})
	after := func(n int) lab.Answerer {
		var asked atomic.Int32
		return answers(func(q *dns.Msg, _ time.Time) *dns.Msg {
			if int(asked.Add(1)) <= n {
				return nil
			}
			return reply(q, good)
		})
	}
	patient := Query{Name: host, Type: dns.TypeA, Recursive: true, Patience: MaxPatience}
	for _, test := range []struct {
		name    string
		server  lab.Answerer
		query   Query
		round   time.Duration // of the context; 0: no limit
		failure measurement.DNSFailure
		took    time.Duration
		tries   int
	}{
		{"silent resolver: timeout after its patience", silent, asked, 0, measurement.DNSTimeout, 2500 * time.Millisecond, 3},
		{"silent authoritative server: timeout after its patience", silent, Query{Name: host, Type: dns.TypeA}, 0, measurement.DNSTimeout, 1200 * time.Millisecond, 2},
		{"the round ends first: out of time", silent, asked, 400 * time.Millisecond, measurement.DNSOutOfTime, 400 * time.Millisecond, 1},
		{"the round ends later: timeout", silent, asked, 9 * time.Second, measurement.DNSTimeout, 2500 * time.Millisecond, 3},
		{"the third datagram arrives: an answer", after(2), asked, 0, "", 1800 * time.Millisecond, 3},
		{"patience of a look-up, silent: timeout after it", silent, patient, 0, measurement.DNSTimeout, 5 * time.Second, 4},
		{"patience of a look-up, the third datagram arrives: an answer", after(2), patient, 0, "", 1800 * time.Millisecond, 3},
		{"a short patience, silent: three datagrams", silent, Query{Name: host, Type: dns.TypeA, Recursive: true, Patience: 2 * time.Second}, 0, measurement.DNSTimeout, 2 * time.Second, 3},
		{"one datagram only, silent: out of time", silent, Query{Name: host, Type: dns.TypeA, Recursive: true, Patience: 100 * time.Millisecond}, 0, measurement.DNSOutOfTime, 100 * time.Millisecond, 1},
		{"SERVFAIL: asked once more after a pause", servfail, asked, 0, measurement.DNSServFail, 200 * time.Millisecond, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := new(lab.Network)
				n.Put(somewhere, test.server)
				ctx, cancel := context.WithCancel(context.Background())
				if test.round > 0 {
					ctx, cancel = context.WithTimeout(ctx, test.round)
				}
				defer cancel()
				began := time.Now()
				r := (&Client{Dial: n.Dial}).Exchange(ctx, somewhere, test.query)
				if took := time.Since(began); r.Failure != test.failure || took != test.took || r.Tries != test.tries {
					t.Errorf("%q after %v with %d tries; want %q after %v with %d", r.Failure, took, r.Tries, test.failure, test.took, test.tries)
				}
			})
		})
	}
}

// TestExchangeSlowServer has a server answer after some time, as a forwarder does whose first upstream is dead.
func TestExchangeSlowServer(t *testing.T) {
	for _, test := range []struct {
		name    string
		delay   time.Duration
		failure measurement.DNSFailure
		took    time.Duration
	}{
		{"3 s: the answer", 3 * time.Second, "", 3 * time.Second},
		{"4.9 s: the answer", 4900 * time.Millisecond, "", 4900 * time.Millisecond},
		{"6 s: timeout", 6 * time.Second, measurement.DNSTimeout, MaxPatience},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rawServer{delay: test.delay, answer: func(q *dns.Msg) []byte { return pack(reply(q, good)) }}
				q := asked
				q.Patience = MaxPatience
				began := time.Now()
				r := (&Client{Dial: s.dial}).Exchange(context.Background(), somewhere, q)
				if took := time.Since(began); r.Failure != test.failure || took != test.took || r.WithoutEDNS {
					t.Errorf("%q after %v, without EDNS %v", r.Failure, took, r.WithoutEDNS)
				}
				if r.Failure != "" && (r.Detail.N != r.Tries || r.Detail.After != MaxPatience) {
					t.Errorf("detail %+v of %d tries", r.Detail, r.Tries)
				}
				pass(test.delay) // until the late answers have been sent
			})
		})
	}
}

func TestExchangeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errors.New("hung up")) })
		r := (&Client{Dial: new(lab.Network).Dial, Counts: new(Counts)}).Exchange(ctx, somewhere, asked)
		if r.Failure != measurement.DNSOutOfTime || !r.Received.IsZero() {
			t.Errorf("%+v", r.Answer)
		}
	})
}
