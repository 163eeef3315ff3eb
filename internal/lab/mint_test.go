package lab

import (
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"
)

func newMint(t testing.TB) *Mint {
	t.Helper()
	mint, err := NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return mint
}

func TestMintNames(t *testing.T) {
	mint := newMint(t)
	for authority, want := range map[*Authority]string{
		mint.Bootstrap: "CN=ARM Bootstrap CA,O=ARM Ltd,L=Cambridge,ST=Cambridgeshire,C=GB",
		mint.LwM2M:     "CN=ARM LwM2M CA,O=ARM Ltd,L=Cambridge,ST=Cambridgeshire,C=GB",
	} {
		leaf, err := authority.Issue(Leaf{CommonName: "host"})
		if err != nil {
			t.Fatal(err)
		}
		if got := leaf.Leaf.Issuer.ToRDNSequence().String(); got != want {
			t.Errorf("issuer %q, want %q", got, want)
		}
	}
}

func TestAuthorityPublicKey(t *testing.T) {
	mint := newMint(t)
	der, err := base64.StdEncoding.DecodeString(mint.LwM2M.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := mint.LwM2M.Forge()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		by   *Authority
		good bool
	}{
		"the authority's own":             {mint.LwM2M, true},
		"one of its name, with other key": {forged, false},
	} {
		leaf, err := test.by.Issue(Leaf{CommonName: "host"})
		if err != nil {
			t.Fatal(err)
		}
		key := &x509.Certificate{PublicKey: public, PublicKeyAlgorithm: x509.ECDSA}
		err = key.CheckSignature(leaf.Leaf.SignatureAlgorithm, leaf.Leaf.RawTBSCertificate, leaf.Leaf.Signature)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeafOptions(t *testing.T) {
	mint := newMint(t)
	for name, test := range map[string]struct {
		leaf Leaf
		good func(cert *x509.Certificate, chain [][]byte) bool
	}{
		"RSA": {Leaf{RSA: true}, func(c *x509.Certificate, _ [][]byte) bool { return c.PublicKeyAlgorithm == x509.RSA }},
		"expired": {Leaf{NotAfter: mint.Now.Add(-time.Hour)}, func(c *x509.Certificate, _ [][]byte) bool {
			return c.NotAfter.Before(mint.Now)
		}},
		"not yet valid": {Leaf{NotBefore: mint.Now.Add(time.Hour)}, func(c *x509.Certificate, _ [][]byte) bool {
			return c.NotBefore.After(mint.Now)
		}},
		"oversized leaf": {Leaf{Padding: 2000}, func(c *x509.Certificate, _ [][]byte) bool { return len(c.Raw) > 2000 }},
		"oversized chain": {Leaf{Chain: 4}, func(c *x509.Certificate, chain [][]byte) bool {
			size := 0
			for _, der := range chain {
				size += len(der)
			}
			return len(c.Raw) < 1024 && size > 4096
		}},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, err := mint.Bootstrap.Issue(test.leaf)
			if err != nil {
				t.Fatal(err)
			}
			if !test.good(leaf.Leaf, leaf.Certificate) {
				t.Errorf("leaf of %d bytes, chain of %d, %v to %v", len(leaf.Leaf.Raw), len(leaf.Certificate), leaf.Leaf.NotBefore, leaf.Leaf.NotAfter)
			}
		})
	}
}
