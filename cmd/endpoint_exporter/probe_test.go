package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestProbePorts: probe.ports limits what /probe connects to at hosts that are only allowed, and not at configured ones.
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
			if code, body := get(t, e, http.MethodGet, "/probe?host="+test.host); code != test.code || !strings.Contains(body, test.text) {
				t.Errorf("%s: %d %.200s", name, code, body)
			}
		}
	})
}
