package path

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// walkWebServer walks to a server of crypto/tls that ends the connection once the handshake is over.
func walkWebServer(t *testing.T, w *Walker, host string, config *tls.Config) measurement.Outcome {
	t.Helper()
	to := answering(t, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		server := tls.Server(c, config)
		if server.Handshake() == nil {
			_, _ = server.Read(make([]byte, 1)) // until the client leaves
		}
	})
	return w.Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Web, Host: host})
}

func leafOf(t *testing.T, leaf lab.Leaf) tls.Certificate {
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

func TestAReplayedCertificateIsKeptAndNotProvedInEitherVersion(t *testing.T) {
	replayed, err := lab.WithoutKey(leafOf(t, lab.Leaf{CommonName: "a.test"}))
	if err != nil {
		t.Fatal(err)
	}
	replayed.Leaf = nil // crypto/tls would notice that the key is not its own
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := walkWebServer(t, &Walker{Patience: patient}, "a.test", &tls.Config{Certificates: []tls.Certificate{replayed}, MinVersion: version, MaxVersion: version})
		if o.Failure != measurement.Completed || o.TLS.Leaf() == nil || o.TLS.KeyProved || !o.TLS.SignatureChecked || o.TLS.Version != version {
			t.Errorf("%s: %q (%s), saw %+v", tls.VersionName(version), o.Failure, o.Detail.Text, o.TLS)
		}
	}
}

func TestAServerThatDemandsAKnownCertificateIsSeenAndProvedInEitherVersion(t *testing.T) {
	l := startLab(t, lab.Options{})
	server := leafOf(t, lab.Leaf{CommonName: "a.test"})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, credential := range map[string]func() *Credential{"a stranger's": stranger(t, l), "none": nil} {
			o := walkWebServer(t, &Walker{Patience: patient, Credential: credential}, "a.test", &tls.Config{
				Certificates: []tls.Certificate{server}, MinVersion: version, MaxVersion: version,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: l.Mint.LwM2M.Pool(),
			})
			if o.Failure != measurement.CertificateNeeded || o.FailedIn != measurement.Finish || !o.TLS.KeyProved || !o.TLS.CertificateRequested || !o.TLS.HasAlert {
				t.Errorf("%s, %s: %q in %q (%s), saw %+v", tls.VersionName(version), name, o.Failure, o.FailedIn, o.Detail.Text, o.TLS)
			}
		}
	}
}

func TestAClientCertificateThatIsTakenIsNoFailure(t *testing.T) {
	l := startLab(t, lab.Options{})
	server := leafOf(t, lab.Leaf{CommonName: "a.test"})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := walkWebServer(t, &Walker{Patience: patient, Credential: stranger(t, l)}, "a.test", &tls.Config{
			Certificates: []tls.Certificate{server}, MinVersion: version, MaxVersion: version, ClientAuth: tls.RequireAnyClientCert,
		})
		if o.Failure != measurement.Completed || !o.TLS.CertificateRequested || !o.TLS.KeyProved {
			t.Errorf("%s: %q in %q (%s), saw %+v", tls.VersionName(version), o.Failure, o.FailedIn, o.Detail.Text, o.TLS)
		}
	}
}

func TestEachWalkSendsItsOwnServerName(t *testing.T) {
	server := leafOf(t, lab.Leaf{CommonName: "a.test"})
	names := make(chan string, 2)
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		names <- hello.ServerName
		return &server, nil
	}}
	w := &Walker{Patience: patient}
	for _, host := range []string{"a.test", "b.test"} {
		walkWebServer(t, w, host, config)
		if got := <-names; got != host {
			t.Errorf("sent the name %q for %s", got, host)
		}
	}
}

func TestAFlightCutShortProvesNothingAgainstItsHolder(t *testing.T) {
	server := leafOf(t, lab.Leaf{CommonName: "a.test"})
	to := answering(t, func(c *net.TCPConn) {
		_ = tls.Server(&cutting{Conn: c, left: len(server.Certificate[0]) + 150}, &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS12}).Handshake()
	})
	o := (&Walker{Patience: patient}).Walk(t.Context(), Target{Address: to, Transport: measurement.TCP, Client: measurement.Web, Host: "a.test"})
	if o.Failure != measurement.Closed || o.TLS.Leaf() == nil || o.TLS.SignatureChecked {
		t.Errorf("%q (%s), saw %+v; want a closed connection with a certificate and no proof", o.Failure, o.Detail.Text, o.TLS)
	}
}

// cutting lets so many bytes through and then closes.
type cutting struct {
	net.Conn
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(c.left, len(p))])
	if c.left -= n; c.left == 0 {
		_ = c.Close()
	}
	return n, err
}
