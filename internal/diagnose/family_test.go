package diagnose

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// dualStack is a path with the given findings at IPv6 addresses (2001:db8::1 and so on), and then at IPv4 addresses as
// walked makes them.
func dualStack(p measurement.Path, six, four []report.Finding) report.Path {
	out := walked(p, append(six, four...)...)
	for i := range out.Walks {
		at := addr(i - len(six) + 1)
		if i < len(six) {
			at = addr6(i + 1)
		}
		out.Walks[i].Outcome.Address = netip.AddrPortFrom(at, p.Port)
	}
	return out
}

func addr6(last int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(last)})
}

// withdrawn is the path after the zone has withdrawn one of its addresses.
func withdrawn(p report.Path, walk int) report.Path {
	p.Walks[walk].Withdrawn = true
	return p
}

func TestSummarizeOneFamilyBroken(t *testing.T) {
	type findings = []report.Finding
	up, silent, refused := report.Finding{}, failing(reason.Silent), failing(reason.Refused)
	late, lost := failing(reason.OutOfTime), failing(reason.Silent, reason.LetLargePacketsPass)
	place := func(down bool, passing []measurement.Path, paths []measurement.Path, addresses ...netip.Addr) []report.Place {
		return []report.Place{{Host: "h", Paths: paths, Addresses: addresses, Down: down, Passing: passing}}
	}
	only := func(p measurement.Path) []measurement.Path { return []measurement.Path{p} }
	for name, test := range map[string]struct {
		paths []report.Path
		want  []report.Advice
	}{
		"IPv6 fails on every path: one item": {
			[]report.Path{
				dualStack(tcp5684, findings{silent, refused}, findings{up, up}), dualStack(udp5684, findings{refused, refused}, findings{up, up}),
			},
			[]report.Advice{{
				Kind: reason.RepairFamily, Family: config.IPv6, Paths: 2,
				Places: place(true, nil, []measurement.Path{tcp5684, udp5684}, addr6(1), addr6(2)),
			}},
		},
		"IPv4 fails: the family is IPv4": {
			[]report.Path{dualStack(tcp5684, findings{up}, findings{silent, silent})},
			[]report.Advice{{Kind: reason.RepairFamily, Family: config.IPv4, Paths: 1, Places: place(false, nil, only(tcp5684), addr(1), addr(2))}},
		},
		"IPv6 fails on one path, the other passes: a way out": {
			[]report.Path{dualStack(tcp5684, findings{silent}, findings{up}), dualStack(tcp443, findings{up}, findings{up})},
			[]report.Advice{{Kind: reason.RepairFamily, Family: config.IPv6, Paths: 1, Alternates: true, Places: place(false, only(tcp443), only(tcp5684), addr6(1))}},
		},
		"large packets are lost over IPv6: the advice on the MTU stays": {
			[]report.Path{dualStack(tcp5684, findings{lost}, findings{up})},
			[]report.Advice{
				{Kind: reason.RepairFamily, Family: config.IPv6, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1))},
				{Kind: reason.LetLargePacketsPass, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1))},
			},
		},
		"a withdrawn IPv4 address fails too: it does not count": {
			[]report.Path{withdrawn(dualStack(tcp5684, findings{silent}, findings{silent, up}), 1)},
			[]report.Advice{{Kind: reason.RepairFamily, Family: config.IPv6, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1))}},
		},
		"one IPv6 address passes: an allow-list by address": {
			[]report.Path{dualStack(tcp5684, findings{silent, up}, findings{up})},
			[]report.Advice{{Kind: reason.AllowByName, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1))}},
		},
		"one IPv4 address fails as well: an allow-list by address": {
			[]report.Path{dualStack(tcp5684, findings{silent}, findings{up, silent})},
			[]report.Advice{{Kind: reason.AllowByName, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1), addr(2))}},
		},
		"one IPv6 address is not known: an allow-list by address": {
			[]report.Path{dualStack(tcp5684, findings{silent, late}, findings{up})},
			[]report.Advice{
				{Kind: reason.AllowByName, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1))},
				{Kind: reason.AllowMoreTime, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(2))},
			},
		},
		"inspection over IPv6 only: the box": {
			[]report.Path{dualStack(tcp5684, findings{inspectedBy("CN=Box", "x")}, findings{up})},
			[]report.Advice{{
				Kind: reason.ExemptFromInspection, Paths: 1, Certificate: report.Certificate{Issuer: "CN=Box", Expected: "x"},
				Places: place(true, nil, only(tcp5684), addr6(1)),
			}},
		},
		"both families fail: blocked": {
			[]report.Path{dualStack(tcp5684, findings{refused}, findings{refused})},
			[]report.Advice{{Kind: reason.AllowOutbound, Paths: 1, Places: place(true, nil, only(tcp5684), addr6(1), addr(1))}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := summarized(hostOf("h", test.paths...)).Hosts[0].Advice
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestSummarizeOneFamilyBrokenAtSite tests that the two families are different causes, and that the hosts that share
// one are one item.
func TestSummarizeOneFamilyBrokenAtSite(t *testing.T) {
	up, silent := []report.Finding{{}}, []report.Finding{failing(reason.Silent)}
	got := summarized(
		hostOf("a", dualStack(tcp5684, silent, up)), hostOf("b", dualStack(tcp5684, silent, up)), hostOf("c", dualStack(tcp5684, up, silent)),
	).Summary.Advice
	if len(got) != 2 || got[0].Family != config.IPv6 || got[0].Paths != 2 || got[1].Family != config.IPv4 || got[1].Paths != 1 {
		t.Errorf("%+v", got)
	}
}
