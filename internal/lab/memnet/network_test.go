package memnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var cloud = netip.MustParseAddrPort("198.51.100.1:5684")

// listen starts a listener that ends with the test.
func listen(t *testing.T, n *Network, at netip.AddrPort) *Listener {
	t.Helper()
	l, err := n.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestDialTakesAsLongAsOverANetwork(t *testing.T) {
	for name, test := range map[string]struct {
		filter  func(tries int) Verdict // of the SYNs
		backlog int
		limit   time.Duration // of the dial; 0: none
		took    time.Duration
		err     error
	}{
		"nothing in the way: one round trip":         {nil, 1, 0, 20 * time.Millisecond, nil},
		"rejected: one round trip":                   {func(int) Verdict { return Reject }, 1, 0, 10 * time.Millisecond, syscall.ECONNREFUSED},
		"host unreachable: ICMP":                     {func(int) Verdict { return Unreachable }, 1, 0, 10 * time.Millisecond, syscall.EHOSTUNREACH},
		"dropped: until the deadline":                {func(int) Verdict { return Drop }, 1, 3 * time.Second, 3 * time.Second, context.DeadlineExceeded},
		"dropped without a deadline: as Linux tries": {func(int) Verdict { return Drop }, 1, 0, 127 * time.Second, syscall.ETIMEDOUT},
		"first SYN lost: one second more": {func(tries int) Verdict {
			if tries == 1 {
				return Drop
			}
			return Pass
		}, 1, 0, time.Second + 20*time.Millisecond, nil},
		"backlog full: until the deadline": {nil, 0, 3 * time.Second, 3 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &Network{Delay: 10 * time.Millisecond}
				listen(t, n, cloud).SetBacklog(test.backlog)
				if test.filter != nil {
					tries := 0
					n.SetFilter(func(p Packet) Verdict {
						if p.SYN {
							tries++
						}
						return test.filter(tries)
					})
				}
				ctx := t.Context()
				if test.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				began := time.Now()
				conn, err := n.Dial(ctx, "tcp", cloud.String())
				if took := time.Since(began); took != test.took || !errors.Is(err, test.err) {
					t.Errorf("%v after %v, want %v after %v", err, took, test.err, test.took)
				}
				if err == nil {
					conn.Close()
				}
			})
		})
	}
}

func TestDialThatWasGivenUpLeavesNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: time.Second}
		l := listen(t, n, cloud)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // the SYN has arrived, its answer has not
		defer cancel()
		if _, err := n.Dial(ctx, "tcp", cloud.String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if got := read(server); got != "ECONNRESET" {
			t.Errorf("the server's end: %s", got)
		}
	})
}

func TestBacklogHasRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{}
		l := listen(t, n, cloud)
		l.SetBacklog(1)
		first, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		time.AfterFunc(1500*time.Millisecond, func() {
			if server, err := l.Accept(); err == nil {
				server.Close()
			}
		})
		began := time.Now()
		second, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil || time.Since(began) != 3*time.Second { // the third SYN finds room
			t.Errorf("%v after %v", err, time.Since(began))
		}
		second.Close()
	})
}

func TestDataArrivesInOrderAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: 100 * time.Millisecond}
		l := listen(t, n, cloud)
		client, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		began := time.Now()
		var want strings.Builder
		for i := range 1000 {
			text := fmt.Sprintln(i)
			want.WriteString(text)
			if _, err := io.WriteString(client, text); err != nil {
				t.Fatal(err)
			}
		}
		client.Close()
		got, err := io.ReadAll(server)
		if err != nil || string(got) != want.String() || time.Since(began) != n.Delay {
			t.Errorf("%d of %d bytes after %v: %v", len(got), want.Len(), time.Since(began), err)
		}
	})
}

func TestWriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: time.Millisecond}
		l := listen(t, n, cloud)
		client, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, window+1))
			written <- err
		}()
		synctest.Wait()
		select {
		case err := <-written:
			t.Errorf("did not wait: %v", err)
		default:
		}
		if _, err := io.ReadFull(server, make([]byte, window+1)); err != nil {
			t.Error(err)
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
		server.Close()
	})
}

func TestWriteEndsWhenThePeerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: time.Millisecond}
		l := listen(t, n, cloud)
		client, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		time.AfterFunc(time.Second, func() { client.Close() })
		block := make([]byte, 16<<10)
		for err == nil {
			_, err = server.Write(block)
		}
		if got := describe(nil, err); got != "ECONNRESET" {
			t.Errorf("an endless write ended with %s", got)
		}
	})
}

func TestFilterOnAConnectionThatStands(t *testing.T) {
	for name, test := range map[string]struct {
		verdict Verdict
		server  string // what its read reports within a minute
		client  string
	}{
		"dropped: silence on both sides": {Drop, "deadline, timeout", "deadline, timeout"},
		"unreachable: as dropped":        {Unreachable, "deadline, timeout", "deadline, timeout"},
		"rejected: RST to the sender":    {Reject, "deadline, timeout", "ECONNRESET"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &Network{Delay: time.Millisecond}
				l := listen(t, n, cloud)
				client, err := n.Dial(t.Context(), "tcp", cloud.String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				server, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
				n.SetFilter(func(p Packet) Verdict {
					if p.To == cloud {
						return test.verdict
					}
					return Pass
				})
				if _, err := client.Write([]byte("lost")); err != nil {
					t.Fatal(err)
				}
				n.SetFilter(nil) // what was lost stays lost
				_, _ = client.Write([]byte("lost too"))
				for end, want := range map[net.Conn]string{server: test.server, client: test.client} {
					_ = end.SetReadDeadline(time.Now().Add(time.Minute))
					if got := read(end); got != want {
						t.Errorf("%v: %s, want %s", end.LocalAddr(), got, want)
					}
				}
			})
		})
	}
}

func TestFilterOnDatagrams(t *testing.T) {
	for name, test := range map[string]struct {
		verdict Verdict
		want    string
	}{
		"passed":           {Pass, "hello"},
		"dropped: silence": {Drop, "deadline, timeout"},
		"rejected: ICMP":   {Reject, "ECONNREFUSED"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &Network{Delay: time.Millisecond}
				socket, err := n.ListenPacket(cloud)
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				go func() {
					buffer := make([]byte, 16)
					for {
						size, from, err := socket.ReadFromUDPAddrPort(buffer)
						if err != nil {
							return
						}
						_, _ = socket.WriteToUDPAddrPort(buffer[:size], from)
					}
				}()
				n.SetFilter(func(p Packet) Verdict {
					if p.To == cloud {
						return test.verdict
					}
					return Pass
				})
				conn, err := n.Dial(t.Context(), "udp", cloud.String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = conn.Write([]byte("hello"))
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				if got := read(conn); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestListenerThatClosesResetsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Network{Delay: time.Millisecond}
		l := listen(t, n, cloud)
		conn, err := n.Dial(t.Context(), "tcp", cloud.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		l.Close()
		if got := read(conn); got != "ECONNRESET" {
			t.Error(got)
		}
	})
}

func TestDialOfSomethingElse(t *testing.T) {
	n := new(Network)
	for address, network := range map[string]string{"name.test:1": "tcp", "127.0.0.1:1": "unix"} {
		if _, err := n.Dial(t.Context(), network, address); err == nil {
			t.Errorf("%s %s is dialled", network, address)
		}
	}
}
