package path

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// filteredConn drops datagrams of the client.
type filteredConn struct {
	net.Conn
	drop func(datagram []byte) bool
}

func (c *filteredConn) Write(datagram []byte) (int, error) {
	if c.drop(datagram) {
		return len(datagram), nil
	}
	return c.Conn.Write(datagram)
}

// lossyReads loses datagrams of the server.
type lossyReads struct {
	net.Conn
	lost func(datagram []byte) bool
}

func (c *lossyReads) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.lost(p[:n]) {
			return n, err
		}
	}
}

// dialWith wraps the walker's connections.
func (w *world) dialWith(wrap func(net.Conn) net.Conn) {
	dial := w.network.Dial
	w.walker.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
}

// TestRefusedCertificateUDPWithLoss loses 5 % of the datagrams in both directions: a refused certificate is almost
// never taken for silence.
func TestRefusedCertificateUDPWithLoss(t *testing.T) {
	const walks, percent = 400, 5
	random := rand.New(rand.NewPCG(1, 2))
	lose := func([]byte) bool { return random.IntN(100) < percent }
	silent, consecutive := 0, 0
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		inflict(t, w.Lab, bootstrap, measurement.UDP, lab.RefuseCertificate)
		w.dialWith(func(conn net.Conn) net.Conn { return &lossyReads{&filteredConn{conn, lose}, lose} })
		last := 0
		for n := range walks {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			o := w.walker.Walk(ctx, w.target(t, measurement.UDP))
			cancel()
			if o.Failure == measurement.Silent {
				silent++
				if last == n-1 {
					consecutive++
				}
				last = n
			} else if o.Failure != measurement.CertificateNeeded && o.Failure != measurement.OutOfTime {
				t.Errorf("walk %d: %s", n, describe(o))
			}
		}
	})
	if silent > walks/50 || consecutive > 0 {
		t.Errorf("%d of %d walks were silent, %d of them after another one", silent, walks, consecutive)
	}
}

// TestWalkUDPLook probes a server that has only an RSA certificate, as an interceptor may: the device's hello is
// refused, and a wider one shows the certificate.
func TestWalkUDPLook(t *testing.T) {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := mint.Inspector.Issue(lab.Leaf{CommonName: "intercepted.test", RSA: true})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := dtls.ListenWithOptions("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, dtls.WithCertificates(leaf))
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_ = conn.(*dtls.Conn).HandshakeContext(ctx)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		sessions.Wait()
	})
	w := &Walker{Patience: Patience{Flight: 30 * time.Second}}
	o := w.Walk(t.Context(), Target{Address: listener.Addr().(*net.UDPAddr).AddrPort(), Transport: measurement.UDP, Host: "a.test", Finish: true})
	if o.Failure != measurement.Alert || o.FailedIn != measurement.Hello || o.Web == nil {
		t.Fatalf("%s, web %+v", describe(o), o.Web)
	}
	seen, by := o.SawTLS().TLS, o.SawTLS().Client
	if by != measurement.Web || o.Web.Failure != measurement.Completed || serverCertificate(seen) == nil || serverCertificate(seen).Issuer.CommonName != "SSLInspect" ||
		!seen.KeyProved || len(seen.Unfit) > 0 {
		t.Errorf("saw %+v by %q: %s", seen, by, describe(*o.Web))
	}
}
