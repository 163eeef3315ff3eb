package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// TestProbeParameters probes a host that is not configured as a device and as a browser.
func TestProbeParameters(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		const containersHost = "containers.us-east-1.mbedcloud.com"
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:2], Network: network})
		places := l.Places() // TCP 5684, UDP 5684 and TCP 443 of bootstrap
		device, web := fmt.Sprint(places[0].Address.Port()), fmt.Sprint(places[2].Address.Port())
		settings := fmt.Sprintf("probe: {allow: ['*.us-east-1.mbedcloud.com', 127.0.0.0/8], ports: [%s, %s]}\n", device, web)
		e := startExporterOn(t, network, strings.NewReplacer("host: bootstrap.", "host: a.", "host: containers.", "host: b.").Replace(l.Config())+settings)
		for _, test := range []struct {
			host, query, transport, port string
			judged                       bool // the anchor web judges the certificate; of a device none is known
		}{
			{bootstrapHost, "port=" + device + "&transport=tcp", "tcp", device, false},
			{bootstrapHost, "port=" + device + "&transport=udp", "udp", device, false},
			{bootstrapHost, "port=" + web + "&client=device&transport=tcp", "tcp", web, false},
			{containersHost, "port=" + web + "&client=web", "tcp", web, true},
		} {
			code, body := get(t, e, http.MethodGet, "/probe?target="+test.host+"&"+test.query)
			x := parseExposition(t, body)
			_, own := x.one("endpoint_path_up", `host="`+test.host+`"`, `service="probe"`, `transport="`+test.transport+`"`, `port="`+test.port+`"`)
			if up, one := x.one("endpoint_path_up"); code != http.StatusOK || !own || !one || up != 1 {
				t.Errorf("%s: %d, up %v: %.3000s", test.query, code, x.of("endpoint_path_up"), body)
			}
			if authentic, judged := x.one("endpoint_tls_authentic"); judged != test.judged || judged && authentic != 1 {
				t.Errorf("%s: authentic %v, judged %v", test.query, authentic, judged)
			}
			if len(x.of("endpoint_tls_issuer_info")) != 1 {
				t.Errorf("%s: the issuer is not shown", test.query)
			}
		}
	})
}

// TestProbeRefuses: a refusal names the key of the configuration that would allow the request, or the parameter that is
// wrong.
func TestProbeRefuses(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		config := bootstrapOnly(t, network).Config() + "probe: {allow: [127.0.0.9, '2001:db8::9'], ports: [443, 8443]}\n"
		e := startExporterOn(t, network, config)
		const configured = "host " + bootstrapHost + " is an endpoint of the configuration, which names its paths; leave out transport, port and client"
		const udp = "a web client uses TCP; want the client device for a path over UDP"
		for query, test := range map[string]struct {
			code int
			text string
		}{
			"target=127.0.0.9":                      {http.StatusOK, `host="127.0.0.9",port="443"`},
			"target=127.0.0.9&port=8443":            {http.StatusOK, `host="127.0.0.9",port="8443"`},
			"target=[2001:db8::9]":                  {http.StatusOK, `host="2001:db8::9"`},
			"target=" + bootstrapHost:               {http.StatusOK, "endpoint_up"}, // whatever probe.ports has
			"target=127.0.0.9&port=22":              {http.StatusForbidden, "port 22 is not listed by probe.ports; to allow it, write in the configuration: probe: {ports: [443,8443,22]}"},
			"target=127.0.0.9&client=web&port=5684": {http.StatusForbidden, "port 5684 is not listed by probe.ports"},
			"target=127.0.0.9&client=device":        {http.StatusForbidden, "port 5684 is not listed by probe.ports"},
			"target=127.0.0.8": {http.StatusForbidden, "host 127.0.0.8 is neither an endpoint of the configuration nor allowed by probe.allow; " +
				"to allow it, add it in the configuration: probe: {allow: [127.0.0.8]}"},
			"target=127.0.0.9&port=0":                    {http.StatusBadRequest, `parameter port: "0" is not a port; want 1 to 65535`},
			"target=127.0.0.9&transport=sctp":            {http.StatusBadRequest, `parameter transport: "sctp" is not a transport; want tcp or udp`},
			"target=127.0.0.9&client=browser":            {http.StatusBadRequest, `parameter client: "browser" is not a client; want device or web`},
			"target=127.0.0.9&client=web&transport=udp":  {http.StatusBadRequest, udp},
			"target=127.0.0.9:443":                       {http.StatusBadRequest, "parameter target: 127.0.0.9:443 has a port; write it as a parameter: /probe?target=127.0.0.9&port=443"},
			"target=" + bootstrapHost + ":443":           {http.StatusBadRequest, "the configuration names the paths of its endpoints: write /probe?target=" + bootstrapHost},
			"target=127.0.0.9:99999":                     {http.StatusBadRequest, `parameter target: "99999" is not a port; want 1 to 65535`},
			"target=" + bootstrapHost + "&port=5684":     {http.StatusBadRequest, configured},
			"target=" + bootstrapHost + "&client=device": {http.StatusBadRequest, configured},
		} {
			if code, body := get(t, e, http.MethodGet, "/probe?"+query); code != test.code || !strings.Contains(body, test.text) {
				t.Errorf("%s: %d %.300s", query, code, body)
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
