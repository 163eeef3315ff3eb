package path

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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
		seen, by := o.SawTLS()
		if by != measurement.Web || seen.Leaf() == nil || seen.Leaf().Issuer.CommonName != "SSLInspect" || !seen.KeyProved {
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
			o.TLS.FlightBytes == 0 || o.TLS.Leaf().Issuer.CommonName != "ARM Bootstrap CA" {
			t.Errorf("saw %+v", o.TLS)
		}
		if !o.FinishSkipped || !o.Local.IsValid() || o.Pinged {
			t.Errorf("finish skipped: %v, local %v, pinged: %v", o.FinishSkipped, o.Local, o.Pinged)
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

// TestFinishTCP lets the hello and the server flight pass and ends the connection in the finish.
func TestFinishTCP(t *testing.T) {
	alert := func(code byte) func(*memnet.Conn) {
		return func(c *memnet.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, code}) }
	}
	wait := func(c *memnet.Conn) { _, _ = c.Read(make([]byte, 1)) }
	for name, test := range map[string]struct {
		end    func(*memnet.Conn)
		want   measurement.Failure
		detail measurement.DetailKind
	}{
		"FIN: certificate needed":               {func(*memnet.Conn) {}, measurement.CertificateNeeded, measurement.DetailEndedAfterCert},
		"RST: certificate needed":               {func(c *memnet.Conn) { _ = c.SetLinger(0) }, measurement.CertificateNeeded, measurement.DetailEndedAfterCert},
		"bad_certificate: certificate needed":   {alert(42), measurement.CertificateNeeded, measurement.DetailAlertAfterCert},
		"unknown_ca: certificate needed":        {alert(48), measurement.CertificateNeeded, measurement.DetailAlertAfterCert},
		"access_denied: certificate needed":     {alert(49), measurement.CertificateNeeded, measurement.DetailAlertAfterCert},
		"handshake_failure: certificate needed": {alert(40), measurement.CertificateNeeded, measurement.DetailAlertAfterCert},
		"close_notify: certificate needed":      {alert(0), measurement.CertificateNeeded, measurement.DetailAlertAfterCert},
		"decrypt_error: finish failed":          {alert(51), measurement.FinishFailed, measurement.DetailAlert},
		"internal_error: finish failed":         {alert(80), measurement.FinishFailed, measurement.DetailAlert},
		"silence: finish failed":                {wait, measurement.FinishFailed, measurement.DetailFinishSilent},
		"Finished with other keys: finish failed": {func(c *memnet.Conn) {
			_, _ = c.Write(append([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 32}, make([]byte, 32)...))
		}, measurement.FinishFailed, measurement.DetailFinishNotVerified},
		"application data too early: finish failed": {func(c *memnet.Conn) { _, _ = c.Write([]byte{23, 3, 3, 0, 1, 1}) }, measurement.FinishFailed, measurement.DetailUnexpectedRecord},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				target := w.target(t, measurement.TCP)
				server := target.Address
				target.Address = w.listen(t, func(c *memnet.Conn) { w.relayFlight(c, server); test.end(c) })
				o := w.walker.Walk(t.Context(), target)
				if o.Failure != test.want || o.FailedIn != measurement.Finish || o.Detail.Kind != test.detail ||
					!slices.Equal(phasesOf(o), upToHello) || !o.TLS.KeyProved || o.Pinged {
					t.Errorf("%s, want %q (%s)", describe(o), test.want, test.detail)
				}
			})
		})
	}
}

// relayFlight relays the hello and the server flight and discards the client's answer.
func (w *world) relayFlight(c *memnet.Conn, to netip.AddrPort) {
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
	_, _ = c.Read(buf)
}
