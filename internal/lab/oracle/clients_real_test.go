//go:build realpeers

package oracle

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// device is the program built from Mbed TLS, with the certificate and the key that it shows.
type device struct {
	program, cert, key string
}

// errNoDevice means that the device's program cannot be built on this machine: recorded verdicts stand in for it.
var errNoDevice = errors.New("the device's program cannot be built here")

// exitUnavailable is the exit status of scripts/device-client for [errNoDevice].
const exitUnavailable = 3

// build builds one of the programs of scripts/device-client, or finds it in the cache.
func build(what string) (string, error) {
	command := exec.Command("../../../scripts/device-client", what)
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == exitUnavailable:
		return "", fmt.Errorf("%w: %s", errNoDevice, strings.TrimSpace(complaints.String()))
	case err != nil:
		return "", fmt.Errorf("scripts/device-client: %w\n%s", err, complaints.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// newDevice builds the program and stores the pair for it.
func newDevice(dir string, pair tls.Certificate) (*device, error) {
	program, err := build("client")
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	d := &device{program: program, cert: filepath.Join(dir, "own.der"), key: filepath.Join(dir, "own.key.der")}
	return d, errors.Join(os.WriteFile(d.cert, pair.Certificate[0], 0o600), os.WriteFile(d.key, key, 0o600))
}

// connect runs the device against a server and returns the line that it prints.
func (d *device) connect(ctx context.Context, at netip.AddrPort, p *peer, ca string) (string, error) {
	args := []string{"--ping", fmt.Sprint(p.ping.Milliseconds()), "--ca", ca, "--cert", d.cert, "--key", d.key, "--timeout", fmt.Sprint(p.patience.Milliseconds())}
	if p.udp {
		args = append(args, "--udp", "--retransmit", "1000-8000")
		if !p.withoutCID {
			args = append(args, "--cid")
		}
	}
	args = append(args, at.Addr().String(), fmt.Sprint(at.Port()))
	out, err := exec.CommandContext(ctx, d.program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("device: %w\n%s", err, out)
	}
	line := strings.TrimSpace(string(out))
	if p.refuses && refused.MatchString(line) {
		return "handshake=refused", nil
	}
	return line, nil
}

// refused matches what a device finds where the server refuses the client's certificate. A server that sends its alert
// and closes while the rest of the client's flight is on the way makes the kernel send RST, which may overtake the
// alert.
var refused = regexp.MustCompile(`^handshake=(ended flags=none alert=none|-0x7780 flags=none alert=\d+) `)

// works reports whether a device's line is that of a handshake that succeeded, with the peer's chain verified.
func works(line string) bool { return strings.HasPrefix(line, "handshake=0 flags=0x0 ") }

// anchorOf is the trust anchor of a peer in the form of the exporter's configuration.
func anchorOf(t testing.TB, form string, ca []byte) string {
	t.Helper()
	switch form {
	case "file":
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}), 0o600); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("ca_file: %q", file)
	case "key":
		root, err := x509.ParseCertificate(ca)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("issuer: %q, public_key: %s", rootNameText, base64.StdEncoding.EncodeToString(root.RawSubjectPublicKeyInfo))
	}
	t.Fatalf("no form of an anchor is called %s", form)
	return ""
}

// walk surveys one path as the exporter does. An error is a configuration that is refused.
func walk(t testing.TB, ctx context.Context, at netip.AddrPort, p *peer, anchor string, pair tls.Certificate) (report.Path, error) {
	t.Helper()
	transport := "tcp"
	if p.udp {
		transport = "udp"
	}
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `catalogues: []
resolvers: [127.0.0.1]
authority: {mode: "off"}
survey: {timeout: 50s}
trust:
  cloud: {%s}
endpoints:
  - {service: peer, host: %q, client: device, trust: cloud, coap_ping: true, paths: [{transport: %s, port: %d}]}
`, anchor, at.Addr(), transport, at.Port()), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(file)
	if err != nil {
		return report.Path{}, err
	}
	cfg := loaded.Config
	phase := p.patience
	site := &survey.Site{Config: cfg, Anchors: loaded, Routes: route.Uplink{}, Names: resolve.New(resolve.Options{Config: cfg}), Walker: &path.Walker{
		Credential: func() *path.Credential { return &path.Credential{Certificate: pair} },
		Patience:   path.Patience{Connect: phase, Hello: phase, Flight: phase, Finish: phase, Ping: pingPatience},
	}}
	s := survey.New(site, survey.Options{Name: "oracle", Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	return s.Run(ctx).Hosts[0].Paths[0], nil
}
