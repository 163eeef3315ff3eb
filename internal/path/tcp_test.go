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
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// patient leaves servers in this process, and real programs, their time on a busy machine.
var patient = Patience{Connect: 30 * time.Second, Hello: 30 * time.Second, Flight: 30 * time.Second, Finish: 30 * time.Second, Ping: 30 * time.Second}

// silentIn is the patience where nothing is due in one phase: that one is waited for to its end, so it is short. None ("")
// is patient in all.
func silentIn(phase evidence.Phase) Patience {
	const short = 2 * time.Second
	p := patient
	switch phase {
	case evidence.Connect:
		p.Connect = short
	case evidence.Hello:
		p.Hello, p.Flight = short, short
	case evidence.Finish:
		p.Finish = short
	case evidence.Ping:
		p.Ping = short
	}
	return p
}

// silentPhase is the phase of a walk under a fault in which nothing is due, by the failure that is: "" if there is none.
func silentPhase(fault string, failure evidence.Failure, in evidence.Phase) evidence.Phase {
	switch {
	case fault == lab.NoPong:
		return evidence.Ping
	case failure == evidence.Silent, failure == evidence.Unreachable, fault == lab.Garbage:
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

func addressOf(t testing.TB, l *lab.Lab, host string, transport evidence.Transport) netip.AddrPort {
	t.Helper()
	for _, p := range l.Places() {
		if p.Host.Name == host && p.Path.Transport == string(transport) {
			return p.Address
		}
	}
	t.Fatalf("the lab has no %s path of %s", transport, host)
	return netip.AddrPort{}
}

func inflict(t testing.TB, l *lab.Lab, host string, transport evidence.Transport, fault string) {
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

func phasesOf(o evidence.Outcome) []evidence.Phase {
	var phases []evidence.Phase
	for _, p := range o.Times {
		phases = append(phases, p.Phase)
	}
	return phases
}

var (
	connected = []evidence.Phase{evidence.Connect}
	greeted   = []evidence.Phase{evidence.Connect, evidence.Hello}
	finished  = []evidence.Phase{evidence.Connect, evidence.Hello, evidence.Finish}
)

func TestDeviceWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure evidence.Failure
		in      evidence.Phase
		phases  []evidence.Phase
		web     bool // a web hello was tried
		proved  bool
	}{
		{lab.None, evidence.Completed, "", evidence.Phases, false, true},
		{lab.NoPong, evidence.Completed, "", finished, false, true},
		{lab.Refuse, evidence.Refused, evidence.Connect, nil, false, false},
		{lab.Drop, evidence.Unreachable, evidence.Connect, nil, false, false},
		{lab.ResetAfterHello, evidence.Reset, evidence.Hello, connected, true, false},
		{lab.CloseAfterHello, evidence.Closed, evidence.Hello, connected, true, false},
		{lab.Silence, evidence.Silent, evidence.Hello, connected, true, false},
		{lab.Drip, evidence.Silent, evidence.Hello, connected, true, false},
		{lab.BlockPage, evidence.HTTP, evidence.Hello, connected, false, false},
		{lab.Garbage, evidence.NotTLS, evidence.Hello, connected, true, false},
		{lab.Endless, evidence.Malformed, evidence.Hello, connected, false, false},
		{lab.Alert + ":70", evidence.Alert, evidence.Hello, connected, true, false},
		{lab.Intercept, evidence.Completed, "", evidence.Phases, false, true},
		{lab.InterceptNoCCM, evidence.Alert, evidence.Hello, connected, true, false},
		{lab.ForgedIssuer, evidence.Completed, "", evidence.Phases, false, true},
		{lab.Replay, evidence.Completed, "", greeted, false, false},
		{lab.OversizedChain, evidence.Unfit, evidence.Hello, greeted, false, true},
		{lab.RSALeaf, evidence.Unfit, evidence.Hello, greeted, false, true},
		{lab.ClientOnlyLeaf, evidence.Unfit, evidence.Hello, greeted, false, true},
		{lab.SplitRecords, evidence.Unfit, evidence.Hello, greeted, false, true},
		{lab.RefuseCertificate, evidence.CertificateNeeded, evidence.Finish, greeted, false, true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			inflict(t, l, bootstrap, evidence.TCP, test.fault)
			w := &Walker{Patience: silentIn(silentPhase(test.fault, test.failure, test.in)), Credential: stranger(t, l)}
			o := w.Walk(t.Context(), Target{
				Address: addressOf(t, l, bootstrap, evidence.TCP), Transport: evidence.TCP, Client: evidence.Device, Host: bootstrap,
				Finish: true, Ping: true, WebRetry: true,
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) {
				t.Errorf("%q in %q after %v (%s), want %q in %q after %v",
					o.Failure, o.FailedIn, phasesOf(o), o.Detail, test.failure, test.in, test.phases)
			}
			if (o.Web != nil) != test.web {
				t.Errorf("web hello: %+v, want one: %v", o.Web, test.web)
			}
			if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
				t.Errorf("key proved: %v, want %v", proved, test.proved)
			}
			if (o.Failure == evidence.Completed) != (o.Detail == "") {
				t.Errorf("failure %q with detail %q", o.Failure, o.Detail)
			}
		})
	}
}

func TestWebWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure evidence.Failure
		in      evidence.Phase
		proved  bool
	}{
		{lab.None, evidence.Completed, "", true},
		{lab.Refuse, evidence.Refused, evidence.Connect, false},
		{lab.Drop, evidence.Unreachable, evidence.Connect, false},
		{lab.ResetAfterHello, evidence.Reset, evidence.Hello, false},
		{lab.CloseAfterHello, evidence.Closed, evidence.Hello, false},
		{lab.Silence, evidence.Silent, evidence.Hello, false},
		{lab.Drip, evidence.Silent, evidence.Hello, false},
		{lab.BlockPage, evidence.HTTP, evidence.Hello, false},
		{lab.Garbage, evidence.NotTLS, evidence.Hello, false},
		{lab.Endless, evidence.Malformed, evidence.Hello, false},
		{lab.Alert + ":40", evidence.Alert, evidence.Hello, false},
		{lab.Intercept, evidence.Completed, "", true},
		{lab.Replay, evidence.Completed, "", false},
		{lab.OversizedChain, evidence.Completed, "", true},
		{lab.RSALeaf, evidence.Completed, "", true},
		{lab.SplitRecords, evidence.Completed, "", true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{})
			inflict(t, l, containers, evidence.TCP, test.fault)
			w := &Walker{Patience: silentIn(silentPhase(test.fault, test.failure, test.in))}
			o := w.Walk(t.Context(), Target{Address: addressOf(t, l, containers, evidence.TCP), Transport: evidence.TCP, Client: evidence.Web, Host: containers})
			if o.Failure != test.failure || o.FailedIn != test.in {
				t.Errorf("%q in %q (%s), want %q in %q", o.Failure, o.FailedIn, o.Detail, test.failure, test.in)
			}
			if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
				t.Errorf("key proved: %v, want %v", proved, test.proved)
			}
			if test.failure == evidence.Completed && o.TLS.Leaf() == nil {
				t.Error("no certificate kept")
			}
		})
	}
}

func TestAnInterceptorWithoutTheDevicesSuiteIsSeenByTheWebHello(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	inflict(t, l, bootstrap, evidence.TCP, lab.InterceptNoCCM)
	o := (&Walker{Patience: patient}).Walk(t.Context(), Target{
		Address: addressOf(t, l, bootstrap, evidence.TCP), Transport: evidence.TCP, Client: evidence.Device, Host: bootstrap, WebRetry: true,
	})
	seen, by := o.SawTLS()
	if by != evidence.Web || seen.Leaf() == nil || seen.Leaf().Issuer.CommonName != "SSLInspect" || !seen.KeyProved {
		t.Errorf("saw %+v by %q, want the certificate of SSLInspect by the web hello", seen, by)
	}
	if !o.TLS.HasAlert || o.TLS.Alert != 40 {
		t.Errorf("the device's hello saw %+v, want the alert 40", o.TLS)
	}
}

func TestADevicesWalkSeesWhatTheServerShows(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
	o := (&Walker{Patience: patient}).Walk(t.Context(), Target{Address: addressOf(t, l, bootstrap, evidence.TCP), Transport: evidence.TCP, Client: evidence.Device})
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
	(&Walker{Patience: patient}).Walk(t.Context(), Target{Address: to, Transport: evidence.TCP, Client: evidence.Device})
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
	target := Target{Address: to, Transport: evidence.TCP, Client: evidence.Device, Host: bootstrap, WebRetry: true}
	if o := (&Walker{Patience: patient}).Walk(t.Context(), target); o.Web == nil {
		t.Fatalf("%q, and no web hello", o.Failure)
	}
	if device, web := <-lengths, <-lengths; device != devicetls.HelloSize || web <= device || web > segment {
		t.Errorf("hellos of %d and %d bytes", device, web)
	}
}
