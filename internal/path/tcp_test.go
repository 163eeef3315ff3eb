package path

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/sockclock"
)

func TestWalkTCPFaults(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		detail  measurement.DetailKind
		phases  []measurement.Phase
		web     bool // a web hello was sent
		proved  bool
	}{
		{lab.None, measurement.Completed, "", "", measurement.Phases, false, true},
		{lab.NoPong, measurement.Completed, "", "", upToFinish, false, true},
		{lab.Refuse, measurement.Refused, measurement.Connect, measurement.DetailConnectRST, nil, false, false},
		{lab.Drop, measurement.Unreachable, measurement.Connect, measurement.DetailConnectSilent, nil, false, false},
		{lab.ResetAfterHello, measurement.Reset, measurement.Hello, measurement.DetailFlightReset, connectOnly, true, false},
		{lab.CloseAfterHello, measurement.Closed, measurement.Hello, measurement.DetailFlightClosed, connectOnly, true, false},
		{lab.Silence, measurement.Silent, measurement.Hello, measurement.DetailHelloUnanswered, connectOnly, true, false},
		{lab.Drip, measurement.Silent, measurement.Hello, measurement.DetailFlightIncomplete, connectOnly, true, false},
		{lab.BlockPage, measurement.HTTP, measurement.Hello, measurement.DetailHTTP, connectOnly, false, false},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, measurement.DetailNotTLS, connectOnly, true, false},
		{lab.Endless, measurement.Malformed, measurement.Hello, measurement.DetailHandshakeTooLong, connectOnly, false, false},
		{lab.Alert + ":70", measurement.Alert, measurement.Hello, measurement.DetailAlert, connectOnly, true, false},
		{lab.Intercept, measurement.Completed, "", "", measurement.Phases, false, true},
		{lab.InterceptNoCCM, measurement.Alert, measurement.Hello, measurement.DetailAlert, connectOnly, true, false},
		{lab.ForgedIssuer, measurement.Completed, "", "", measurement.Phases, false, true},
		{lab.Replay, measurement.Completed, "", "", upToHello, false, false},
		{lab.OversizedChain, measurement.Unfit, measurement.Hello, measurement.DetailUnfit, upToHello, false, true},
		{lab.RSALeaf, measurement.Unfit, measurement.Hello, measurement.DetailUnfit, upToHello, false, true},
		{lab.ClientOnlyLeaf, measurement.Completed, "", "", measurement.Phases, false, true}, // a device notices after the handshake
		{lab.SplitRecords, measurement.Unfit, measurement.Hello, measurement.DetailUnfit, upToHello, false, true},
		{lab.RefuseCertificate, measurement.CertificateNeeded, measurement.Finish, measurement.DetailAlertAfterCert, upToHello, false, true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				inflict(t, w.Lab, bootstrap, measurement.TCP, test.fault)
				o := w.walker.Walk(t.Context(), w.target(t, measurement.TCP))
				if o.Failure != test.failure || o.FailedIn != test.in || o.Detail.Kind != test.detail || !slices.Equal(phasesOf(o), test.phases) {
					t.Errorf("%s, want %q in %q after %v (%s)", describe(o), test.failure, test.in, test.phases, test.detail)
				}
				if (o.Web != nil) != test.web {
					t.Errorf("web hello: %+v, want one: %v", o.Web, test.web)
				}
				if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
					t.Errorf("key proved: %v, want %v", proved, test.proved)
				}
			})
		})
	}
}

func TestWalkWebRetryShowsInterceptor(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		inflict(t, w.Lab, bootstrap, measurement.TCP, lab.InterceptNoCCM)
		o := w.walker.Walk(t.Context(), w.target(t, measurement.TCP))
		seen, by := o.SawTLS().TLS, o.SawTLS().Client
		if by != measurement.Web || serverCertificate(seen) == nil || serverCertificate(seen).Issuer.CommonName != "SSLInspect" || !seen.KeyProved {
			t.Errorf("saw %+v by %q, want the certificate of SSLInspect by the web hello", seen, by)
		}
		if !o.TLS.HasAlert || o.TLS.Alert != 40 {
			t.Errorf("the device's hello saw %+v, want the alert 40", o.TLS)
		}
	})
}

func TestWalkWithoutFinish(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		target := w.target(t, measurement.TCP)
		target.Finish = false
		o := w.walker.Walk(t.Context(), target)
		if o.TLS == nil || o.TLS.Version != tls.VersionTLS12 || o.TLS.Cipher != 0xc0ae || !o.TLS.CertificateRequested ||
			o.TLS.FlightBytes == 0 || serverCertificate(o.TLS).Issuer.CommonName != "ARM Bootstrap CA" {
			t.Errorf("saw %+v", o.TLS)
		}
		if _, finished := o.Took(measurement.Finish); finished || o.Failure != measurement.Completed || !o.Local.IsValid() || o.Pinged {
			t.Errorf("%s: local %v, pinged: %v", describe(o), o.Local, o.Pinged)
		}
	})
}

func TestHelloOnTheWire(t *testing.T) {
	inWorld(t, lab.Options{Hosts: lab.Izuma()[:1]}, func(t *testing.T, w *world) {
		const segment = 1220 // in the minimum MTU of IPv6
		hellos := make(chan []byte, 2)
		to := w.listen(t, func(c *memnet.Conn) {
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			hellos <- b[:n]
		})
		target := Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, Host: bootstrap, WebRetry: true}
		if o := w.walker.Walk(t.Context(), target); o.Web == nil {
			t.Fatalf("no web hello: %s", describe(o))
		}
		device, web := <-hellos, <-hellos
		if len(device) != devicetls.HelloSize || !bytes.Equal(device, devicetls.Hello([32]byte(device[11:43]))) {
			t.Errorf("the device's hello is % x", device)
		}
		if len(web) <= len(device) || len(web) > segment {
			t.Errorf("the web hello has %d bytes, want at most %d", len(web), segment)
		}
	})
}

// TestFinishTCP lets the hello and the server flight pass and ends the connection in the finish. Where the kernel
// does not say what was acknowledged, a connection that just ends is in doubt.
func TestFinishTCP(t *testing.T) {
	alert := func(level, code byte) func(*memnet.Conn) {
		return func(c *memnet.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, level, code}) }
	}
	wait := func(c *memnet.Conn) { _, _ = c.Read(make([]byte, 1)) }
	write := func(b ...byte) func(*memnet.Conn) { return func(c *memnet.Conn) { _, _ = c.Write(b) } }
	reset := func(c *memnet.Conn) { _ = c.SetLinger(0) }
	for name, test := range map[string]struct {
		end      func(*memnet.Conn)
		want     measurement.Failure
		detail   measurement.DetailKind
		unproven bool
	}{
		"FIN: unproven":                         {func(*memnet.Conn) {}, measurement.CertificateNeeded, measurement.DetailEndedAfterCert, true},
		"RST: unproven":                         {reset, measurement.CertificateNeeded, measurement.DetailResetAfterCert, true},
		"close_notify: unproven":                {alert(1, 0), measurement.CertificateNeeded, measurement.DetailEndedAfterCert, true},
		"bad_certificate: certificate needed":   {alert(2, 42), measurement.CertificateNeeded, measurement.DetailAlertAfterCert, false},
		"unknown_ca: certificate needed":        {alert(2, 48), measurement.CertificateNeeded, measurement.DetailAlertAfterCert, false},
		"access_denied: certificate needed":     {alert(2, 49), measurement.CertificateNeeded, measurement.DetailAlertAfterCert, false},
		"handshake_failure: certificate needed": {alert(2, 40), measurement.CertificateNeeded, measurement.DetailAlertAfterCert, false},
		"decrypt_error: finish failed":          {alert(2, 51), measurement.FinishFailed, measurement.DetailAlert, false},
		"internal_error: finish failed":         {alert(2, 80), measurement.FinishFailed, measurement.DetailAlert, false},
		"silence: silent":                       {wait, measurement.Silent, measurement.DetailFinishSilent, false},
		"ChangeCipherSpec, then FIN: closed":    {write(20, 3, 3, 0, 1, 1), measurement.Closed, measurement.DetailFinishEnded, false},
		"ChangeCipherSpec, then RST: reset":     {func(c *memnet.Conn) { write(20, 3, 3, 0, 1, 1)(c); pause(); reset(c) }, measurement.Reset, measurement.DetailFinishEnded, false},
		"Finished with other keys: malformed":   {write(append([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 32}, make([]byte, 32)...)...), measurement.Malformed, measurement.DetailFinishNotVerified, false},
		"application data too early: malformed": {write(23, 3, 3, 0, 1, 1), measurement.Malformed, measurement.DetailUnexpectedRecord, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				target := w.target(t, measurement.TCP)
				server := target.Address
				target.Address = w.listen(t, func(c *memnet.Conn) { w.relayFlight(c, server); test.end(c) })
				o := w.walker.Walk(t.Context(), target)
				if o.Failure != test.want || o.FailedIn != measurement.Finish || o.Detail.Kind != test.detail || o.Unproven != test.unproven ||
					!slices.Equal(phasesOf(o), upToHello) || !o.TLS.KeyProved || o.Pinged {
					t.Errorf("%s, unproven %v; want %q (%s)", describe(o), o.Unproven, test.want, test.detail)
				}
			})
		})
	}
}

// pause lets what was sent arrive.
func pause() { <-time.After(10 * time.Millisecond) }

// infoConnection is a connection with a TCP_INFO of the test's choice, in place of that of the kernel.
type infoConnection struct {
	net.Conn
	info func() sockclock.TCPInfo
}

func (c infoConnection) TCPInfo() sockclock.TCPInfo { return c.info() }

// withInfo makes the walker's TCP connections have a TCP_INFO.
func (w *world) withInfo(info func() sockclock.TCPInfo) {
	dial := w.network.Dial
	w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return infoConnection{conn, info}, nil
	}
}

func TestFinishDelivery(t *testing.T) {
	const helloOnly, all = 1 + 90, 1 << 20
	wait := func(c *memnet.Conn) { _, _ = c.Read(make([]byte, 1)) }
	for name, test := range map[string]struct {
		acked  uint64
		end    func(*memnet.Conn)
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		"FIN, not acknowledged: closed":     {helloOnly, func(*memnet.Conn) {}, measurement.Closed, measurement.DetailFinishCut},
		"RST, not acknowledged: reset":      {helloOnly, func(c *memnet.Conn) { _ = c.SetLinger(0) }, measurement.Reset, measurement.DetailFinishCut},
		"silence, not acknowledged: silent": {helloOnly, wait, measurement.Silent, measurement.DetailFinishLost},
		"FIN, acknowledged: unproven":       {all, func(*memnet.Conn) {}, measurement.CertificateNeeded, measurement.DetailEndedAfterCert},
		"RST, acknowledged: unproven":       {all, func(c *memnet.Conn) { _ = c.SetLinger(0) }, measurement.CertificateNeeded, measurement.DetailResetAfterCert},
		"silence, acknowledged: silent":     {all, wait, measurement.Silent, measurement.DetailFinishSilent},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				w.withInfo(func() sockclock.TCPInfo { return sockclock.TCPInfo{Acked: test.acked} })
				target := w.target(t, measurement.TCP)
				server := target.Address
				target.Address = w.listen(t, func(c *memnet.Conn) { w.relayFlight(c, server); test.end(c) })
				o := w.walker.Walk(t.Context(), target)
				unproven := test.want == measurement.CertificateNeeded
				if o.Failure != test.want || o.FailedIn != measurement.Finish || o.Detail.Kind != test.detail || o.Unproven != unproven {
					t.Errorf("%s, unproven %v; want %q (%s)", describe(o), o.Unproven, test.want, test.detail)
				}
			})
		})
	}
}

// TestFinishUnsent resets the connection before the client sends its flight, so that the write fails.
func TestFinishUnsent(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		target := w.target(t, measurement.TCP)
		server := target.Address
		target.Address = w.listen(t, func(c *memnet.Conn) { w.relayUpToFlight(c, server); _ = c.SetLinger(0) })
		s := w.walker.Session(target)
		defer s.Close()
		if !s.Connect(t.Context()) || !s.Hello(t.Context()) {
			t.Fatal(describe(s.Outcome()))
		}
		pause()
		s.Finish(t.Context())
		if o := s.Outcome(); o.Failure != measurement.Reset || o.FailedIn != measurement.Finish || o.Detail.Kind != measurement.DetailFinishCut || o.Unproven {
			t.Errorf("%s, want a reset", describe(o))
		}
	})
}

func TestHelloSilence(t *testing.T) {
	for name, test := range map[string]struct {
		info sockclock.TCPInfo
		want measurement.Detail
	}{
		"no TCP_INFO: unanswered":                  {sockclock.TCPInfo{}, measurement.Detail{Kind: measurement.DetailHelloUnanswered, N: 1}},
		"hello not acknowledged: not delivered":    {sockclock.TCPInfo{Acked: 1}, measurement.Detail{Kind: measurement.DetailHelloNotDelivered}},
		"hello acknowledged: delivered":            {sockclock.TCPInfo{Acked: 91}, measurement.Detail{Kind: measurement.DetailHelloDelivered}},
		"later segments only: segments lost (MTU)": {sockclock.TCPInfo{Acked: 91, OutOfOrder: 2}, measurement.Detail{Kind: measurement.DetailSegmentsLost, N: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				inflict(t, w.Lab, bootstrap, measurement.TCP, lab.Silence)
				w.withInfo(func() sockclock.TCPInfo { return test.info })
				o := w.walker.Walk(t.Context(), w.target(t, measurement.TCP))
				if o.Failure != measurement.Silent || o.Detail != test.want {
					t.Errorf("%s, want %+v", describe(o), test.want)
				}
			})
		})
	}
}

// TestWalkSlowLink walks a link with a round trip of 2.2 s, and one of 3.4 s to a server that takes 3 s for its flight.
func TestWalkSlowLink(t *testing.T) {
	for name, test := range map[string]struct {
		delay time.Duration // each way
		fault string
	}{
		"1.1 s each way: up":                  {1100 * time.Millisecond, lab.None},
		"slow server on a fast link: up":      {time.Millisecond, lab.Slow + ":1100ms"},
		"1.4 s each way, slow server too: up": {1400 * time.Millisecond, lab.Slow + ":1s"},
	} {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport measurement.Transport) {
				inWorld(t, deviceHost(), func(t *testing.T, w *world) {
					w.network.Delay = test.delay
					inflict(t, w.Lab, bootstrap, transport, test.fault)
					target := w.target(t, transport)
					target.Ping = false
					if o := w.walker.Walk(t.Context(), target); o.Failure != measurement.Completed {
						t.Error(describe(o))
					}
				})
			})
		})
	}
}

// trickleConn delivers at most 300 bytes in a second.
type trickleConn struct{ net.Conn }

func (c trickleConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 300)])
	<-time.After(time.Second)
	return n, err
}

// TestHelloProgress: a flight that keeps coming for longer than the patience is waited for.
func TestHelloProgress(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		w.walker.Patience.Hello = 1500 * time.Millisecond
		dial := w.network.Dial
		w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return trickleConn{conn}, err
		}
		o := w.walker.Walk(t.Context(), w.target(t, measurement.TCP))
		if took, ok := o.Took(measurement.Hello); !ok || took < 2*time.Second {
			t.Errorf("hello after %v: %s", took, describe(o))
		}
	})
}

func TestHelloHTTP(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		"block page: HTTP":                {"HTTP/1.1 403 Forbidden\r\n\r\n<html>", measurement.HTTP, measurement.DetailHTTP},
		"redirect: HTTP":                  {"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", measurement.HTTP, measurement.DetailHTTP},
		"HTML without status: HTTP":       {"<html>blocked</html>", measurement.HTTP, measurement.DetailHTTP},
		"lower case: HTTP":                {"http/1.1 451 no\r\n\r\n", measurement.HTTP, measurement.DetailHTTP},
		"bad request: server without TLS": {"HTTP/1.1 400 Bad Request\r\n\r\n<html>", measurement.NotTLS, measurement.DetailHTTPServer},
		"unavailable: server without TLS": {"HTTP/1.0 503 x\r\n\r\n", measurement.NotTLS, measurement.DetailHTTPServer},
		"another protocol: not TLS":       {"220 mail ESMTP\r\n", measurement.NotTLS, measurement.DetailNotTLS},
	} {
		for _, client := range []measurement.Client{measurement.Device, measurement.Web} {
			t.Run(name+"/"+string(client), func(t *testing.T) {
				inWorld(t, deviceHost(), func(t *testing.T, w *world) {
					to := w.listen(t, func(c *memnet.Conn) {
						_, _ = c.Read(make([]byte, 4096))
						_, _ = c.Write([]byte(test.answer))
					})
					o := w.walker.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: client, Host: "a.test"})
					if o.Failure != test.want || o.Detail.Kind != test.detail {
						t.Errorf("%s, want %q (%s)", describe(o), test.want, test.detail)
					}
				})
			})
		}
	}
}

// relayUpToFlight relays the hello and the server flight.
func (w *world) relayUpToFlight(c *memnet.Conn, to netip.AddrPort) {
	server, err := w.network.Dial(context.Background(), "tcp", to.String())
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
}

// relayFlight relays the hello and the server flight and discards the client's answer.
func (w *world) relayFlight(c *memnet.Conn, to netip.AddrPort) {
	w.relayUpToFlight(c, to)
	_, _ = c.Read(make([]byte, 8192))
}
