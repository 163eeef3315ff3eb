package main

import (
	"fmt"
	"net/http"
	"strings"
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
	if _, report := get(t, e, http.MethodGet, "/api/v1/report"); !strings.Contains(report, "where the zone says 2 s: lower its minimum cache TTL (dnsmasq min-cache-ttl") {
		t.Errorf("the report does not say what to do: %s", report)
	}
}
