package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

func TestOpenVerdictsCount(t *testing.T) {
	soon := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	learning := staleness.Assessment{Verdict: staleness.Unknown, Ready: soon}
	unknown := staleness.Assessment{Verdict: staleness.Unknown}
	rep := func(a staleness.Assessment) *report.Report {
		return &report.Report{Hosts: []report.Host{{
			Endpoint:  &config.Endpoint{Service: "s", Host: "a.test"},
			Resolvers: []report.Resolver{{Lookup: measurement.Lookup{Resolver: netip.MustParseAddrPort("192.0.2.53:53")}, Staleness: a}},
		}}}
	}
	for name, test := range map[string]struct {
		rounds []staleness.Assessment
		open   int
		ready  time.Time
	}{
		"learning":                          {[]staleness.Assessment{learning}, 1, soon},
		"suspect":                           {[]staleness.Assessment{{Verdict: staleness.Suspect}}, 1, time.Time{}},
		"ok":                                {[]staleness.Assessment{{Verdict: staleness.OK}}, 0, time.Time{}},
		"stale":                             {[]staleness.Assessment{{Verdict: staleness.Stale}}, 0, time.Time{}},
		"a server that does not answer now": {repeat(unknown, maxUnknownRounds-1), 1, time.Time{}},
		"a server that never answers":       {repeat(unknown, maxUnknownRounds), 0, time.Time{}},
		"one that came back":                {append(repeat(unknown, maxUnknownRounds), learning, unknown), 1, time.Time{}},
	} {
		o := newOpenVerdicts()
		var ready time.Time
		var open int
		for _, a := range test.rounds {
			ready, open = o.count(rep(a))
		}
		if open != test.open || !ready.Equal(test.ready) {
			t.Errorf("%s: %d open, ready %v", name, open, ready)
		}
	}
}

func repeat(a staleness.Assessment, n int) []staleness.Assessment {
	out := make([]staleness.Assessment, n)
	for i := range out {
		out[i] = a
	}
	return out
}
