// Package config says what to watch: the configuration's types, their defaults, the built-in lists of hosts, and
// loading that reports every mistake at once with its place.
//
// A [Config] that left this package is complete and right: defaults filled in, catalogues expanded, every reference
// resolved. No other package checks it again.
package config

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Config is the whole effective configuration. Its YAML form is documented in docs/configuration.md.
type Config struct {
	Catalogues        []string               `yaml:"catalogues"` // as given; Endpoints and Trust hold what they stand for
	Resolvers         []netip.AddrPort       `yaml:"resolvers"`  // port 53 where none is given; empty: those of /etc/resolv.conf
	Authority         Authority              `yaml:"authority"`
	Survey            Survey                 `yaml:"survey"`
	Freshness         Freshness              `yaml:"freshness"`
	Trust             map[string]TrustAnchor `yaml:"trust"`
	ClientCertificate ClientCertificate      `yaml:"client_certificate"`
	Endpoints         []Endpoint             `yaml:"endpoints"` // those of the catalogues first, then the file's
	Idle              Idle                   `yaml:"idle"`
	Probe             Probe                  `yaml:"probe"`
}

// AuthorityMode says how the zone's own servers are asked.
type AuthorityMode string

const (
	AuthorityDiscover AuthorityMode = "discover" // found through the site's resolver
	AuthorityServers  AuthorityMode = "servers"  // those configured
	AuthorityOff      AuthorityMode = "off"      // not asked at all: staleness by P1 and P3 is not judged
)

// Authority is how the zone's own view is had.
type Authority struct {
	Mode             AuthorityMode    `yaml:"mode"`
	Servers          []netip.AddrPort `yaml:"servers"`
	InterceptionTest bool             `yaml:"interception_test"`
	// Whoami is a name whose answer is the asker's address, to show that resolver and exporter share one view; "" for none.
	Whoami string `yaml:"whoami"`
}

// Survey bounds one round.
type Survey struct {
	Timeout      time.Duration `yaml:"timeout"`
	MinInterval  time.Duration `yaml:"min_interval"`
	Concurrency  int           `yaml:"concurrency"`   // walks in flight at once
	MaxAddresses int           `yaml:"max_addresses"` // per host; the rest are counted, not probed
}

// Freshness holds the constants of the staleness proof (docs/dns-staleness.md).
type Freshness struct {
	Margin       time.Duration `yaml:"margin"`
	Slack        time.Duration `yaml:"slack"`         // σ
	AuthorityLag time.Duration `yaml:"authority_lag"` // π
	Learning     time.Duration `yaml:"learning"`
	Hold         time.Duration `yaml:"hold"`
	Spacing      time.Duration `yaml:"spacing"` // least time between two pieces of evidence
}

// TrustAnchor says who may have signed. Either SystemRoots, or a key (PublicKey or CAFile), with an optional issuer name.
type TrustAnchor struct {
	Issuer      string `yaml:"issuer,omitempty"`     // RFC 4514-like: "C=GB, O=ARM Ltd, CN=…"; "" compares no name
	PublicKey   string `yaml:"public_key,omitempty"` // base64 of the authority's SubjectPublicKeyInfo
	CAFile      string `yaml:"ca_file,omitempty"`    // PEM; read again when it changes
	SystemRoots bool   `yaml:"system_roots,omitempty"`
}

// ClientCertificate is what we show to a server that asks; both empty: a throw-away P-256 pair made at start.
type ClientCertificate struct {
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

// Addresses says which addresses a host may resolve to.
type Addresses string

const (
	// AddressesPublic: a private, loopback, link-local or unspecified answer is a sinkhole.
	AddressesPublic Addresses = "public"
	AddressesAny    Addresses = "any"
)

// Endpoint is one host of a service and the paths to it.
type Endpoint struct {
	Service     string              `yaml:"service"`
	Host        string              `yaml:"host"` // a name, lower case without final dot, or an IP address
	Client      measurement.Client  `yaml:"client"`
	Trust       string              `yaml:"trust"`               // a key of Config.Trust
	Keepalive   time.Duration       `yaml:"keepalive,omitempty"` // 0: not stated, no series
	CoAPPing    bool                `yaml:"coap_ping"`
	Framing     measurement.Framing `yaml:"framing,omitempty"`
	Finish      bool                `yaml:"finish"` // false stops at the server's flight
	Addresses   Addresses           `yaml:"addresses"`
	ExpectedTTL time.Duration       `yaml:"expected_ttl,omitempty"`
	SingleView  bool                `yaml:"single_view"`
	Paths       []measurement.Path  `yaml:"paths"`
}

// Idle is the measurement of how long silence survives.
type Idle struct {
	Enabled     bool            `yaml:"enabled"`
	Steps       []time.Duration `yaml:"steps"`       // ascending
	Interval    time.Duration   `yaml:"interval"`    // between two rounds of one path
	Concurrency int             `yaml:"concurrency"` // silent connections open at once, over all paths
}

// Probe says what /probe may be asked for beside the endpoints.
type Probe struct {
	Allow []string `yaml:"allow"` // names, wildcards (*.example.org) and CIDR prefixes
}
