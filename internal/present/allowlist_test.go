package present

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestAllowList(t *testing.T) {
	endpoint := func(host, anchor string, client measurement.Client, paths ...measurement.Path) config.Endpoint {
		return config.Endpoint{Host: host, Trust: anchor, Client: client, Paths: paths}
	}
	tcp, udp := measurement.Path{Transport: measurement.TCP, Port: 5684}, measurement.Path{Transport: measurement.UDP, Port: 5684}
	anchors := map[string]config.TrustAnchor{
		"meters": {Issuer: "O=Example Ltd, CN=Device|CA"}, "web": {PublicRoots: true}, "machine": {SystemRoots: true}, "key": {PublicKey: "x"},
	}
	endpoints := []config.Endpoint{
		endpoint("coap.example.com", "meters", measurement.Device, tcp, udp), endpoint("portal.example.com", "web", measurement.Web, tcp),
		endpoint("intranet.example.com", "machine", measurement.Web, tcp), endpoint("key.example.com", "key", measurement.Device, udp),
		endpoint("192.0.2.7", "", measurement.Device, tcp),
	}
	lookup := func(addrs ...string) report.Resolver {
		var r report.Resolver
		for _, a := range addrs {
			r.Lookup.Addresses = append(r.Lookup.Addresses, netip.MustParseAddr(a))
		}
		return r
	}
	rep := &report.Report{Started: time.Date(2026, 11, 12, 9, 15, 2, 0, time.UTC), Hosts: []report.Host{
		{Endpoint: &endpoints[0], Resolvers: []report.Resolver{lookup("2001:db8::1", "192.0.2.2"), lookup("192.0.2.1", "192.0.2.2")}},
		{Endpoint: &endpoints[1], Resolvers: []report.Resolver{lookup()}},
		{Endpoint: &endpoints[4]},
	}}
	var names, addresses bytes.Buffer
	if err := AllowList(&names, endpoints, anchors, nil); err != nil {
		t.Fatal(err)
	}
	if err := AllowList(&addresses, endpoints, anchors, rep); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		`| coap.example.com | TCP 5684, UDP 5684 | CoAP over TLS 1.2 or DTLS 1.2, without SNI | O=Example Ltd, CN=Device\|CA |`,
		`| portal.example.com | TCP 5684 | HTTPS (TLS 1.2 or 1.3, with SNI) | an authority of the public web |`,
		`| intranet.example.com | TCP 5684 | HTTPS (TLS 1.2 or 1.3, with SNI) | an authority that the site's machines trust |`,
		`| key.example.com | UDP 5684 | CoAP over TLS 1.2 or DTLS 1.2, without SNI | the authority of the trust anchor key |`,
		`| 192.0.2.7 | TCP 5684 | CoAP over TLS 1.2 or DTLS 1.2, without SNI | not known |`,
	} {
		if !strings.Contains(names.String(), row+"\n") {
			t.Errorf("no row %s", row)
		}
	}
	if strings.Contains(names.String(), "Addresses at") || !strings.HasPrefix(addresses.String(), names.String()) {
		t.Error("addresses do not follow the names, or are there without a report")
	}
	for _, row := range []string{
		"## Addresses at 2026-11-12 09:15:02 UTC", "**They change without notice.**", "| coap.example.com | 192.0.2.1, 192.0.2.2, 2001:db8::1 |",
		"| portal.example.com | not known: no DNS server gave an address |", "| 192.0.2.7 | 192.0.2.7 |",
	} {
		if !strings.Contains(addresses.String(), row) {
			t.Errorf("no %s", row)
		}
	}
	if t.Failed() {
		t.Logf("%s", &addresses)
	}
}
