package config

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// WebTrust is the name of the trust anchor that is always there: the public web's authorities, as the system knows them.
const WebTrust = "web"

// defaults is the configuration of an empty file before its catalogues are expanded.
func defaults() *Config {
	return &Config{
		Catalogues: []string{"izuma-us-east-1"},
		Authority:  Authority{Mode: AuthorityDiscover, InterceptionTest: true},
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
		Trust: map[string]TrustAnchor{WebTrust: {SystemRoots: true}},
		Idle: Idle{
			// The steps stand beside what is known of NATs and balancers: 30 s (conntrack, UDP), 120 s (RFC 4787), 240 s and
			// 350 s (clouds), and the device's own keepalives of 60, 90, 100 and 540 s.
			Steps: []time.Duration{
				30 * time.Second, 60 * time.Second, 90 * time.Second, 100 * time.Second, 120 * time.Second,
				180 * time.Second, 240 * time.Second, 350 * time.Second, 540 * time.Second,
			},
			Interval:    6 * time.Hour,
			Concurrency: 64,
		},
	}
}

// endpointDefaults is an endpoint with nothing but its host and client given.
func endpointDefaults(host string, client measurement.Client, isAddress bool) Endpoint {
	e := Endpoint{Host: host, Client: client, Finish: true, Addresses: AddressesPublic}
	if isAddress { // whoever writes an address means it, wherever it lies
		e.Addresses = AddressesAny
	}
	switch client {
	case measurement.Device:
		e.Framing = measurement.RFC7252
	case measurement.Web:
		e.Trust = WebTrust
	}
	return e
}

// Default is the configuration without any file: the built-in catalogue izuma-us-east-1, by the system's resolvers.
func Default() *Config {
	c, err := Parse(nil, "")
	if err != nil {
		panic("catalogue: a built-in list is broken: " + err.Error()) // embedded, and held by a test
	}
	return c
}
