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
)

// TestAResolverThatKeepsRecordsTooLongThroughTheWholeExporter proves it at scaled constants, over a zone of TTL 2 s, from
// the configuration to the exposition, and holds the words that a technician gets.
func TestAResolverThatKeepsRecordsTooLongThroughTheWholeExporter(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], TTL: 2})
	if err := l.Set("resolver", "min_ttl:8"); err != nil {
		t.Fatal(err)
	}
	e := startExporter(t, l.Config()+"survey: {min_interval: 0s}\n"+
		"freshness: {margin: 2s, slack: 1s, authority_lag: 1s, learning: 10s, hold: 2m, spacing: 1s}\n")
	of := []string{`service="bootstrap"`, fmt.Sprintf("host=%q", bootstrapHost)}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var x exposition
	for range 120 {
		x = scrape(t, e)
		if stale, _ := x.one("endpoint_dns_stale", of...); stale == 1 {
			break
		}
		if passed, _ := x.one("endpoint_dns_verdict", append(of, `verdict="ok"`)...); passed == 1 {
			t.Errorf("called ok before it is proved stale: %v", x.of("endpoint_dns_evidence_total"))
		}
		<-tick.C
	}
	for series, due := range map[string]float64{"endpoint_dns_stale": 1, "endpoint_dns_authority_ttl_seconds": 2, "endpoint_up": 1} {
		if got, ok := x.one(series, of...); !ok || got != due {
			t.Errorf("%s: %v (%v), due %v", series, got, ok, due)
		}
	}
	if verdict, ok := x.one("endpoint_dns_verdict", append(of, `verdict="stale"`)...); !ok || verdict != 1 {
		t.Errorf("verdicts %v", x.of("endpoint_dns_verdict"))
	}
	if n, ok := x.one("endpoint_dns_evidence_total", append(of, `evidence="ttl_inflated"`)...); !ok || n < 2 {
		t.Errorf("%v pieces of evidence (%v), two make a proof", n, ok)
	}
	if excess, ok := x.one("endpoint_dns_ttl_excess_seconds", of...); !ok || excess <= 2 || excess > 6 {
		t.Errorf("TTLs of up to 8 s over a zone of 2 s: excess %v s (%v)", excess, ok)
	}
	if _, report := get(t, e, http.MethodGet, "/api/v1/report"); !strings.Contains(report, "where the zone publishes 2 s: lower its minimum cache TTL (dnsmasq min-cache-ttl") {
		t.Errorf("the report does not say what to do: %s", report)
	}
}

// TestAWithdrawnAddressThroughTheWholeExporter has a zone move to another address and a resolver that stays with the old one,
// under TTLs that look honest (dnsmasq's min-cache-ttl with max-ttl). The old address then closes.
func TestAWithdrawnAddressThroughTheWholeExporter(t *testing.T) {
	t.Parallel()
	var published atomic.Pointer[[]netip.Addr]
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], Addresses: 2, TTL: 2, Records: map[string]lab.RecordSet{
		bootstrapHost: {Addresses: func(time.Time, uint64) []netip.Addr { return *published.Load() }},
	}})
	addresses := l.AddressesOf(bootstrapHost)
	publish := func(address netip.Addr) { published.Store(&[]netip.Addr{address}) }
	publish(addresses[0])
	l.Resolver.Behave(lab.Habits{MinTTL: 3600, MaxTTL: 2})
	e := startExporter(t, l.Config()+"survey: {min_interval: 0s}\n"+
		"freshness: {margin: 2s, slack: 1s, authority_lag: 1s, learning: 10s, hold: 2m, spacing: 1s}\n")
	of := []string{`service="bootstrap"`, fmt.Sprintf("host=%q", bootstrapHost)}
	is := func(x exposition, verdict string) bool {
		value, _ := x.one("endpoint_dns_verdict", append(of, fmt.Sprintf("verdict=%q", verdict))...)
		return value == 1
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	until := func(verdict string) exposition {
		t.Helper()
		for range 120 {
			x := scrape(t, e)
			if is(x, verdict) {
				return x
			}
			if is(x, "stale") {
				t.Fatalf("called stale before it is: %v", x.of("endpoint_dns_evidence_total"))
			}
			<-tick.C
		}
		t.Fatalf("never %s: %v", verdict, scrape(t, e).of("endpoint_dns_evidence_total"))
		return nil
	}
	if x := until("ok"); len(x.of("endpoint_path_withdrawn_addresses")) != 0 {
		t.Errorf("before the move %v", x.of("endpoint_path_withdrawn_addresses"))
	}
	publish(addresses[1])
	if err := l.Set("bootstrap@"+addresses[0].String()+"/tcp", "refuse"); err != nil {
		t.Fatal(err)
	}
	x := until("stale")
	port := fmt.Sprintf(`port="%d"`, l.Port(lab.NominalDevice))
	for _, due := range []struct {
		series string
		labels []string
		value  float64
	}{
		{"endpoint_dns_stale", nil, 1},
		{"endpoint_dns_withdrawn_addresses", nil, 1},
		// The old address is closed to TCP and still serves UDP.
		{"endpoint_path_withdrawn_addresses", []string{port, `transport="tcp"`, `result="failed"`}, 1},
		{"endpoint_path_withdrawn_addresses", []string{port, `transport="tcp"`, `result="ok"`}, 0},
		{"endpoint_path_withdrawn_addresses", []string{port, `transport="udp"`, `result="failed"`}, 0},
		{"endpoint_path_withdrawn_addresses", []string{port, `transport="udp"`, `result="ok"`}, 1},
		// It is where devices are sent, and no fault of the cloud's addresses.
		{"endpoint_path_up", []string{port, `transport="tcp"`}, 0},
		{"endpoint_path_up", []string{port, `transport="udp"`}, 1},
		{"endpoint_path_addresses", []string{port, `transport="tcp"`, `result="failed"`}, 0},
	} {
		if got, ok := x.one(due.series, slices.Concat(of, due.labels)...); !ok || got != due.value {
			t.Errorf("%s %v: %v (%v), due %v", due.series, due.labels, got, ok, due.value)
		}
	}
	if n, ok := x.one("endpoint_dns_evidence_total", append(of, `evidence="withdrawn_address"`)...); !ok || n < 2 {
		t.Errorf("%v pieces of evidence (%v), two make a proof", n, ok)
	}
	if stale, ok := x.one("endpoint_dns_staleness_seconds", of...); !ok || stale <= 0 {
		t.Errorf("stale for %v s (%v)", stale, ok)
	}
}
