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
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// patient leaves servers in this process, and real programs, their time on a busy machine.
var patient = Patience{Connect: 30 * time.Second, Hello: 30 * time.Second, Flight: 30 * time.Second, Finish: 30 * time.Second, Ping: 30 * time.Second}

// silentIn is the patience where nothing is due in one phase: that one is waited for to its end, so it is short. None ("")
// is patient in all.
func silentIn(phase measurement.Phase) Patience {
	const short = 2 * time.Second
	p := patient
	switch phase {
	case measurement.Connect:
		p.Connect = short
	case measurement.Hello:
		p.Hello, p.Flight = short, short
	case measurement.Finish:
		p.Finish = short
	case measurement.Ping:
		p.Ping = short
	}
	return p
}

// silentPhase is the phase of a walk under a fault in which nothing is due, by the failure that is: "" if there is none.
func silentPhase(fault string, failure measurement.Failure, in measurement.Phase) measurement.Phase {
	switch {
	case fault == lab.NoPong:
		return measurement.Ping
	case failure == measurement.Silent, failure == measurement.Unreachable, fault == lab.Garbage:
		return in
	}
	return ""
}

const bootstrap, containers = "bootstrap.us-east-1.mbedcloud.com", "containers.us-east-1.mbedcloud.com"

func startLab(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func addressOf(t testing.TB, l *lab.Lab, host string, transport measurement.Transport) netip.AddrPort {
	t.Helper()
	for _, p := range l.Places() {
		if p.Host.Name == host && p.Path.Transport == string(transport) {
			return p.Address
		}
	}
	t.Fatalf("the lab has no %s path of %s", transport, host)
	return netip.AddrPort{}
}

func inflict(t testing.TB, l *lab.Lab, host string, transport measurement.Transport, fault string) {
	t.Helper()
	if err := l.Set(host+"/"+string(transport), fault); err != nil {
		t.Fatal(err)
	}
}

// stranger is the throw-away pair that a walker shows.
func stranger(t testing.TB, l *lab.Lab) func() *Credential {
	t.Helper()
	certificate, err := l.Mint.Inspector.Issue(lab.Leaf{CommonName: "any stranger"})
	if err != nil {
		t.Fatal(err)
	}
	credential := &Credential{Certificate: certificate}
	return func() *Credential { return credential }
}

func phasesOf(o measurement.Outcome) []measurement.Phase {
	var phases []measurement.Phase
	for _, p := range o.Times {
		phases = append(phases, p.Phase)
	}
	return phases
}

var (
	connected = []measurement.Phase{measurement.Connect}
	greeted   = []measurement.Phase{measurement.Connect, measurement.Hello}
	finished  = []measurement.Phase{measurement.Connect, measurement.Hello, measurement.Finish}
)

func TestDeviceWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		phases  []measurement.Phase
		web     bool // a web hello was tried
		proved  bool
	}{
		{lab.None, measurement.Completed, "", measurement.Phases, false, true},
		{lab.NoPong, measurement.Completed, "", finished, false, true},
		{lab.Refuse, measurement.Refused, measurement.Connect, nil, false, false},
		{lab.Drop, measurement.Unreachable, measurement.Connect, nil, false, false},
		{lab.ResetAfterHello, measurement.Reset, measurement.Hello, connected, true, false},
		{lab.CloseAfterHello, measurement.Closed, measurement.Hello, connected, true, false},
		{lab.Silence, measurement.Silent, measurement.Hello, connected, true, false},
		{lab.Drip, measurement.Silent, measurement.Hello, connected, true, false},
		{lab.BlockPage, measurement.HTTP, measurement.Hello, connected, false, false},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, connected, true, false},
		{lab.Endless, measurement.Malformed, measurement.Hello, connected, false, false},
		{lab.Alert + ":70", measurement.Alert, measurement.Hello, connected, true, false},
		{lab.Intercept, measurement.Completed, "", measurement.Phases, false, true},
		{lab.InterceptNoCCM, measurement.Alert, measurement.Hello, connected, true, false},
		{lab.ForgedIssuer, measurement.Completed, "", measurement.Phases, false, true},
		{lab.Replay, measurement.Completed, "", greeted, false, false},
		{lab.OversizedChain, measurement.Unfit, measurement.Hello, greeted, false, true},
		{lab.RSALeaf, measurement.Unfit, measurement.Hello, greeted, false, true},
		{lab.ClientOnlyLeaf, measurement.Unfit, measurement.Hello, greeted, false, true},
		{lab.SplitRecords, measurement.Unfit, measurement.Hello, greeted, false, true},
		{lab.RefuseCertificate, measurement.CertificateNeeded, measurement.Finish, greeted, false, true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			inflict(t, l, bootstrap, measurement.TCP, test.fault)
			w := &Walker{Patience: silentIn(silentPhase(test.fault, test.failure, test.in)), Credential: stranger(t, l)}
			o := w.Walk(t.Context(), Target{
				Address: addressOf(t, l, bootstrap, measurement.TCP), Transport: measurement.TCP, Client: measurement.Device, Host: bootstrap,
				Finish: true, Ping: true, WebRetry: true,
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) {
				t.Errorf("%q in %q after %v (%s), want %q in %q after %v",
					o.Failure, o.FailedIn, phasesOf(o), o.Detail.Text, test.failure, test.in, test.phases)
			}
			if (o.Web != nil) != test.web {
				t.Errorf("web hello: %+v, want one: %v", o.Web, test.web)
			}
			if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
				t.Errorf("key proved: %v, want %v", proved, test.proved)
			}
			if (o.Failure == measurement.Completed) != (o.Detail.Text == "") {
				t.Errorf("failure %q with detail %q", o.Failure, o.Detail.Text)
			}
		})
	}
}

func TestWebWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		proved  bool
	}{
		{lab.None, measurement.Completed, "", true},
		{lab.Refuse, measurement.Refused, measurement.Connect, false},
		{lab.Drop, measurement.Unreachable, measurement.Connect, false},
		{lab.ResetAfterHello, measurement.Reset, measurement.Hello, false},
		{lab.CloseAfterHello, measurement.Closed, measurement.Hello, false},
		{lab.Silence, measurement.Silent, measurement.Hello, false},
		{lab.Drip, measurement.Silent, measurement.Hello, false},
		{lab.BlockPage, measurement.HTTP, measurement.Hello, false},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, false},
		{lab.Endless, measurement.Malformed, measurement.Hello, false},
		{lab.Alert + ":40", measurement.Alert, measurement.Hello, false},
		{lab.Intercept, measurement.Completed, "", true},
		{lab.Replay, measurement.Completed, "", false},
		{lab.OversizedChain, measurement.Completed, "", true},
		{lab.RSALeaf, measurement.Completed, "", true},
		{lab.SplitRecords, measurement.Completed, "", true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{})
			inflict(t, l, containers, measurement.TCP, test.fault)
			w := &Walker{Patience: silentIn(silentPhase(test.fault, test.failure, test.in))}
			o := w.Walk(t.Context(), Target{Address: addressOf(t, l, containers, measurement.TCP), Transport: measurement.TCP, Client: measurement.Web, Host: containers})
			if o.Failure != test.failure || o.FailedIn != test.in {
				t.Errorf("%q in %q (%s), want %q in %q", o.Failure, o.FailedIn, o.Detail.Text, test.failure, test.in)
			}
			if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
				t.Errorf("key proved: %v, want %v", proved, test.proved)
			}
			if test.failure == measurement.Completed && o.TLS.Leaf() == nil {
				t.Error("no certificate kept")
			}
		})
	}
}

func TestAnInterceptorWithoutTheDevicesSuiteIsSeenByTheWebHello(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	inflict(t, l, bootstrap, measurement.TCP, lab.InterceptNoCCM)
	o := (&Walker{Patience: patient}).Walk(t.Context(), Target{
		Address: addressOf(t, l, bootstrap, measurement.TCP), Transport: measurement.TCP, Client: measurement.Device, Host: bootstrap, WebRetry: true,
	})
	seen, by := o.SawTLS()
	if by != measurement.Web || seen.Leaf() == nil || seen.Leaf().Issuer.CommonName != "SSLInspect" || !seen.KeyProved {
		t.Errorf("saw %+v by %q, want the certificate of SSLInspect by the web hello", seen, by)
	}
	if !o.TLS.HasAlert || o.TLS.Alert != 40 {
		t.Errorf("the device's hello saw %+v, want the alert 40", o.TLS)
	}
}

func TestADevicesWalkSeesWhatTheServerShows(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	o := (&Walker{Patience: patient}).Walk(t.Context(), Target{Address: addressOf(t, l, bootstrap, measurement.TCP), Transport: measurement.TCP, Client: measurement.Device})
	if o.TLS == nil || o.TLS.Version != tls.VersionTLS12 || o.TLS.Cipher != 0xc0ae || !o.TLS.CertificateRequested ||
		o.TLS.FlightBytes == 0 || o.TLS.Leaf().Issuer.CommonName != "ARM Bootstrap CA" {
		t.Errorf("saw %+v", o.TLS)
	}
	if !o.FinishSkipped || !o.Local.IsValid() || o.Pinged {
		t.Errorf("finish skipped: %v, local %v, pinged: %v", o.FinishSkipped, o.Local, o.Pinged)
	}
}

// TestTheHelloIsTheDevicesOnTheWire reads what a walk really sends.
func TestTheHelloIsTheDevicesOnTheWire(t *testing.T) {
	got := make(chan []byte, 1)
	to := answering(t, func(c *net.TCPConn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- b[:n]
	})
	(&Walker{Patience: patient}).Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Device})
	hello := <-got
	if len(hello) != devicetls.HelloSize || !bytes.Equal(hello, devicetls.Hello([32]byte(hello[11:43]))) {
		t.Errorf("sent % x", hello)
	}
}

// TestTheWebHelloInADevicesSteadFillsOneSegment has a server end every connection after the hello.
func TestTheWebHelloInADevicesSteadFillsOneSegment(t *testing.T) {
	const segment = 1220 // in IPv6's least MTU
	lengths := make(chan int, 2)
	to := answering(t, func(c *net.TCPConn) {
		n, _ := c.Read(make([]byte, 4096))
		lengths <- n
	})
	target := Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, Host: bootstrap, WebRetry: true}
	if o := (&Walker{Patience: patient}).Walk(t.Context(), target); o.Web == nil {
		t.Fatalf("%q, and no web hello", o.Failure)
	}
	if device, web := <-lengths, <-lengths; device != devicetls.HelloSize || web <= device || web > segment {
		t.Errorf("hellos of %d and %d bytes", device, web)
	}
}
