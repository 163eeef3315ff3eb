package present

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestCommandsOfSystems(t *testing.T) {
	advice := func(server string) *report.Advice {
		return &report.Advice{Resolvers: []report.ResolverSummary{{Server: netip.MustParseAddrPort(server)}}, Places: []report.Place{{Host: "a.test"}}}
	}
	for _, test := range []struct {
		system  string
		network []string
		query   string // at 192.0.2.53
		port    string // at [2001:db8::53]:5353
	}{
		{"linux", []string{"ip address", "ip route"}, "dig @192.0.2.53 a.test", "dig @2001:db8::53 -p 5353 a.test"},
		{"darwin", []string{"ifconfig", "netstat -rn"}, "dig @192.0.2.53 a.test", "dig @2001:db8::53 -p 5353 a.test"},
		{"windows", []string{"ipconfig /all", "route print"}, "nslookup a.test 192.0.2.53", "nslookup -port=5353 a.test 2001:db8::53"},
	} {
		if got := networkCommands(test.system); !slices.Equal(got, test.network) {
			t.Errorf("%s: %q", test.system, got)
		}
		if got := queryCommand(test.system, advice("192.0.2.53:53")); !slices.Equal(got, []string{test.query}) {
			t.Errorf("%s: %q, want %q", test.system, got, test.query)
		}
		if got := queryCommand(test.system, advice("[2001:db8::53]:5353")); !slices.Equal(got, []string{test.port}) {
			t.Errorf("%s: %q, want %q", test.system, got, test.port)
		}
		if got := queryCommand(test.system, &report.Advice{}); got != nil {
			t.Errorf("%s without a server: %q", test.system, got)
		}
	}
}
