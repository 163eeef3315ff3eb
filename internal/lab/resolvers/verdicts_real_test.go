//go:build realpeers

package resolvers

import (
	"net/netip"
	"sync"
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

// TestVerdictsOnRealResolvers lets every configuration of every product be judged, all at once and in real time, at
// scaled constants, over a zone that moves every 12 s.
func TestVerdictsOnRealResolvers(t *testing.T) {
	due := map[string]freshness.Evidence{
		"unbound cache-min-ttl":              freshness.TTLInflated,
		"unbound serve-expired with EDE":     freshness.EDEStale,
		"dnsmasq min-cache-ttl":              freshness.TTLInflated,
		"dnsmasq min-cache-ttl max-ttl":      freshness.WithdrawnAddress,
		"dnsmasq use-stale-cache":            freshness.EDEStale,
		"bind min-cache-ttl":                 freshness.TTLInflated,
		"bind stale-answer-client-timeout 0": freshness.EDEStale,
		"powerdns minimum-ttl-override":      freshness.TTLInflated,
	}
	type run struct {
		authority, resolver netip.AddrPort
		last                freshness.Assessment
		took                time.Duration
	}
	runs := make(map[string]*run)
	for name, c := range Configurations() {
		c.Zone = zone
		c.Authority, _ = authority(t)
		runs[name] = &run{authority: c.Authority, resolver: Start(t, c)}
	}
	// All at once: they wait for the time to pass, not for the processor.
	var wg sync.WaitGroup
	for _, r := range runs {
		wg.Go(func() { r.last, r.took = judge(r.authority, r.resolver) })
	}
	wg.Wait()
	for name, r := range runs {
		t.Run(name, func(t *testing.T) {
			t.Logf("%s after %v: %v %s", r.last.Verdict, r.took.Round(100*time.Millisecond), r.last.Counts, r.last.Why)
			kind, stale := due[name]
			if stale != (r.last.Verdict == freshness.Stale) || stale && r.last.Counts[kind] < 2 {
				t.Errorf("%s, stale is due: %v by %q", r.last.Verdict, stale, kind)
			}
		})
	}
}

// patience is how long a resolver is watched that gives no cause.
const patience = 60 * time.Second

// judge lets rounds pass until the resolver is shown to be stale or patience ends.
func judge(authority, resolver netip.AddrPort) (a freshness.Assessment, took time.Duration) {
	h := freshness.New(scaled, freshness.Options{SingleView: true})
	began := time.Now()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		h.Begin(now)
		h.Answer(exchange(resolver, true))
		h.Sample(sample(authority, false))
		for _, req := range h.Wants(time.Now()) {
			for range req.Each {
				h.Sample(sample(authority, req.Walk))
			}
		}
		a, took = h.Assess(resolver, time.Now()), time.Since(began)
		if a.Verdict == freshness.Stale || took > patience {
			break
		}
	}
	return a, took
}
