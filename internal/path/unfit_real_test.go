//go:build realpeers

package path

import (
	"cmp"
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

// issueByOpenSSL returns a leaf that OpenSSL signed with that digest and those extensions, each a line of its
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

// TestUnfitOfRealServers probes OpenSSL with answers that are all valid TLS. Mbed TLS 2.28 with the vendor's
// configuration accepts or refuses each as the case states.
func TestUnfitOfRealServers(t *testing.T) {
	t.Parallel()
	long := "subjectAltName=DNS:server.test" + strings.Repeat(",DNS:another-name-of-the-server.test", 8)
	small := []string{"-max_send_frag", "512"}
	for name, test := range map[string]struct {
		digest     string
		extensions []string
		more       []string
		tcp, udp   measurement.UnfitKind // "" means that a device can use it
		in         measurement.Phase
	}{
		"leaf without key usages: fit":                           {extensions: []string{"subjectAltName=DNS:server.test"}},
		"leaf for servers and clients: fit":                      {extensions: []string{"keyUsage=critical,digitalSignature", "extendedKeyUsage=critical,serverAuth,clientAuth"}},
		"leaf signed with SHA-224: fit":                          {digest: "sha224"},
		"known critical extensions: fit":                         {extensions: []string{"basicConstraints=critical,CA:FALSE", "subjectAltName=critical,DNS:server.test", "nsCertType=critical,server", "certificatePolicies=critical,2.5.29.32.0"}},
		"unknown extension: fit":                                 {extensions: []string{"1.2.3.4.5=ASN1:UTF8String:hello"}},
		"leaf split into records of 512 bytes: unfit over TCP":   {extensions: []string{long}, more: small, tcp: measurement.UnfitSplitMessage},
		"ticket split into records of 512 bytes: unfit over TCP": {more: small, tcp: measurement.UnfitSplitMessage, in: measurement.Finish},
		"records of 512 bytes, nothing split: fit":               {more: append(small, "-no_ticket")},
	} {
		digest := cmp.Or(test.digest, "sha256")
		for transport, unfit := range map[measurement.Transport]measurement.UnfitKind{measurement.TCP: test.tcp, measurement.UDP: test.udp} {
			t.Run(name+" over "+string(transport), func(t *testing.T) {
				t.Parallel()
				mint := newMint(t)
				leaf := issueByOpenSSL(t, mint.Bootstrap, digest, test.extensions...)
				version := map[measurement.Transport]string{measurement.TCP: "-tls1_2", measurement.UDP: "-dtls1_2"}[transport]
				p := startPeerShowing(t, leaf, mint, transport, nil, "openssl", append([]string{"s_server", version, "-accept", "127.0.0.1:{PORT}",
					"-cert", "{CERT}", "-key", "{KEY}", "-cipher", ccm8, "-Verify", "1", "-quiet"}, test.more...)...)
				w := &Walker{Patience: patient, Credential: clientOf(t, mint)}
				o := w.Walk(t.Context(), Target{Address: p.at, Transport: transport, Client: measurement.Device, Finish: true})
				want, in := measurement.Completed, measurement.Phase("")
				if unfit != "" {
					want, in = measurement.Unfit, measurement.Hello
					if test.in != "" {
						in = test.in
					}
				}
				if o.Failure != want || o.FailedIn != in || !slices.Contains(phasesOf(o), measurement.Hello) || o.Detail.Unfit.Kind != unfit {
					t.Fatalf("%s, want %q in %q (%s)", describe(o), want, in, unfit)
				}
				if !o.TLS.KeyProved || (len(o.TLS.Unfit) == 1) != (unfit != "") {
					t.Errorf("saw %+v", o.TLS)
				}
			})
		}
	}
}
