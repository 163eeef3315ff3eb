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
)

// sickLab inflicts on each host something else.
func sickLab(t testing.TB) *lab.Lab {
	t.Helper()
	l := startLab(t, lab.Options{Addresses: 2})
	for _, fault := range []struct{ where, fault string }{
		{"bootstrap/tcp:5684", lab.Intercept}, {"bootstrap/udp", lab.Refuse}, {"containers", lab.BlockPage},
		{"gateways", lab.Expired}, {"lwm2m@" + l.AddressesOf("lwm2m." + lab.Domain)[1].String(), lab.Refuse},
		{"tcp-lwm2m/tcp:443", lab.RSALeaf}, {"tcp-lwm2m/tcp:5684", lab.RefuseCertificate}, {"udp-lwm2m", lab.NoPong},
	} {
		if err := l.Set(fault.where, fault.fault); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// scrapedLabs are the expositions of a healthy and a sick lab, as they are and with what differs from run to run named.
func scrapedLabs(t testing.TB) map[string]struct{ body, steady string } {
	t.Helper()
	out := make(map[string]struct{ body, steady string })
	for name, l := range map[string]*lab.Lab{"healthy": startLab(t, lab.Options{}), "sick": sickLab(t)} {
		_, body := get(t, startExporter(t, l.Config()), http.MethodGet, "/metrics", timeoutHeader, "10")
		out[name] = struct{ body, steady string }{body, steadied(body, l)}
	}
	return out
}

// steadied names what differs from run to run: the lab's addresses and ports, keys, and every value that is a time or a
// size. What is left is what the lab decides. The series of Go and of the process are left out.
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
		case !strings.HasPrefix(line, "endpoint_"), // Go's and the process' own, and help texts, which are the collector's to hold
			strings.HasPrefix(line, "endpoint_handshake_duration_seconds_bucket"), strings.HasPrefix(line, "endpoint_exporter_build_info"):
		default:
			out = append(out, measured.ReplaceAllString(line, "$1 MEASURED"))
		}
	}
	slices.Sort(out) // their order is that of the addresses and ports, which differ from run to run
	return strings.Join(out, "\n") + "\n"
}

func TestGoldenMetricsOfALab(t *testing.T) {
	var used []string
	for name, scraped := range scrapedLabs(t) {
		file := filepath.Join("testdata", name+".prom")
		used = append(used, file)
		golden.Equal(t, file, scraped.steady)
	}
	golden.Exact(t, "testdata/*.prom", used)
}
