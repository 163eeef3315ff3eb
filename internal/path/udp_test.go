package path

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// soon is the first interval of retransmission in tests.
const soon = 50 * time.Millisecond

var (
	greetedUDP  = []measurement.Phase{measurement.Hello}
	finishedUDP = []measurement.Phase{measurement.Hello, measurement.Finish}
	pingedUDP   = []measurement.Phase{measurement.Hello, measurement.Finish, measurement.Ping}
)

func walkUDP(t *testing.T, l *lab.Lab, w *Walker) measurement.Outcome {
	t.Helper()
	return w.Walk(t.Context(), Target{
		Address: addressOf(t, l, bootstrap, measurement.UDP), Transport: measurement.UDP, Client: measurement.Device, Host: bootstrap,
		Finish: true, Ping: true, WebRetry: true,
	})
}

func TestUDPWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		phases  []measurement.Phase
		proved  bool
		replies bool   // anything came back
		issuer  string // "": no certificate
		detail  string // a part of it
		again   int    // flights sent again, at least
	}{
		{lab.None, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.NoPong, measurement.Completed, "", finishedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.Refuse, measurement.Refused, measurement.Hello, nil, false, false, "", "port unreachable", 0},
		{lab.Drop, measurement.Silent, measurement.Hello, nil, false, false, "", "no answer to the hello, sent", 2},
		{lab.DropFirst + ":1", measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 1},
		{lab.DropFirst + ":3", measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 3},
		{lab.Duplicate, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.Reorder, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.Fragments, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.Slow + ":20ms", measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.NoAnswerAfter, measurement.Silent, measurement.Hello, nil, false, true, "", "asked for a cookie", 2},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, nil, false, true, "", "none of them DTLS", 2},
		{lab.Alert + ":70", measurement.Alert, measurement.Hello, nil, false, true, "", "protocol_version (70)", 0},
		{lab.Alert + ":0", measurement.Closed, measurement.Hello, nil, false, true, "", "close_notify (0)", 0},
		{lab.Intercept, measurement.Completed, "", pingedUDP, true, true, "SSLInspect", "", 0},
		{lab.ForgedIssuer, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.Replay, measurement.Completed, "", greetedUDP, false, true, "ARM Bootstrap CA", "", 1},
		{lab.Expired, measurement.Completed, "", pingedUDP, true, true, "ARM Bootstrap CA", "", 0},
		{lab.OversizedChain, measurement.Unfit, measurement.Hello, greetedUDP, true, true, "ARM Bootstrap CA", "handshake message of", 0},
		{lab.ClientOnlyLeaf, measurement.Unfit, measurement.Hello, greetedUDP, true, true, "ARM Bootstrap CA", "extendedKeyUsage lacks serverAuth", 0},
		{lab.RefuseCertificate, measurement.CertificateNeeded, measurement.Finish, greetedUDP, true, true, "ARM Bootstrap CA", "after our certificate", 0},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			inflict(t, l, bootstrap, measurement.UDP, test.fault)
			o := walkUDP(t, l, &Walker{
				Patience: silentIn(silentPhase(test.fault, test.failure, test.in)), Credential: stranger(t, l), retransmission: soon,
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) || !strings.Contains(o.Detail.Text, test.detail) {
				t.Errorf("%q in %q after %v (%s), want %q in %q after %v (%s)",
					o.Failure, o.FailedIn, phasesOf(o), o.Detail.Text, test.failure, test.in, test.phases, test.detail)
			}
			if (o.Failure == measurement.Completed) != (o.Detail.Text == "") {
				t.Errorf("failure %q with detail %q", o.Failure, o.Detail.Text)
			}
			if o.Retransmissions < test.again {
				t.Errorf("%d flights were sent again, want %d", o.Retransmissions, test.again)
			}
			if (o.FirstReply > 0) != test.replies || o.Web != nil {
				t.Errorf("first reply after %v, want one: %v; web %v", o.FirstReply, test.replies, o.Web)
			}
			leaf := o.TLS.Leaf()
			if test.issuer == "" {
				if leaf != nil {
					t.Errorf("a certificate of %s", leaf.Issuer)
				}
				return
			}
			if leaf == nil || leaf.Issuer.CommonName != test.issuer || o.TLS.KeyProved != test.proved || !o.TLS.SignatureChecked ||
				o.TLS.Version != 0xfefd || o.TLS.Cipher != 0xc0ae || !o.TLS.CertificateRequested || o.TLS.FlightBytes < 500 {
				t.Errorf("saw %+v, want a certificate of %s, proved: %v", o.TLS, test.issuer, test.proved)
			}
		})
	}
}

// TestAFlightThatProvesNoKeyIsKeptWhereNoOtherComes loses what asks for another one.
func TestAFlightThatProvesNoKeyIsKeptWhereNoOtherComes(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	inflict(t, l, bootstrap, measurement.UDP, lab.Replay)
	o := walkUDP(t, l, &Walker{Patience: silentIn(measurement.Hello), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &mute{Conn: conn, says: 2}, err // the hello, without and with the cookie
	}})
	if o.Failure != measurement.Completed || len(o.Times) > 0 || o.Retransmissions != 1 || o.TLS == nil || !o.TLS.SignatureChecked || o.TLS.KeyProved {
		t.Errorf("%q (%s) after %v, %d flights sent again, saw %+v", o.Failure, o.Detail.Text, phasesOf(o), o.Retransmissions, o.TLS)
	}
}

// mute is a connection that loses what is said after so many writes, and whatever comes after that.
type mute struct {
	net.Conn
	says int
}

func (m *mute) Read(p []byte) (int, error) {
	for {
		n, err := m.Conn.Read(p)
		if m.says >= 0 || err != nil {
			return n, err
		}
	}
}

func (m *mute) Write(p []byte) (int, error) {
	if m.says--; m.says < 0 {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

// TestTheTwoClocksOfAHello: the first says that the path is open both ways, the second when the flight was whole.
func TestTheTwoClocksOfAHello(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	inflict(t, l, bootstrap, measurement.UDP, lab.Slow+":30ms")
	o := walkUDP(t, l, &Walker{Patience: patient, retransmission: time.Minute})
	hello, _ := o.Took(measurement.Hello)
	if o.FirstReply < 60*time.Millisecond || hello < o.FirstReply+60*time.Millisecond || repeatedEarly(o) {
		t.Errorf("first reply after %v, flight after %v: want a round trip of 60 ms each", o.FirstReply, hello)
	}
}

// repeatedEarly reports flights that were sent again before any timer had run out. A server repeats its own after a second
// (RFC 6347 §4.2.4.1), which ours then answers: a machine that is busy for so long is no fault.
func repeatedEarly(o measurement.Outcome) bool {
	var took time.Duration
	for _, p := range o.Times {
		took += p.Took
	}
	return o.Retransmissions > 0 && took < time.Second
}

// TestALostDatagramMakesTheHelloLonger holds the timer to its doubling: the fourth hello leaves after 50+100+200 ms.
func TestALostDatagramMakesTheHelloLonger(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	inflict(t, l, bootstrap, measurement.UDP, lab.DropFirst+":3")
	o := walkUDP(t, l, &Walker{Patience: patient, Credential: stranger(t, l), retransmission: soon})
	if hello, _ := o.Took(measurement.Hello); o.Failure != measurement.Completed || hello < 7*soon {
		t.Errorf("%q (%s), hello after %v, want it after 350 ms", o.Failure, o.Detail.Text, hello)
	}
}

// TestASilentHelloIsRepeatedAsADeviceDoes runs the timers of a device in a bubble of their own.
func TestASilentHelloIsRepeatedAsADeviceDoes(t *testing.T) {
	for patience, again := range map[time.Duration]int{
		3 * time.Second: 0, 5 * time.Second: 1,
		100 * time.Second: 5, // at 4, 12, 28, 60 and 92 s: 4, 8, 16 and 32 s, then every 32 s
		time.Hour:         maxRepeats,
	} {
		var took time.Duration
		o := inBubble(t, Patience{Flight: patience}, func(conn *fakeConn) { conn.took = &took })
		if o.Failure != measurement.Silent || o.Retransmissions != again || took != patience {
			t.Errorf("%q (%s) after %v, sent again %d times; want %d times in %v", o.Failure, o.Detail.Text, took, o.Retransmissions, again, patience)
		}
	}
}

func TestICMPErrorsAreToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		errs   []error
		want   measurement.Failure
		detail string
	}{
		"port unreachable":              {[]error{syscall.ECONNREFUSED}, measurement.Refused, "port unreachable"},
		"host unreachable":              {[]error{syscall.EHOSTUNREACH}, measurement.Unreachable, "no route to host"},
		"net unreachable":               {[]error{syscall.ENETUNREACH, syscall.ENETUNREACH}, measurement.Unreachable, "network is unreachable"},
		"filtered":                      {[]error{syscall.EACCES}, measurement.Unreachable, "permission denied"},
		"first the host, then the port": {[]error{syscall.EHOSTUNREACH, syscall.ECONNREFUSED}, measurement.Refused, "port unreachable"},
		"a fault of our own":            {[]error{syscall.ENOMEM}, measurement.Internal, "cannot allocate"},
		"without end":                   {slices.Repeat([]error{syscall.EHOSTUNREACH}, 2*maxDatagrams), measurement.Unreachable, "no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			o := inBubble(t, Patience{}, func(conn *fakeConn) { conn.errs = test.errs })
			if o.Failure != test.want || o.FailedIn != measurement.Hello || !strings.Contains(o.Detail.Text, test.detail) {
				t.Errorf("%q in %q (%s), want %q (%s)", o.Failure, o.FailedIn, o.Detail.Text, test.want, test.detail)
			}
		})
	}
}

func TestAServerThatRepeatsItselfDoesNotMakeUsASourceOfTraffic(t *testing.T) {
	cookie := func(n int) []byte {
		return []byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, byte(n), 0, 16, 3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0xfe, 0xff, 1, byte(n)}
	}
	var sent int
	o := inBubble(t, Patience{}, func(conn *fakeConn) {
		for n := range 2 * maxDatagrams {
			conn.datagrams = append(conn.datagrams, cookie(n))
		}
		conn.sent = &sent
	})
	if o.Failure != measurement.Silent || sent > 10 {
		t.Errorf("%q (%s) after %d datagrams of ours", o.Failure, o.Detail.Text, sent)
	}
}

func TestASocketThatCannotBeOpened(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want measurement.Failure
	}{
		"no route":            {syscall.ENETUNREACH, measurement.Unreachable},
		"no descriptors left": {syscall.EMFILE, measurement.Internal},
	} {
		w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.err)}
		}}
		o := w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.UDP})
		if o.Failure != test.want || o.Detail.Text == "" {
			t.Errorf("%s: %q (%s), want %q", name, o.Failure, o.Detail.Text, test.want)
		}
	}
}

// TestAFinishThatTheServerDoesNotAnswer takes the real server away after its flight.
func TestAFinishThatTheServerDoesNotAnswer(t *testing.T) {
	const never = "no Finished came in time"
	for _, test := range []struct {
		fault  string
		want   measurement.Failure
		detail string
	}{
		{lab.Drop, measurement.FinishFailed, never},
		{lab.Garbage, measurement.FinishFailed, never},
		{lab.Refuse, measurement.CertificateNeeded, "port was closed after our certificate"},
		{lab.Alert + ":42", measurement.CertificateNeeded, "bad_certificate (42) after our certificate"},
		{lab.Alert + ":48", measurement.CertificateNeeded, "unknown_ca (48) after our certificate"},
		{lab.Alert + ":51", measurement.FinishFailed, "decrypt_error (51)"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			patience := patient
			if test.detail == never {
				patience = silentIn(measurement.Finish)
			}
			w := &Walker{Patience: patience, Credential: stranger(t, l), retransmission: soon}
			s := w.Session(Target{Address: addressOf(t, l, bootstrap, measurement.UDP), Transport: measurement.UDP})
			defer s.Close()
			if !s.Connect(t.Context()) || !s.Hello(t.Context()) {
				t.Fatalf("no flight: %+v", s.Outcome())
			}
			inflict(t, l, bootstrap, measurement.UDP, test.fault)
			if s.Finish(t.Context()) {
				t.Fatal("finished")
			}
			if o := s.Outcome(); o.Failure != test.want || o.FailedIn != measurement.Finish || !strings.Contains(o.Detail.Text, test.detail) || !slices.Equal(phasesOf(o), greetedUDP) {
				t.Errorf("%q in %q (%s), want %q (%s)", o.Failure, o.FailedIn, o.Detail.Text, test.want, test.detail)
			}
		})
	}
}

func TestALargeCertificateOfOursIsCutToFitAnyPath(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	large, err := l.Mint.Inspector.Issue(lab.Leaf{CommonName: "any stranger", DNSNames: slices.Repeat([]string{strings.Repeat("x", 60) + ".test"}, 60)})
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	w := &Walker{Patience: patient, Credential: func() *Credential { return &Credential{Certificate: large} }}
	w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &measured{conn, &most}, err
	}
	o := walkUDP(t, l, w)
	if o.Failure != measurement.Completed || !o.Ponged || most > devicedtls.DefaultMTU || len(large.Certificate[0]) < 3*most {
		t.Errorf("%q (%s); a certificate of %d bytes in datagrams of %d", o.Failure, o.Detail.Text, len(large.Certificate[0]), most)
	}
}

type measured struct {
	net.Conn
	most *int
}

func (m *measured) Write(p []byte) (int, error) {
	*m.most = max(*m.most, len(p))
	return m.Conn.Write(p)
}

// fakeConn is a connected UDP socket that keeps time by the clock of its bubble: it gives its errors, then its datagrams,
// and then nothing.
type fakeConn struct {
	mu        sync.Mutex
	errs      []error
	datagrams [][]byte
	sent      *int
	took      *time.Duration
	deadline  time.Time
	changed   chan struct{}
}

func (c *fakeConn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		deadline, changed := c.deadline, c.changed
		switch {
		case !deadline.IsZero() && !deadline.After(time.Now()):
			c.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(c.errs) > 0:
			err := c.errs[0]
			c.errs = c.errs[1:]
			c.mu.Unlock()
			return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("read", err)}
		case len(c.datagrams) > 0:
			n := copy(p, c.datagrams[0])
			c.datagrams = c.datagrams[1:]
			c.mu.Unlock()
			return n, nil
		}
		c.mu.Unlock()
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
}

func (c *fakeConn) Write(p []byte) (int, error) {
	if c.sent != nil {
		*c.sent++
	}
	return len(p), nil
}

func (c *fakeConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *fakeConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.changed)
	c.changed = make(chan struct{})
	return nil
}

func (c *fakeConn) SetWriteDeadline(time.Time) error { return nil }
func (c *fakeConn) Close() error                     { return nil }
func (c *fakeConn) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (c *fakeConn) RemoteAddr() net.Addr             { return &net.UDPAddr{} }

// inBubble walks UDP over a socket that is set up so, on a clock that runs as fast as it may.
func inBubble(t *testing.T, patience Patience, set func(*fakeConn)) (o measurement.Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		conn := &fakeConn{changed: make(chan struct{})}
		set(conn)
		w := &Walker{Patience: patience, Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		begun := time.Now()
		o = w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.UDP})
		if conn.took != nil {
			*conn.took = time.Since(begun)
		}
	})
	return o
}
