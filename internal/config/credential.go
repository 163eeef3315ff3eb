package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"sync/atomic"
	"time"
)

// Credential is the client certificate that servers get when they ask for one: the configured one, which is read
// again when it changes, or a throw-away one. It is safe for concurrent use.
type Credential struct {
	current atomic.Pointer[tls.Certificate]
	files   []*watched // the two files together; none without them
}

// credential checks the client certificate of a configuration and loads it. Without one it makes a throw-away
// certificate.
func (r *reader) credential(c ClientCertificate) *Credential {
	const place = "client_certificate"
	cred := new(Credential)
	switch {
	case r.wrong[place]:
	case c.CertFile != "" && c.KeyFile != "":
		paths := []string{c.CertFile, c.KeyFile}
		files := &watched{disk: localDisk, place: place, paths: paths, use: func(contents [][]byte) error {
			pair, err := parsePair(paths, contents)
			if err == nil {
				cred.current.Store(&pair)
			}
			return err
		}}
		cred.files = append(cred.files, files)
		if err := files.refresh(); err != nil {
			r.mistakeAt(place, "%s", err)
		}
	default:
		pair, err := NewThrowaway()
		if err != nil {
			r.mistakeAt(place, "%s", err)
		}
		cred.current.Store(&pair)
	}
	return cred
}

// checkClientCertificate requires both files or none.
func (r *reader) checkClientCertificate(c ClientCertificate) {
	const place = "client_certificate"
	switch {
	case r.wrong[place] || (c.CertFile == "") == (c.KeyFile == ""):
	case c.CertFile == "":
		r.mistakeAt(place, "key_file needs cert_file; set both or none")
	default:
		r.mistakeAt(place, "cert_file needs key_file; set both or none")
	}
}

// Get returns the certificate with its key, and whether it is the configured one. Servers may refuse a throw-away one.
func (c *Credential) Get() (pair tls.Certificate, configured bool) {
	return *c.current.Load(), len(c.files) > 0
}

// parsePair parses a certificate and its key. Devices have P-256 keys only, and the exporter signs with no other.
func parsePair(paths []string, contents [][]byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s with %s: %w", paths[0], paths[1], err)
	}
	if public, ok := pair.Leaf.PublicKey.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
		return tls.Certificate{}, fmt.Errorf("%s: the key is not EC P-256, the only kind that devices use", paths[0])
	}
	return pair, nil
}

// NewThrowaway makes a self-signed P-256 certificate that names neither the site nor a person. It is valid from a day
// ago, for servers whose clock is behind, for ten years, longer than any exporter runs.
func NewThrowaway() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a client key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "endpoint_exporter"},
		NotBefore:   now.Add(-24 * time.Hour),
		NotAfter:    now.AddDate(10, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
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
