package config

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// WebTrust is the name of the trust anchor that every configuration has: the public roots, unless the file defines it
// differently.
const WebTrust = "web"

// defaults returns the values of all keys that a file does not give. The catalogues are not expanded yet.
func defaults() *Config {
	return &Config{
		Catalogues: []string{"izuma-us-east-1"},
		Resolvers:  []netip.AddrPort{},
		IPVersions: []IPVersion{IPv4, IPv6},
		Authority:  AuthorityQueries{Mode: AuthorityDiscover, Servers: []netip.AddrPort{}, InterceptionTest: true},
		Survey: Survey{
			Timeout:      10 * time.Second,
			MinInterval:  10 * time.Second,
			Concurrency:  64,
			MaxAddresses: 8,
		},
		Freshness: Freshness{
			Margin:       10 * time.Second,
			Slack:        10 * time.Second,
			AuthorityLag: 120 * time.Second,
			Learning:     15 * time.Minute,
			Hold:         15 * time.Minute,
			Spacing:      30 * time.Second,
		},
		Trust: map[string]TrustAnchor{WebTrust: {PublicRoots: true}},
		Idle: Idle{
			// The steps bracket the known idle timeouts of NATs and load balancers, 30 s (conntrack, UDP), 120 s (RFC
			// 4787), 240 s and 350 s (clouds), and the keepalive intervals of devices, 60, 90, 100 and 540 s.
			Steps: []time.Duration{
				30 * time.Second, 60 * time.Second, 90 * time.Second, 100 * time.Second, 120 * time.Second,
				180 * time.Second, 240 * time.Second, 350 * time.Second, 540 * time.Second,
			},
			Interval:    6 * time.Hour,
			Concurrency: 64,
		},
		Probe: Probe{Allow: []string{}, Ports: []uint16{443, 5684}},
	}
}

// endpointDefaults returns an endpoint with the default of every key. Some defaults depend on the host and the client.
func endpointDefaults(host string, client measurement.Client) Endpoint {
	e := Endpoint{Host: host, Client: client, Finish: true, Addresses: AddressesPublic}
	if addr, err := netip.ParseAddr(host); err == nil { // an address in the configuration is meant, also a private one
		e.Addresses = AddressesAny
		e.IPVersions = []IPVersion{VersionOf(addr)}
	}
	switch client {
	case measurement.Device:
		e.Framing = measurement.RFC7252
	case measurement.Web:
		e.Trust = WebTrust
	}
	return e
}

// Default returns the configuration of an empty mapping: the catalogue izuma-us-east-1 and the system's resolvers.
func Default() *Config {
	c, err := Parse([]byte("{}"), "")
	if err != nil {
		panic("config: a built-in catalogue is invalid: " + err.Error()) // a test loads all of them
	}
	return c
}
