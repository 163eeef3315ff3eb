package sockclock

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestElapsed scripts exchanges in memory, by the clock of this process.
func TestElapsed(t *testing.T) {
	const second = time.Second
	for name, test := range map[string]struct {
		script func(t *testing.T, c *Conn)
		want   time.Duration
	}{
		"nothing written: 0": {func(*testing.T, *Conn) { wait(second) }, 0},
		"not answered: until now": {func(_ *testing.T, c *Conn) {
			write(c)
			wait(3 * second)
		}, 3 * second},
		"answered: until the answer": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			wait(5 * second)
		}, 2 * second},
		"time before the first write: not included": {func(t *testing.T, c *Conn) {
			wait(7 * second)
			write(c)
			read(t, c)
		}, 2 * second},
		"answer to the answer: time of this process not included": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			wait(7 * second)
			write(c)
			read(t, c)
		}, 4 * second},
		"two writes after an answer: the first one ends this process's time": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			wait(7 * second)
			write(c)
			wait(second)
			write(c)
			read(t, c)
			read(t, c)
		}, 5 * second},
		"written again after a silence: the silence included": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			silence(t, c, 9*second)
			write(c)
			read(t, c)
		}, 13 * second},
		"silence after an answer: until now": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			silence(t, c, 9*second)
		}, 11 * second},
		"written after the answer: until the answer": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			wait(5 * second)
			write(c)
		}, 2 * second},
		"a second exchange: only that": {func(t *testing.T, c *Conn) {
			write(c)
			read(t, c)
			wait(second)
			c.Begin()
			wait(second)
			write(c)
			read(t, c)
		}, 2 * second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &memnet.Network{Delay: second}
				at := netip.MustParseAddrPort("198.51.100.1:5684")
				socket, err := network.ListenPacket(at)
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				go func() {
					for buf := make([]byte, 1); ; {
						n, from, err := socket.ReadFrom(buf)
						if err != nil {
							return
						}
						_, _ = socket.WriteTo(buf[:n], from)
					}
				}()
				conn, err := network.Dial(context.Background(), "udp", at.String())
				if err != nil {
					t.Fatal(err)
				}
				c := New(conn)
				defer c.Close()
				test.script(t, c)
				if got := c.Elapsed(); got != test.want {
					t.Errorf("%v, want %v", got, test.want)
				}
			})
		})
	}
}

func wait(d time.Duration) { <-time.After(d) }
func write(c *Conn)        { _, _ = c.Write([]byte{1}) }

func read(t *testing.T, c *Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Time{})
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// silence reads until the deadline.
func silence(t *testing.T, c *Conn, d time.Duration) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestArrivalOf(t *testing.T) {
	const ms = time.Millisecond
	began := reading{wall: 1000 * ms, mono: 50 * ms}
	for name, test := range map[string]struct {
		stamp time.Duration
		at    reading
		want  time.Duration
		ok    bool
	}{
		"read 5 ms after the arrival: the arrival":      {1020 * ms, reading{1025 * ms, 75 * ms}, 70 * ms, true},
		"read at once: the arrival":                     {1020 * ms, reading{1020 * ms, 70 * ms}, 70 * ms, true},
		"clocks read some time apart: the arrival":      {1020 * ms, reading{1025*ms + tolerance/2, 75 * ms}, 70*ms - tolerance/2, true},
		"wall clock set forward: not known":             {1020 * ms, reading{1525 * ms, 75 * ms}, 0, false},
		"wall clock set back: not known":                {1020 * ms, reading{925 * ms, 75 * ms}, 0, false},
		"wall clock set by less than a round trip":      {1020 * ms, reading{1026 * ms, 75 * ms}, 0, false},
		"lost the processor between the clocks":         {1020 * ms, reading{1025 * ms, 79 * ms}, 0, false},
		"arrived before the exchange began: not of it":  {990 * ms, reading{1025 * ms, 75 * ms}, 0, false},
		"stamp of the future: not of it":                {1030 * ms, reading{1025 * ms, 75 * ms}, 0, false},
		"set forward before the exchange: not of it":    {400 * ms, reading{1025 * ms, 75 * ms}, 0, false},
		"set back before the exchange: not of it":       {1400 * ms, reading{1025 * ms, 75 * ms}, 0, false},
		"a day between the readings, in step: in order": {1020 * ms, reading{1000*ms + 24*time.Hour, 50*ms + 24*time.Hour}, 70 * ms, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := arrivalOf(test.stamp, began, test.at)
			if ok != test.ok || ok && got != test.want {
				t.Errorf("%v, %v; want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestConnect(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		info TCPInfo
		took time.Duration
		want time.Duration
	}{
		"no TCP_INFO: the clock":             {TCPInfo{}, 30 * ms, 30 * ms},
		"woken late: the kernel's":           {TCPInfo{RTT: 20 * ms}, 30 * ms, 20 * ms},
		"a lost SYN: the clock":              {TCPInfo{RTT: 20 * ms, Retransmitted: 1}, 1030 * ms, 1030 * ms},
		"longer than the clock: the clock":   {TCPInfo{RTT: 40 * ms}, 30 * ms, 30 * ms},
		"other counters do not matter to it": {TCPInfo{RTT: 20 * ms, Acked: 1, OutOfOrder: 1}, 30 * ms, 20 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Connect(test.info, test.took); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// pair returns both ends of a connection over real sockets on loopback.
func pair(t *testing.T, network string) (client, server net.Conn) {
	t.Helper()
	switch network {
	case "tcp":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if server, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
	case "udp":
		first, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		at := first.LocalAddr()
		if client, err = net.Dial("udp", at.String()); err != nil {
			t.Fatal(err)
		}
		_ = first.Close()
		if server, err = (&net.Dialer{LocalAddr: at}).Dial("udp", client.LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// TestReadAsNet compares the results and errors of reads with those of package net.
func TestReadAsNet(t *testing.T) {
	for name, test := range map[string]struct {
		network string
		before  func(client, server net.Conn)
		reads   int
		is      error
	}{
		"TCP, data then FIN": {"tcp", func(_, server net.Conn) {
			_, _ = server.Write([]byte("hello"))
			_ = server.Close()
		}, 3, io.EOF},
		"TCP, reset": {"tcp", func(client, server net.Conn) {
			_ = server.(*net.TCPConn).SetLinger(0)
			_ = server.Close()
		}, 1, syscall.ECONNRESET},
		"TCP, deadline": {"tcp", func(client, _ net.Conn) { _ = client.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }, 1, os.ErrDeadlineExceeded},
		"TCP, deadline passed although data waits": {"tcp", func(client, server net.Conn) {
			_, _ = server.Write([]byte("hello"))
			_ = client.SetReadDeadline(time.Unix(1, 0))
		}, 1, os.ErrDeadlineExceeded},
		"TCP, closed": {"tcp", func(client, _ net.Conn) { _ = client.Close() }, 1, net.ErrClosed},
		"UDP, data, an empty datagram, data": {"udp", func(client, server net.Conn) {
			for _, text := range []string{"one", "", "longer than the buffer"} {
				_, _ = server.Write([]byte(text))
			}
			_ = client.SetReadDeadline(time.Now().Add(time.Second))
		}, 3, nil},
		"UDP, port unreachable": {"udp", func(client, server net.Conn) {
			_ = server.Close()
			_, _ = client.Write([]byte{1})
		}, 1, syscall.ECONNREFUSED},
	} {
		t.Run(name, func(t *testing.T) {
			type result struct {
				text string
				err  error
			}
			var got [2][]result
			for i, wrapped := range []bool{false, true} {
				client, server := pair(t, test.network)
				conn := client
				if wrapped {
					conn = New(client)
				}
				test.before(client, server)
				buf := make([]byte, 4)
				for range test.reads {
					n, err := conn.Read(buf)
					got[i] = append(got[i], result{string(buf[:n]), err})
				}
				last := got[i][len(got[i])-1].err
				if !errors.Is(last, test.is) {
					t.Errorf("wrapped %v: %v, want %v", wrapped, last, test.is)
				}
				var op *net.OpError
				if last != nil && !errors.Is(last, io.EOF) && (!errors.As(last, &op) || op.Op != "read" || op.Addr == nil || op.Source == nil) {
					t.Errorf("wrapped %v: %#v", wrapped, last)
				}
			}
			for i := range got[0] {
				if got[0][i].text != got[1][i].text || (got[0][i].err == nil) != (got[1][i].err == nil) {
					t.Errorf("read %d: %q, %v; want %q, %v", i, got[1][i].text, got[1][i].err, got[0][i].text, got[0][i].err)
				}
			}
		})
	}
}
