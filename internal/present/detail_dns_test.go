package present

import (
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

func TestDNSDetailText(t *testing.T) {
	for _, test := range []struct {
		name   string
		detail measurement.Detail
		want   string
	}{
		{"nothing known: empty", measurement.Detail{}, ""},
		{"silent: time and datagrams", measurement.Detail{Kind: measurement.DNSDetailSilent, N: 3, After: 2500 * time.Millisecond},
			"no answer within 2.5s (3 datagrams sent)"},
		{"silent after one datagram: singular", measurement.Detail{Kind: measurement.DNSDetailSilent, N: 1, After: time.Second},
			"no answer within 1s (1 datagram sent)"},
		{"ICMP: the system's error", measurement.Detail{Kind: measurement.DNSDetailUnreachable, Text: "connection refused"},
			"no path to the server: connection refused"},
		{"response code: its name", measurement.Detail{Kind: measurement.DNSDetailRcode, N: 2}, "SERVFAIL"},
		{"unknown response code: its number", measurement.Detail{Kind: measurement.DNSDetailRcode, N: 4000}, "response code 4000"},
		{"explained response code: name and text", measurement.Detail{Kind: measurement.DNSDetailRcode, N: 2, EDE: measurement.EDE{Code: 22, Text: "at delegation"}},
			"SERVFAIL: No Reachable Authority (at delegation)"},
		{"unknown explanation: its number", measurement.Detail{Kind: measurement.DNSDetailRcode, N: 3, EDE: measurement.EDE{Code: 999}}, "NXDOMAIN: extended error 999"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := dnsDetailText(test.detail); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	seen := make(map[string]measurement.DetailKind)
	for _, kind := range measurement.DNSDetailKinds {
		words := dnsDetailText(measurement.Detail{Kind: kind})
		if words == "" || seen[words] != "" {
			t.Errorf("%s is worded %q, as is %q", kind, words, seen[words])
		}
		seen[words] = kind
	}
}

func TestResolverText(t *testing.T) {
	learning := staleness.Assessment{Verdict: staleness.Unknown, Why: staleness.Why{Kind: staleness.WhyNotSampled}}
	for _, test := range []struct {
		name     string
		resolver report.Resolver
		want     string
	}{
		{"no assessment: empty", report.Resolver{Lookup: measurement.Lookup{Answers: []measurement.Answer{{WithoutEDNS: true}}}}, ""},
		{"answers with EDNS: the reason", report.Resolver{Staleness: learning, Lookup: measurement.Lookup{Answers: []measurement.Answer{{}}}},
			"the zone's servers have not been asked yet"},
		{"the machine's own stub: devices do not ask it", report.Resolver{Staleness: learning, Stub: true},
			"the zone's servers have not been asked yet; it is this machine's own stub (systemd-resolved), which devices do not ask"},
		{"answers without EDNS: no EDE", report.Resolver{Staleness: learning, Lookup: measurement.Lookup{Answers: []measurement.Answer{{}, {WithoutEDNS: true}}}},
			"the zone's servers have not been asked yet; it answers only questions without EDNS, so it cannot mark an answer as expired (EDE)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := resolverText(&test.resolver); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestZoneText(t *testing.T) {
	if got := ZoneText(&report.Zone{Known: true}); got != "" {
		t.Errorf("a zone that answers is worded %q", got)
	}
	seen := make(map[string]report.ZoneFailure)
	for _, failure := range report.ZoneFailures {
		words := ZoneText(&report.Zone{Failure: failure})
		if words == "" || seen[words] != "" {
			t.Errorf("%s is worded %q, as is %q", failure, words, seen[words])
		}
		seen[words] = failure
	}
	for _, failure := range measurement.SampleFailures {
		if ZoneText(&report.Zone{Failure: report.ZoneFailure(failure)}) == "" {
			t.Errorf("sample failure %s has no words", failure)
		}
	}
}
