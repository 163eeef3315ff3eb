package path

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

const bootstrap, containers = "bootstrap.us-east-1.mbedcloud.com", "containers.us-east-1.mbedcloud.com"

// world is a simulated cloud on a network in memory, and a walker that probes it with default patience. Everything
// runs in a synctest bubble, so that time passes only while all of it waits.
type world struct {
	*lab.Lab
	network *memnet.Network
	walker  *Walker
}

// inWorld runs a test in a bubble with a simulated cloud.
func inWorld(t *testing.T, o lab.Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{Delay: time.Millisecond}
		o.Network = network
		l := labtest.Start(t, o)
		test(t, &world{l, network, &Walker{Dial: network.Dial, Credential: clientCertificate(t, l)}})
	})
}

// deviceHost is a cloud with only the bootstrap host.
func deviceHost() lab.Options { return lab.Options{Hosts: lab.Izuma()[:1]} }

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

// clientCertificate returns a Credential function with a certificate that no cloud knows.
func clientCertificate(t testing.TB, l *lab.Lab) func() *Credential {
	t.Helper()
	certificate, err := l.Mint.Inspector.Issue(lab.Leaf{CommonName: "client"})
	if err != nil {
		t.Fatal(err)
	}
	credential := &Credential{Certificate: certificate}
	return func() *Credential { return credential }
}

// target is the complete device's walk of the bootstrap host.
func (w *world) target(t testing.TB, transport measurement.Transport) Target {
	return Target{
		Address: addressOf(t, w.Lab, bootstrap, transport), Transport: transport, Client: measurement.Device, Host: bootstrap,
		Finish: true, Ping: true, WebRetry: true,
	}
}

// openSession completes the handshake of a session.
func (w *world) openSession(t *testing.T, transport measurement.Transport) Session {
	t.Helper()
	s := w.walker.Session(w.target(t, transport))
	t.Cleanup(s.Close)
	if !s.Connect(t.Context()) || !s.Hello(t.Context()) || !s.Finish(t.Context()) {
		t.Fatalf("no session: %s", describe(s.Outcome()))
	}
	return s
}

// listen accepts TCP connections in memory and gives each to serve, after which it is closed.
func (w *world) listen(t testing.TB, serve func(*memnet.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := w.network.Listen(netip.MustParseAddrPort("198.51.100.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn.(*memnet.Conn))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// serverCertificate returns the server's own certificate, nil without one or if package x509 cannot parse it.
func serverCertificate(seen *measurement.TLS) *x509.Certificate {
	if seen == nil || len(seen.RawChain) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(seen.RawChain[0])
	if err != nil {
		return nil
	}
	return leaf
}

// describe is an outcome for the message of a failed test.
func describe(o measurement.Outcome) string {
	return fmt.Sprintf("%q in %q after %v (%+v), TLS %+v", o.Failure, o.FailedIn, phasesOf(o), o.Detail, o.TLS)
}

func phasesOf(o measurement.Outcome) []measurement.Phase {
	var phases []measurement.Phase
	for _, p := range o.Times {
		phases = append(phases, p.Phase)
	}
	return phases
}

// overBoth runs a test for each transport.
func overBoth(t *testing.T, test func(*testing.T, measurement.Transport)) {
	for _, transport := range []measurement.Transport{measurement.TCP, measurement.UDP} {
		t.Run(string(transport), func(t *testing.T) { test(t, transport) })
	}
}

// after returns a context that ends after d.
func after(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// leafOf returns a certificate of the public web.
func leafOf(t testing.TB, leaf lab.Leaf) tls.Certificate {
	t.Helper()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := mint.Web.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// The phases of a walk that were completed.
var (
	connectOnly  = []measurement.Phase{measurement.Connect}
	upToHello    = []measurement.Phase{measurement.Connect, measurement.Hello}
	upToFinish   = []measurement.Phase{measurement.Connect, measurement.Hello, measurement.Finish}
	upToHelloUDP = upToHello[1:]
	upToFinUDP   = upToFinish[1:]
	allUDP       = measurement.Phases[1:]
)
