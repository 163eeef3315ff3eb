package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// scrapedLab is the exposition of a lab: as it is, and without what differs from run to run.
type scrapedLab struct{ body, steady string }

// scrapeLabs scrapes a healthy lab over the kernel's sockets and a faulty one in memory.
func scrapeLabs(t *testing.T) map[string]scrapedLab {
	t.Helper()
	healthy := labtest.Start(t, lab.Options{})
	_, body := get(t, startExporter(t, healthy.Config()), http.MethodGet, "/metrics", timeoutHeader, "10")
	out := map[string]scrapedLab{"healthy": {body, steadied(body, healthy)}}
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		sick := labtest.Start(t, lab.Options{Addresses: 2, Network: network})
		for _, fault := range []struct{ where, fault string }{
			{"bootstrap/tcp:5684", lab.Intercept}, {"bootstrap/udp", lab.Refuse}, {"containers", lab.BlockPage},
			{"gateways", lab.Expired}, {"lwm2m@" + sick.AddressesOf("lwm2m." + lab.Domain)[1].String(), lab.Refuse},
			{"tcp-lwm2m/tcp:443", lab.RSALeaf}, {"tcp-lwm2m/tcp:5684", lab.RefuseCertificate}, {"udp-lwm2m", lab.NoPong},
		} {
			if err := sick.Set(fault.where, fault.fault); err != nil {
				t.Fatal(err)
			}
		}
		_, body := get(t, startExporterOn(t, network, sick.Config()), http.MethodGet, "/metrics", timeoutHeader, "10")
		out["sick"] = scrapedLab{body, steadied(body, sick)}
	})
	return out
}

// steadied replaces what differs from run to run: the lab's addresses and ports, keys, and every value that is a time
// or a size. It leaves out the series of Go and of the process.
func steadied(body string, l *lab.Lab) string {
	names := []string{l.ResolverAddress.String(), "RESOLVER", fmt.Sprintf("%q", fmt.Sprint(l.Port(lab.NominalDevice))), `"DEVICE"`, fmt.Sprintf("%q", fmt.Sprint(l.Port(lab.NominalWeb))), `"WEB"`}
	for _, host := range lab.Izuma() {
		for i, a := range l.AddressesOf(host.Name) {
			names = append(names, `"`+a.String()+`"`, fmt.Sprintf(`"ADDRESS%d"`, i+1))
		}
	}
	body = strings.NewReplacer(names...).Replace(body)
	body = regexp.MustCompile(`public_key_sha256="[0-9a-f]{64}"`).ReplaceAllString(body, `public_key_sha256="KEY"`)
	measured := regexp.MustCompile(`^(endpoint_(?:path_duration_seconds|path_first_reply_seconds|tcp_rtt_seconds|dns_lookup_duration_seconds|survey_[a-z_]*seconds|` +
		`tls_not_[a-z_]*seconds|tls_server_flight_bytes|dns_authority_last_valid_timestamp_seconds|handshake_duration_seconds_sum|exporter_[a-z_]*timestamp_seconds)(?:{[^}]*})?) .*$`)
	var out []string
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case !strings.HasPrefix(line, "endpoint_"), // those of Go and of the process, and help texts, which package collector tests
			strings.HasPrefix(line, "endpoint_handshake_duration_seconds_bucket"), strings.HasPrefix(line, "endpoint_exporter_build_info"):
		default:
			out = append(out, measured.ReplaceAllString(line, "$1 MEASURED"))
		}
	}
	slices.Sort(out) // their order is that of the addresses and ports, which differ from run to run
	return strings.Join(out, "\n") + "\n"
}

func TestGoldenMetrics(t *testing.T) {
	var used []string
	for name, scraped := range scrapeLabs(t) {
		file := filepath.Join("testdata", name+".prom")
		used = append(used, file)
		golden.Equal(t, file, scraped.steady)
	}
	golden.Exact(t, "testdata/*.prom", used)
}
