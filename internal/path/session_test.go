package path

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// openSession walks a session to its finish.
func openSession(t *testing.T, l *lab.Lab, transport measurement.Transport, patience Patience) Session {
	t.Helper()
	w := &Walker{Patience: patience, Credential: stranger(t, l)}
	s := w.Session(Target{Address: addressOf(t, l, bootstrap, transport), Transport: transport, Client: measurement.Device})
	t.Cleanup(s.Close)
	if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
		t.Fatalf("no session: %+v", s.Outcome())
	}
	return s
}

// overBoth runs a test for each transport.
func overBoth(t *testing.T, test func(*testing.T, measurement.Transport)) {
	for _, transport := range []measurement.Transport{measurement.TCP, measurement.UDP} {
		t.Run(string(transport), func(t *testing.T) { test(t, transport) })
	}
}

func shortly(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestASessionIsPingedAgainAfterASilence(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
		s := openSession(t, l, transport, patient)
		for range 2 {
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Listen(shortly(t, 20*time.Millisecond)); err != nil {
				t.Fatalf("listen: %v, want silence", err)
			}
		}
	})
}

func TestThePingSpeaksTheFramingThatItIsTold(t *testing.T) {
	for _, server := range []measurement.Framing{measurement.RFC7252, measurement.RFC8323} {
		for _, client := range []measurement.Framing{measurement.RFC7252, measurement.RFC8323} {
			t.Run(string(client)+" to "+string(server), func(t *testing.T) {
				t.Parallel()
				l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], CoAP: lab.CoAP{Framed: server == measurement.RFC8323}})
				patience, want := patient, error(nil)
				if client != server {
					patience, want = silentIn(measurement.Ping), ErrNoPong
				}
				w := &Walker{Patience: patience, Credential: stranger(t, l)}
				s := w.Session(Target{Address: addressOf(t, l, bootstrap, measurement.TCP), Framing: client})
				defer s.Close()
				if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
					t.Fatalf("no session: %+v", s.Outcome())
				}
				for range 2 {
					if err := s.Ping(t.Context()); !errors.Is(err, want) || want == nil && err != nil {
						t.Errorf("ping: %v, want %v", err, want)
					}
				}
				if o := s.Outcome(); o.Failure != measurement.Completed || o.Ponged != (want == nil) {
					t.Errorf("%+v", o)
				}
			})
		}
	}
}

// idleLimit is when servers send away who is silent: far from how long we take on a busy machine.
const idleLimit = 2 * time.Second

func TestASessionThatTheServerEndsIsNoticedInSilence(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], IdleLimit: idleLimit})
	s := openSession(t, l, measurement.TCP, patient)
	if err := s.Listen(shortly(t, time.Minute)); !errors.Is(err, ErrEnded) {
		t.Errorf("listen: %v, want ErrEnded", err)
	}
}

func TestADTLSServersFarewellIsNoticedInSilence(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	ctx, end := context.WithCancel(t.Context())
	server := &lab.DTLSServer{Certificate: leafOf(t, lab.Leaf{CommonName: "server.test"})}
	if err := server.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer end()
	s := (&Walker{Patience: patient, Credential: stranger(t, l)}).Session(Target{Address: server.Address(), Transport: measurement.UDP})
	defer s.Close()
	if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
		t.Fatalf("no session: %+v", s.Outcome())
	}
	if err := s.Ping(t.Context()); err != nil { // so that the server has its session too
		t.Fatal(err)
	}
	end()
	if err := s.Listen(shortly(t, time.Minute)); !errors.Is(err, ErrEnded) {
		t.Errorf("listen: %v, want ErrEnded", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a session that was ended was pinged")
	}
}

func TestAPingThatIsNotSentInTimeSaysNothingOfThePath(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
		tooLate := patient
		tooLate.Ping = time.Nanosecond
		s := openSession(t, l, transport, tooLate)
		err := s.Ping(t.Context())
		if o := s.Outcome(); !errors.Is(err, ErrUnsent) || o.Pinged || o.Failure != measurement.Completed {
			t.Errorf("ping: %v, and %+v; want ErrUnsent", err, o)
		}
	})
}

func TestICMPErrorsInSilence(t *testing.T) {
	for name, test := range map[string]struct {
		errs []error
		want error
	}{
		"port unreachable": {[]error{syscall.EHOSTUNREACH, syscall.ECONNREFUSED}, ErrCut},
		"one that passes":  {[]error{syscall.EHOSTUNREACH}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &fakeConn{changed: make(chan struct{}), errs: test.errs}
				w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
				s := w.Session(Target{Transport: measurement.UDP})
				defer s.Close()
				if !s.Connect(t.Context()) {
					t.Fatal(s.Outcome())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := s.Listen(ctx); !errors.Is(err, test.want) || test.want == nil && err != nil {
					t.Errorf("listen: %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestAPathThatGoesAwayLosesThePing(t *testing.T) {
	for _, test := range []struct {
		transport measurement.Transport
		fault     string
		want      error
	}{
		{measurement.TCP, lab.NATForgets + ":2s", ErrNoPong},
		{measurement.TCP, lab.NATResets + ":2s", ErrCut},
		{measurement.UDP, lab.NATForgets + ":2s", ErrNoPong},
	} {
		t.Run(string(test.transport)+"/"+test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			inflict(t, l, bootstrap, test.transport, test.fault)
			patience := patient
			if errors.Is(test.want, ErrNoPong) {
				patience = silentIn(measurement.Ping)
			}
			s := openSession(t, l, test.transport, patience)
			if err := s.Ping(t.Context()); err != nil {
				t.Fatalf("the first ping: %v", err)
			}
			if err := s.Listen(shortly(t, 2500*time.Millisecond)); err != nil {
				t.Fatalf("listen: %v, want silence", err)
			}
			if err := s.Ping(t.Context()); !errors.Is(err, test.want) {
				t.Errorf("ping after the silence: %v, want %v", err, test.want)
			}
			if o := s.Outcome(); o.Failure != measurement.Completed || o.Ponged || !o.Pinged {
				t.Errorf("a lost ping fails no walk: %+v", o)
			}
		})
	}
	t.Run("udp/port closed", func(t *testing.T) {
		l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
		s := openSession(t, l, measurement.UDP, patient)
		inflict(t, l, bootstrap, measurement.UDP, lab.Refuse)
		if err := s.Ping(t.Context()); !errors.Is(err, ErrCut) {
			t.Errorf("ping: %v, want ErrCut", err)
		}
	})
}

func TestAPathMayBeSilentBeforeItsHello(t *testing.T) {
	overBoth(t, func(t *testing.T, transport measurement.Transport) {
		l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
		s := (&Walker{Patience: patient}).Session(Target{Address: addressOf(t, l, bootstrap, transport), Transport: transport})
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
	})
}

func TestWhatTheRoundCutsOffSaysNothingOfThePath(t *testing.T) {
	const round = 2 * time.Second // enough to come to the phase that never ends
	for _, test := range []struct {
		fault     string
		transport measurement.Transport
		client    measurement.Client
		host      string
		in        measurement.Phase
	}{
		{lab.Drop, measurement.TCP, measurement.Device, bootstrap, measurement.Connect},
		{lab.Silence, measurement.TCP, measurement.Device, bootstrap, measurement.Hello},
		{lab.Drip, measurement.TCP, measurement.Device, bootstrap, measurement.Hello},
		{lab.Silence, measurement.TCP, measurement.Web, containers, measurement.Hello},
		{lab.NoPong, measurement.TCP, measurement.Device, bootstrap, measurement.Ping},
		{lab.Drop, measurement.UDP, measurement.Device, bootstrap, measurement.Hello},
		{lab.NoAnswerAfter, measurement.UDP, measurement.Device, bootstrap, measurement.Hello},
		{lab.NoPong, measurement.UDP, measurement.Device, bootstrap, measurement.Ping},
	} {
		for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, round)
			},
			"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(round, cancel)
				return ctx, cancel
			},
		} {
			t.Run(test.fault+"/"+string(test.transport)+"/"+string(test.client)+"/"+name, func(t *testing.T) {
				t.Parallel()
				l := startLab(t, lab.Options{Hosts: lab.Izuma()[:2]})
				inflict(t, l, test.host, test.transport, test.fault)
				ctx, cancel := end(t.Context())
				defer cancel()
				const long = time.Minute
				w := &Walker{Credential: stranger(t, l), Patience: Patience{Connect: long, Hello: long, Flight: long, Finish: long, Ping: long}}
				begun := time.Now()
				o := w.Walk(ctx, Target{
					Address: addressOf(t, l, test.host, test.transport), Transport: test.transport, Client: test.client, Host: test.host,
					Finish: true, Ping: true, WebRetry: true,
				})
				if o.Failure != measurement.OutOfTime || o.FailedIn != test.in || o.Web != nil {
					t.Errorf("%q in %q (%s), web %v; want out_of_time in %q", o.Failure, o.FailedIn, o.Detail.Text, o.Web, test.in)
				}
				if took := time.Since(begun); took > long/2 {
					t.Errorf("the walk ended %v after it began", took)
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

// answeringUDP answers each datagram that comes to a port of loopback.
func answeringUDP(t *testing.T, answer []byte) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer != nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestFailedHandshakesLeaveNothingBehind walks hundreds of failing paths over each transport, which end in each phase after the connect.
func TestFailedHandshakesLeaveNothingBehind(t *testing.T) {
	type path struct {
		target Target
		want   measurement.Failure
	}
	paths := make(map[string]path)
	for name, test := range map[string]struct {
		end  func(*net.TCPConn)
		want measurement.Failure
	}{
		"closed":  {func(*net.TCPConn) {}, measurement.Closed},
		"reset":   {func(c *net.TCPConn) { _ = c.SetLinger(0) }, measurement.Reset},
		"alert":   {func(c *net.TCPConn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }, measurement.Alert},
		"not TLS": {func(c *net.TCPConn) { _, _ = c.Write([]byte("HTTP/1.1 403 Forbidden\r\n")) }, measurement.HTTP},
	} {
		to := answering(t, func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4096))
			test.end(c)
		})
		paths["tcp/"+name] = path{Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, WebRetry: true, Host: "x.test"}, test.want}
	}
	for name, test := range map[string]path{
		"silent":    {Target{Address: answeringUDP(t, nil)}, measurement.Silent},
		"not DTLS":  {Target{Address: answeringUDP(t, []byte("who are you?"))}, measurement.NotTLS},
		"alert":     {Target{Address: answeringUDP(t, []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40})}, measurement.Alert},
		"malformed": {Target{Address: answeringUDP(t, append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 11}, make([]byte, 11)...))}, measurement.Malformed},
	} {
		test.target.Transport = measurement.UDP
		paths["udp/"+name] = test
	}
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	to := addressOf(t, l, bootstrap, measurement.TCP)
	cut := answering(t, func(c *net.TCPConn) { relayFlight(c, to) })
	paths["tcp/cut in the finish"] = path{Target{Address: cut, Transport: measurement.TCP, Client: measurement.Device, Finish: true}, measurement.CertificateNeeded}
	if err := l.Set("bootstrap/tcp", "no_pong"); err != nil {
		t.Fatal(err)
	}
	// By itself: the lab's relay before it holds a socket for each client.
	mute := &lab.DTLSServer{Certificate: leafOf(t, lab.Leaf{CommonName: "server.test"}), CoAP: lab.CoAP{Mute: true}}
	ctx, cancel := context.WithCancel(t.Context())
	if err := mute.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		mute.Close()
	})
	for transport, at := range map[measurement.Transport]netip.AddrPort{measurement.TCP: to, measurement.UDP: mute.Address()} {
		paths[string(transport)+"/no answer to the ping"] = path{Target{Address: at, Transport: transport, Client: measurement.Device, Finish: true, Ping: true}, measurement.Completed}
	}
	for name, test := range paths {
		t.Run(name, func(t *testing.T) {
			patience := patient
			patience.Ping = time.Millisecond
			if test.want == measurement.Silent || test.want == measurement.NotTLS && test.target.Transport == measurement.UDP {
				patience.Flight = time.Millisecond // as much as it takes, since that is always waited for
			}
			w := &Walker{Patience: patience, Credential: stranger(t, l)}
			before, running := descriptors(t), runtime.NumGoroutine()
			for range 250 {
				o := w.Walk(t.Context(), test.target)
				if slices.Contains(phasesOf(o), measurement.Ping) {
					t.Fatal("the ping was answered")
				}
				if o.Failure != test.want && (test.want != measurement.NotTLS || o.Failure != measurement.Silent) { // no answer within 1 ms
					t.Fatalf("%q (%s), want %q", o.Failure, o.Detail.Text, test.want)
				}
			}
			for range 3000 { // the lab takes a moment to close its own ends
				if descriptors(t) <= before+2 && runtime.NumGoroutine() <= running+2 {
					return
				}
				<-time.After(10 * time.Millisecond)
			}
			t.Errorf("%d descriptors open before, %d after; %d goroutines before, %d after", before, descriptors(t), running, runtime.NumGoroutine())
		})
	}
}

func TestHowAServerMayTakeOurFinish(t *testing.T) {
	alert := func(code byte) func(*net.TCPConn) {
		return func(c *net.TCPConn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, code}) }
	}
	const never = "no Finished came in time"
	for name, test := range map[string]struct {
		end    func(*net.TCPConn)
		want   measurement.Failure
		detail string
	}{
		"closed":              {func(*net.TCPConn) {}, measurement.CertificateNeeded, "ended the connection after our certificate"},
		"reset":               {func(c *net.TCPConn) { _ = c.SetLinger(0) }, measurement.CertificateNeeded, "ended the connection after our certificate"},
		"bad certificate":     {alert(42), measurement.CertificateNeeded, "bad_certificate (42) after our certificate"},
		"unknown authority":   {alert(48), measurement.CertificateNeeded, "unknown_ca (48) after our certificate"},
		"access denied":       {alert(49), measurement.CertificateNeeded, "access_denied (49) after our certificate"},
		"a handshake failure": {alert(40), measurement.CertificateNeeded, "handshake_failure (40) after our certificate"},
		"close_notify":        {alert(0), measurement.CertificateNeeded, "close_notify (0) after our certificate"},
		"a wrong signature":   {alert(51), measurement.FinishFailed, "decrypt_error (51)"},
		"trouble of its own":  {alert(80), measurement.FinishFailed, "internal_error (80)"},
		"silence":             {func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)) }, measurement.FinishFailed, never},
		"a wrong Finished": {func(c *net.TCPConn) {
			_, _ = c.Write(append([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 32}, make([]byte, 32)...))
		}, measurement.FinishFailed, "not protected with the keys"},
		"out of turn": {func(c *net.TCPConn) { _, _ = c.Write([]byte{23, 3, 3, 0, 1, 1}) }, measurement.FinishFailed, "out of turn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			to := addressOf(t, l, bootstrap, measurement.TCP)
			front := answering(t, func(c *net.TCPConn) { relayFlight(c, to); test.end(c) })
			patience := patient
			if test.detail == never {
				patience = silentIn(measurement.Finish)
			}
			w := &Walker{Patience: patience, Credential: stranger(t, l)}
			o := w.Walk(t.Context(), Target{Address: front, Transport: measurement.TCP, Client: measurement.Device, Finish: true, Ping: true})
			if o.Failure != test.want || o.FailedIn != measurement.Finish || !slices.Equal(phasesOf(o), greeted) || !o.TLS.KeyProved ||
				!strings.Contains(o.Detail.Text, test.detail) || o.Pinged {
				t.Errorf("%q in %q after %v (%s), want %q (%s)", o.Failure, o.FailedIn, phasesOf(o), o.Detail.Text, test.want, test.detail)
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

// lossy loses what comes after our Finished until that has been sent a second time.
type lossy struct {
	net.Conn
	finishes int
}

func (c *lossy) Write(datagram []byte) (int, error) {
	const header, handshake = 13, 22
	for rest := datagram; len(rest) >= header; rest = rest[min(len(rest), header+int(rest[11])<<8+int(rest[12])):] {
		if epoch := rest[4]; rest[0] == handshake && epoch == 1 {
			c.finishes++
		}
	}
	return c.Conn.Write(datagram)
}

func (c *lossy) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || c.finishes != 1 {
			return n, err
		}
	}
}

func TestAServersLastFlightThatIsLostIsAskedForAgain(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	var conn *lossy
	patience := patient
	patience.Finish = 6 * time.Second // ours is repeated after a third of it, and then not again
	w := &Walker{Patience: patience, Credential: stranger(t, l), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		socket, err := (&net.Dialer{}).DialContext(ctx, network, address)
		conn = &lossy{Conn: socket}
		return conn, err
	}}
	o := w.Walk(t.Context(), Target{Address: addressOf(t, l, bootstrap, measurement.UDP), Transport: measurement.UDP, Client: measurement.Device, Finish: true})
	if o.Failure != measurement.Completed || conn.finishes != 2 || o.Retransmissions != 1 {
		t.Errorf("%q (%s) after %d Finished and %d retransmissions", o.Failure, o.Detail.Text, conn.finishes, o.Retransmissions)
	}
}

// gathering gives all that the server sends until it closes in one read.
type gathering struct{ net.Conn }

func (g gathering) Read(b []byte) (total int, err error) {
	for err == nil {
		var n int
		n, err = g.Conn.Read(b[total:])
		total += n
	}
	return total, err
}

// unread is a connection on which nothing more is to be waited for.
type unread struct {
	net.Conn
	t *testing.T
}

func (u unread) Read([]byte) (int, error) {
	u.t.Error("read, though the server has said farewell")
	return 0, os.ErrDeadlineExceeded
}

// joining gives two datagrams as one.
type joining struct{ net.Conn }

func (j joining) Read(b []byte) (int, error) {
	first, err := j.Conn.Read(b)
	if err != nil {
		return first, err
	}
	second, err := j.Conn.Read(b[first:])
	return first + second, err
}

func TestAFarewellInThePongsDatagramIsHeard(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], IdleLimit: idleLimit})
	s := openSession(t, l, measurement.UDP, patient).(*udpSession)
	s.conn = joining{s.conn}
	if err := s.Ping(t.Context()); err != nil || !s.Outcome().Ponged {
		t.Errorf("ping: %v", err)
	}
	s.conn = unread{s.conn, t}
	if err := s.Listen(shortly(t, time.Second)); !errors.Is(err, ErrEnded) {
		t.Errorf("listen: %v, want ErrEnded", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrEnded) {
		t.Errorf("the next ping: %v, want ErrEnded", err)
	}
}

func TestAPongCountsThatComesWithTheFarewell(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], IdleLimit: idleLimit})
	s := openSession(t, l, measurement.TCP, patient).(*tcpSession)
	s.conn = gathering{s.conn}
	if err := s.Ping(t.Context()); err != nil || !s.Outcome().Ponged {
		t.Errorf("ping: %v", err)
	}
	s.conn = unread{s.conn, t}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrEnded) {
		t.Errorf("the next ping: %v, want ErrEnded", err)
	}
}
