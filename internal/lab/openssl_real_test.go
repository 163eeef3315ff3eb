//go:build realpeers

package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDeviceServerWithOpenSSL tests the lab's TLS 1.2 with an independent client: a mistake that the server shares
// with the exporter would pass every other test.
func TestDeviceServerWithOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatalf("this test needs Debian's openssl: %v", err)
	}
	mint := newMint(t)
	client, err := mint.Inspector.Issue(Leaf{CommonName: "any client"})
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := writePair(t, client)

	for name, test := range map[string]struct {
		refuse bool
		conf   string
		cipher string
		args   []string
		want   string
	}{
		"a client with a certificate finishes": {
			args: []string{"-cert", certFile, "-key", keyFile}, want: "Cipher is ECDHE-ECDSA-AES128-CCM8",
		},
		"a session without extended master secret finishes": {
			conf: noExtendedMaster, args: []string{"-cert", certFile, "-key", keyFile}, want: "Extended master secret: no",
		},
		"a client without a certificate is refused": {want: "alert handshake failure"},
		"client certificates refused: alert": {
			refuse: true, args: []string{"-cert", certFile, "-key", keyFile}, want: "alert unknown ca",
		},
		"a browser's suites are refused": {cipher: "ECDHE-ECDSA-AES128-GCM-SHA256", want: "alert handshake failure"},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, err := mint.Bootstrap.Issue(Leaf{CommonName: "bootstrap"})
			if err != nil {
				t.Fatal(err)
			}
			server := &DeviceServer{Certificate: leaf, RefuseClients: test.refuse}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			served := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err == nil {
					err = server.Serve(t.Context(), conn)
				}
				served <- err
			}()
			cipher := test.cipher
			if cipher == "" {
				cipher = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", listener.Addr().String(),
				"-tls1_2", "-noservername", "-cipher", cipher}, test.args...)...)
			command.Stdin = strings.NewReader("Q\n")
			if test.conf != "" {
				file := filepath.Join(t.TempDir(), "openssl.cnf")
				if err := os.WriteFile(file, []byte(test.conf), 0o600); err != nil {
					t.Fatal(err)
				}
				command.Env = append(os.Environ(), "OPENSSL_CONF="+file)
			}
			output, _ := command.CombinedOutput() // the exit status differs between refusals
			_ = listener.Close()                  // so that an openssl that never called does not leave Accept waiting
			err = <-served
			if !bytes.Contains(output, []byte(test.want)) {
				t.Errorf("openssl did not say %q; server: %v\n%s", test.want, err, output)
			}
			if finished := !strings.HasPrefix(test.want, "alert"); finished && err != nil {
				t.Errorf("server: %v", err)
			}
		})
	}
}

// noExtendedMaster is an OpenSSL configuration whose clients do not offer RFC 7627.
const noExtendedMaster = `openssl_conf = init
[init]
ssl_conf = modules
[modules]
system_default = client
[client]
Options = -ExtendedMasterSecret
`

// TestIdleLimitWithOpenSSL sends a CoAP ping through OpenSSL's TLS and then stays silent until the server's idle limit
// ends the session.
func TestIdleLimitWithOpenSSL(t *testing.T) {
	l := startLab(t, Options{IdleLimit: 3 * time.Second}) // time enough to ping before it
	client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any client"})
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := writePair(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	to := l.place(t, "tcp-lwm2m", "tcp", NominalWeb).Address
	command := exec.CommandContext(ctx, "openssl", "s_client", "-connect", to.String(), "-tls1_2", "-noservername", "-quiet",
		"-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-cert", certFile, "-key", keyFile)
	var output bytes.Buffer
	command.Stdout = &output
	stdin, err := command.StdinPipe() // left open: only the server ends this session
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("this test needs Debian's openssl: %v", err)
	}
	if _, err := stdin.Write([]byte{0x40, 0, 0x12, 0x34}); err != nil {
		t.Error(err)
	}
	err = command.Wait()
	if ctx.Err() != nil {
		t.Errorf("the server did not end the session: %v", err)
	}
	if want := []byte{0x70, 0, 0x12, 0x34}; !bytes.Equal(output.Bytes(), want) {
		t.Errorf("ping answered by % x, want % x", output.Bytes(), want)
	}
}

// TestCertificatesWithOpenSSL verifies the certificate of each fault with OpenSSL.
func TestCertificatesWithOpenSSL(t *testing.T) {
	l := startLab(t, Options{})
	client, err := l.Mint.Inspector.Issue(Leaf{CommonName: "any client"})
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := writePair(t, client)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, l.Mint.Bootstrap.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	to := l.place(t, "bootstrap", "tcp", NominalDevice).Address.String()
	for fault, want := range map[string]string{
		None:              "Verify return code: 0 (ok)",
		"slow:20ms":       "Verify return code: 0 (ok)",
		NoPong:            "Verify return code: 0 (ok)",
		Intercept:         "issuer=O = Corporate Security, CN = SSLInspect",
		ForgedIssuer:      "Verify return code: 7 (certificate signature failure)",
		Expired:           "Verify return code: 10 (certificate has expired)",
		NotYetValid:       "Verify return code: 9 (certificate is not yet valid)",
		OversizedChain:    " 4 s:CN = Filler 4",
		RSALeaf:           "wrong certificate type",
		Replay:            "bad signature",
		RefuseCertificate: "alert unknown ca",
	} {
		t.Run(fault, func(t *testing.T) {
			if err := l.Set("bootstrap/tcp:5684", fault); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "openssl", "s_client", "-connect", to, "-tls1_2", "-noservername", "-showcerts",
				"-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-cert", certFile, "-key", keyFile, "-CAfile", caFile)
			command.Stdin = strings.NewReader("Q\n")
			output, _ := command.CombinedOutput() // the exit status differs between refusals
			if !bytes.Contains(output, []byte(want)) {
				t.Errorf("openssl did not say %q:\n%s", want, output)
			}
		})
	}
}

func writePair(t *testing.T, certificate tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	chain, key, err := PEM(certificate)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, data := range map[string][]byte{certFile: chain, keyFile: key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
