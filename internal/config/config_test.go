package config

import (
	"net/netip"
	"slices"
	"testing"
)

func TestEndpointUses(t *testing.T) {
	four, six, mapped := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1")
	for name, test := range map[string]struct {
		versions []IPVersion
		want     [3]bool // of an IPv4 address, an IPv6 address, and an IPv4 address in IPv6 form
	}{
		"IPv4 only": {[]IPVersion{IPv4}, [3]bool{true, false, true}},
		"IPv6 only": {[]IPVersion{IPv6}, [3]bool{false, true, false}},
		"both":      {[]IPVersion{IPv4, IPv6}, [3]bool{true, true, true}},
		"not set":   {nil, [3]bool{true, true, true}},
	} {
		e := Endpoint{IPVersions: test.versions}
		if got := [3]bool{e.Uses(four), e.Uses(six), e.Uses(mapped)}; got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// TestIPVersionsInherited: endpoints of catalogues and of the file have the file's ip_versions unless they have their
// own.
func TestIPVersionsInherited(t *testing.T) {
	c := parsed(t, `
ip_versions: [4]
trust: {site: {ca_file: site.pem}}
endpoints:
  - {service: a, host: a.example, trust: site, paths: [{transport: tcp, port: 5684}]}
  - {service: b, host: b.example, trust: site, ip_versions: [6, 4], paths: [{transport: tcp, port: 5684}]}
  - {service: c, host: "2001:db8::1", trust: site, paths: [{transport: tcp, port: 5684}]}
`)
	n := len(Default().Endpoints)
	for i, want := range map[int][]IPVersion{0: {IPv4}, n: {IPv4}, n + 1: {IPv4, IPv6}, n + 2: {IPv6}} {
		if got := c.Endpoints[i].IPVersions; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", c.Endpoints[i].Host, got, want)
		}
	}
	if got := c.Unconfigured("d.example", ProbeRequest{}).IPVersions; !slices.Equal(got, []IPVersion{IPv4}) {
		t.Errorf("a host that is not configured: got %v", got)
	}
}
