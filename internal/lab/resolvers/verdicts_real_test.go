//go:build realpeers

package resolvers

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/freshness"
)

// scaled are the constants of the proof for a zone of TTL 2 s.
var scaled = freshness.Constants{
	Margin: 2 * time.Second, Slack: time.Second, AuthorityLag: 2 * time.Second,
	Learning: 10 * time.Second, Hold: 10 * time.Second, Spacing: time.Second,
}

// exchange asks as a device (recursive) or as a direct sample.
func exchange(at netip.AddrPort, recursive bool) *evidence.Answer {
	a := &evidence.Answer{Server: at, Name: host, Type: dns.TypeA, Asked: time.Now()}
	q := new(dns.Msg)
	q.SetQuestion(host, dns.TypeA)
	q.RecursionDesired = recursive
	q.SetEdns0(1232, false)
	client := dns.Client{Timeout: 2 * time.Second}
	r, _, err := client.Exchange(q, at.String())
	if err != nil {
		a.Failure = evidence.DNSTimeout
		return a
	}
	a.Received, a.Rcode, a.AA = time.Now(), r.Rcode, r.Authoritative
	for _, rr := range r.Answer {
		if rec, ok := rr.(*dns.A); ok {
			addr, _ := netip.AddrFromSlice(rec.A.To4())
			a.Chain = append(a.Chain, evidence.Record{Owner: host, Type: dns.TypeA, TTL: rec.Hdr.Ttl, Addr: addr})
		}
	}
	if opt := r.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				a.EDE = append(a.EDE, evidence.EDE{Code: e.InfoCode})
			}
		}
	}
	return a
}

func sample(at netip.AddrPort, walked bool) freshness.Sample {
	a := exchange(at, false)
	s := freshness.Sample{Type: a.Type, Asked: a.Asked, Received: a.Received, Walked: walked}
	if !a.AA {
		s.Invalid = freshness.Silent
		s.Received = time.Now()
	}
	s.Steps = []freshness.Step{{Server: at, Servers: []netip.AddrPort{at}, Records: a.Chain}}
	return s
}

// TestVerdictsOnRealResolvers lets every configuration of every product be judged, in parallel and in real time, at
// scaled constants, over a zone that moves every 12 s.
func TestVerdictsOnRealResolvers(t *testing.T) {
	due := map[string]freshness.Evidence{
		"unbound cache-min-ttl":              freshness.TTLInflated,
		"unbound serve-expired with EDE":     freshness.EDEStale,
		"dnsmasq min-cache-ttl":              freshness.TTLInflated,
		"dnsmasq min-cache-ttl max-ttl":      freshness.WithdrawnAddress,
		"bind min-cache-ttl":                 freshness.TTLInflated,
		"bind stale-answer-client-timeout 0": freshness.EDEStale,
		"powerdns minimum-ttl-override":      freshness.TTLInflated,
	}
	const patience = 60 * time.Second
	for name, c := range Configurations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Zone = zone
			c.Authority, _ = authority(t)
			resolver := Start(t, c)
			h := freshness.New(scaled, freshness.Options{SingleView: true})
			began := time.Now()
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			var seen []freshness.Verdict
			var a freshness.Assessment
			for now := range tick.C {
				h.Begin(now)
				h.Answer(exchange(resolver, true))
				h.Sample(sample(c.Authority, false))
				for _, req := range h.Wants(time.Now()) {
					for range req.Each {
						h.Sample(sample(c.Authority, req.Walk))
					}
				}
				a = h.Assess(resolver, time.Now())
				if !slices.Contains(seen, a.Verdict) {
					seen = append(seen, a.Verdict)
				}
				if a.Verdict == freshness.Stale || time.Since(began) > patience {
					break
				}
			}
			t.Logf("%s after %v (%v): %v %s", a.Verdict, time.Since(began).Round(100*time.Millisecond), seen, a.Counts, a.Why)
			kind, stale := due[name]
			if stale != (a.Verdict == freshness.Stale) || stale && a.Counts[kind] < 2 {
				t.Errorf("%s, stale is due: %v by %q", a.Verdict, stale, kind)
			}
		})
	}
}
