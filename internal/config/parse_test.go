package config

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

var update = flag.Bool("update", false, "write the expected texts of testdata anew")

// TestEveryMistakeIsToldWithItsPlace holds the whole text of the error for each testdata/invalid-*.yml against the .txt beside it.
func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	t.Chdir("testdata")
	files, err := filepath.Glob("invalid-*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			config, err := Load(file)
			var invalid *Invalid
			if !errors.As(err, &invalid) || config != nil {
				t.Fatalf("taken, or another error: %v", err)
			}
			got := strings.ReplaceAll(err.Error(), here+"/", "DIR/") + "\n"
			expected := strings.TrimSuffix(file, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func parsed(t *testing.T, yaml string) *Config {
	t.Helper()
	c, err := Parse([]byte(yaml), "/etc/endpoint_exporter")
	if err != nil {
		t.Fatalf("%s\n%s", err, yaml)
	}
	return c
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, empty := range []string{"", "\n", "# nothing\n", "---\n", "{}\n", "~\n"} {
		if got := parsed(t, empty); !reflect.DeepEqual(got, Default()) {
			t.Errorf("%q is not the default: %+v", empty, got)
		}
	}
}

func TestFileAddsToCataloguesAndReplacesWhatItNames(t *testing.T) {
	c := parsed(t, `
trust:
  arm-lwm2m: {ca_file: certs/lwm2m.pem}
  site: {ca_file: /srv/site.pem, issuer: "CN=Site CA"}
endpoints:
  - service: meter
    host: Meter.Example.
    trust: site
    paths: [{transport: udp, port: 5684}]
  - service: lwm2m
    host: lwm2m.us-east-1.mbedcloud.com
    trust: arm-lwm2m
    paths: [{transport: tcp, port: 443}]
`)
	if n := len(Default().Endpoints); len(c.Endpoints) != n+1 || c.Endpoints[n].Host != "meter.example" {
		t.Fatalf("endpoints: %+v", c.Endpoints)
	}
	lwm2m := c.EndpointsOf("lwm2m.us-east-1.mbedcloud.com")
	if len(lwm2m) != 1 || lwm2m[0].CoAPPing || len(lwm2m[0].Paths) != 1 {
		t.Errorf("the file's endpoint does not replace the built-in one whole: %+v", lwm2m)
	}
	if got := c.Trust["arm-lwm2m"]; got != (TrustAnchor{CAFile: "/etc/endpoint_exporter/certs/lwm2m.pem"}) {
		t.Errorf("the file's anchor does not replace the built-in one whole: %+v", got)
	}
	if c.Trust["site"].CAFile != "/srv/site.pem" || c.Trust["arm-bootstrap"].PublicKey == "" || !c.Trust["web"].SystemRoots {
		t.Errorf("anchors: %+v", c.Trust)
	}
}

func TestEndpointDefaults(t *testing.T) {
	c := parsed(t, `
catalogues: []
trust: {site: {ca_file: site.pem}}
endpoints:
  - {service: device, host: a.example, trust: site, paths: [{transport: tcp, port: 5684}]}
  - {service: web, host: b.example, client: web, paths: [{transport: tcp, port: 443}]}
  - {service: address, host: "2001:DB8::1", trust: site, paths: [{transport: udp, port: 5684}]}
`)
	want := []Endpoint{
		{Service: "device", Host: "a.example", Client: measurement.Device, Trust: "site", Framing: measurement.RFC7252, Finish: true,
			Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 5684}}},
		{Service: "web", Host: "b.example", Client: measurement.Web, Trust: "web", Finish: true,
			Addresses: AddressesPublic, Paths: []measurement.Path{{Transport: measurement.TCP, Port: 443}}},
		{Service: "address", Host: "2001:db8::1", Client: measurement.Device, Trust: "site", Framing: measurement.RFC7252, Finish: true,
			Addresses: AddressesAny, Paths: []measurement.Path{{Transport: measurement.UDP, Port: 5684}}},
	}
	if !reflect.DeepEqual(c.Endpoints, want) {
		t.Errorf("got  %+v\nwant %+v", c.Endpoints, want)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	c := parsed(t, everyKey)
	if want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353"), netip.MustParseAddrPort("[2001:db8::54]:53")}; !reflect.DeepEqual(c.Resolvers, want) {
		t.Errorf("resolvers %v", c.Resolvers)
	}
	if want := (Authority{Mode: AuthorityServers, Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5353")}, Whoami: "whoami.example"}); !reflect.DeepEqual(c.Authority, want) {
		t.Errorf("authority %+v", c.Authority)
	}
	if want := (Survey{5 * time.Second, 0, 10, 4}); c.Survey != want {
		t.Errorf("survey %+v", c.Survey)
	}
	if want := (Freshness{1 * time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second, 6 * time.Second}); c.Freshness != want {
		t.Errorf("freshness %+v", c.Freshness)
	}
	if want := (Idle{true, []time.Duration{30 * time.Second, time.Minute}, time.Hour, 5}); !reflect.DeepEqual(c.Idle, want) {
		t.Errorf("idle %+v", c.Idle)
	}
	if want := []string{"a.example", "*.b.example", "192.0.2.0/24", "2001:db8::1/128"}; !reflect.DeepEqual(c.Probe.Allow, want) {
		t.Errorf("probe.allow %v", c.Probe.Allow)
	}
	if want := (ClientCertificate{"/etc/endpoint_exporter/device.pem", "/etc/endpoint_exporter/device.key"}); c.ClientCertificate != want {
		t.Errorf("client_certificate %+v", c.ClientCertificate)
	}
	e := c.Endpoints[0]
	if e.Keepalive != 540*time.Second || e.ExpectedTTL != time.Minute || !e.SingleView || e.Framing != measurement.RFC8323 || !e.CoAPPing || e.Addresses != AddressesAny {
		t.Errorf("endpoint %+v", e)
	}
	if c.Endpoints[1].Finish {
		t.Error("finish: false is not read")
	}
}

const everyKey = `
catalogues: []
resolvers: [192.0.2.53, "[2001:db8::53]:5353", "2001:db8::54"]
authority: {mode: servers, servers: [127.0.0.1:5353], interception_test: false, whoami: whoami.example}
survey: {timeout: 5s, min_interval: 0s, concurrency: 10, max_addresses: 4}
freshness: {margin: 1s, slack: 2s, authority_lag: 3s, learning: 4s, hold: 5s, spacing: 6s}
trust:
  site: {ca_file: site.pem}
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
    paths: [{transport: tcp, port: 5684}, {transport: udp, port: 5684}]
  - {service: flight, host: b.example, trust: arm, finish: false, paths: [{transport: tcp, port: 0x1634}]}
idle: {enabled: true, steps: [30s, 1m], interval: 1h, concurrency: 5}
probe: {allow: [A.example., "*.b.example", 192.0.2.0/24, "2001:db8::1"]}
`

func TestWhatIsWrittenIsReadBackTheSame(t *testing.T) {
	for name, yaml := range map[string]string{"default": "", "every key": everyKey, "both catalogues": "catalogues: [snap-store, izuma-us-east-1]"} {
		c := parsed(t, yaml)
		var b bytes.Buffer
		if err := c.Write(&b); err != nil {
			t.Fatal(err)
		}
		again := parsed(t, b.String())
		var twice bytes.Buffer
		if err := again.Write(&twice); err != nil {
			t.Fatal(err)
		}
		if b.String() != twice.String() {
			t.Errorf("%s: written\n%s\nthen\n%s", name, b.String(), twice.String())
		}
		if !reflect.DeepEqual(normal(again), normal(c)) {
			t.Errorf("%s: %+v\nbecame %+v", name, c, again)
		}
	}
}

// normal forgets the difference between no list and an empty one, and the catalogues, which are expanded in what is written.
func normal(c *Config) Config {
	n := *c
	n.Catalogues = nil
	if len(n.Resolvers) == 0 {
		n.Resolvers = nil
	}
	if len(n.Authority.Servers) == 0 {
		n.Authority.Servers = nil
	}
	return n
}

func TestLargeAndDeepFilesAreRefused(t *testing.T) {
	if _, err := Parse(bytes.Repeat([]byte("#"), maxFile+1), ""); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("large: %v", err)
	}
	if _, err := Parse([]byte("endpoints: "+strings.Repeat("[", 100_000)), ""); err == nil || !strings.Contains(err.Error(), "not YAML") {
		t.Errorf("deep: %v", err)
	}
}

// FuzzParse holds that no file panics, and that whatever is taken can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everyKey))
	f.Add([]byte(""))
	files, _ := filepath.Glob("testdata/invalid-*.yml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "/dir")
		if err != nil {
			var invalid *Invalid
			if !errors.As(err, &invalid) || len(invalid.Mistakes) == 0 {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := c.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b.Bytes(), "/dir")
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		if !reflect.DeepEqual(normal(again), normal(c)) {
			t.Fatalf("%+v\nbecame %+v", c, again)
		}
	})
}
