package path

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// openSession walks a session to its finish.
func openSession(t *testing.T, l *lab.Lab) Session {
	t.Helper()
	w := &Walker{Patience: brisk, Credential: stranger(t, l)}
	s := w.Session(Target{Address: addressOf(t, l, bootstrap, evidence.TCP), Transport: evidence.TCP, Client: evidence.Device})
	t.Cleanup(s.Close)
	if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
		t.Fatalf("no session: %+v", s.Outcome())
	}
	return s
}

func shortly(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestASessionIsPingedAgainAfterASilence(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	s := openSession(t, l)
	for range 2 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(shortly(t, 20*time.Millisecond)); err != nil {
			t.Fatalf("listen: %v, want silence", err)
		}
	}
}

func TestASessionThatTheServerEndsIsNoticedInSilence(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], IdleLimit: 50 * time.Millisecond})
	s := openSession(t, l)
	if err := s.Listen(shortly(t, 5*time.Second)); !errors.Is(err, ErrEnded) {
		t.Errorf("listen: %v, want ErrEnded", err)
	}
}

func TestANATThatForgetsLosesThePing(t *testing.T) {
	for fault, want := range map[string]error{lab.NATForgets + ":50ms": ErrNoPong, lab.NATResets + ":50ms": ErrCut} {
		t.Run(fault, func(t *testing.T) {
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			inflict(t, l, bootstrap, evidence.TCP, fault)
			s := openSession(t, l)
			if err := s.Ping(t.Context()); err != nil {
				t.Fatalf("the first ping: %v", err)
			}
			if err := s.Listen(shortly(t, 200*time.Millisecond)); err != nil {
				t.Fatalf("listen: %v, want silence", err)
			}
			if err := s.Ping(t.Context()); !errors.Is(err, want) {
				t.Errorf("ping after the silence: %v, want %v", err, want)
			}
		})
	}
}

func TestAConnectionMayBeSilentBeforeItsHello(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	s := (&Walker{Patience: brisk}).Session(Target{Address: addressOf(t, l, bootstrap, evidence.TCP)})
	defer s.Close()
	if !s.Connect(t.Context()) {
		t.Fatal(s.Outcome())
	}
	if err := s.Listen(shortly(t, 50*time.Millisecond)); err != nil {
		t.Fatalf("listen: %v, want silence", err)
	}
	if !s.Hello(t.Context()) {
		t.Errorf("hello after a silence: %+v", s.Outcome())
	}
}

func TestWhatTheRoundCutsOffSaysNothingOfThePath(t *testing.T) {
	l := startLab(t, lab.Options{})
	for _, test := range []struct {
		fault  string
		client evidence.Client
		host   string
		in     evidence.Phase
	}{
		{lab.Drop, evidence.Device, bootstrap, evidence.Connect},
		{lab.Silence, evidence.Device, bootstrap, evidence.Hello},
		{lab.Drip, evidence.Device, bootstrap, evidence.Hello},
		{lab.Silence, evidence.Web, containers, evidence.Hello},
		{lab.NoPong, evidence.Device, bootstrap, evidence.Ping},
	} {
		for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 150*time.Millisecond)
			},
			"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(150*time.Millisecond, cancel)
				return ctx, cancel
			},
		} {
			t.Run(test.fault+"/"+string(test.client)+"/"+name, func(t *testing.T) {
				inflict(t, l, test.host, evidence.TCP, test.fault)
				ctx, cancel := end(t.Context())
				defer cancel()
				w := &Walker{Credential: stranger(t, l)}
				o := w.Walk(ctx, Target{
					Address: addressOf(t, l, test.host, evidence.TCP), Transport: evidence.TCP, Client: test.client, Host: test.host,
					Finish: true, Ping: true, WebRetry: true,
				})
				if o.Failure != evidence.OutOfTime || o.FailedIn != test.in || o.Web != nil {
					t.Errorf("%q in %q (%s), web %v; want out_of_time in %q", o.Failure, o.FailedIn, o.Detail, o.Web, test.in)
				}
			})
		}
	}
}

// answering listens on loopback and gives each connection to serve, which ends it.
func answering(t *testing.T, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestFailedHandshakesLeaveNoSocketOpen(t *testing.T) {
	hello := make([]byte, 4096)
	for name, end := range map[string]func(*net.TCPConn){
		"closed":  func(*net.TCPConn) {},
		"reset":   func(c *net.TCPConn) { _ = c.SetLinger(0) },
		"alert":   func(c *net.TCPConn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) },
		"not TLS": func(c *net.TCPConn) { _, _ = c.Write([]byte("HTTP/1.1 403 Forbidden\r\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			to := answering(t, func(c *net.TCPConn) {
				_, _ = c.Read(hello)
				end(c)
			})
			w := &Walker{Patience: brisk}
			before := descriptors(t)
			for range 250 {
				o := w.Walk(t.Context(), Target{Address: to, Transport: evidence.TCP, Client: evidence.Device, WebRetry: true, Host: "x.test"})
				if o.Failure == evidence.Completed || o.Failure == evidence.Internal {
					t.Fatalf("%q (%s), want a failed hello", o.Failure, o.Detail)
				}
			}
			if after := descriptors(t); after > before+2 {
				t.Errorf("%d descriptors open before, %d after", before, after)
			}
		})
	}
}

func TestAServerThatEndsTheSessionAfterOurCertificateNeedsAnother(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		"closed": func(*net.TCPConn) {},
		"reset":  func(c *net.TCPConn) { _ = c.SetLinger(0) },
	} {
		t.Run(name, func(t *testing.T) {
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			to := addressOf(t, l, bootstrap, evidence.TCP)
			front := answering(t, func(c *net.TCPConn) { relayFlight(c, to); end(c) })
			w := &Walker{Patience: brisk, Credential: stranger(t, l)}
			o := w.Walk(t.Context(), Target{Address: front, Transport: evidence.TCP, Client: evidence.Device, Finish: true})
			if o.Failure != evidence.CertificateNeeded || o.FailedIn != evidence.Finish || !slices.Equal(phasesOf(o), greeted) || !o.TLS.KeyProved {
				t.Errorf("%q in %q after %v (%s)", o.Failure, o.FailedIn, phasesOf(o), o.Detail)
			}
		})
	}
}

// relayFlight lets the hello and the server's flight through and swallows the client's answer.
func relayFlight(c *net.TCPConn, to netip.AddrPort) {
	server, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	defer server.Close()
	buf := make([]byte, 8192)
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		n, err := way[0].Read(buf)
		if err != nil {
			return
		}
		_, _ = way[1].Write(buf[:n])
	}
	_, _ = c.Read(buf)
}
