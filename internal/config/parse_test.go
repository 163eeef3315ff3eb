package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func parsed(t *testing.T, yaml string) *Config {
	t.Helper()
	c, err := Parse([]byte(yaml), "/etc/endpoint_exporter")
	if err != nil {
		t.Fatalf("%s\n%s", err, yaml)
	}
	return c
}

func TestParseEmpty(t *testing.T) {
	if got := parsed(t, "{}\n"); !reflect.DeepEqual(got, Default()) {
		t.Errorf("{} is not the default: %+v", got)
	}
	for _, empty := range []string{"", "\n", "# nothing\n", "---\n", "~\n", "---\n---\n"} {
		const want = "the file is empty; write {} to use the default of every key"
		if _, err := Parse([]byte(empty), ""); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", empty, err, want)
		}
	}
}

func TestParseExtendsCatalogues(t *testing.T) {
	c := parsed(t, `
trust:
  site: {ca_file: /srv/site.pem, issuer: "CN=Site CA"}
  other: {ca_file: certs/other.pem}
  web: {ca_file: company.pem}
endpoints:
  - service: meter
    host: Meter.Example.
    trust: site
    paths: [{transport: udp, port: 5684}]
  - service: lwm2m
    host: lwm2m.us-east-1.mbedcloud.com
    trust: other
    paths: [{transport: tcp, port: 443}]
`)
	if n := len(Default().Endpoints); len(c.Endpoints) != n+1 || c.Endpoints[n].Host != "meter.example" {
		t.Fatalf("endpoints: %+v", c.Endpoints)
	}
	lwm2m := c.EndpointsOf("lwm2m.us-east-1.mbedcloud.com")
	if len(lwm2m) != 1 || lwm2m[0].CoAPPing || len(lwm2m[0].Paths) != 1 {
		t.Errorf("the file's endpoint does not replace the whole built-in one: %+v", lwm2m)
	}
	for name, want := range map[string]TrustAnchor{
		"site":          {Issuer: "CN=Site CA", CAFile: "/srv/site.pem"},
		"other":         {CAFile: "/etc/endpoint_exporter/certs/other.pem"},
		"web":           {CAFile: "/etc/endpoint_exporter/company.pem"}, // the default, which the file may replace
		"arm-bootstrap": Default().Trust["arm-bootstrap"],
	} {
		if got := c.Trust[name]; got != want {
			t.Errorf("trust.%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestParseEndpointDefaults(t *testing.T) {
	c := parsed(t, `
catalogues: []
trust: {site: {ca_file: site.pem}}
endpoints:
  - {service: device, host: a.example, trust: site, paths: [{transport: tcp, port: 5684}]}
  - {service: web, host: b.example, client: web, paths: [{transport: tcp, port: 443}]}
  - {service: address, host: "[2001:DB8::1]", trust: site, paths: [{transport: udp, port: 5684}]}
`)
	both := []IPVersion{IPv4, IPv6}
	want := []Endpoint{
		{
			IPVersions: both, Service: "device", Host: "a.example", Client: measurement.Device, Trust: "site", Framing: measurement.RFC7252, Finish: true,
			Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}},
		},
		{
			IPVersions: both, Service: "web", Host: "b.example", Client: measurement.Web, Trust: "web", Finish: true,
			Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 443}},
		},
		{
			IPVersions: []IPVersion{IPv6}, Service: "address", Host: "2001:db8::1", Client: measurement.Device, Trust: "site", Framing: measurement.RFC7252, Finish: true,
			Addresses: AddressesAny, Paths: []measurement.Path{{Transport: measurement.UDP, Port: 5684}},
		},
	}
	if !reflect.DeepEqual(c.Endpoints, want) {
		t.Errorf("got  %+v\nwant %+v", c.Endpoints, want)
	}
}

// everyKey gives every key a value that is not its default.
const everyKey = `
catalogues: []
resolvers: [192.0.2.53, "[2001:db8::53]:5353", "2001:db8::54"]
ip_versions: [6]
source: 192.0.2.10
authority: {mode: servers, servers: [127.0.0.1:5353], interception_test: false, whoami: whoami.example}
survey: {timeout: 5s, min_interval: 0s, concurrency: 10, max_addresses: 4}
freshness: {margin: 1s, slack: 2s, authority_lag: 3s, learning: 4s, hold: 5s, spacing: 6s}
trust:
  site: {ca_file: site.pem}
  machine: {system_roots: true}
  embedded: {public_roots: true}
  arm:
    issuer: CN=ARM Bootstrap CA, O=ARM Ltd
    public_key: |
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEO9P+sNmkcuEREVm6Bi34JtVlmKrPKl/Gh6VrDjAV
      6BIWSZDj+T75Pd71Wh8DRLuBeslxbWzCQjtV24atLMDP5A==
client_certificate: {cert_file: device.pem, key_file: device.key}
endpoints:
  - service: CoAP / bootstrap
    host: a.example
    client: device
    trust: site
    keepalive: 540s
    coap_ping: true
    framing: rfc8323
    finish: true
    addresses: any
    expected_ttl: 60s
    single_view: true
    ip_versions: [6, 4]
    paths: [{transport: tcp, port: 5684}, {transport: udp, port: 5684}]
  - {service: flight, host: b.example, trust: arm, finish: false, paths: [{transport: tcp, port: 0x1634}]}
  - {service: updates, host: c.example, client: web, trust: machine, paths: [{transport: tcp, port: 443}]}
idle: {enabled: true, steps: [30s, 1m], interval: 1h, concurrency: 5}
probe: {allow: [A.example., "*.b.example", 192.0.2.0/24, "2001:db8::1"], ports: [8443]}
`

func TestParseEveryKey(t *testing.T) {
	const (
		dir = "/etc/endpoint_exporter/"
		key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEO9P+sNmkcuEREVm6Bi34JtVlmKrPKl/Gh6VrDjAV6BIWSZDj+T75Pd71Wh8DRLuBeslxbWzCQjtV24atLMDP5A=="
	)
	servers := func(texts ...string) (out []netip.AddrPort) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddrPort(text))
		}
		return out
	}
	want := &Config{
		Catalogues: []string{},
		Resolvers:  servers("192.0.2.53:53", "[2001:db8::53]:5353", "[2001:db8::54]:53"),
		IPVersions: []IPVersion{IPv6},
		Source:     "192.0.2.10",
		Authority:  AuthorityQueries{Mode: AuthorityServers, Servers: servers("127.0.0.1:5353"), Whoami: "whoami.example"},
		Survey:     Survey{Timeout: 5 * time.Second, Concurrency: 10, MaxAddresses: 4},
		Freshness: Freshness{
			Margin: time.Second, Slack: 2 * time.Second, AuthorityLag: 3 * time.Second,
			Learning: 4 * time.Second, Hold: 5 * time.Second, Spacing: 6 * time.Second,
		},
		Trust: map[string]TrustAnchor{
			"site":     {CAFile: dir + "site.pem"},
			"machine":  {SystemRoots: true},
			"embedded": {PublicRoots: true},
			"arm":      {Issuer: "CN=ARM Bootstrap CA, O=ARM Ltd", PublicKey: key},
			"web":      defaults().Trust["web"],
		},
		ClientCertificate: ClientCertificate{CertFile: dir + "device.pem", KeyFile: dir + "device.key"},
		Endpoints: []Endpoint{
			{
				IPVersions: []IPVersion{IPv4, IPv6}, Service: "CoAP / bootstrap", Host: "a.example", Client: measurement.Device, Trust: "site", Keepalive: 540 * time.Second,
				CoAPPing: true, Framing: measurement.RFC8323, Finish: true, Addresses: AddressesAny, ExpectedTTL: time.Minute, SingleView: true,
				Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}, {Transport: measurement.UDP, Port: 5684}},
			},
			{
				IPVersions: []IPVersion{IPv6}, Service: "flight", Host: "b.example", Client: measurement.Device, Trust: "arm", Framing: measurement.RFC7252,
				Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}},
			},
			{
				IPVersions: []IPVersion{IPv6}, Service: "updates", Host: "c.example", Client: measurement.Web, Trust: "machine", Finish: true,
				Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 443}},
			},
		},
		Idle:  Idle{Enabled: true, Steps: []time.Duration{30 * time.Second, time.Minute}, Interval: time.Hour, Concurrency: 5},
		Probe: Probe{Allow: []string{"a.example", "*.b.example", "192.0.2.0/24", "2001:db8::1/128"}, Ports: []uint16{8443}},
	}
	if got := parsed(t, everyKey); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseBoundsInput(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"more than 1 MiB":      {strings.Repeat("#", maxFile+1), "the file has more than 1048576 bytes"},
		"100,000 nested lists": {"endpoints: " + strings.Repeat("[", 100_000), "not valid YAML"},
		"aliases":              {"survey: &s {timeout: 5s}\nfreshness: *s", "YAML aliases are not supported"},
		"1,000 mistakes":       {strings.Repeat("x: 1\n", 1000), "and 900 more mistakes"},
	} {
		if _, err := Parse([]byte(test.yaml), ""); err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 20_000 {
			t.Errorf("%s: got %.300v, want %s", name, err, test.want)
		}
	}
}

func TestParseReportsEveryMistake(t *testing.T) {
	_, err := Parse([]byte("survey:\n  timeout: 10\n  min_intervall: 5s\n"), "")
	const want = "line 2:12: survey.timeout: 10 has no unit; write for example 10s\n" +
		"line 3:3: survey.min_intervall: unknown key; did you mean min_interval?"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
