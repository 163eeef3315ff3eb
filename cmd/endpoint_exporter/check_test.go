package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/freshness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

func TestAWatchWaitsForWhatMayYetBeKnown(t *testing.T) {
	soon := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	learning := freshness.Assessment{Verdict: freshness.Unknown, Ready: soon}
	unknown := freshness.Assessment{Verdict: freshness.Unknown}
	report := func(a freshness.Assessment) *survey.Report {
		return &survey.Report{Hosts: []survey.Host{{
			Endpoint:  &catalogue.Endpoint{Service: "s", Host: "a.test"},
			Resolvers: []survey.Resolver{{Lookup: evidence.Lookup{Resolver: netip.MustParseAddrPort("192.0.2.53:53")}, Freshness: a}},
		}}}
	}
	for name, test := range map[string]struct {
		rounds []freshness.Assessment
		open   int
		ready  time.Time
	}{
		"learning":                          {[]freshness.Assessment{learning}, 1, soon},
		"suspect":                           {[]freshness.Assessment{{Verdict: freshness.Suspect}}, 1, time.Time{}},
		"ok":                                {[]freshness.Assessment{{Verdict: freshness.OK}}, 0, time.Time{}},
		"stale":                             {[]freshness.Assessment{{Verdict: freshness.Stale}}, 0, time.Time{}},
		"a server that does not answer now": {repeat(unknown, hopeless-1), 1, time.Time{}},
		"a server that never answers":       {repeat(unknown, hopeless), 0, time.Time{}},
		"one that came back":                {append(repeat(unknown, hopeless), learning, unknown), 1, time.Time{}},
	} {
		o := newOpenVerdicts()
		var ready time.Time
		var open int
		for _, a := range test.rounds {
			ready, open = o.count(report(a))
		}
		if open != test.open || !ready.Equal(test.ready) {
			t.Errorf("%s: %d open, ready %v", name, open, ready)
		}
	}
}

func repeat(a freshness.Assessment, n int) []freshness.Assessment {
	out := make([]freshness.Assessment, n)
	for i := range out {
		out[i] = a
	}
	return out
}

func TestAWatchSaysByWhichClock(t *testing.T) {
	end := time.Date(2026, 11, 28, 3, 0, 5, 0, time.UTC).Local()
	said := watchWords(1, time.Time{}, end)
	if want := "1 DNS verdict is still open, watching until " + end.Format("15:04:05 ") + end.Format("MST") + " (Ctrl-C: enough)"; said != want {
		t.Errorf("%q, want %q", said, want)
	}
}
