package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"Bootstrap.US-east-1.mbedcloud.com.": "bootstrap.us-east-1.mbedcloud.com",
		"localhost":                          "localhost",
		"_coap.example":                      "_coap.example",
		"192.0.2.1":                          "192.0.2.1",
		"2001:DB8::1":                        "2001:db8::1",
		"[2001:DB8::1]":                      "2001:db8::1",
		"::ffff:192.0.2.1":                   "192.0.2.1",
		"4.example":                          "4.example",
	} {
		if got, err := ParseHost(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseHostInvalid(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "the host is empty; want a DNS name or an IP address",
		".":                             "the host is empty; want a DNS name or an IP address",
		"a..b":                          `"a..b" is not a host: a label is empty; remove the second dot`,
		"fe80::1%eth0":                  `"fe80::1%eth0" is not a host: addresses with a zone are not supported; remove %eth0`,
		"bücher.example":                `"bücher.example" is not a host: it is not ASCII; write its xn--… form`,
		"a.example:443":                 `"a.example:443" is not a host: it ends in the port 443; set ports under paths`,
		"10.0.0.1:99999":                `"10.0.0.1:99999" is not a host: it ends in the port 99999; set ports under paths`,
		"[2001:db8::1]:443":             `"[2001:db8::1]:443" is not a host: it ends in the port 443; set ports under paths`,
		"[192.0.2.1]":                   `"[192.0.2.1]" is not a host: a name cannot have the character '['`,
		"https://a.example":             `"https://a.example" is a URL; write its host only, without scheme and path`,
		"a\x00b":                        "\"a\ufffdb\" is not a host: a name cannot have the character '\\x00'",
		"1.2.3":                         `"1.2.3" is neither an IP address nor a DNS name`,
		"a-.example":                    `"a-.example" is not a host: a label begins or ends with a hyphen`,
		strings.Repeat("a", 64):         `"` + strings.Repeat("a", 57) + `…" is not a host: a label has 64 bytes, and at most 63 are allowed`,
		strings.Repeat("a.", 127) + "a": `"` + strings.Repeat("a.", 28) + `a…" is not a host: it has 255 bytes, and a name has at most 253`,
	} {
		if _, err := ParseHost(in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v\nwant %s", in, err, want)
		}
	}
}

func TestProbeAllowsHost(t *testing.T) {
	p := parsed(t, `probe: {allow: [a.example, "*.b.example", 10.1.0.0/16, "2001:db8::1"]}`).Probe
	for host, want := range map[string]bool{
		"a.example": true, "x.a.example": false, "aa.example": false,
		"x.b.example": true, "y.x.b.example": true, "b.example": false, "xb.example": false, ".b.example": false,
		"10.1.2.3": true, "10.2.0.1": false, "192.0.2.1": false, "2001:db8::1": true, "2001:db8::2": false,
		"*.b.example": false, "10.1.0.0/16": false, "": false,
	} {
		if host == "*.b.example" || host == "10.1.0.0/16" || host == ".b.example" {
			if _, err := ParseHost(host); err == nil {
				t.Errorf("ParseHost accepts %q", host)
			}
			continue
		}
		if got := p.AllowsHost(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
	if (Probe{}).AllowsHost("a.example") {
		t.Error("an empty list allows a host")
	}
}

func TestProbeAllowsAddress(t *testing.T) {
	p := parsed(t, `probe: {allow: ["*.example", 10.1.0.0/16]}`).Probe
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true,
		"10.1.2.3": true, "::ffff:10.1.2.3": true, // by the prefix
		"10.2.0.1": false, "192.168.1.1": false, "127.0.0.1": false, "169.254.169.254": false, "0.0.0.0": false, "0.1.2.3": false,
		"100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "::1": false, "::": false, "fe80::1": false, "fd00::1": false,
		"::ffff:192.168.1.1": false, "64:ff9b::c0a8:101": false, "64:ff9b::808:808": true, "64:ff9b::a01:203": true, "2002:c0a8:101::1": false, "ff02::1": false, "fec0::1": false, "::7f00:1": false,
	} {
		if got := p.AllowsAddress(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if p.AllowsAddress(netip.Addr{}) {
		t.Error("the zero address is allowed")
	}
}

func TestUnconfigured(t *testing.T) {
	const tcp, udp = measurement.TCP, measurement.UDP
	for name, test := range map[string]struct {
		transport, port, client string
		want                    measurement.Client
		paths                   []measurement.Path
	}{
		"nothing asked":      {"", "", "", measurement.Web, []measurement.Path{{Transport: tcp, Port: 443}}},
		"web":                {"", "", "web", measurement.Web, []measurement.Path{{Transport: tcp, Port: 443}}},
		"device":             {"", "", "device", measurement.Device, []measurement.Path{{Transport: tcp, Port: 5684}, {Transport: udp, Port: 5684}}},
		"UDP":                {"udp", "", "", measurement.Device, []measurement.Path{{Transport: udp, Port: 5684}}},
		"TCP":                {"tcp", "", "", measurement.Device, []measurement.Path{{Transport: tcp, Port: 5684}}},
		"port 443":           {"", "443", "", measurement.Web, []measurement.Path{{Transport: tcp, Port: 443}}},
		"port 443, UDP":      {"udp", "443", "", measurement.Device, []measurement.Path{{Transport: udp, Port: 443}}},
		"port 8443, web":     {"tcp", "8443", "web", measurement.Web, []measurement.Path{{Transport: tcp, Port: 8443}}},
		"port 5684":          {"", "5684", "", measurement.Device, []measurement.Path{{Transport: tcp, Port: 5684}, {Transport: udp, Port: 5684}}},
		"device on port 443": {"tcp", "443", "device", measurement.Device, []measurement.Path{{Transport: tcp, Port: 443}}},
	} {
		asked, err := ParseProbeRequest(test.transport, test.port, test.client)
		if err != nil || asked.Client != test.want || !slices.Equal(asked.Paths, test.paths) {
			t.Errorf("%s: %+v, %v", name, asked, err)
			continue
		}
		e := Default().Unconfigured("a.example", asked)
		anchor := map[measurement.Client]string{measurement.Web: WebTrust, measurement.Device: NoTrust}[test.want]
		if e.Trust != anchor || e.CoAPPing != (test.want == measurement.Device) || !slices.Equal(e.Paths, test.paths) || e.Service != "probe" || !e.Finish {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestParseAskedMistakes(t *testing.T) {
	for name, test := range map[string]struct{ transport, port, client, want string }{
		"transport":    {"sctp", "", "", `parameter transport: "sctp" is not a transport; want tcp or udp`},
		"port zero":    {"", "0", "", `parameter port: "0" is not a port; want 1 to 65535`},
		"port of text": {"", "https", "", `parameter port: "https" is not a port; want 1 to 65535`},
		"client":       {"", "", "browser", `parameter client: "browser" is not a client; want device or web`},
		"web over UDP": {"udp", "", "web", "a web client uses TCP; want the client device for a path over UDP"},
	} {
		if _, err := ParseProbeRequest(test.transport, test.port, test.client); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}
