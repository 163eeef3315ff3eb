package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// selfSigned makes a certificate and its key in PEM.
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

// put replaces a file as an administrator's tool does: written beside it, then renamed.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestAnchorsOfEveryKindAreReady(t *testing.T) {
	dir := t.TempDir()
	ca, _, _ := selfSigned(t, elliptic.P256(), "Site CA")
	put(t, filepath.Join(dir, "site.pem"), ca)
	put(t, filepath.Join(dir, "config.yml"), []byte("trust: {site: {ca_file: site.pem}}"))
	config, err := Load(filepath.Join(dir, "config.yml"))
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := NewAnchors(config)
	if err != nil {
		t.Fatal(err)
	}
	for name := range config.Trust {
		if anchors.Get(name) == nil {
			t.Errorf("no anchor %s", name)
		}
	}
	if anchors.Get("other") != nil {
		t.Error("an anchor of no name")
	}
}

func TestCAFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	first, _, firstCert := selfSigned(t, elliptic.P256(), "First CA")
	second, _, secondCert := selfSigned(t, elliptic.P256(), "Second CA")
	put(t, path, first)
	anchors, err := NewAnchors(&Config{Trust: map[string]TrustAnchor{"site": {CAFile: path}}})
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func(cert *x509.Certificate) bool {
		return anchors.Get("site").Judge(trust.Subject{Chain: []*x509.Certificate{cert}, KeyProved: true, Now: time.Now()}).Authentic
	}
	before := anchors.Get("site")
	if err := anchors.Refresh(); err != nil || anchors.Get("site") != before {
		t.Errorf("a file that stayed was read again (%v)", err)
	}
	put(t, path, []byte("broken"))
	if err := anchors.Refresh(); err == nil || !strings.Contains(err.Error(), "trust.site.ca_file: "+path+": no certificate in PEM") {
		t.Errorf("broken file: %v", err)
	}
	if err := anchors.Refresh(); err != nil {
		t.Errorf("the same fault is told again: %v", err)
	}
	if !signedBy(firstCert) {
		t.Error("the last good anchor is lost")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := anchors.Refresh(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing file: %v", err)
	}
	put(t, path, second)
	if err := anchors.Refresh(); err != nil {
		t.Fatal(err)
	}
	if !signedBy(secondCert) || signedBy(firstCert) {
		t.Error("the new file is not in use")
	}
}

func TestMissingCAFileMakesNoAnchors(t *testing.T) {
	if _, err := NewAnchors(&Config{Trust: map[string]TrustAnchor{"site": {CAFile: filepath.Join(t.TempDir(), "ca.pem")}}}); err == nil {
		t.Error("anchors without their file")
	}
}

func TestThrowawayCredential(t *testing.T) {
	cred, err := NewCredential(ClientCertificate{})
	if err != nil {
		t.Fatal(err)
	}
	pair, configured := cred.Get()
	if configured {
		t.Error("a throw-away pair is called configured")
	}
	public, ok := pair.Leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() || !public.Equal(pair.PrivateKey.(*ecdsa.PrivateKey).Public()) {
		t.Errorf("key %T", pair.Leaf.PublicKey)
	}
	if err := pair.Leaf.CheckSignature(pair.Leaf.SignatureAlgorithm, pair.Leaf.RawTBSCertificate, pair.Leaf.Signature); err != nil {
		t.Error(err)
	}
	if err := cred.Refresh(); err != nil {
		t.Error(err)
	}
}

func TestConfiguredCredentialIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	config := ClientCertificate{CertFile: filepath.Join(dir, "device.pem"), KeyFile: filepath.Join(dir, "device.key")}
	cert, key, first := selfSigned(t, elliptic.P256(), "device 1")
	put(t, config.CertFile, cert)
	put(t, config.KeyFile, key)
	cred, err := NewCredential(config)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() *x509.Certificate {
		pair, configured := cred.Get()
		if !configured {
			t.Error("the site's pair is called a throw-away one")
		}
		return pair.Leaf
	}
	cert, key, second := selfSigned(t, elliptic.P256(), "device 2")
	put(t, config.CertFile, cert)
	if err := cred.Refresh(); err == nil || !shown().Equal(first) {
		t.Errorf("half a pair was taken: %v", err)
	}
	put(t, config.KeyFile, key)
	if err := cred.Refresh(); err != nil || !shown().Equal(second) {
		t.Errorf("the new pair is not in use: %v", err)
	}
}

func TestCredentialMustBeP256(t *testing.T) {
	dir := t.TempDir()
	config := ClientCertificate{CertFile: filepath.Join(dir, "device.pem"), KeyFile: filepath.Join(dir, "device.key")}
	cert, key, _ := selfSigned(t, elliptic.P384(), "device")
	put(t, config.CertFile, cert)
	put(t, config.KeyFile, key)
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCredential(config); err == nil || !strings.Contains(err.Error(), "is not EC P-256") {
		t.Errorf("P-384: %v", err)
	}
}
