//go:build slow

package resolvers

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// real is the pace of a real cloud, of a Prometheus that scrapes every 15 s, and of the default constants.
var real = pace{
	ttl: 60, lives: 20 * time.Minute, interval: 15 * time.Second, control: 1,
	constants: config.Default().Freshness,
}

// TestVerdictsAtRealConstants takes 45 minutes:
//
//	go test -tags slow -run TestVerdictsAtRealConstants -timeout 1h -v ./internal/lab/resolvers
//
// Its results are in docs/dns-staleness-products.md.
func TestVerdictsAtRealConstants(t *testing.T) {
	want := map[string]staleness.Evidence{
		"unbound cache-min-ttl 300":            staleness.TTLInflated,
		"dnsmasq min-cache-ttl 300":            staleness.TTLInflated,
		"dnsmasq use-stale-cache":              staleness.EDEStale,
		"bind stale-answer-client-timeout 0":   staleness.EDEStale,
		"powerdns minimum-ttl-override 300":    staleness.TTLInflated,
		"unbound serve-expired, EDE, TTL 30 s": staleness.EDEStale,
	}
	configurations := map[string]Config{
		"unbound default":                      {Product: Unbound},
		"unbound cache-min-ttl 300":            {Product: Unbound, Settings: "cache-min-ttl: 300\n"},
		"unbound serve-expired, EDE, TTL 30 s": {Product: Unbound, Settings: "serve-expired: yes\nede: yes\nede-serve-expired: yes\n"},
		"unbound serve-original-ttl":           {Product: Unbound, Settings: "serve-original-ttl: yes\n"},
		"dnsmasq default":                      {Product: Dnsmasq},
		"dnsmasq min-cache-ttl 300":            {Product: Dnsmasq, Settings: "min-cache-ttl=300\n"},
		"dnsmasq min-cache-ttl 3600 max-ttl":   {Product: Dnsmasq, Settings: "min-cache-ttl=3600\nmax-ttl=60\n"},
		"dnsmasq use-stale-cache":              {Product: Dnsmasq, Settings: "use-stale-cache\n"},
		"bind default":                         {Product: BIND},
		"bind stale-answer-client-timeout 0":   {Product: BIND, Settings: "stale-cache-enable yes;\nstale-answer-enable yes;\nstale-answer-client-timeout 0;\n"},
		"powerdns default":                     {Product: PowerDNS},
		"powerdns minimum-ttl-override 300":    {Product: PowerDNS, Settings: "minimum-ttl-override=300\n"},
	}
	const patience = 45 * time.Minute
	var all sync.WaitGroup
	var mu sync.Mutex
	outcomes := make(map[string]outcome)
	for name, c := range configurations {
		w := build(t, c, real, scene{})
		all.Go(func() {
			o := w.watch(context.Background(), patience)
			mu.Lock()
			defer mu.Unlock()
			outcomes[name] = o
			t.Logf("%s: %s after %v", name, o.last.Verdict, o.took.Round(time.Second))
		})
	}
	all.Wait()
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			o.held(t)
			kind, stale := want[name]
			if stale != (o.last.Verdict == staleness.Stale) || stale && o.last.Counts[kind] < 2 {
				t.Errorf("%s, want stale: %v by %q", o.last.Verdict, stale, kind)
			}
		})
	}
}
