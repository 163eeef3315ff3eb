package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"time"
)

// Credential is the client certificate to show to servers that ask: the configured pair, read again when it changes, or a
// throw-away one. It is safe for concurrent use.
type Credential struct {
	configured bool
	current    atomic.Pointer[tls.Certificate]

	refreshing sync.Mutex // guards files
	config     ClientCertificate
	files      watched
}

// NewCredential loads the configured pair or, if there is none, makes a throw-away one.
func NewCredential(c ClientCertificate) (*Credential, error) {
	cred := &Credential{config: c, configured: c.CertFile != "", files: watched{paths: []string{c.CertFile, c.KeyFile}}}
	if cred.configured {
		if err := cred.Refresh(); err != nil {
			return nil, err
		}
		return cred, nil
	}
	pair, err := NewThrowaway()
	if err != nil {
		return nil, err
	}
	cred.current.Store(&pair)
	return cred, nil
}

// Get returns the pair, and whether it is the configured one; a throw-away one is expected to be refused.
func (c *Credential) Get() (pair tls.Certificate, configured bool) {
	return *c.current.Load(), c.configured
}

// Refresh reads the pair again if one of its files has changed. A pair that cannot be used leaves the last good one in use;
// the error says so once.
func (c *Credential) Refresh() error {
	if !c.configured {
		return nil
	}
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	return c.files.refresh(func() error {
		pair, err := loadPair(c.config)
		if err != nil {
			return fmt.Errorf("client_certificate: %w", err)
		}
		c.current.Store(&pair)
		return nil
	})
}

// loadPair reads a certificate and its key. Devices know the curve P-256 alone, and so does the exporter's device hello.
func loadPair(c ClientCertificate) (tls.Certificate, error) {
	cert, err := readBounded(c.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := readBounded(c.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s with %s: %w", c.CertFile, c.KeyFile, err)
	}
	if public, ok := pair.Leaf.PublicKey.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
		return tls.Certificate{}, fmt.Errorf("%s: the key is not EC P-256, the only kind that devices use", c.CertFile)
	}
	return pair, nil
}

// NewThrowaway makes a self-signed P-256 certificate that says nothing of the site. It is valid from a day ago, for servers
// whose clock is behind, and for ten years, longer than any exporter runs.
func NewThrowaway() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a client key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // at most 20 bytes and positive, RFC 5280 §4.1.2.2
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a client certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "endpoint_exporter"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a client certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a client certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
