package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream is what tests need of a TCP connection; *net.TCPConn and *Conn have it.
type stream interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// datagrams is what tests need of a UDP socket; *net.UDPConn and *PacketConn have it.
type datagrams interface {
	net.PacketConn
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error)
}

// implementation is the kernel's loopback or a Network.
type implementation struct {
	dial         func(ctx context.Context, network, address string) (net.Conn, error)
	listen       func(at netip.AddrPort) (net.Listener, error)
	listenPacket func(at netip.AddrPort) (datagrams, error)
}

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

func implementations() map[string]implementation {
	memory := &Network{Delay: time.Millisecond}
	return map[string]implementation{
		"kernel": {
			dial: new(net.Dialer).DialContext,
			listen: func(at netip.AddrPort) (net.Listener, error) {
				return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
			},
			listenPacket: func(at netip.AddrPort) (datagrams, error) { return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)) },
		},
		"memory": {
			dial:         memory.Dial,
			listen:       func(at netip.AddrPort) (net.Listener, error) { return memory.Listen(at) },
			listenPacket: func(at netip.AddrPort) (datagrams, error) { return memory.ListenPacket(at) },
		},
	}
}

// pair connects two ends over an implementation.
func pair(t *testing.T, with implementation) (client, server stream) {
	t.Helper()
	listener, err := with.listen(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := with.dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(stream), s.(stream)
}

// read reads once and describes the result: the data, or the error.
func read(c net.Conn) string {
	buffer := make([]byte, 64)
	n, err := c.Read(buffer)
	return describe(buffer[:n], err)
}

// describe names an error by what callers ask of it.
func describe(data []byte, err error) string {
	switch err { //nolint:errorlint // a connection returns io.EOF unwrapped
	case nil:
		return string(data)
	case io.EOF: //nolint:errorlint // the same
		return "EOF"
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		return "not a net.OpError: " + err.Error()
	}
	timeout := ""
	if op.Timeout() {
		timeout = ", timeout"
	}
	for name, target := range map[string]error{
		"ECONNREFUSED": syscall.ECONNREFUSED, "ECONNRESET": syscall.ECONNRESET, "EPIPE": syscall.EPIPE, "closed": net.ErrClosed,
		"EADDRINUSE": syscall.EADDRINUSE, "EMSGSIZE": syscall.EMSGSIZE, "deadline": os.ErrDeadlineExceeded, "context": context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return name + timeout
		}
	}
	return "another error: " + err.Error()
}

// TestNetworkBehavesLikeTheKernel runs every case on loopback sockets and in memory: both must give the same results.
func TestNetworkBehavesLikeTheKernel(t *testing.T) {
	write := func(c net.Conn, text string) string {
		_, err := c.Write([]byte(text))
		return describe([]byte("written"), err)
	}
	for name, test := range map[string]struct {
		do   func(t *testing.T, with implementation) []string
		want []string
	}{
		"nothing listens: refused": {func(t *testing.T, with implementation) []string {
			listener, err := with.listen(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			listener.Close()
			_, err = with.dial(t.Context(), "tcp", listener.Addr().String())
			return []string{describe(nil, err)}
		}, []string{"ECONNREFUSED"}},
		"context over before the dial: its error": {func(t *testing.T, with implementation) []string {
			ctx, cancel := context.WithTimeout(t.Context(), -1)
			defer cancel()
			_, err := with.dial(ctx, "tcp", "127.0.0.1:1")
			return []string{describe(nil, err)}
		}, []string{"context, timeout"}},
		"address taken: in use": {func(t *testing.T, with implementation) []string {
			listener, err := with.listen(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			_, err = with.listen(netip.MustParseAddrPort(listener.Addr().String()))
			return []string{describe(nil, err)}
		}, []string{"EADDRINUSE"}},
		"listener closed: accept ends": {func(t *testing.T, with implementation) []string {
			listener, err := with.listen(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			listener.Close()
			_, err = listener.Accept()
			return []string{describe(nil, err)}
		}, []string{"closed"}},
		"data both ways: read in pieces": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			out := []string{write(c, "question"), read(s), write(s, "answer")}
			three := make([]byte, 3)
			_, err := io.ReadFull(c, three)
			return append(out, describe(three, err), read(c))
		}, []string{"written", "question", "written", "ans", "wer"}},
		"peer closes: EOF after its data": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			write(s, "last")
			s.Close()
			return []string{read(c), read(c), read(c)}
		}, []string{"last", "EOF", "EOF"}},
		"peer ends its direction: the other goes on": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			err := s.CloseWrite()
			return []string{describe([]byte("ended"), err), read(c), write(c, "still"), read(s), write(s, "no")}
		}, []string{"ended", "EOF", "written", "still", "EPIPE"}},
		"peer resets: reported once": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			_ = s.SetLinger(0)
			s.Close()
			return []string{read(c), read(c), write(c, "late")}
		}, []string{"ECONNRESET", "EOF", "EPIPE"}},
		"peer closes with unread data: reset": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			write(c, "never read")
			one := readOne(s) // so that the data has arrived
			s.Close()
			return []string{one, read(c)}
		}, []string{"n", "ECONNRESET"}},
		"write to a closed peer: answered by RST": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			s.Close()
			out := []string{read(c), write(c, "late")}
			// The RST is on its way; a write after its arrival fails.
			for range 1000 {
				if result := write(c, "again"); result != "written" {
					return append(out, result)
				}
				time.Sleep(time.Millisecond) //nolint:forbidigo // the kernel gives no sign of the arrival but this
			}
			return append(out, "never failed")
		}, []string{"EOF", "written", "EPIPE"}},
		"closed by ourselves: closed": {func(t *testing.T, with implementation) []string {
			c, _ := pair(t, with)
			c.Close()
			return []string{read(c), write(c, "late"), describe(nil, c.SetDeadline(time.Now())), describe(nil, c.Close())}
		}, []string{"closed", "closed", "closed", "closed"}},
		"closed while it reads: the read ends": {func(t *testing.T, with implementation) []string {
			c, _ := pair(t, with)
			time.AfterFunc(5*time.Millisecond, func() { c.Close() })
			return []string{read(c)}
		}, []string{"closed"}},
		"deadline comes while it reads: timeout": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			out := []string{read(c)}
			_ = c.SetReadDeadline(time.Time{})
			write(s, "late")
			return append(out, read(c))
		}, []string{"deadline, timeout", "late"}},
		"deadline has passed: timeout though data is there": {func(t *testing.T, with implementation) []string {
			c, s := pair(t, with)
			write(s, "ab")
			out := []string{readOne(c)}
			_ = c.SetDeadline(time.Unix(1, 0))
			return append(out, read(c), write(c, "x"))
		}, []string{"a", "deadline, timeout", "deadline, timeout"}},
		"peer does not read: the write ends at its deadline": {func(t *testing.T, with implementation) []string {
			c, _ := pair(t, with)
			_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			_, err := c.Write(make([]byte, 64<<20))
			return []string{describe(nil, err)}
		}, []string{"deadline, timeout"}},
		"UDP socket there: question and answer": {func(t *testing.T, with implementation) []string {
			socket, err := with.listenPacket(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			c, err := with.dial(t.Context(), "udp", socket.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			out := []string{write(c, "question")}
			buffer := make([]byte, 4) // the rest of the datagram is lost
			n, from, err := socket.ReadFromUDPAddrPort(buffer)
			out = append(out, describe(buffer[:n], err))
			if from.String() != c.LocalAddr().String() {
				t.Errorf("from %v, want %v", from, c.LocalAddr())
			}
			_, err = socket.WriteToUDPAddrPort([]byte("answer"), from)
			return append(out, describe([]byte("sent"), err), read(c))
		}, []string{"written", "ques", "sent", "answer"}},
		"UDP port closed: refused once": {func(t *testing.T, with implementation) []string {
			socket, err := with.listenPacket(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			c, err := with.dial(t.Context(), "udp", socket.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			socket.Close()
			out := []string{write(c, "question"), read(c)}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			return append(out, read(c))
		}, []string{"written", "ECONNREFUSED", "deadline, timeout"}},
		"UDP datagram of a third party: not for a connected socket": {func(t *testing.T, with implementation) []string {
			socket, err := with.listenPacket(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			third, err := with.listenPacket(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer third.Close()
			c, err := with.dial(t.Context(), "udp", socket.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			to := netip.MustParseAddrPort(c.LocalAddr().String())
			_, _ = third.WriteToUDPAddrPort([]byte("foreign"), to)
			_, _ = socket.WriteToUDPAddrPort([]byte("own"), to)
			return []string{read(c)}
		}, []string{"own"}},
		"UDP datagram of 64 KiB: too large": {func(t *testing.T, with implementation) []string {
			socket, err := with.listenPacket(anyPort)
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			_, err = socket.WriteTo(make([]byte, 1<<16), socket.LocalAddr())
			return []string{describe(nil, err)}
		}, []string{"EMSGSIZE"}},
	} {
		for where, with := range implementations() {
			t.Run(name+"/"+where, func(t *testing.T) {
				got := test.do(t, with)
				if len(got) != len(test.want) {
					t.Fatalf("got %q, want %q", got, test.want)
				}
				for i := range got {
					if got[i] != test.want[i] {
						t.Errorf("step %d: got %q, want %q", i, got[i], test.want[i])
					}
				}
			})
		}
	}
}

// readOne reads one byte.
func readOne(c net.Conn) string {
	one := make([]byte, 1)
	n, err := c.Read(one)
	return describe(one[:n], err)
}

func TestAddressesAreThoseOfPackageNet(t *testing.T) {
	for where, with := range implementations() {
		c, s := pair(t, with)
		for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr()} {
			if at, ok := a.(*net.TCPAddr); !ok || !at.AddrPort().Addr().IsLoopback() || at.Port == 0 {
				t.Errorf("%s: %T %v", where, a, a)
			}
		}
		if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != s.LocalAddr().String() {
			t.Errorf("%s: the ends disagree: %v and %v, %v and %v", where, c.LocalAddr(), s.RemoteAddr(), c.RemoteAddr(), s.LocalAddr())
		}
	}
}
