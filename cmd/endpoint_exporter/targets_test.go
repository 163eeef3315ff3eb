package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// targetConfig has hosts whose service, first label and paths differ.
const targetConfig = `
catalogues: []
trust: {site: {public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7FgZZI1TC2hWkR7TjRRZmWvXO0o6Y0DbvTvNUPeISbCrNenD3gHGbWWlMqSCF4LSIayap3XKpOC9dFMRbuBEpg==}}
endpoints:
  - {service: CoAP / meters, host: meters.example.com, trust: web, client: web, paths: [{transport: tcp, port: 443}]}
  - {service: bootstrap, host: boot.example.com, trust: web, client: web, paths: [{transport: tcp, port: 443}, {transport: tcp, port: 8443}]}
  - {service: v6, host: "2001:db8::1", trust: web, client: web, paths: [{transport: tcp, port: 8443}, {transport: tcp, port: 443}]}
  - {service: pair, host: a.pair.example.com, trust: site, paths: [{transport: tcp, port: 5684}]}
  - {service: pair, host: b.pair.example.com, trust: site, paths: [{transport: tcp, port: 5684}]}
`

// described is an endpoint in one line: service, host, client, trust and paths.
func described(e *config.Endpoint) string {
	var paths []string
	for _, p := range e.Paths {
		paths = append(paths, fmt.Sprintf("%s %d", p.Transport, p.Port))
	}
	return fmt.Sprintf("%s: %s %s %s: %s", e.Service, e.Host, e.Client, e.Trust, strings.Join(paths, ", "))
}

func TestChooseTargets(t *testing.T) {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, mint.Bootstrap.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		asked []string
		flags targetFlags
		want  []string
		err   string // contained in the error
	}{
		"nothing: all endpoints": {want: []string{
			"CoAP / meters: meters.example.com web web: tcp 443", "bootstrap: boot.example.com web web: tcp 443, tcp 8443",
			"v6: 2001:db8::1 web web: tcp 8443, tcp 443",
			"pair: a.pair.example.com device site: tcp 5684", "pair: b.pair.example.com device site: tcp 5684",
		}},
		"a service: its endpoints":          {asked: []string{"CoAP / meters"}, want: []string{"CoAP / meters: meters.example.com web web: tcp 443"}},
		"a first label: the host":           {asked: []string{"boot"}, want: []string{"bootstrap: boot.example.com web web: tcp 443, tcp 8443"}},
		"capitals and a final dot":          {asked: []string{"METERS.example.com."}, want: []string{"CoAP / meters: meters.example.com web web: tcp 443"}},
		"a service and a port: one path":    {asked: []string{"bootstrap:8443"}, want: []string{"bootstrap: boot.example.com web web: tcp 8443"}},
		"two paths of one host: one of it":  {asked: []string{"boot:8443", "boot:443/tcp"}, want: []string{"bootstrap: boot.example.com web web: tcp 8443, tcp 443"}},
		"a port that it has not: one more":  {asked: []string{"boot:9443"}, want: []string{"bootstrap: boot.example.com web web: tcp 9443"}},
		"a transport that it has not":       {asked: []string{"boot/udp"}, err: "boot.example.com has no path over udp in the configuration; name a port, for example boot.example.com:443/udp"},
		"UDP at a web host":                 {asked: []string{"boot:5684/udp"}, err: "--client=device"},
		"an IPv6 address in brackets":       {asked: []string{"[2001:DB8::1]:443"}, want: []string{"v6: 2001:db8::1 web web: tcp 443"}},
		"an IPv6 address without":           {asked: []string{"2001:db8:0::1"}, want: []string{"v6: 2001:db8::1 web web: tcp 8443, tcp 443"}},
		"another host: a device over both":  {asked: []string{"coap.example.net"}, want: []string{"device: coap.example.net device (none): tcp 5684, udp 5684"}},
		"another host and port":             {asked: []string{"coap.example.net:5684"}, want: []string{"device: coap.example.net device (none): tcp 5684, udp 5684"}},
		"another address over UDP":          {asked: []string{"192.0.2.7:5684/udp"}, want: []string{"device: 192.0.2.7 device (none): udp 5684"}},
		"another host at port 443":          {asked: []string{"www.example.net:443"}, want: []string{"web: www.example.net web web: tcp 443"}},
		"UDP 443":                           {asked: []string{"www.example.net:443/udp"}, want: []string{"device: www.example.net device (none): udp 443"}},
		"a name without a dot and its port": {asked: []string{"gateway:5684/tcp"}, want: []string{"device: gateway device (none): tcp 5684"}},
		"a device at 443":                   {asked: []string{"x.example.net:443"}, flags: targetFlags{client: "device"}, want: []string{"device: x.example.net device (none): tcp 443, udp 443"}},
		"a web client":                      {asked: []string{"x.example.net"}, flags: targetFlags{client: "web"}, want: []string{"web: x.example.net web web: tcp 443"}},
		"a web client over UDP":             {asked: []string{"x.example.net/udp"}, flags: targetFlags{client: "web"}, err: "want the client device"},
		"public roots":                      {asked: []string{"x.example.net/udp"}, flags: targetFlags{trust: "public"}, want: []string{"device: x.example.net device public: udp 5684"}},
		"an anchor of the configuration":    {asked: []string{"x.example.net/udp"}, flags: targetFlags{trust: "site"}, want: []string{"device: x.example.net device site: udp 5684"}},
		"a file":                            {asked: []string{"x.example.net/udp"}, flags: targetFlags{trust: ca}, want: []string{"device: x.example.net device " + ca + ": udp 5684"}},
		"a configured host, own trust":      {asked: []string{"boot:443"}, flags: targetFlags{trust: "public"}, want: []string{"web: boot.example.com web public: tcp 443"}},
		"a service of two hosts, own trust": {asked: []string{"pair"}, flags: targetFlags{trust: "public"}, want: []string{
			"device: a.pair.example.com device public: tcp 5684, udp 5684", "device: b.pair.example.com device public: tcp 5684, udp 5684",
		}},
		"a service with a slash, own trust": {asked: []string{"CoAP / meters"}, flags: targetFlags{trust: "public", client: "web"}, want: []string{
			"web: meters.example.com web public: tcp 443",
		}},
		"no such anchor":              {asked: []string{"x.example.net"}, flags: targetFlags{trust: "sight"}, err: `"sight" is neither a trust anchor of the configuration (site, web), nor public or system, nor a file`},
		"no such file":                {asked: []string{"x.example.net"}, flags: targetFlags{trust: "./ca.pem"}, err: "--trust=./ca.pem: "},
		"a name that may be misspelt": {asked: []string{"boots"}, err: `"boots" is not in the configuration`},
		"a domain is no host of it":   {asked: []string{"example.com"}, want: []string{"device: example.com device (none): tcp 5684, udp 5684"}},
		"nothing, as a target":        {asked: []string{""}, err: "no host"},
		"a URL":                       {asked: []string{"https://boot.example.com"}, err: "is a URL"},
		"a port out of range":         {asked: []string{"10.0.0.1:99999"}, err: `"99999" is not a port; want 1 to 65535`},
		"trust without a target":      {flags: targetFlags{trust: "public"}, err: "have no effect without a target"},
		"a resolver that is a name":   {flags: targetFlags{resolvers: []string{"dns.example"}}, err: "--resolver: "},
	} {
		t.Run(name, func(t *testing.T) {
			loaded, err := config.Load(configFile(t, targetConfig))
			if err != nil {
				t.Fatal(err)
			}
			err = test.flags.choose(loaded, test.asked)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range loaded.Config.Endpoints {
				e := &loaded.Config.Endpoints[i]
				got = append(got, described(e))
				if loaded.Get(e.Trust) == nil {
					t.Errorf("%s has no anchor", e.Host)
				}
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestChooseResolvers(t *testing.T) {
	loaded, err := config.Load(configFile(t, targetConfig))
	if err != nil {
		t.Fatal(err)
	}
	flags := targetFlags{resolvers: []string{"192.0.2.53", "[2001:db8::53]:5353"}}
	if err := flags.choose(loaded, nil); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(loaded.Config.Resolvers); got != "[192.0.2.53:53 [2001:db8::53]:5353]" {
		t.Errorf("resolvers %s", got)
	}
}

func TestOnePath(t *testing.T) {
	for asked, want := range map[string]string{
		"bootstrap":           "tcp 5684",
		"bootstrap/udp":       "udp 5684",
		"bootstrap:443":       "tcp 443",
		"udp-lwm2m":           "udp 5684",
		"coap.example.net":    "tcp 5684",
		"192.0.2.7:5684/udp":  "udp 5684",
		"[2001:db8::1]:5/udp": "udp 5",
	} {
		loaded, err := config.LoadDefault()
		if err != nil {
			t.Fatal(err)
		}
		if err := (&targetFlags{}).choose(loaded, []string{asked}); err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		onePath(loaded.Config)
		if e := loaded.Config.Endpoints; len(e) != 1 || !strings.HasSuffix(described(&e[0]), ": "+want) || len(e[0].Paths) != 1 {
			t.Errorf("%s: %s of %d, want %s", asked, described(&e[0]), len(e), want)
		}
	}
}
