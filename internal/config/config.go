// Package config reads and holds the configuration: its types, its defaults, the built-in catalogues of hosts, and
// the trust anchors and client certificate whose files are read again when they change.
//
// [Load] reads a file and everything that it names; [Parse] reads text only. Both report every mistake at once, each
// with its place and a fix. A [Config] that they return is complete: defaults are filled in, catalogues are expanded
// and every reference is resolved, so that no other package checks it again.
//
// The yaml tags of the types below are the only place where key names stand. These tags describe a key further:
//
//   - range: the smallest and the largest value of a number or duration, or of each item of a list
//   - size: the smallest and the largest number of items of a list
//   - form: the syntax of a text, one of the keys of [forms]
//   - required: the key must be given
//   - example: a value that error messages show where the type is wrong or the key is missing
package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Config is the effective configuration. docs/configuration.md describes its YAML form.
type Config struct {
	// Catalogues names the built-in catalogues as given. Endpoints and Trust hold what the catalogues contain.
	Catalogues []string `yaml:"catalogues" form:"catalogue" example:"[izuma-us-east-1]"`
	// Resolvers are the site's DNS servers. An empty list stands for those of the system.
	Resolvers []netip.AddrPort `yaml:"resolvers" example:"[192.0.2.53]"`
	// IPVersions are the default of the endpoints.
	IPVersions []IPVersion `yaml:"ip_versions" size:"1..2" example:"[4, 6]"`
	// Source is the address or the name of the interface that packets leave by; "" leaves it to the routing table.
	Source            string                 `yaml:"source,omitempty" form:"source" example:"eth1"`
	Authority         AuthorityQueries       `yaml:"authority" example:"{mode: discover}"`
	Survey            Survey                 `yaml:"survey" example:"{timeout: 10s}"`
	Freshness         Freshness              `yaml:"freshness" example:"{hold: 15m}"`
	Trust             map[string]TrustAnchor `yaml:"trust" example:"{site: {ca_file: site.pem}}"`
	ClientCertificate ClientCertificate      `yaml:"client_certificate" example:"{cert_file: device.pem, key_file: device.key}"`
	// Endpoints are those of the catalogues, followed by the file's own.
	Endpoints []Endpoint `yaml:"endpoints" example:"[{service: updates, host: updates.example.com, client: web, paths: [{transport: tcp, port: 443}]}]"`
	Idle      Idle       `yaml:"idle" example:"{enabled: true}"`
	Probe     Probe      `yaml:"probe" example:"{allow: [www.example.com]}"`
}

// AuthorityMode selects the authoritative servers that are queried.
type AuthorityMode string

const (
	AuthorityDiscover AuthorityMode = "discover" // those found through the site's resolvers
	AuthorityServers  AuthorityMode = "servers"  // those configured
	AuthorityOff      AuthorityMode = "off"      // none
)

// AuthorityQueries configures how the authoritative servers of the endpoints' zones are queried.
type AuthorityQueries struct {
	Mode    AuthorityMode    `yaml:"mode"`
	Servers []netip.AddrPort `yaml:"servers" example:"[192.0.2.53]"`
	// InterceptionTest sends a query to a documentation address now and then: an answer shows that port 53 is
	// intercepted.
	InterceptionTest bool `yaml:"interception_test"`
	// Whoami is a name whose answer is the address of the resolver that asked, used to show that resolver and
	// exporter get the same view of a zone. "" means none.
	Whoami string `yaml:"whoami" form:"name"`
}

// IPVersion is an address family, 4 or 6.
type IPVersion int

const (
	IPv4 IPVersion = 4
	IPv6 IPVersion = 6
)

// VersionOf returns the address family of an address. An IPv4 address in IPv6 form belongs to IPv4.
func VersionOf(addr netip.Addr) IPVersion {
	if addr.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Survey bounds one round.
type Survey struct {
	Timeout      time.Duration `yaml:"timeout" range:"100ms..10m"`
	MinInterval  time.Duration `yaml:"min_interval" range:"0s..1h"`
	Concurrency  int           `yaml:"concurrency" range:"1..10000"` // walks that compute at once; those that wait for the network do not count
	MaxAddresses int           `yaml:"max_addresses" range:"1..64"`  // per host; further ones are counted, not probed
}

// Freshness holds the constants of the staleness proof (docs/dns-staleness.md).
type Freshness struct {
	Margin       time.Duration `yaml:"margin" range:"1ms..24h"`
	Slack        time.Duration `yaml:"slack" range:"1ms..24h"`
	AuthorityLag time.Duration `yaml:"authority_lag" range:"1ms..24h"`
	Learning     time.Duration `yaml:"learning" range:"1ms..24h"`
	Hold         time.Duration `yaml:"hold" range:"1ms..24h"`
	Spacing      time.Duration `yaml:"spacing" range:"1ms..24h"` // minimum between two pieces of evidence
}

// TrustAnchor describes who may sign a server's certificate. Exactly one of PublicKey, CAFile, PublicRoots and
// SystemRoots is set.
type TrustAnchor struct {
	// Issuer is the required issuer name as in RFC 4514, for example "C=GB, O=ARM Ltd, CN=…". "" accepts any name.
	Issuer string `yaml:"issuer,omitempty" example:"CN=Example CA"`
	// PublicKey is the base64 form of the CA's SubjectPublicKeyInfo.
	PublicKey string `yaml:"public_key,omitempty" form:"public_key"`
	CAFile    string `yaml:"ca_file,omitempty" form:"file"` // PEM
	// PublicRoots are the embedded roots of the public web, and SystemRoots those of this machine, to which a company
	// may have added the CA of its inspecting firewall.
	PublicRoots bool `yaml:"public_roots,omitempty"`
	SystemRoots bool `yaml:"system_roots,omitempty"`
}

// ClientCertificate names the files of the certificate that servers get when they ask for one. If both are empty a
// throw-away P-256 certificate is made at start.
type ClientCertificate struct {
	CertFile string `yaml:"cert_file,omitempty" form:"file"`
	KeyFile  string `yaml:"key_file,omitempty" form:"file"`
}

// Addresses selects the addresses that a host may resolve to.
type Addresses string

const (
	// AddressesPublic treats a private, loopback, link-local or unspecified address as a sinkhole.
	AddressesPublic Addresses = "public"
	AddressesAny    Addresses = "any"
)

// Endpoint is one host of a service and the paths to it.
type Endpoint struct {
	Service     string              `yaml:"service" form:"service" required:"true" example:"meters"`
	Host        string              `yaml:"host" form:"host" required:"true" example:"coap.example.com"`
	Client      measurement.Client  `yaml:"client"`
	Trust       string              `yaml:"trust" example:"arm-lwm2m"`           // a key of Config.Trust
	Keepalive   time.Duration       `yaml:"keepalive,omitempty" range:"1s..24h"` // 0: not known
	CoAPPing    bool                `yaml:"coap_ping"`                           // ping after the handshake
	Framing     measurement.Framing `yaml:"framing,omitempty"`                   // "" for web clients
	Finish      bool                `yaml:"finish"`                              // false stops at the server's flight
	Addresses   Addresses           `yaml:"addresses"`
	ExpectedTTL time.Duration       `yaml:"expected_ttl,omitempty" range:"1s..168h"` // 0: that of the zone
	IPVersions  []IPVersion         `yaml:"ip_versions" size:"1..2" example:"[4]"`   // that the devices use; ascending
	SingleView  bool                `yaml:"single_view"`                             // the zone answers all alike
	Paths       []measurement.Path  `yaml:"paths" required:"true" size:"1..64" example:"[{transport: tcp, port: 5684}]"`
}

// Idle configures the measurement of how long a silent connection survives.
type Idle struct {
	Enabled bool `yaml:"enabled"`
	// Steps are the silences to try, in ascending order.
	Steps       []time.Duration `yaml:"steps" range:"1s..24h" size:"1..32" example:"[30s, 60s, 120s]"`
	Interval    time.Duration   `yaml:"interval" range:"1s..168h"`    // between two measurements of a path
	Concurrency int             `yaml:"concurrency" range:"1..10000"` // silent connections open at once
}

// Probe restricts what /probe may connect to in addition to the endpoints.
type Probe struct {
	// Allow lists names, wildcards and CIDR prefixes.
	Allow []string `yaml:"allow" form:"allow" example:"[\"*.example.com\", 10.20.0.0/16]"`
	// Ports are the ports of the hosts that Allow permits.
	Ports []uint16 `yaml:"ports" size:"1..64" example:"[443, 5684]"`
}

// Key identifies an endpoint, also across reloads.
type Key struct{ Service, Host string }

// Key returns the endpoint's key, which is unique in a configuration.
func (e *Endpoint) Key() Key { return Key{e.Service, e.Host} }

// EndpointsOf returns the endpoints of a host, in the order of the configuration.
func (c *Config) EndpointsOf(host string) []Endpoint {
	var out []Endpoint
	for i := range c.Endpoints {
		if c.Endpoints[i].Host == host {
			out = append(out, c.Endpoints[i])
		}
	}
	return out
}

// Uses reports whether the endpoint's devices use the family of an address.
func (e *Endpoint) Uses(addr netip.Addr) bool {
	return len(e.IPVersions) == 0 || slices.Contains(e.IPVersions, VersionOf(addr))
}
