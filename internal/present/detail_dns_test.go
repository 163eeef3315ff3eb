package present

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
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
			"no answer within 2.5 s (3 datagrams sent)"},
		{"silent after one datagram: singular", measurement.Detail{Kind: measurement.DNSDetailSilent, N: 1, After: time.Second},
			"no answer within 1.0 s (1 datagram sent)"},
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
	for _, kind := range detailKinds(t, "dns_") {
		words := dnsDetailText(measurement.Detail{Kind: kind})
		if words == "" || strings.Contains(words, "{") || seen[words] != "" {
			t.Errorf("%s is worded %q, as is %q", kind, words, seen[words])
		}
		seen[words] = kind
	}
}

func TestLookupDetail(t *testing.T) {
	addresses := []netip.Addr{netip.MustParseAddr("203.0.113.1")}
	both, one := []config.IPVersion{config.IPv4, config.IPv6}, []config.IPVersion{config.IPv4}
	lookup := func(a, aaaa measurement.DNSFailure, detail measurement.Detail) measurement.Lookup {
		return measurement.Lookup{Addresses: addresses, Answers: []measurement.Answer{
			{Type: 1, Failure: a, Detail: detail}, {Type: 28, Failure: aaaa, Detail: detail},
		}}
	}
	servFail := measurement.Detail{Kind: measurement.DNSDetailRcode, N: 2}
	filtered := lookup(measurement.DNSOK, measurement.DNSServFail, servFail)
	filtered.Detail = measurement.Detail{Kind: measurement.DNSDetailFiltered, EDE: measurement.EDE{Code: 17}}
	failed := lookup(measurement.DNSServFail, measurement.DNSServFail, servFail)
	failed.Addresses, failed.Failure, failed.Detail = nil, measurement.DNSServFail, servFail
	for _, test := range []struct {
		name     string
		versions []config.IPVersion
		lookup   measurement.Lookup
		want     string
	}{
		{"both families good: empty", both, lookup("", "", measurement.Detail{}), ""},
		{"no address of one family: empty", both, lookup("", measurement.DNSNoAddress, measurement.Detail{}), ""},
		{"AAAA fails: musl fails", both, lookup("", measurement.DNSServFail, servFail),
			"AAAA (IPv6) fails, the server failed to resolve it (SERVFAIL): devices with musl do not resolve the name, devices with glibc do"},
		{"A fails: musl fails", both, lookup(measurement.DNSServFail, "", servFail),
			"A (IPv4) fails, the server failed to resolve it (SERVFAIL): devices with musl do not resolve the name, devices with glibc do"},
		{"AAAA silent: glibc waits", both, lookup("", measurement.DNSTimeout, measurement.Detail{}),
			"AAAA (IPv6) fails, no answer in time: devices with musl do not resolve the name, devices with glibc wait 5 s or more"},
		{"AAAA malformed: some fail", both, lookup("", measurement.DNSMalformed, measurement.Detail{}),
			"AAAA (IPv6) fails, the answer is malformed: some devices do not resolve the name"},
		{"AAAA fails, devices use IPv4 only: empty", one, lookup("", measurement.DNSServFail, servFail), ""},
		{"AAAA cut off by the deadline: empty", both, lookup("", measurement.DNSOutOfTime, measurement.Detail{}), ""},
		{"filtered, and AAAA fails: both", both, filtered,
			"the server says that it filters the name: Filtered; AAAA (IPv6) fails, the server failed to resolve it (SERVFAIL): " +
				"devices with musl do not resolve the name, devices with glibc do"},
		{"both families fail: the look-up's own", both, failed, "SERVFAIL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := lookupDetail(&config.Endpoint{IPVersions: test.versions}, &test.lookup); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
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
	for _, name := range append(closedlist.Constants(t, "../report", "ZoneFailure"), closedlist.Constants(t, "../measurement", "SampleFailure")...) {
		failure := report.ZoneFailure(name)
		words := ZoneText(&report.Zone{Failure: failure})
		if words == "" || seen[words] != "" {
			t.Errorf("%s is worded %q, as is %q", failure, words, seen[words])
		}
		seen[words] = failure
	}
}
