package diagnose

import (
	"net/netip"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestIsSinkhole(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.10": true, "::1": true,
		"0.0.0.0": true, "::": true,
		"10.1.2.3": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "fd00::1": true,
		"169.254.1.1": true, "fe80::1": true,
		"::ffff:10.0.0.1": true, "::ffff:127.0.0.1": true,
		"172.32.0.1": false, "192.0.2.1": false, "34.197.6.1": false, "2001:db8::1": false,
		"100.64.0.1": false, "::ffff:34.197.6.1": false,
	} {
		if got := IsSinkhole(netip.MustParseAddr(addr)); got != want {
			t.Errorf("IsSinkhole(%s) = %v", addr, got)
		}
	}
	if IsSinkhole(netip.Addr{}) {
		t.Error("no address is a sinkhole")
	}
}

func TestFindingsWithoutWalk(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.53:53")
	lookup := func(f measurement.DNSFailure) measurement.Lookup { return measurement.Lookup{Resolver: at, Failure: f} }
	filtered := lookup(measurement.DNSNXDomain)
	filtered.Answers = []measurement.Answer{{}, {EDE: []measurement.EDE{{Code: 22}, {Code: 17, Text: "ads"}}}}
	for _, tt := range []struct {
		name    string
		finding report.Finding
		want    reason.Reason
		advice  reason.Advice
	}{
		{"sinkhole", SinkholeFinding(netip.MustParseAddr("127.0.0.1")), reason.Sinkhole, reason.ExemptNameFromFilter},
		{"no route", NoRouteFinding(), reason.Unreachable, reason.FindRoute},
		{"the round ended", OutOfTimeFinding(), reason.OutOfTime, reason.AllowMoreTimeForNames},
		{"the name does not exist", DNSFinding([]measurement.Lookup{lookup(measurement.DNSNXDomain)}, ""), reason.DNSFailed, reason.ResolveName},
		{"one look-up cut off, the other failed", DNSFinding([]measurement.Lookup{lookup(measurement.DNSOutOfTime), lookup(measurement.DNSServFail)}, ""), reason.DNSFailed, reason.ResolveName},
		{"all look-ups cut off", DNSFinding([]measurement.Lookup{lookup(measurement.DNSOutOfTime)}, ""), reason.OutOfTime, reason.AllowMoreTimeForNames},
		{"the name does not exist in the zone either", DNSFinding([]measurement.Lookup{lookup(measurement.DNSNXDomain)}, report.ZoneNoAddress), reason.DNSFailed, reason.CheckHostName},
		{"no answer, and the zone has no address", DNSFinding([]measurement.Lookup{lookup(measurement.DNSTimeout)}, report.ZoneNoAddress), reason.DNSFailed, reason.RepeatLookup},
		{"no answer", DNSFinding([]measurement.Lookup{lookup(measurement.DNSTimeout), lookup(measurement.DNSUnreachable)}, ""), reason.DNSFailed, reason.RepeatLookup},
		{"one look-up cut off, no answer to the other", DNSFinding([]measurement.Lookup{lookup(measurement.DNSOutOfTime), lookup(measurement.DNSTimeout)}, ""), reason.DNSFailed, reason.RepeatLookup},
		{"no answer from one server, SERVFAIL from the other", DNSFinding([]measurement.Lookup{lookup(measurement.DNSTimeout), lookup(measurement.DNSServFail)}, ""), reason.DNSFailed, reason.ResolveName},
		{"the server filters the name", DNSFinding([]measurement.Lookup{filtered}, ""), reason.DNSFailed, reason.UnblockName},
		{"the server filters the name, which the zone does not have", DNSFinding([]measurement.Lookup{filtered}, report.ZoneNoAddress), reason.DNSFailed, reason.UnblockName},
		{"no resolver", DNSFinding(nil, ""), reason.DNSFailed, reason.SetResolvers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.finding.Reason != tt.want || tt.finding.Advice != tt.advice {
				t.Errorf("%q, %q, want %q, %q", tt.finding.Reason, tt.finding.Advice, tt.want, tt.advice)
			}
			checkFinding(t, tt.finding)
		})
	}
}
