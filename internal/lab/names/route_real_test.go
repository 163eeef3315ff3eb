//go:build realpeers && linux

package names

import (
	"net/netip"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/route"
)

// TestRoutesOfPolicyRules has a site whose only routes are those of policy rules for one transport and port.
func TestRoutesOfPolicyRules(t *testing.T) {
	n := newNamespace(t, []string{
		"addr add 10.0.0.2/24 dev d0", "route add default dev d0 table 100", "rule add ipproto tcp dport 5684 lookup 100",
		"addr add 2001:db8:1::2/64 dev d0 nodad", "-6 route add default dev d0 table 100", "-6 rule add ipproto tcp dport 5684 lookup 100",
		"route add unreachable 198.51.100.9 table 100", "route add blackhole 198.51.100.10 table 100", "-6 route add prohibit 2001:db8:2::9 table 100",
	}, nil)
	for name, test := range map[string]struct {
		network, remote string
		want            bool
	}{
		"IPv4, TCP, the port of the rule: a route":   {"tcp", "198.51.100.1:5684", true},
		"IPv4, TCP, another port: none":              {"tcp", "198.51.100.1:443", false},
		"IPv4, UDP, the port of the rule: none":      {"udp", "198.51.100.1:5684", false},
		"IPv4, on the link: a route":                 {"tcp", "10.0.0.7:443", true},
		"IPv4 in IPv6 form: a route":                 {"tcp", "[::ffff:198.51.100.1]:5684", true},
		"IPv4, a route that rejects: none":           {"tcp", "198.51.100.9:5684", false},
		"IPv4, a route that drops: none":             {"tcp", "198.51.100.10:5684", false},
		"IPv6, TCP, the port of the rule: a route":   {"tcp", "[2001:db8:2::1]:5684", true},
		"IPv6, TCP, another port: none":              {"tcp", "[2001:db8:2::1]:443", false},
		"IPv6, UDP, the port of the rule: none":      {"udp", "[2001:db8:2::1]:5684", false},
		"IPv6, a route that prohibits: none":         {"tcp", "[2001:db8:2::9]:5684", false},
		"this machine's own address: a route":        {"tcp", "10.0.0.2:5684", true},
		"IPv6, link-local with a zone: as UDP finds": {"tcp", "[fe80::1%d0]:5684", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got bool
			n.do(func() { got = route.Exists(test.network, netip.MustParseAddrPort(test.remote)) })
			if got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
