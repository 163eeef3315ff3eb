package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// scrapeUntil scrapes every 30 s, as Prometheus does, until a host's DNS verdict is the given one. It fails at the
// verdict "never" and after four hours. It runs in virtual time.
func scrapeUntil(t *testing.T, e *exporter, labels []string, verdict, never string) exposition {
	t.Helper()
	is := func(x exposition, verdict string) bool {
		value, _ := x.one("endpoint_dns_verdict", append(labels[:len(labels):len(labels)], fmt.Sprintf("verdict=%q", verdict))...)
		return value == 1
	}
	for range 480 {
		x := scrape(t, e)
		if is(x, verdict) {
			return x
		}
		if is(x, never) {
			t.Fatalf("the verdict is %s before %s: %v", never, verdict, x.of("endpoint_dns_evidence_total"))
		}
		time.Sleep(30 * time.Second) //nolint:forbidigo // virtual time
	}
	t.Fatalf("the verdict is never %s: %v", verdict, scrape(t, e).of("endpoint_dns_evidence_total"))
	return nil
}

// TestStaleByTTL proves, with the default constants, that a resolver keeps the records of a zone longer than its TTL,
// and checks metrics and advice.
func TestStaleByTTL(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Network: network}) // TTL 60 s
		if err := l.Set("resolver", "min_ttl:600"); err != nil {
			t.Fatal(err)
		}
		e := startExporterOn(t, network, l.Config())
		labels := []string{`service="bootstrap"`, fmt.Sprintf("host=%q", bootstrapHost)}
		x := scrapeUntil(t, e, labels, "stale", "ok")
		for series, want := range map[string]float64{"endpoint_dns_stale": 1, "endpoint_dns_authority_ttl_seconds": 60, "endpoint_up": 1} {
			if got, ok := x.one(series, labels...); !ok || got != want {
				t.Errorf("%s: %v (%v), want %v", series, got, ok, want)
			}
		}
		if n, ok := x.one("endpoint_dns_evidence_total", append(labels, `evidence="ttl_inflated"`)...); !ok || n < 2 {
			t.Errorf("%v pieces of evidence (%v), want at least two", n, ok)
		}
		if excess, ok := x.one("endpoint_dns_ttl_excess_seconds", labels...); !ok || excess <= 60 || excess > 540 {
			t.Errorf("TTLs of up to 600 s over a zone of 60 s: excess %v s (%v)", excess, ok)
		}
		if _, report := get(t, e, http.MethodGet, "/api/v1/report"); !strings.Contains(report, "where the zone publishes 60 s: lower its minimum cache TTL (dnsmasq min-cache-ttl") {
			t.Errorf("the report does not contain the advice: %s", report)
		}
	})
}

// TestStaleByWithdrawnAddress has a zone move to another address and an honest resolver in front of one that keeps
// the old address with a TTL that looks honest (dnsmasq's min-cache-ttl with max-ttl). The old address then refuses
// TCP.
func TestStaleByWithdrawnAddress(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		var published atomic.Pointer[[]netip.Addr]
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Addresses: 2, Network: network, Records: map[string]lab.RecordSet{
			bootstrapHost: {Addresses: func(time.Time, uint64) []netip.Addr { return *published.Load() }},
		}})
		addresses := l.AddressesOf(bootstrapHost)
		publish := func(address netip.Addr) { published.Store(&[]netip.Addr{address}) }
		publish(addresses[0])
		l.Resolver.Upstream = lab.NewResolver(l.Resolver.Upstream, lab.Habits{MinTTL: 24 * 3600, MaxTTL: 60}, 2)
		e := startExporterOn(t, network, l.Config())
		labels := []string{`service="bootstrap"`, fmt.Sprintf("host=%q", bootstrapHost)}
		if x := scrapeUntil(t, e, labels, "ok", "stale"); len(x.of("endpoint_path_withdrawn_addresses")) != 0 {
			t.Errorf("before the move %v", x.of("endpoint_path_withdrawn_addresses"))
		}
		publish(addresses[1])
		if err := l.Set("bootstrap@"+addresses[0].String()+"/tcp", lab.Refuse); err != nil {
			t.Fatal(err)
		}
		x := scrapeUntil(t, e, labels, "stale", "never")
		port := fmt.Sprintf(`port="%d"`, l.Port(lab.NominalDevice))
		for _, want := range []struct {
			series string
			labels []string
			value  float64
		}{
			{"endpoint_dns_stale", nil, 1},
			{"endpoint_dns_withdrawn_addresses", nil, 1},
			// The old address refuses TCP and still serves UDP.
			{"endpoint_path_withdrawn_addresses", []string{port, `transport="tcp"`, `result="failed"`}, 1},
			{"endpoint_path_withdrawn_addresses", []string{port, `transport="tcp"`, `result="ok"`}, 0},
			{"endpoint_path_withdrawn_addresses", []string{port, `transport="udp"`, `result="failed"`}, 0},
			{"endpoint_path_withdrawn_addresses", []string{port, `transport="udp"`, `result="ok"`}, 1},
			// Devices are sent there, which does not count against the cloud's own addresses.
			{"endpoint_path_up", []string{port, `transport="tcp"`}, 0},
			{"endpoint_path_up", []string{port, `transport="udp"`}, 1},
			{"endpoint_path_addresses", []string{port, `transport="tcp"`, `result="failed"`}, 0},
		} {
			if got, ok := x.one(want.series, slices.Concat(labels, want.labels)...); !ok || got != want.value {
				t.Errorf("%s %v: %v (%v), want %v", want.series, want.labels, got, ok, want.value)
			}
		}
		if n, ok := x.one("endpoint_dns_evidence_total", append(labels, `evidence="withdrawn_address"`)...); !ok || n < 2 {
			t.Errorf("%v pieces of evidence (%v), want at least two", n, ok)
		}
		if stale, ok := x.one("endpoint_dns_staleness_seconds", labels...); !ok || stale <= 0 {
			t.Errorf("stale for %v s (%v)", stale, ok)
		}
	})
}

// TestWithdrawnAddressOfOtherOwner has another server answer at the address that the zone has left and the site's
// resolver keeps. Only a certificate for the host's own name proves that something intercepts.
func TestWithdrawnAddressOfOtherOwner(t *testing.T) {
	for name, test := range map[string]struct{ fault, reason, class, seen string }{
		"appliance: no interception": {
			lab.SelfSigned, "device_unfit", "server", `another server answers, with a certificate for \"appliance\", signed by \"appliance\", at an address that the zone has withdrawn`,
		},
		"HTTP page: no interception":                   {lab.BlockPage, "not_tls", "server", "HTTP/1.1 403 Forbidden"},
		"certificate for the host's name: intercepted": {lab.Intercept, "wrong_issuer", "interception", `signed by \"SSLInspect\"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				var published atomic.Pointer[[]netip.Addr]
				l := labtest.Start(t, lab.Options{Hosts: hostsOf("tcp-lwm2m"), Addresses: 2, Network: network, Records: map[string]lab.RecordSet{
					lab.Izuma()[6].Name: {Addresses: func(time.Time, uint64) []netip.Addr { return *published.Load() }},
				}})
				host := l.Places()[0].Host.Name
				addresses := l.AddressesOf(host)
				published.Store(&[]netip.Addr{addresses[0]})
				l.Resolver.Upstream = lab.NewResolver(l.Resolver.Upstream, lab.Habits{MinTTL: 24 * 3600, MaxTTL: 60}, 2)
				e := startExporterOn(t, network, l.Config())
				labels := []string{`service="tcp-lwm2m"`, fmt.Sprintf("host=%q", host)}
				scrapeUntil(t, e, labels, "ok", "stale")
				published.Store(&[]netip.Addr{addresses[1]})
				if err := l.Set("tcp-lwm2m@"+addresses[0].String()+"/tcp", test.fault); err != nil {
					t.Fatal(err)
				}
				x := scrapeUntil(t, e, labels, "stale", "never")
				if failures := x.of("endpoint_path_failure", labels...); len(failures) != 0 {
					t.Errorf("a withdrawn address counts as one of the cloud: %v", failures)
				}
				_, report := get(t, e, http.MethodGet, "/api/v1/report")
				for _, want := range []string{fmt.Sprintf(`"reason": %q`, test.reason), fmt.Sprintf(`"class": %q`, test.class), test.seen} {
					if !strings.Contains(report, want) {
						t.Errorf("the report does not contain %s: %s", want, report)
					}
				}
				if intercepted := strings.Contains(report, `"class": "interception"`); intercepted != (test.class == "interception") {
					t.Errorf("intercepted: %v", intercepted)
				}
			})
		})
	}
}
