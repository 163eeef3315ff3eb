package diagnose

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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

func TestFindingsOfNames(t *testing.T) {
	const host = "lwm2m.example.com"
	at := netip.MustParseAddrPort("192.0.2.53:53")
	lookup := func(f measurement.DNSFailure) measurement.Lookup {
		return measurement.Lookup{Resolver: at, Failure: f, Detail: measurement.Detail{Text: "as it said"}}
	}
	for _, tt := range []struct {
		name    string
		finding Finding
		want    Reason
		says    []string // in summary or advice
	}{
		{"sinkhole", SinkholeFinding(host, netip.MustParseAddr("127.0.0.1")), Sinkhole, []string{host, "127.0.0.1"}},
		{"no route", NoRouteFinding(host), Unreachable, []string{host, "no route"}},
		{"the round ended", OutOfTimeFinding(host), OutOfTime, []string{host, "survey.timeout"}},
		{"the name does not exist", DNSFinding(host, []measurement.Lookup{lookup(measurement.DNSNXDomain)}), DNSFailed, []string{host, "192.0.2.53:53: the name does not exist (as it said)"}},
		{"every failure is named", DNSFinding(host, []measurement.Lookup{lookup(measurement.DNSTimeout), lookup(measurement.DNSRefused)}), DNSFailed, []string{"no answer in time", "refuses"}},
		{"one look-up cut off does not hide the other's failure", DNSFinding(host, []measurement.Lookup{lookup(measurement.DNSOutOfTime), lookup(measurement.DNSServFail)}), DNSFailed, []string{"could not find out"}},
		{"all look-ups cut off", DNSFinding(host, []measurement.Lookup{lookup(measurement.DNSOutOfTime)}), OutOfTime, nil},
		{"nobody to ask", DNSFinding(host, nil), DNSFailed, []string{"No DNS server"}},
		{"no host", DNSFinding("", []measurement.Lookup{lookup(measurement.DNSNoAddress)}), DNSFailed, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.finding.Reason != tt.want {
				t.Errorf("reason %q, want %q", tt.finding.Reason, tt.want)
			}
			checkFinding(t, tt.finding)
			for _, s := range tt.says {
				if !strings.Contains(tt.finding.Summary+" "+tt.finding.Advice, s) {
					t.Errorf("%q is not said: %+v", s, tt.finding)
				}
			}
		})
	}
}

func TestEveryDNSFailureHasWords(t *testing.T) {
	seen := make(map[string]measurement.DNSFailure)
	for _, f := range []measurement.DNSFailure{
		measurement.DNSNXDomain, measurement.DNSServFail, measurement.DNSRefused, measurement.DNSNoAddress, measurement.DNSTimeout,
		measurement.DNSUnreachable, measurement.DNSMalformed, measurement.DNSLoop, measurement.DNSRcode,
	} {
		words := DNSWords(f)
		if other, taken := seen[words]; taken {
			t.Errorf("%s and %s have the same words: %s", f, other, words)
		}
		seen[words] = f
	}
}
