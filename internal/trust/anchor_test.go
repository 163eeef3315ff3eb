package trust

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestNewKeyErrors(t *testing.T) {
	ca := mint(t, nil, spec{subject: named(t, "CA"), ca: true})
	if _, err := NewKey(nil, []byte("no key")); err == nil || !strings.Contains(err.Error(), "SubjectPublicKeyInfo") {
		t.Errorf("no key: %v", err)
	}
	if _, err := NewKey(nil, append(spki(t, ca), 0)); err == nil {
		t.Error("data after the key was accepted")
	}
}

func TestNewCAsErrors(t *testing.T) {
	ca := mint(t, nil, spec{subject: named(t, "CA"), ca: true})
	broken := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	tests := []struct {
		name   string
		issuer string
		pem    string
		want   string // a part of it
	}{
		{"no PEM", "", "nothing", "no certificate in PEM"},
		{"only a key", "", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no certificate in PEM"},
		{"the second certificate is broken", "", string(inPEM(ca)) + broken, "parse certificate 2: "},
		{"no certificate of the name", "CN=Other", string(inPEM(ca)), "no certificate has the subject CN=Other; found C=GB, O=ARM Ltd, CN=CA"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var issuer Name
			if test.issuer != "" {
				issuer = must[Name](t)(ParseName(test.issuer))
			}
			if _, err := NewCAs(issuer, []byte(test.pem)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

func TestAnchorCheck(t *testing.T) {
	file := func(s ...spec) *Anchor {
		var all []*authority
		for _, one := range s {
			one.subject = named(t, "CA")
			all = append(all, mint(t, nil, one))
		}
		return must[*Anchor](t)(NewCAs(nil, inPEM(all...)))
	}
	key := func(s spec) *Anchor { return must[*Anchor](t)(NewKey(nil, spki(t, mint(t, nil, s)))) }
	// agreement is a key that is marked as one for ECDH (id-ecDH, RFC 5480 §2.1.2).
	agreement := bytes.Replace(spki(t, mint(t, nil, spec{})), []byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"),
		[]byte("\x30\x57\x30\x11\x06\x05\x2b\x81\x04\x01\x0c"), 1)
	odd := reissuedFile(t)
	tests := []struct {
		name        string
		anchor      *Anchor
		device, web string // parts of the errors; "" if there must be no error
	}{
		{"a CA", file(spec{ca: true}), "", ""},
		{"a key", key(spec{}), "", ""},
		{"a CA on P-384", file(spec{ca: true, key: newP384Key(t), algorithm: x509.ECDSAWithSHA256}), "certificate 1 (C=GB, O=ARM Ltd, CN=CA): its key is P-384, not ECDSA on P-256; use a CA", ""},
		{"a CA signed with SHA-384", file(spec{ca: true, algorithm: x509.ECDSAWithSHA384}), "certificate 1 (C=GB, O=ARM Ltd, CN=CA): it is signed with ecdsa-with-SHA384", ""},
		{"an RSA CA", file(spec{ca: true, key: newRSAKey(t)}), "it is signed with sha256WithRSAEncryption", ""},
		{"the second of two", file(spec{ca: true}, spec{ca: true, key: newRSAKey(t)}), "certificate 2 (C=GB, O=ARM Ltd, CN=CA)", ""},
		{"more than 1024 bytes", file(spec{ca: true, names: []string{strings.Repeat("a.", 400) + "example"}}), "it has more than 1024 bytes", ""},
		{"no basicConstraints", file(spec{}), "its basicConstraints do not mark it as a CA", ""},
		{"a server's own certificate", file(spec{names: []string{"a.example"}}), "", ""},
		{"keyUsage without keyCertSign", file(spec{ca: true, usage: x509.KeyUsageCRLSign}), "its keyUsage lacks keyCertSign", ""},
		{"a negative serial number", odd, "", "certificate 1 (C=GB, O=ARM Ltd, CN=CA): x509: negative serial number"},
		{"a key on P-384", key(spec{key: newP384Key(t)}), "the key: its key is P-384", ""},
		{"a key for ECDH", must[*Anchor](t)(NewKey(nil, agreement)), "the key: its key is for key agreement (ECDH) and signs nothing; use a CA", ""},
		{"an RSA key", key(spec{key: newRSAKey(t)}), "the key: its key is RSA", ""},
		{"roots", NewRoots(poolOf()), "a device has no list of roots", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for client, want := range map[measurement.Client]string{measurement.Device: test.device, measurement.Web: test.web} {
				err := test.anchor.Check(client)
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", client, err, want)
				}
			}
		})
	}
}

func TestRootProblem(t *testing.T) {
	noRoot := []devicecert.Problem{devicecert.NoCertificate, devicecert.ChainTooLong}
	for _, problem := range devicecert.Problems {
		text := rootProblem(devicecert.Finding{Problem: problem, Text: "of a test"})
		if (text == "") != slices.Contains(noRoot, problem) || strings.Contains(text, string(problem)) {
			t.Errorf("%s: %q", problem, text)
		}
	}
}

// reissuedFile is the anchor of a CA with a negative serial number.
func reissuedFile(t *testing.T) *Anchor {
	t.Helper()
	ca := mint(t, nil, spec{subject: named(t, "CA"), ca: true})
	return must[*Anchor](t)(NewCAs(nil, inPEM(&authority{cert: &x509.Certificate{Raw: reissued(t, ca, ca, negative(t))[0]}})))
}
