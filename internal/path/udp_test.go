package path

import (
	"context"
	"fmt"
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

// anyNumber of flights may be sent again: the server's duplicates ask for it or not, as they come.
const anyNumber = -1

func TestWalkUDPFaults(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		detail  measurement.DetailKind
		phases  []measurement.Phase
		proved  bool
		replies bool   // at least one datagram came back
		issuer  string // "" means no certificate
		resent  int    // flights
		web     bool   // a web hello was sent
	}{
		{lab.None, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.NoPong, measurement.Completed, "", "", upToFinUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.Refuse, measurement.Refused, measurement.Hello, measurement.DetailPortUnreachable, nil, false, false, "", 0, false},
		{lab.Drop, measurement.Silent, measurement.Hello, measurement.DetailHelloUnanswered, nil, false, false, "", 1, false},
		{lab.DropFirst + ":1", measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 1, false},
		{lab.Duplicate, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", anyNumber, false},
		{lab.Reorder, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.Fragments, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.Slow + ":20ms", measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.NoAnswerAfter, measurement.Silent, measurement.Hello, measurement.DetailCookieOnly, nil, false, true, "", 1, false},
		{lab.DropConnectionIDs, measurement.Silent, measurement.Finish, measurement.DetailIDRecordsLost, upToHelloUDP, true, true, "ARM Bootstrap CA", anyNumber, false},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, measurement.DetailNotDTLS, nil, false, true, "", 1, false},
		{lab.Alert + ":70", measurement.Alert, measurement.Hello, measurement.DetailAlert, nil, false, true, "", 0, true},
		{lab.Alert + ":0", measurement.Closed, measurement.Hello, measurement.DetailAlert, nil, false, true, "", 0, false},
		{lab.Intercept, measurement.Completed, "", "", allUDP, true, true, "SSLInspect", 0, false},
		{lab.ForgedIssuer, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.Replay, measurement.Completed, "", "", upToHelloUDP, false, true, "ARM Bootstrap CA", 1, false},
		{lab.Expired, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.OversizedChain, measurement.Unfit, measurement.Hello, measurement.DetailUnfit, upToHelloUDP, true, true, "ARM Bootstrap CA", 0, false},
		{lab.ClientOnlyLeaf, measurement.Completed, "", "", allUDP, true, true, "ARM Bootstrap CA", 0, false}, // a device notices after the handshake
		{lab.RefuseCertificate, measurement.CertificateNeeded, measurement.Finish, measurement.DetailAlertAfterCert, upToHelloUDP, true, true, "ARM Bootstrap CA", 0, false},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				inflict(t, w.Lab, bootstrap, measurement.UDP, test.fault)
				o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
				if o.Failure != test.failure || o.FailedIn != test.in || o.Detail.Kind != test.detail || !slices.Equal(phasesOf(o), test.phases) {
					t.Errorf("%s, want %q in %q after %v (%s)", describe(o), test.failure, test.in, test.phases, test.detail)
				}
				if o.Retransmissions != test.resent && test.resent != anyNumber {
					t.Errorf("%d flights were sent again, want %d", o.Retransmissions, test.resent)
				}
				if (o.FirstReply > 0) != test.replies || (o.Web != nil) != test.web {
					t.Errorf("first reply after %v, want one: %v; web %+v", o.FirstReply, test.replies, o.Web)
				}
				leaf := serverCertificate(o.TLS)
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
		})
	}
}

// TestWalkUDPUnprovedFlight loses the hello that asks for another flight after one that does not prove its key.
func TestWalkUDPUnprovedFlight(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		inflict(t, w.Lab, bootstrap, measurement.UDP, lab.Replay)
		dial := w.network.Dial
		w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &mutedConn{Conn: conn, writes: 2}, err // the hello, without and with the cookie
		}
		o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
		if o.Failure != measurement.Completed || len(o.Times) > 0 || o.Retransmissions != 2 || o.TLS == nil || !o.TLS.SignatureChecked || o.TLS.KeyProved {
			t.Errorf("%s, %d flights sent again", describe(o), o.Retransmissions)
		}
	})
}

// mutedConn loses every datagram in both directions after a number of writes.
type mutedConn struct {
	net.Conn
	writes int
}

func (m *mutedConn) Read(p []byte) (int, error) {
	for {
		n, err := m.Conn.Read(p)
		if m.writes >= 0 || err != nil {
			return n, err
		}
	}
}

func (m *mutedConn) Write(p []byte) (int, error) {
	if m.writes--; m.writes < 0 {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

// TestFirstReply checks the two durations of a hello: the first datagram shows that the path is open in both
// directions, the phase ends when the flight is complete.
func TestFirstReply(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		inflict(t, w.Lab, bootstrap, measurement.UDP, lab.Slow+":30ms")
		o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
		const trip = 62 * time.Millisecond // of the front and the network
		if hello, _ := o.Took(measurement.Hello); o.FirstReply != trip || hello != 2*trip || o.Retransmissions != 0 {
			t.Errorf("first reply after %v, flight after %v: want one and two round trips of %v", o.FirstReply, hello, trip)
		}
	})
}

// TestRetransmission loses the first three hellos: the timers of a device are 4, 8 and 16 s.
func TestRetransmission(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		inflict(t, w.Lab, bootstrap, measurement.UDP, lab.DropFirst+":3")
		w.walker.Patience.Flight = time.Minute
		o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
		if hello, _ := o.Took(measurement.Hello); o.Failure != measurement.Completed || hello.Truncate(time.Second) != 28*time.Second || o.Retransmissions != 3 {
			t.Errorf("hello after %v and %d retransmissions: %s", hello, o.Retransmissions, describe(o))
		}
	})
}

func TestRetransmissionInSilence(t *testing.T) {
	for patience, again := range map[time.Duration]int{
		3 * time.Second:   0,
		5 * time.Second:   1,
		100 * time.Second: 5, // at 4, 12, 28, 60 and 92 s: 4, 8, 16 and 32 s, then every 32 s
		time.Hour:         maxRepeats,
	} {
		var took time.Duration
		o := walkFake(t, Patience{Flight: patience}, func(conn *fakeConn) { conn.took = &took })
		want := measurement.Detail{Kind: measurement.DetailHelloUnanswered, N: again + 1}
		if o.Failure != measurement.Silent || o.Detail != want || o.Retransmissions != again || took != patience {
			t.Errorf("%s after %v, sent again %d times; want %d times in %v", describe(o), took, o.Retransmissions, again, patience)
		}
	}
}

func TestICMPInHello(t *testing.T) {
	for name, test := range map[string]struct {
		errs   []error
		want   measurement.Failure
		detail measurement.DetailKind
		text   string
	}{
		"port unreachable: refused":                 {[]error{syscall.ECONNREFUSED}, measurement.Refused, measurement.DetailPortUnreachable, ""},
		"host unreachable: unreachable":             {[]error{syscall.EHOSTUNREACH}, measurement.Unreachable, measurement.DetailICMP, "no route to host"},
		"net unreachable: unreachable":              {[]error{syscall.ENETUNREACH, syscall.ENETUNREACH}, measurement.Unreachable, measurement.DetailICMP, "network is unreachable"},
		"filtered: unreachable":                     {[]error{syscall.EACCES}, measurement.Unreachable, measurement.DetailICMP, "permission denied"},
		"local packet filter: unreachable":          {[]error{syscall.EPERM}, measurement.Unreachable, measurement.DetailPacketFilter, "operation not permitted"},
		"host, then port: refused":                  {[]error{syscall.EHOSTUNREACH, syscall.ECONNREFUSED}, measurement.Refused, measurement.DetailPortUnreachable, ""},
		"out of memory: internal":                   {[]error{syscall.ENOMEM}, measurement.Internal, measurement.DetailLocalFailure, "cannot allocate"},
		"host unreachable without end: unreachable": {slices.Repeat([]error{syscall.EHOSTUNREACH}, 2*maxDatagrams), measurement.Unreachable, measurement.DetailICMP, "no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			o := walkFake(t, Patience{}, func(conn *fakeConn) { conn.errs = test.errs })
			if o.Failure != test.want || o.FailedIn != measurement.Hello || o.Detail.Kind != test.detail || !strings.Contains(o.Detail.Text, test.text) {
				t.Errorf("%s, want %q (%s %s)", describe(o), test.want, test.detail, test.text)
			}
		})
	}
}

func TestCookiesWithoutEnd(t *testing.T) {
	cookie := func(n int) []byte {
		return []byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, byte(n), 0, 16, 3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0xfe, 0xff, 1, byte(n)}
	}
	var sent int
	o := walkFake(t, Patience{}, func(conn *fakeConn) {
		for n := range 2 * maxDatagrams {
			conn.datagrams = append(conn.datagrams, cookie(n))
		}
		conn.sent = &sent
	})
	if o.Failure != measurement.Silent || sent > 10 {
		t.Errorf("%s after %d datagrams sent", describe(o), sent)
	}
}

func TestConnectUDP(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		"no route: unreachable":         {syscall.ENETUNREACH, measurement.Unreachable, measurement.DetailNoRoute},
		"no descriptors left: internal": {syscall.EMFILE, measurement.Internal, measurement.DetailSocketFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := &Walker{Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.err)}
			}}
			o := w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.UDP})
			if o.Failure != test.want || o.Detail.Kind != test.detail || o.Detail.Text == "" {
				t.Errorf("%s, want %q (%s)", describe(o), test.want, test.detail)
			}
		})
	}
}

// TestFinishUDP replaces the server after its flight.
func TestFinishUDP(t *testing.T) {
	for _, test := range []struct {
		fault  string
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		{lab.Drop, measurement.Silent, measurement.DetailFinishSilent},
		{lab.Garbage, measurement.Silent, measurement.DetailFinishSilent},
		{lab.Refuse, measurement.Refused, measurement.DetailPortUnreachable},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				s := w.walker.Session(w.target(t, measurement.UDP))
				defer s.Close()
				if !s.Connect(t.Context()) || !s.Hello(t.Context()) {
					t.Fatalf("no flight: %s", describe(s.Outcome()))
				}
				inflict(t, w.Lab, bootstrap, measurement.UDP, test.fault)
				if s.Finish(t.Context()) {
					t.Fatal("finished")
				}
				if o := s.Outcome(); o.Failure != test.want || o.FailedIn != measurement.Finish || o.Detail.Kind != test.detail || !slices.Equal(phasesOf(o), upToHelloUDP) {
					t.Errorf("%s, want %q (%s)", describe(o), test.want, test.detail)
				}
			})
		})
	}
}

// alertingConn answers the client's second flight with an alert in the clear, in place of the server.
type alertingConn struct {
	net.Conn
	description byte
	finishing   bool
}

func (c *alertingConn) Write(datagram []byte) (int, error) {
	const handshake, certificate = 22, 11
	if datagram[0] == handshake && datagram[13] == certificate {
		c.finishing = true
	}
	return c.Conn.Write(datagram)
}

func (c *alertingConn) Read(b []byte) (int, error) {
	if c.finishing {
		return copy(b, []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, c.description}), nil
	}
	return c.Conn.Read(b)
}

func TestFinishUDPAlert(t *testing.T) {
	for description, want := range map[byte]measurement.Failure{
		42: measurement.CertificateNeeded, // bad_certificate
		48: measurement.CertificateNeeded, // unknown_ca
		51: measurement.FinishFailed,      // decrypt_error
	} {
		t.Run(fmt.Sprint(description), func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				dial := w.network.Dial
				w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := dial(ctx, network, address)
					return &alertingConn{Conn: conn, description: description}, err
				}
				o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
				if o.Failure != want || o.FailedIn != measurement.Finish || !o.TLS.HasAlert || o.TLS.Alert != description {
					t.Errorf("%s, want %q", describe(o), want)
				}
			})
		})
	}
}

func TestFinishUDPFragmentsCertificate(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		large, err := w.Mint.Inspector.Issue(lab.Leaf{CommonName: "client", DNSNames: slices.Repeat([]string{strings.Repeat("x", 60) + ".test"}, 60)})
		if err != nil {
			t.Fatal(err)
		}
		longest := 0
		dial := w.network.Dial
		w.walker.Credential = func() *Credential { return &Credential{Certificate: large} }
		w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &measuredConn{conn, &longest}, err
		}
		o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
		if o.Failure != measurement.Completed || !o.Ponged || longest > devicedtls.DefaultMTU || len(large.Certificate[0]) < 3*longest {
			t.Errorf("%s; a certificate of %d bytes in datagrams of %d", describe(o), len(large.Certificate[0]), longest)
		}
	})
}

// measuredConn records the length of the longest datagram sent.
type measuredConn struct {
	net.Conn
	longest *int
}

func (m *measuredConn) Write(p []byte) (int, error) {
	*m.longest = max(*m.longest, len(p))
	return m.Conn.Write(p)
}

// lossyConn loses what comes after the client's Finished until that was sent twice.
type lossyConn struct {
	net.Conn
	finishes int
}

func (c *lossyConn) Write(datagram []byte) (int, error) {
	const header, handshake = 13, 22
	for rest := datagram; len(rest) >= header; rest = rest[min(len(rest), header+int(rest[11])<<8+int(rest[12])):] {
		if epoch := rest[4]; rest[0] == handshake && epoch == 1 {
			c.finishes++
		}
	}
	return c.Conn.Write(datagram)
}

func (c *lossyConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || c.finishes != 1 {
			return n, err
		}
	}
}

func TestFinishUDPRetransmits(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		var conn *lossyConn
		dial := w.network.Dial
		w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			socket, err := dial(ctx, network, address)
			conn = &lossyConn{Conn: socket}
			return conn, err
		}
		o := w.walker.Walk(t.Context(), w.target(t, measurement.UDP))
		if o.Failure != measurement.Completed || conn.finishes != 2 || o.Retransmissions != 1 {
			t.Errorf("%s after %d Finished and %d retransmissions", describe(o), conn.finishes, o.Retransmissions)
		}
	})
}

// fakeConn is a connected UDP socket in a bubble. Reads return its errors, then its datagrams, and then nothing.
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

// walkFake probes UDP over a fakeConn in a bubble.
func walkFake(t *testing.T, patience Patience, set func(*fakeConn)) (o measurement.Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		conn := &fakeConn{changed: make(chan struct{})}
		set(conn)
		w := &Walker{Patience: patience, Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		started := time.Now()
		o = w.Walk(t.Context(), Target{Address: netip.MustParseAddrPort("192.0.2.1:5684"), Transport: measurement.UDP})
		if conn.took != nil {
			*conn.took = time.Since(started)
		}
	})
	return o
}
