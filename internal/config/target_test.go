package config

import (
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestParseTarget(t *testing.T) {
	const tcp, udp = measurement.TCP, measurement.UDP
	for in, want := range map[string]Target{
		"bootstrap":                  {Name: "bootstrap"},
		"coap.example.com":           {Name: "coap.example.com"},
		"coap.example.com:5684":      {Name: "coap.example.com", Port: 5684},
		"coap.example.com:5684/udp":  {Name: "coap.example.com", Port: 5684, Transport: udp},
		"bootstrap/tcp":              {Name: "bootstrap", Transport: tcp},
		"192.0.2.7":                  {Name: "192.0.2.7"},
		"192.0.2.7:443/tcp":          {Name: "192.0.2.7", Port: 443, Transport: tcp},
		"::ffff:192.0.2.7":           {Name: "192.0.2.7"},
		"2001:DB8::1":                {Name: "2001:db8::1"},
		"2001:db8::1/udp":            {Name: "2001:db8::1", Transport: udp},
		"[2001:db8::1]":              {Name: "2001:db8::1"},
		"[2001:db8::1]/udp":          {Name: "2001:db8::1", Transport: udp},
		"[2001:db8::1]:5684":         {Name: "2001:db8::1", Port: 5684},
		"[2001:db8::1]:5684/udp":     {Name: "2001:db8::1", Port: 5684, Transport: udp},
		"[::ffff:192.0.2.7]:443/tcp": {Name: "192.0.2.7", Port: 443, Transport: tcp},
	} {
		if got, err := ParseTarget(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", in, got, err, want)
		}
	}
}

func TestParseTargetInvalid(t *testing.T) {
	for in, want := range map[string]string{
		"":                        `"" has no host; want HOST, HOST:PORT or HOST:PORT/udp`,
		":5684":                   `":5684" has no host`,
		"/udp":                    `"/udp" has no host`,
		"coaps://a.example":       `"coaps://a.example" is a URL; want HOST, HOST:PORT or HOST:PORT/udp`,
		"a.example/sctp":          `"sctp" is not a transport; want tcp or udp`,
		"a.example/":              `"" is not a transport; want tcp or udp`,
		"10.0.0.1:99999":          `"99999" is not a port; want 1 to 65535`,
		"a.example:0":             `"0" is not a port; want 1 to 65535`,
		"a.example:":              `"" is not a port; want 1 to 65535`,
		"a.example:https/tcp":     `"https" is not a port; want 1 to 65535`,
		"2001:db8::1:5684:x":      `"2001:db8::1:5684:x" is not an IP address; with a port, an IPv6 address is in brackets`,
		"[2001:db8::1":            `"[2001:db8::1" has no closing bracket`,
		"[2001:db8::1]5684":       `"[2001:db8::1]5684" is not an address with a port; want for example [2001:db8::1]:5684`,
		"[192.0.2.7]:443":         `"192.0.2.7" is not an IPv6 address; only these are in brackets`,
		"[a.example]:443":         `"a.example" is not an IPv6 address`,
		"\x1b[2J:443x":            `is not a port`,
		strings.Repeat(":", 1000): `is not an IP address`,
	} {
		if _, err := ParseTarget(in); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%q: got %v\nwant %s", in, err, want)
		}
	}
}
