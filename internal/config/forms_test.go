package config

import (
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.53":            "192.0.2.53:53",
		"192.0.2.53:5353":       "192.0.2.53:5353",
		"2001:db8::53":          "[2001:db8::53]:53",
		"[2001:db8::53]":        "[2001:db8::53]:53",
		"[2001:db8::53]:5353":   "[2001:db8::53]:5353",
		"::ffff:192.0.2.53":     "192.0.2.53:53",
		"fe80::1%eth0":          "[fe80::1%eth0]:53",
		"[fe80::1%eth0]":        "[fe80::1%eth0]:53",
		"[fe80::1%eth0]:5353":   "[fe80::1%eth0]:5353",
		"[fe80::1%br-lan.2]:53": "[fe80::1%br-lan.2]:53",
	} {
		got, err := ParseServer(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v; want %s", in, got, err, want)
		}
		if again, err := ParseServer(got.String()); err != nil || again != got {
			t.Errorf("%s is printed as %s, which is read as %v, %v", in, got, again, err)
		}
	}
}

func TestParseServerInvalid(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `"" is not an IP address; want one, for example 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353`,
		"dns.example":            `"dns.example" is not an IP address`,
		"dns.example:53":         `"dns.example" is not an IP address`,
		"10.0.0.1:99999":         `"99999" is not a port; want 1 to 65535`,
		"10.0.0.1:":              `"" is not a port; want 1 to 65535`,
		"[2001:db8::53]:0":       `"0" is not a port; want 1 to 65535`,
		"[2001:db8::53":          `"[2001:db8::53" has no closing bracket`,
		"[2001:db8::53]53":       `"[2001:db8::53]53" is not an address with a port`,
		"0.0.0.0":                "0.0.0.0 is not the address of a server",
		"ff02::fb%eth0":          "ff02::fb%eth0 is not the address of a server",
		"fe80::1":                "fe80::1 is a link-local address; add the interface, for example fe80::1%eth0",
		"[fe80::1%eth0]:53]:53":  `"eth0]:53" is not the name of an interface`,
		"[fe80::1%e th]:53":      `"e th" is not the name of an interface`,
		"fe80::1%\x1b[2J":        `is not the name of an interface`,
		strings.Repeat("9", 500): `9…" is not an IP address`,
	} {
		if _, err := ParseServer(in); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%q: got %v\nwant %s", in, err, want)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	const key = everyKeyPublicKey
	pem := "-----BEGIN PUBLIC KEY-----\n" + key[:64] + "\n" + key[64:] + "\n-----END PUBLIC KEY-----\n"
	for name, in := range map[string]string{
		"base64":                           key,
		"base64 in two lines":              key[:64] + "\n" + key[64:] + "\n",
		"PEM":                              pem,
		"PEM with CRLF":                    strings.ReplaceAll(pem, "\n", "\r\n"),
		"PEM in a folded YAML text":        strings.TrimSpace(strings.ReplaceAll(pem, "\n", " ")),
		"PEM with blanks before and after": "\n  " + pem + "\n",
	} {
		if got, err := parsePublicKey(in); err != nil || got != key {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for name, test := range map[string]struct{ in, want string }{
		"empty":       {" \n", "the public key is empty"},
		"no base64":   {"***", "the public key is not base64"},
		"certificate": {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "this is a certificate, not a public key"},
		"private key": {"-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n", "this is a private key"},
		"half PEM":    {"-----BEGIN PUBLIC KEY-----\n" + key, "the public key is not base64"},
	} {
		if _, err := parsePublicKey(test.in); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// TestParsePublicKeyInFile reads a key pasted as PEM into a configuration.
func TestParsePublicKeyInFile(t *testing.T) {
	c := parsed(t, `
trust:
  pasted:
    public_key: |
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEX4CWIxuTkjbJcODt+pOTDdI/b21M
      jEiJ3CxhIBSfKJ098qvViBUtCWF0Wa3HdbkZD4kJl/eWydyn8JDFUVC0/g==
      -----END PUBLIC KEY-----
`)
	if got := c.Trust["pasted"].PublicKey; got != everyKeyPublicKey {
		t.Errorf("got %s", got)
	}
}
