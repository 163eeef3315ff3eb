package main

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// TestProbePorts: probe.ports limits what /probe connects to at hosts that are only allowed, and not at configured
// ones.
func TestProbePorts(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		const forbidden = "port 443 is not allowed by probe.ports"
		for name, test := range map[string]struct {
			ports, host string
			code        int
			text        string
		}{
			"443 by default":                       {"", "127.0.0.9", http.StatusOK, "endpoint_up"},
			"443 is listed":                        {", ports: [443]", "127.0.0.9", http.StatusOK, "endpoint_up"},
			"443 is not listed":                    {", ports: [5684]", "127.0.0.9", http.StatusForbidden, forbidden},
			"443 is not listed, a configured host": {", ports: [8443]", bootstrapHost, http.StatusOK, "endpoint_up"},
			"an IPv6 address in brackets":          {"", "[2001:db8::9]", http.StatusOK, `host="2001:db8::9"`},
		} {
			e := startExporterOn(t, network, bootstrapOnly(t, network).Config()+"probe: {allow: [127.0.0.9, '2001:db8::9']"+test.ports+"}\n")
			if code, body := get(t, e, http.MethodGet, "/probe?target="+test.host); code != test.code || !strings.Contains(body, test.text) {
				t.Errorf("%s: %d %.200s", name, code, body)
			}
		}
	})
}

// TestRestrictedDial walks paths to addresses as if the plan of a round had let them pass.
func TestRestrictedDial(t *testing.T) {
	var dials atomic.Int64
	dial := func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, net.ErrClosed
	}
	probe := &config.Probe{Allow: []string{"*.example.com", "10.1.0.0/16"}, Ports: []uint16{443}}
	walker := &path.Walker{Dial: restrictedDial(dial, probe)}
	for address, allowed := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "10.1.2.3:443": true,
		"8.8.8.8:22": false, "10.2.0.1:443": false, "127.0.0.1:443": false, "169.254.169.254:443": false, "0.0.0.0:443": false,
		"[::1]:443": false, "[fe80::1]:443": false, "[fd00::1]:443": false, "[::ffff:127.0.0.1]:443": false, "[64:ff9b::7f00:1]:443": false,
	} {
		dials.Store(0)
		out := walker.Walk(t.Context(), path.Target{Address: netip.MustParseAddrPort(address), Transport: measurement.TCP, Client: measurement.Web, Host: "example.com"})
		if got := dials.Load() > 0; got != allowed || out.Failure != measurement.Internal {
			t.Errorf("%s: dialled: %v, want %v; %v", address, got, allowed, out.Failure)
		}
	}
	if _, err := restrictedDial(dial, probe)(t.Context(), "tcp", "www.example.com:443"); err == nil {
		t.Error("a name is dialled")
	}
}
