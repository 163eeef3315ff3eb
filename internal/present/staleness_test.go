package present

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

func TestStalenessText(t *testing.T) {
	seen := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		why   staleness.Why
		parts []string
	}{
		{
			"stale by minimum TTL names TTLs and settings",
			staleness.Why{Kind: staleness.WhyTTLInflated, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
			[]string{"300 s where the zone publishes 60 s", "min-cache-ttl", "cache-min-ttl", "local-data"},
		},
		{
			"stale by expected TTL names the configuration",
			staleness.Why{Kind: staleness.WhyExpectedTTLExceeded, TTL: time.Hour, ZoneTTL: time.Minute},
			[]string{"60 min where the configuration expects 60 s"},
		},
		{
			"withdrawn address names address and time",
			staleness.Why{Kind: staleness.WhyWithdrawnAddress, Value: "192.0.2.1", LastSeen: seen, ZoneTTL: time.Minute},
			[]string{"still gives 192.0.2.1", "2026-11-24 12:00:00 UTC", "serve-expired", "local-data"},
		},
		{
			"unconfirmed is said",
			staleness.Why{Kind: staleness.WhyWithdrawnAddressOnce, Value: "192.0.2.1", LastSeen: seen, Unconfirmed: true},
			[]string{"seen once so far; still to be confirmed"},
		},
		{
			"suspect says when it can be proved",
			staleness.Why{Kind: staleness.WhyTTLInflatedOnce, TTL: time.Hour, ZoneTTL: time.Minute, Remaining: 23 * time.Hour},
			[]string{"TTL 60 min where the zone publishes 60 s", "it can be proved in 23 h at the earliest"},
		},
		{
			"learning says how long", staleness.Why{Kind: staleness.WhyLearning, Remaining: 12 * time.Minute},
			[]string{"still learning: 12 min left"},
		},
		{
			"learning says that a pause started it again",
			staleness.Why{Kind: staleness.WhyLearning, Remaining: 12 * time.Minute, Pause: 5 * time.Minute},
			[]string{"12 min left", "started again after a pause of 300 s between rounds"},
		},
		{
			"rounds too far apart names both intervals",
			staleness.Why{Kind: staleness.WhyRoundsTooFar, Interval: 10 * time.Minute, MaxInterval: 5 * time.Minute},
			[]string{"10 min apart", "every 300 s"},
		},
		{
			"blocked names port 53", staleness.Why{Kind: staleness.WhySampleFailed, Failure: measurement.SampleBlocked},
			[]string{"port 53 to the zone's servers is blocked", "cannot be judged"},
		},
		{
			"stale answers name the commonest causes", staleness.Why{Kind: staleness.WhyStaleAnswers},
			[]string{"EDE 3", "use-stale-cache", "Pi-hole dns.cache.optimizer", "serve-expired-client-timeout"},
		},
		{
			"a resolver that is cut off keeps its cache", staleness.Why{Kind: staleness.WhyUpstreamDown},
			[]string{"does not reach the zone's servers", "repair its way to the Internet", "do not empty its cache"},
		},
		{
			"another view names the keys", staleness.Why{Kind: staleness.WhyViewUnprovenTTL, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
			[]string{"300 s where the zone publishes 60 s to us", "single_view", "authority.whoami"},
		},
		{
			"a former server and its TTL", staleness.Why{Kind: staleness.WhyFormerServer, TTL: 5 * time.Minute, ZoneTTL: time.Minute},
			[]string{"300 s where the zone publishes 60 s; not proved", "before its delegation moved"},
		},
		{
			"a former server and its value", staleness.Why{Kind: staleness.WhyFormerServer, Value: "203.0.113.7", LastSeen: seen},
			[]string{"gives 203.0.113.7", "since 2026-11-24 12:00:00 UTC; not proved", "before its delegation moved"},
		},
		{"authority off names the key", staleness.Why{Kind: staleness.WhyAuthorityOff}, []string{"authority.mode: off", "expected_ttl"}},
		{"frozen TTL is said", staleness.Why{Kind: staleness.WhyNoSign, TTLFrozen: true}, []string{"no sign", "do not count down"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdict := staleness.Verdict("")
			if tt.why.Kind == staleness.WhyTTLInflatedOnce {
				verdict = staleness.Suspect
			}
			got := StalenessText(&staleness.Assessment{Verdict: verdict, Why: tt.why})
			for _, part := range tt.parts {
				if !strings.Contains(got, part) {
					t.Errorf("%q does not contain %q", got, part)
				}
			}
			if tt.why.Kind == staleness.WhyUpstreamDown && strings.Contains(got, "minimum") {
				t.Errorf("%q: its minimum TTL is not the cause", got)
			}
		})
	}
}

// TestStalenessTextClosedLists checks that every reason and every failure of samples has its own sentence.
func TestStalenessTextClosedLists(t *testing.T) {
	var texts []string
	for _, kind := range staleness.WhyKinds {
		texts = append(texts, StalenessText(&staleness.Assessment{Why: staleness.Why{Kind: kind, Failure: measurement.SampleSilent}}))
	}
	for _, value := range closedlist.Constants(t, "../measurement", "SampleFailure") {
		failure := measurement.SampleFailure(value)
		if failure == measurement.SampleSilent {
			continue // is in the loop above
		}
		why := staleness.Why{Kind: staleness.WhySampleFailed, Failure: failure}
		texts = append(texts, StalenessText(&staleness.Assessment{Why: why}))
	}
	slices.Sort(texts)
	if all := strings.Join(texts, ""); strings.ContainsAny(all, "{}") {
		t.Errorf("a name in braces is left: %q", texts)
	}
	if strings.HasPrefix(texts[0], ":") || texts[0] == "" {
		t.Errorf("no text: %q", texts[0])
	}
	if n := len(slices.Compact(slices.Clone(texts))); n != len(texts) {
		t.Errorf("%d different texts of %d", n, len(texts))
	}
	if got := StalenessText(&staleness.Assessment{}); got != "" {
		t.Errorf("text without a reason: %q", got)
	}
}

func TestStalenessTextEscapes(t *testing.T) {
	why := staleness.Why{Kind: staleness.WhyWithdrawnAddressOnce, Value: "a\x1b[31m\xff"}
	if got := StalenessText(&staleness.Assessment{Why: why}); !utf8.ValidString(got) || strings.ContainsRune(got, '\x1b') {
		t.Errorf("not escaped: %q", got)
	}
}
