package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// selfSigned returns a self-signed certificate and its key in PEM.
func selfSigned(t *testing.T, curve elliptic.Curve, name string) (cert, key []byte, parsed *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), parsed
}

// put replaces a file as tools of administrators do: it writes another file and renames it.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// loadFile writes a configuration into a directory and loads it.
func loadFile(t *testing.T, dir, yaml string) (*Loaded, error) {
	t.Helper()
	path := filepath.Join(dir, "config.yml")
	put(t, path, []byte(yaml))
	return Load(path)
}

func TestLoadAnchors(t *testing.T) {
	dir := t.TempDir()
	ca, _, _ := selfSigned(t, elliptic.P256(), "Site CA")
	put(t, filepath.Join(dir, "site.pem"), ca)
	loaded, err := loadFile(t, dir, "trust: {site: {ca_file: site.pem}, machine: {system_roots: true}}")
	if err != nil {
		t.Fatal(err)
	}
	for name := range loaded.Config.Trust {
		if loaded.Get(name) == nil {
			t.Errorf("no anchor %s", name)
		}
	}
	if loaded.Get("other") != nil {
		t.Error("an anchor for a name that is not configured")
	}
	if loaded.Get(WebTrust) == nil || !loaded.Public().Web() {
		t.Error("no web anchors")
	}
}

func TestLoadDefault(t *testing.T) {
	loaded, err := LoadDefault()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loaded.Config, Default()) || loaded.Get("arm-lwm2m") == nil || loaded.Get(WebTrust) == nil {
		t.Errorf("got %+v", loaded)
	}
}

// TestRefreshCAFile follows a CA file through its changes.
func TestRefreshCAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	first, _, firstCert := selfSigned(t, elliptic.P256(), "First CA")
	second, _, secondCert := selfSigned(t, elliptic.P256(), "Second CA")
	put(t, path, first)
	loaded, err := loadFile(t, dir, "trust: {site: {ca_file: ca.pem}}")
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func(cert *x509.Certificate) bool {
		subject := trust.Subject{Chain: [][]byte{cert.Raw}, KeyProved: true, Now: time.Now()}
		return loaded.Get("site").Judge(subject).Authentic
	}
	before := loaded.Get("site")
	for _, step := range []struct {
		name   string
		change func()
		want   string // part of the error; "" for none
	}{
		{"unchanged", func() {}, ""},
		{"broken", func() { put(t, path, []byte("broken")) }, "trust.site.ca_file: " + path + ": no certificate in PEM"},
		{"still broken, reported once", func() {}, ""},
		{"missing", func() { os.Remove(path) }, "no such file"},
	} {
		step.change()
		err := refreshed(t, loaded)
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%s: got %v, want %q", step.name, err, step.want)
		}
		if loaded.Get("site") != before || !signedBy(firstCert) {
			t.Errorf("%s: the last good anchor is not in use", step.name)
		}
	}
	put(t, path, second)
	if err := refreshed(t, loaded); err != nil {
		t.Fatal(err)
	}
	if !signedBy(secondCert) || signedBy(firstCert) {
		t.Error("the new file is not in use")
	}
}

// refreshed waits for a refresh, however slow this machine is.
func refreshed(t *testing.T, l *Loaded) error {
	t.Helper()
	return l.refresh()
}

func TestThrowawayCredential(t *testing.T) {
	loaded, err := LoadDefault()
	if err != nil {
		t.Fatal(err)
	}
	pair, configured := loaded.Credential.Get()
	if configured {
		t.Error("the throw-away certificate is reported as configured")
	}
	public, ok := pair.Leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() || !public.Equal(pair.PrivateKey.(*ecdsa.PrivateKey).Public()) {
		t.Errorf("key %T", pair.Leaf.PublicKey)
	}
	leaf := pair.Leaf
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		t.Error(err)
	}
	if err := loaded.Refresh(); err != nil {
		t.Error(err)
	}
}

const withCertificate = "client_certificate: {cert_file: device.pem, key_file: device.key}"

func TestRefreshClientCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key, first := selfSigned(t, elliptic.P256(), "device 1")
	put(t, filepath.Join(dir, "device.pem"), cert)
	put(t, filepath.Join(dir, "device.key"), key)
	loaded, err := loadFile(t, dir, withCertificate)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func() *x509.Certificate {
		pair, configured := loaded.Credential.Get()
		if !configured {
			t.Error("the configured certificate is reported as a throw-away one")
		}
		return pair.Leaf
	}
	cert, key, second := selfSigned(t, elliptic.P256(), "device 2")
	put(t, filepath.Join(dir, "device.pem"), cert)
	if err := refreshed(t, loaded); err == nil || !leaf().Equal(first) {
		t.Errorf("a certificate without its key is in use: %v", err)
	}
	put(t, filepath.Join(dir, "device.key"), key)
	if err := refreshed(t, loaded); err != nil || !leaf().Equal(second) {
		t.Errorf("the new certificate is not in use: %v", err)
	}
}

func TestLoadClientCertificateP384(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := selfSigned(t, elliptic.P384(), "device")
	put(t, filepath.Join(dir, "device.pem"), cert)
	put(t, filepath.Join(dir, "device.key"), key)
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	if _, err := loadFile(t, dir, withCertificate); err == nil || !strings.Contains(err.Error(), "is not EC P-256") {
		t.Errorf("got %v, want an error that names P-256", err)
	}
}

// authority returns a self-signed CA certificate in PEM, and its public key in base64.
func authority(t *testing.T, curve elliptic.Curve, isCA bool) (cert []byte, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Site CA"}, BasicConstraintsValid: true, IsCA: isCA,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), base64.StdEncoding.EncodeToString(spki)
}

// TestLoadAnchorForClient: a device must be able to load the CA of its endpoint; web clients take other CAs too.
func TestLoadAnchorForClient(t *testing.T) {
	dir := t.TempDir()
	good, goodKey := authority(t, elliptic.P256(), true)
	p384, p384Key := authority(t, elliptic.P384(), true)
	noCA, _ := authority(t, elliptic.P256(), false)
	put(t, filepath.Join(dir, "good.pem"), good)
	put(t, filepath.Join(dir, "p384.pem"), p384)
	put(t, filepath.Join(dir, "noca.pem"), noCA)
	for name, test := range map[string]struct{ anchor, client, want string }{
		"a device's CA file":                     {"{ca_file: good.pem}", "device", ""},
		"a device's key":                         {"{public_key: " + goodKey + "}", "device", ""},
		"P-384 in a file, for a device":          {"{ca_file: p384.pem}", "device", "trust.site.ca_file: " + dir + "/p384.pem: a device cannot use certificate 1 (CN=Site CA)"},
		"P-384 as a key, for a device":           {"{public_key: " + p384Key + "}", "device", "trust.site.public_key: a device cannot use the key: its key is "},
		"no basicConstraints CA, for a device":   {"{ca_file: noca.pem}", "device", "its basicConstraints do not mark it as a CA"},
		"P-384 in a file, for a web client":      {"{ca_file: p384.pem}", "web", ""},
		"P-384 as a key, for a web client":       {"{public_key: " + p384Key + "}", "web", ""},
		"P-384 that no endpoint uses, in a file": {"{ca_file: p384.pem}", "", ""},
	} {
		yaml := "trust: {site: " + test.anchor + "}\n"
		if test.client != "" {
			yaml += "endpoints: [{service: a, host: a.example, client: " + test.client + ", trust: site, paths: [{transport: tcp, port: 443}]}]\n"
		}
		_, err := loadFile(t, dir, yaml)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// TestRefreshCAFileForClient: a file that changes to a CA that devices cannot load leaves the anchor in use.
func TestRefreshCAFileForClient(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	good, _ := authority(t, elliptic.P256(), true)
	p384, _ := authority(t, elliptic.P384(), true)
	put(t, path, good)
	loaded, err := loadFile(t, dir, "trust: {site: {ca_file: ca.pem}}\n"+
		"endpoints: [{service: a, host: a.example, trust: site, paths: [{transport: tcp, port: 5684}]}]\n")
	if err != nil {
		t.Fatal(err)
	}
	before := loaded.Get("site")
	put(t, path, p384)
	if err := refreshed(t, loaded); err == nil || !strings.Contains(err.Error(), "a device cannot use certificate 1") {
		t.Errorf("got %v", err)
	}
	if loaded.Get("site") != before {
		t.Error("the anchor is not in use any more")
	}
}
