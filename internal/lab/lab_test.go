package lab

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

func startLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

// dialer opens a connection, as net.Dialer.DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// inMemory runs a test with a lab in memory, in virtual time.
func inMemory(t *testing.T, test func(t *testing.T, l *Lab, dial dialer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{Delay: time.Millisecond}
		test(t, startLab(t, Options{Network: network}), network.Dial)
	})
}

// place is the path of a host.
func (l *Lab) place(t *testing.T, host, transport string, nominal uint16) Place {
	t.Helper()
	for _, p := range l.Places() {
		if strings.HasPrefix(p.Host.Name, host+".") && p.Path == (Path{transport, nominal}) {
			return p
		}
	}
	t.Fatalf("no path %s/%s:%d", host, transport, nominal)
	return Place{}
}

// deviceHello is the device's hello, with zeros for its random.
func deviceHello(t testing.TB) []byte {
	t.Helper()
	hello, err := hex.DecodeString("16030300550100005103" + "03" + strings.Repeat("00", 32) + "00" + "0004c0ae00ff" + "0100" + "0024" +
		"000d000600040403" + "0303" + "000a000400020017" + "000b00020100" + "00160000" + "00170000" + "00230000")
	if err != nil {
		t.Fatal(err)
	}
	return hello
}

// wire is what a raw client receives after its hello: at most limit bytes within the time.
func wire(t *testing.T, dial dialer, to netip.AddrPort, hello []byte, within time.Duration, limit int64) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn, err := dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write(hello); err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(within))
	return io.ReadAll(io.LimitReader(conn, limit))
}

func TestTCPFaultsOnTheWire(t *testing.T) {
	alert := []byte{contentAlert, 3, 3, 0, 2, 2}
	flight := []byte{contentHandshake, 3, 3}
	for _, test := range []struct {
		fault  string
		within time.Duration // 0: 30 s
		limit  int64         // 0: 1 MiB
		size   int           // bytes that come; 0: any number, or limit
		begins []byte
		err    error
	}{
		{fault: None, limit: 100, begins: flight},
		{fault: Refuse, err: syscall.ECONNREFUSED},
		{fault: Drop, err: os.ErrDeadlineExceeded},
		{fault: ResetAfterHello, err: syscall.ECONNRESET},
		{fault: CloseAfterHello},
		{fault: Silence, err: os.ErrDeadlineExceeded},
		{fault: BlockPage, within: 2 * time.Minute, begins: []byte("HTTP/1.1 403")},
		{fault: Garbage, within: 2 * time.Minute, begins: []byte{0xde, 0xad}},
		{fault: Alert, within: 2 * time.Minute, begins: append(alert, 40)},
		{fault: "alert:80", within: 2 * time.Minute, begins: append(alert, 80)},
		{fault: InterceptNoCCM, begins: append(alert, 40)},
		{fault: Endless, limit: 1 << 20, begins: flight},
		{fault: Drip, within: 5500 * time.Millisecond, err: os.ErrDeadlineExceeded, begins: flight, size: 5},
		{fault: "slow:200ms", limit: 100, begins: flight},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
				to := l.place(t, "bootstrap", "tcp", NominalDevice).Address
				if err := l.Set("bootstrap/tcp:5684", test.fault); err != nil {
					t.Fatal(err)
				}
				got, err := wire(t, dial, to, deviceHello(t), cmp.Or(test.within, 30*time.Second), cmp.Or(test.limit, 1<<20))
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					err = os.ErrDeadlineExceeded
				}
				if !errors.Is(err, test.err) {
					t.Errorf("ended with %v, want %v", err, test.err)
				}
				if !bytes.HasPrefix(got, test.begins) || (test.begins == nil && len(got) > 0) {
					t.Errorf("got % x…, want % x…", got[:min(len(got), 32)], test.begins)
				}
				if size := cmp.Or(test.size, int(test.limit)); size > 0 && len(got) != size {
					t.Errorf("got %d bytes, want %d", len(got), size)
				}
				if err := l.Set("bootstrap/tcp:5684", None); err != nil {
					t.Fatal(err)
				}
				if got, err := wire(t, dial, to, deviceHello(t), 30*time.Second, 100); err != nil || !bytes.HasPrefix(got, flight) {
					t.Errorf("after the fault: % x…, %v", got[:min(len(got), 32)], err)
				}
			})
		})
	}
}

// web shakes hands as a browser and returns the leaf's issuer.
func web(ctx context.Context, dial dialer, to netip.AddrPort, host string, authority *Authority) (issuer string, err error) {
	raw, err := dial(ctx, "tcp", to.String())
	if err != nil {
		return "", err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: authority.Pool()})
	err = conn.HandshakeContext(ctx)
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return bad.UnverifiedCertificates[0].Issuer.CommonName, err
	}
	if err != nil {
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Issuer.CommonName, nil
}

func TestWebHostsUnderFaults(t *testing.T) {
	for _, test := range []struct{ fault, issuer, failure string }{
		{None, "Lab Web CA", ""},
		{RSALeaf, "Lab Web CA", ""},
		{OversizedChain, "Lab Web CA", ""},
		{SplitRecords, "Lab Web CA", ""},
		{Intercept, "SSLInspect", "unknown authority"},
		{InterceptNoCCM, "SSLInspect", "unknown authority"},
		{ForgedIssuer, "Lab Web CA", "unknown authority"},
		{Replay, "", "invalid signature"},
		{Expired, "Lab Web CA", "expired"},
		{NotYetValid, "Lab Web CA", "not yet valid"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
				place := l.place(t, "gateways", "tcp", NominalWeb)
				if err := l.Set("gateways", test.fault); err != nil {
					t.Fatal(err)
				}
				issuer, err := web(t.Context(), dial, place.Address, place.Host.Name, l.Mint.Web)
				if issuer != test.issuer {
					t.Errorf("issuer %q, want %q", issuer, test.issuer)
				}
				if (err == nil) != (test.failure == "") || (err != nil && !strings.Contains(err.Error(), test.failure)) {
					t.Errorf("error %v, want one with %q", err, test.failure)
				}
			})
		})
	}
}

func TestDevicePortAndBrowsers(t *testing.T) {
	inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
		place := l.place(t, "bootstrap", "tcp", NominalDevice)
		if _, err := web(t.Context(), dial, place.Address, place.Host.Name, l.Mint.Bootstrap); err == nil || !strings.Contains(err.Error(), "handshake failure") {
			t.Errorf("browser at the device port: %v, want handshake failure", err)
		}
		for _, fault := range []string{Intercept, InterceptNoCCM} {
			if err := l.Set("bootstrap", fault); err != nil {
				t.Fatal(err)
			}
			if issuer, _ := web(t.Context(), dial, place.Address, place.Host.Name, l.Mint.Bootstrap); issuer != "SSLInspect" {
				t.Errorf("%s shows a browser issuer %q", fault, issuer)
			}
		}
	})
}

// dtlsTimeout bounds the handshake and the ping of dtlsClient.
const dtlsTimeout = 30 * time.Second

// dtlsClient shakes hands as a device does and pings. The issuer is that of the leaf it received, even if it failed
// later.
func dtlsClient(t *testing.T, dial dialer, to netip.AddrPort, client tls.Certificate) (issuer string, pong bool, err error) {
	t.Helper()
	socket, err := dial(t.Context(), "udp", to.String())
	if err != nil {
		return "", false, err
	}
	defer socket.Close()
	conn, err := dtls.ClientWithOptions(packetConn{socket}, socket.RemoteAddr(),
		dtls.WithCertificates(client),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithFlightInterval(200*time.Millisecond),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			issuer = issuerOf(t, raw[0])
			return nil
		}))
	if err != nil {
		return "", false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), dtlsTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return issuer, false, err
	}
	if _, err := conn.Write([]byte{0x40, 0, 0x12, 0x34}); err != nil {
		return issuer, false, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(dtlsTimeout))
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	return issuer, bytes.Equal(answer[:n], []byte{0x70, 0, 0x12, 0x34}), err
}

func issuerOf(t *testing.T, der []byte) string {
	t.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Errorf("server certificate: %v", err)
		return ""
	}
	return certificate.Issuer.CommonName
}

// packetConn makes a net.PacketConn of a connected socket.
type packetConn struct{ net.Conn }

func (c packetConn) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }

func (c packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	return n, c.RemoteAddr(), err
}

func TestUDPFaultsOnTheWire(t *testing.T) {
	const arm, inspect = "ARM Bootstrap CA", "SSLInspect"
	for _, test := range []struct {
		fault, issuer string
		pong          bool
		failure       string // contained in the error
	}{
		{fault: None, issuer: arm, pong: true},
		{fault: Duplicate, issuer: arm, pong: true},
		{fault: Reorder, issuer: arm, pong: true},
		{fault: Fragments, issuer: arm, pong: true},
		{fault: DropFirst, issuer: arm, pong: true},
		{fault: "slow:50ms", issuer: arm, pong: true},
		{fault: NoPong, issuer: arm, failure: "timeout"},
		{fault: Intercept, issuer: inspect, pong: true},
		{fault: ForgedIssuer, issuer: arm, pong: true},
		{fault: Expired, issuer: arm, pong: true},
		{fault: NotYetValid, issuer: arm, pong: true},
		{fault: OversizedChain, issuer: arm, pong: true},
		{fault: ClientOnlyLeaf, issuer: arm, pong: true},
		{fault: Replay, failure: "signature"},
		{fault: RefuseCertificate, issuer: arm, failure: "alert"},
		{fault: Alert, failure: "alert"},
		{fault: Drop, failure: "deadline"},
		{fault: Garbage, failure: "deadline"},
		{fault: NoAnswerAfter, failure: "deadline"},
		{fault: DropConnectionIDs, issuer: arm, pong: true}, // pion does not offer the id of the draft
		{fault: Refuse, failure: "refused"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inMemory(t, func(t *testing.T, l *Lab, dial dialer) {
				to := l.place(t, "bootstrap", "udp", NominalDevice).Address
				client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any client"})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Set("bootstrap/udp", test.fault); err != nil {
					t.Fatal(err)
				}
				issuer, pong, err := dtlsClient(t, dial, to, client)
				if issuer != test.issuer || pong != test.pong {
					t.Errorf("issuer %q, pong %v; want %q, %v", issuer, pong, test.issuer, test.pong)
				}
				if (err == nil) != (test.failure == "") || (err != nil && !strings.Contains(err.Error(), test.failure)) {
					t.Errorf("error %v, want one with %q", err, test.failure)
				}
			})
		})
	}
}

func TestParseSetting(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		if seen[f.Name] || f.Does == "" || (f.TCP == nil && f.UDP == nil && f.Web == nil) {
			t.Errorf("fault %+v is listed twice, undocumented or of no use", f)
		}
		seen[f.Name] = true
		if _, err := parseSetting(f.Name); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "nonsense", "none:1", "slow:fast", "slow:2h", "nat_forgets:x", "slow:-1s", "alert:256", "drop_first:x"} {
		if _, err := parseSetting(bad); !errors.Is(err, ErrFault) {
			t.Errorf("%q: %v, want ErrFault", bad, err)
		}
	}
}

func TestSetIssuesCertificates(t *testing.T) {
	l := startLab(t, Options{Hosts: Izuma()[:1]})
	for transport, fault := range map[string]string{"tcp": RSALeaf, "udp": Expired} {
		if err := l.Set("bootstrap/"+transport, fault); err != nil {
			t.Fatal(err)
		}
		// Both transports of a host show the same.
		if _, made := l.fronts[0].front.(*tcpFront).identity.issued[fault]; !made {
			t.Errorf("%s is not made when it is set over %s", fault, transport)
		}
	}
}

func TestSet(t *testing.T) {
	l := startLab(t, Options{Addresses: 2})
	count := func() (n int) {
		for _, p := range l.Places() {
			if p.Fault != None {
				n++
			}
		}
		return n
	}
	second := l.AddressesOf("bootstrap." + Domain)[1].String()
	for _, test := range []struct {
		where, fault string
		want         int
		err          error
	}{
		{"bootstrap", Drop, 6, nil},
		{"bootstrap/tcp", Drop, 4, nil},
		{"bootstrap/tcp:5684", Drop, 2, nil},
		{"bootstrap@" + second + "/tcp:443", Drop, 1, nil},
		{"bootstrap." + Domain + "/udp", Drop, 2, nil},
		{"bootstrap", Duplicate, 2, nil},
		{"*", Drop, 24, nil},
		{"nowhere", Drop, 0, ErrWhere},
		{"bootstrap/udp:443", Drop, 0, ErrWhere},
		{"gateways", NoPong, 0, ErrFault},
		{"gateways", "typo", 0, ErrFault},
	} {
		if err := l.Set(test.where, test.fault); !errors.Is(err, test.err) {
			t.Errorf("set %s=%s: %v, want %v", test.where, test.fault, err, test.err)
		}
		if got := count(); got != test.want {
			t.Errorf("set %s=%s: at %d paths, want %d", test.where, test.fault, got, test.want)
		}
		if err := l.Set("*", None); err != nil {
			t.Fatal(err)
		}
	}
}
