//go:build realpeers && linux

package names

import (
	"net/netip"
	"slices"
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
		network, remote, source string
		want                    bool
	}{
		"IPv4, TCP, the port of the rule: a route":   {"tcp", "198.51.100.1:5684", "", true},
		"IPv4, TCP, another port: none":              {"tcp", "198.51.100.1:443", "", false},
		"IPv4, UDP, the port of the rule: none":      {"udp", "198.51.100.1:5684", "", false},
		"IPv4, on the link: a route":                 {"tcp", "10.0.0.7:443", "", true},
		"IPv4 in IPv6 form: a route":                 {"tcp", "[::ffff:198.51.100.1]:5684", "", true},
		"IPv4, a route that rejects: none":           {"tcp", "198.51.100.9:5684", "", false},
		"IPv4, a route that drops: none":             {"tcp", "198.51.100.10:5684", "", false},
		"IPv6, TCP, the port of the rule: a route":   {"tcp", "[2001:db8:2::1]:5684", "", true},
		"IPv6, TCP, another port: none":              {"tcp", "[2001:db8:2::1]:443", "", false},
		"IPv6, UDP, the port of the rule: none":      {"udp", "[2001:db8:2::1]:5684", "", false},
		"IPv6, a route that prohibits: none":         {"tcp", "[2001:db8:2::9]:5684", "", false},
		"this machine's own address: a route":        {"tcp", "10.0.0.2:5684", "", true},
		"IPv6, link-local with a zone: as UDP finds": {"tcp", "[fe80::1%d0]:5684", "", false},
		"by the interface: a route":                  {"tcp", "198.51.100.1:5684", "d0", true},
		// Without a route, Linux takes an IPv4 address to be on the link of the interface that a socket is bound to.
		"by the interface, another port: on its link":   {"tcp", "198.51.100.1:443", "d0", true},
		"IPv6, by the interface, another port: none":    {"tcp", "[2001:db8:2::1]:443", "d0", false},
		"IPv6, by another interface: none":              {"tcp", "[2001:db8:2::1]:5684", "lo", false},
		"by an interface that does not exist: none":     {"tcp", "198.51.100.1:5684", "d7", false},
		"from its address: a route":                     {"tcp", "198.51.100.1:5684", "10.0.0.2", true},
		"from an address that the site has not: none":   {"tcp", "198.51.100.1:5684", "10.0.0.3", false},
		"from an address of the other IP version: none": {"tcp", "198.51.100.1:5684", "2001:db8:1::2", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got bool
			n.do(func() {
				got = route.NewUplink(test.source).HasRoute(test.network, netip.MustParseAddrPort(test.remote))
			})
			if got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestRoundWithPolicyRule has a site that routes IPv4 for TCP to one port only, and IPv6 for everything: getaddrinfo
// finds no route to the IPv4 address and puts it last, and the exporter walks it.
func TestRoundWithPolicyRule(t *testing.T) {
	s := site{server: server4, other: other4, commands: []string{
		"addr add 10.0.0.53/32 dev lo", "addr add 10.0.0.54/32 dev lo", "addr add 10.0.0.2/24 dev d0",
		"route add default dev d0 table 100", "rule add ipproto tcp dport 443 lookup 100",
		"addr add 2001:db8:1::2/64 dev d0 nodad", "-6 route add default dev d0",
	}}
	n := newNamespace(t, s.commands, map[string]string{"resolv.conf": "nameserver " + s.server.String() + "\n"})
	startServer(t, n, []row{{a: good, aaaa: good6}}, s.server, s.other)
	p := n.round(t.Context(), s.load(t), "r0.coap.example").Paths[0]
	var walked []string
	for _, w := range p.Walks {
		walked = append(walked, w.Outcome.Address.Addr().String())
	}
	if want := []string{"2001:db8:f::1", "203.0.113.1"}; !slices.Equal(walked, want) || p.Omitted != 0 {
		t.Errorf("walked %v and omitted %d, want %v", walked, p.Omitted, want)
	}
}
