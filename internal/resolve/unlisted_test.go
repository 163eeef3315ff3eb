package resolve

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// TestRoundUnlistedServers configures the authoritative servers of a zone that has two. The first may lag, so that the
// records of an honest resolver, which asks the second, look as if it kept them too long.
func TestRoundUnlistedServers(t *testing.T) {
	for name, test := range map[string]struct {
		listed  []netip.AddrPort
		ttl     uint32 // that the first server publishes; the second one 300
		verdict staleness.Verdict
		warns   int
	}{
		"both are listed: ok":                                 {[]netip.AddrPort{ns1, ns2}, 300, staleness.OK, 0},
		"one is listed, and they agree: cannot be judged":     {[]netip.AddrPort{ns1}, 300, staleness.Unknown, 1},
		"one is listed, with a smaller TTL: only a suspicion": {[]netip.AddrPort{ns1}, 60, staleness.Suspect, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				records := lab.RecordSet{TTL: lab.TTL(300), Addresses: lab.Stamped(epoch, 48*time.Hour)}
				s := newSite(records, lab.Habits{})
				records.TTL = lab.TTL(test.ttl)
				s.put(ns1, &lab.NameServer{Zones: []*lab.Zone{{Origin: "example.", Servers: s.zone.Servers, Names: map[string]lab.RecordSet{"host.example.": records}}}})
				s.config.Authority.Mode, s.config.Authority.Servers = config.AuthorityServers, test.listed
				s.start()
				defer s.service.Close()
				var last staleness.Assessment
				if why := s.round(10*time.Second, s.names(0)).resolvers[0].Staleness.Why.Kind; (why == staleness.WhyServersNotAsked) != (test.verdict == staleness.Unknown) {
					t.Errorf("in the first round: %s", why)
				}
				for began := time.Now(); time.Since(began) < 40*time.Minute; pass(15 * time.Second) {
					last = s.round(10*time.Second, s.names(0)).resolvers[0].Staleness
					if last.Verdict == staleness.Stale {
						t.Fatalf("stale after %v: %+v", time.Since(began), last.Why)
					}
				}
				if last.Verdict != test.verdict || test.verdict == staleness.Unknown && last.Why.Kind != staleness.WhyServersNotAsked {
					t.Errorf("%s: %+v", last.Verdict, last.Why)
				}
				if warned := strings.Count(s.log.String(), "missing=[203.0.113.2:53]"); warned != test.warns {
					t.Errorf("warned %d times:\n%s", warned, s.log)
				}
			})
		})
	}
}
