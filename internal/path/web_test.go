package path

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestWalkWebFaults(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure measurement.Failure
		in      measurement.Phase
		detail  measurement.DetailKind
		proved  bool
	}{
		{lab.None, measurement.Completed, "", "", true},
		{lab.Refuse, measurement.Refused, measurement.Connect, measurement.DetailConnectRST, false},
		{lab.Drop, measurement.Unreachable, measurement.Connect, measurement.DetailConnectSilent, false},
		{lab.ResetAfterHello, measurement.Reset, measurement.Hello, measurement.DetailFlightReset, false},
		{lab.CloseAfterHello, measurement.Closed, measurement.Hello, measurement.DetailFlightClosed, false},
		{lab.Silence, measurement.Silent, measurement.Hello, measurement.DetailWebHelloUnanswered, false},
		{lab.Drip, measurement.Silent, measurement.Hello, measurement.DetailFlightIncomplete, false},
		{lab.BlockPage, measurement.HTTP, measurement.Hello, measurement.DetailHTTP, false},
		{lab.Garbage, measurement.NotTLS, measurement.Hello, measurement.DetailNotTLS, false},
		{lab.Endless, measurement.Malformed, measurement.Hello, measurement.DetailWebHandshake, false},
		{lab.Alert + ":40", measurement.Alert, measurement.Hello, measurement.DetailAlert, false},
		{lab.Intercept, measurement.Completed, "", "", true},
		{lab.Replay, measurement.Completed, "", measurement.DetailKeyNotProved, false},
		{lab.OversizedChain, measurement.Completed, "", "", true},
		{lab.RSALeaf, measurement.Completed, "", "", true},
		{lab.SplitRecords, measurement.Completed, "", "", true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			inWorld(t, lab.Options{}, func(t *testing.T, w *world) {
				inflict(t, w.Lab, containers, measurement.TCP, test.fault)
				w.walker.Credential = nil
				o := w.walker.Walk(t.Context(), Target{
					Address: addressOf(t, w.Lab, containers, measurement.TCP), Transport: measurement.TCP, Client: measurement.Web, Host: containers,
				})
				if o.Failure != test.failure || o.FailedIn != test.in || o.Detail.Kind != test.detail {
					t.Errorf("%s, want %q in %q (%s)", describe(o), test.failure, test.in, test.detail)
				}
				if proved := o.TLS != nil && o.TLS.KeyProved; proved != test.proved {
					t.Errorf("key proved: %v, want %v", proved, test.proved)
				}
				if test.failure == measurement.Completed && serverCertificate(o.TLS) == nil {
					t.Error("no certificate kept")
				}
			})
		})
	}
}

// walkWebServer probes a server of crypto/tls that closes the connection when the client does.
func (w *world) walkWebServer(t *testing.T, host string, config *tls.Config) measurement.Outcome {
	t.Helper()
	to := w.listen(t, func(c *memnet.Conn) {
		server := tls.Server(c, config)
		if server.Handshake() == nil {
			_, _ = server.Read(make([]byte, 1))
		}
	})
	return w.walker.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Web, Host: host})
}

// inEitherVersion runs a test for TLS 1.2 and 1.3.
func inEitherVersion(t *testing.T, test func(t *testing.T, w *world, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) { test(t, w, version) })
		})
	}
}

func TestWalkWebReplayedCertificate(t *testing.T) {
	inEitherVersion(t, func(t *testing.T, w *world, version uint16) {
		replayed, err := lab.WithoutKey(leafOf(t, lab.Leaf{CommonName: "a.test"}))
		if err != nil {
			t.Fatal(err)
		}
		replayed.Leaf = nil // crypto/tls would notice that the key is another one
		o := w.walkWebServer(t, "a.test", &tls.Config{Certificates: []tls.Certificate{replayed}, MinVersion: version, MaxVersion: version})
		if o.Failure != measurement.Completed || serverCertificate(o.TLS) == nil || o.TLS.KeyProved || !o.TLS.SignatureChecked || o.TLS.Version != version {
			t.Errorf("%s", describe(o))
		}
	})
}

// TestWalkWebUnreadableCertificate has a server send a certificate that package x509 rejects: an underscore in a
// PrintableString. TLS 1.3 encrypts it, so that only crypto/tls could read it.
func TestWalkWebUnreadableCertificate(t *testing.T) {
	inEitherVersion(t, func(t *testing.T, w *world, version uint16) {
		leaf := leafOf(t, lab.Leaf{CommonName: "a_test"})
		utf8, printable := append([]byte{0x0c, 6}, "a_test"...), append([]byte{0x13, 6}, "a_test"...)
		leaf.Certificate[0], leaf.Leaf = bytes.Replace(leaf.Certificate[0], utf8, printable, 1), nil
		if _, err := x509.ParseCertificate(leaf.Certificate[0]); err == nil {
			t.Fatal("package x509 reads the certificate")
		}
		o := w.walkWebServer(t, "a.test", &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: version, MaxVersion: version})
		seen := o.TLS != nil && len(o.TLS.RawChain) > 0
		if o.Failure != measurement.Malformed || o.FailedIn != measurement.Hello || seen != (version == tls.VersionTLS12) {
			t.Errorf("%s, certificate seen: %v", describe(o), seen)
		}
	})
}

func TestWalkWebCertificateNeeded(t *testing.T) {
	for name, shown := range map[string]bool{"unknown certificate": true, "no certificate": false} {
		t.Run(name, func(t *testing.T) {
			inEitherVersion(t, func(t *testing.T, w *world, version uint16) {
				if !shown {
					w.walker.Credential = nil
				}
				o := w.walkWebServer(t, "a.test", &tls.Config{
					Certificates: []tls.Certificate{leafOf(t, lab.Leaf{CommonName: "a.test"})}, MinVersion: version, MaxVersion: version,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: w.Mint.LwM2M.Pool(),
				})
				if o.Failure != measurement.CertificateNeeded || o.FailedIn != measurement.Finish || !o.TLS.KeyProved || !o.TLS.CertificateRequested || !o.TLS.HasAlert {
					t.Errorf("%s", describe(o))
				}
			})
		})
	}
}

func TestWalkWebCertificateAccepted(t *testing.T) {
	inEitherVersion(t, func(t *testing.T, w *world, version uint16) {
		o := w.walkWebServer(t, "a.test", &tls.Config{
			Certificates: []tls.Certificate{leafOf(t, lab.Leaf{CommonName: "a.test"})}, MinVersion: version, MaxVersion: version,
			ClientAuth: tls.RequireAnyClientCert,
		})
		if o.Failure != measurement.Completed || !o.TLS.CertificateRequested || !o.TLS.KeyProved {
			t.Errorf("%s", describe(o))
		}
	})
}

func TestWalkWebServerName(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		server := leafOf(t, lab.Leaf{CommonName: "a.test"})
		names := make(chan string, 2)
		config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			names <- hello.ServerName
			return &server, nil
		}}
		for _, host := range []string{"a.test", "b.test"} {
			w.walkWebServer(t, host, config)
			if got := <-names; got != host {
				t.Errorf("sent the name %q for %s", got, host)
			}
		}
	})
}

func TestWalkWebFlightCutShort(t *testing.T) {
	inWorld(t, deviceHost(), func(t *testing.T, w *world) {
		server := leafOf(t, lab.Leaf{CommonName: "a.test"})
		to := w.listen(t, func(c *memnet.Conn) {
			short := &closingConn{Conn: c, left: len(server.Certificate[0]) + 150}
			_ = tls.Server(short, &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS12}).Handshake()
		})
		o := w.walker.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Web, Host: "a.test"})
		if o.Failure != measurement.Closed || serverCertificate(o.TLS) == nil || o.TLS.SignatureChecked {
			t.Errorf("%s; want a closed connection with a certificate and no proof", describe(o))
		}
	})
}

// closingConn sends a number of bytes and then closes.
type closingConn struct {
	net.Conn
	left int
}

func (c *closingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(c.left, len(p))])
	if c.left -= n; c.left == 0 {
		_ = c.Close()
	}
	return n, err
}

// TestWalkWebLook probes interceptors that speak only old versions or only RSA key exchange: the hello that is sent
// after the device's failed shows their certificate.
func TestWalkWebLook(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"TLS 1.0":          {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1":          {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"RSA key exchange": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, deviceHost(), func(t *testing.T, w *world) {
				leaf, err := w.Mint.Inspector.Issue(lab.Leaf{CommonName: "a.test", RSA: true})
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = []tls.Certificate{leaf}
				to := w.listen(t, func(c *memnet.Conn) {
					server := tls.Server(c, config)
					if server.Handshake() == nil {
						_, _ = server.Read(make([]byte, 1))
					}
				})
				o := w.walker.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Device, Host: "a.test", WebRetry: true})
				seen, by := o.SawTLS().TLS, o.SawTLS().Client
				if by != measurement.Web || o.Web.Failure != measurement.Completed || serverCertificate(seen) == nil || !seen.KeyProved {
					t.Errorf("%s, web %+v", describe(o), o.Web)
				}
				if o := w.walkWebServer(t, "a.test", config); o.Failure != measurement.Alert {
					t.Errorf("a web host: %s, want an alert", describe(o))
				}
			})
		})
	}
}
