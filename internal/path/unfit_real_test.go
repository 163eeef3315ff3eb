//go:build realpeers

package path

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// issueByOpenSSL has OpenSSL sign a leaf with that digest and those extensions, one a line in the words of its
// configuration.
func issueByOpenSSL(t *testing.T, by *lab.Authority, digest string, extensions ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "server.test"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := by.PEMWithKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"request": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), "authority": authority,
		"extensions": []byte(strings.Join(extensions, "\n") + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "openssl", "x509", "-req", "-in", "request", "-CA", "authority", "-CAkey", "authority",
		"-set_serial", "1", "-days", "2", "-"+digest, "-extfile", "extensions", "-outform", "DER", "-out", "leaf")
	command.Dir = dir
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	der, err := os.ReadFile(filepath.Join(dir, "leaf"))
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestWhatADeviceRefusesOfRealServers shows OpenSSL's answers, good TLS all of them, which Mbed TLS 2.28 with the vendor's
// configuration was seen to take or to refuse as it is said here.
func TestWhatADeviceRefusesOfRealServers(t *testing.T) {
	long := "subjectAltName=DNS:server.test" + strings.Repeat(",DNS:another-name-of-the-server.test", 8)
	small := []string{"-max_send_frag", "512"}
	for name, test := range map[string]struct {
		digest     string
		extensions []string
		more       []string
		tcp, udp   string // what is unfit, a part of it; "": nothing
		in         measurement.Phase
	}{
		"a leaf without key usages":             {extensions: []string{"subjectAltName=DNS:server.test"}},
		"a leaf for servers and clients":        {extensions: []string{"keyUsage=critical,digitalSignature", "extendedKeyUsage=critical,serverAuth,clientAuth"}},
		"a leaf for clients":                    {extensions: []string{"extendedKeyUsage=clientAuth"}, tcp: "lacks serverAuth", udp: "lacks serverAuth"},
		"a leaf signed with SHA-384":            {digest: "sha384", tcp: "leaf signed with ECDSA-SHA384", udp: "leaf signed with ECDSA-SHA384"},
		"a leaf signed with SHA-224":            {digest: "sha224"},
		"critical extensions that it knows":     {extensions: []string{"basicConstraints=critical,CA:FALSE", "subjectAltName=critical,DNS:server.test", "nsCertType=critical,server", "certificatePolicies=critical,2.5.29.32.0"}},
		"a critical extension that nobody does": {extensions: []string{"1.2.3.4.5=critical,ASN1:UTF8String:hello"}, tcp: "extension 1.2.3.4.5,", udp: "extension 1.2.3.4.5,"},
		"the same, not critical":                {extensions: []string{"1.2.3.4.5=ASN1:UTF8String:hello"}},
		"a critical policy":                     {extensions: []string{"certificatePolicies=critical,1.3.6.1.4.1.32473.1"}, tcp: "certificatePolicies", udp: "certificatePolicies"},
		"records of 512 bytes, a larger leaf":   {extensions: []string{long}, more: small, tcp: "Certificate split"},
		"records of 512 bytes, a large ticket":  {more: small, tcp: "NewSessionTicket split", in: measurement.Finish},
		"records of 512 bytes, no ticket":       {more: append(small, "-no_ticket")},
	} {
		for transport, unfit := range map[measurement.Transport]string{measurement.TCP: test.tcp, measurement.UDP: test.udp} {
			t.Run(name+" over "+string(transport), func(t *testing.T) {
				mint := newMint(t)
				if test.digest == "" {
					test.digest = "sha256"
				}
				leaf := issueByOpenSSL(t, mint.Bootstrap, test.digest, test.extensions...)
				version := map[measurement.Transport]string{measurement.TCP: "-tls1_2", measurement.UDP: "-dtls1_2"}[transport]
				p := startPeerShowing(t, leaf, mint, transport, nil, "openssl", append([]string{"s_server", version, "-accept", "127.0.0.1:{PORT}",
					"-cert", "{CERT}", "-key", "{KEY}", "-cipher", ccm8, "-Verify", "1", "-quiet"}, test.more...)...)
				w := &Walker{Patience: patient, Credential: strangerOf(t, mint)}
				o := w.Walk(t.Context(), Target{Address: p.at, Transport: transport, Client: measurement.Device, Finish: true})
				want, in := measurement.Completed, measurement.Phase("")
				if unfit != "" {
					want, in = measurement.Unfit, measurement.Hello
					if test.in != "" {
						in = test.in
					}
				}
				if o.Failure != want || o.FailedIn != in || !slices.Contains(phasesOf(o), measurement.Hello) || !strings.Contains(o.Detail.Text, unfit) {
					t.Fatalf("%q in %q after %v (%s), want %q in %q", o.Failure, o.FailedIn, phasesOf(o), o.Detail.Text, want, in)
				}
				if !o.TLS.KeyProved || (len(o.TLS.Unfit) == 1) != (unfit != "") {
					t.Errorf("saw %+v", o.TLS)
				}
			})
		}
	}
}
