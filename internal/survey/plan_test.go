package survey

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
)

func TestPlan(t *testing.T) {
	const (
		v6, v6b = "2001:db8::1", "2001:db8::2"
		v4, v4b = "198.51.100.1", "198.51.100.2"
	)
	// by returns sources by family; "" is no route.
	by := func(four, six string) sourceRule {
		return func(a netip.Addr) (netip.Addr, bool) {
			text := six
			if a.Is4() {
				text = four
			}
			if text == "" {
				return netip.Addr{}, false
			}
			return netip.MustParseAddr(text), true
		}
	}
	everywhere := by("192.0.2.7", "2001:db8:7::7")
	onlyIPv4 := by("192.0.2.7", "")
	uniqueLocal := by("192.168.1.7", "fd00:7::7")
	nowhere := by("", "")
	// over returns a rule by family for the routes of paths.
	over := func(four, six bool) func(netip.Addr) bool {
		return func(a netip.Addr) bool { return a.Is4() && four || a.Is6() && six }
	}
	type lists [][]string
	for name, test := range map[string]struct {
		given    lists
		sinkhole sinkholeRule
		source   sourceRule
		limit    int
		want     addressPlan
		versions string                // "4" or "6": the devices use one family only
		routed   func(netip.Addr) bool // nil: no path has a route where getaddrinfo finds none
	}{
		"a route for TCP only: getaddrinfo puts the address last, and it is walked": {lists{{v6, v4}}, unspecified, by("192.0.2.7", ""), 8,
			addressPlan{walk: addrs(v4, v6)}, "", over(true, true)},
		"a route for UDP only: getaddrinfo puts the address first, and it is walked": {lists{{v6, v4}}, unspecified, everywhere, 8,
			addressPlan{walk: addrs(v6, v4)}, "", over(true, false)},
		"one family, with a route for TCP only":   {lists{{v4}}, unspecified, nowhere, 8, addressPlan{walk: addrs(v4)}, "", over(true, false)},
		"devices use IPv4 only: IPv6 is left out": {lists{{v6, v4}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v4)}, "4", nil},
		"devices use IPv6 only: IPv4 is left out": {lists{{v6, v4}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v6)}, "6", nil},
		"devices use IPv6 only, NAT64: the IPv4 address shows that it is no sinkhole": {lists{{"fd64:ff9b::c633:6401", v4}}, notPublic, everywhere, 8,
			addressPlan{walk: addrs("fd64:ff9b::c633:6401")}, "6", nil},
		"both families: IPv6 leads":                         {lists{{v4, v6}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v6, v4)}, "", nil},
		"a unique local IPv6 source only: IPv4 leads":       {lists{{v6, v4}}, unspecified, uniqueLocal, 8, addressPlan{walk: addrs(v4, v6)}, "", nil},
		"two resolvers: the first leads, the union follows": {lists{{v4}, {v4b, v4}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v4, v4b)}, "", nil},
		"two resolvers: each list is sorted by itself":      {lists{{v4}, {v4b, v6}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v4, v6, v4b)}, "", nil},
		"the first resolver gave nothing: the second leads": {lists{nil, {v4b}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v4b)}, "", nil},
		"a family without a route: omitted":                 {lists{{v6, v4}}, unspecified, onlyIPv4, 8, addressPlan{walk: addrs(v4), omitted: 1}, "", nil},
		"no route at all: walked":                           {lists{{v6, v4}}, unspecified, nowhere, 8, addressPlan{walk: addrs(v6, v4)}, "", nil},
		"one family, without a route: walked":               {lists{{v6, v6b}}, unspecified, onlyIPv4, 8, addressPlan{walk: addrs(v6, v6b)}, "", nil},
		"beyond the limit: omitted":                         {lists{{v4, v4b, "198.51.100.3"}}, unspecified, everywhere, 2, addressPlan{walk: addrs(v4, v4b), omitted: 1}, "", nil},
		"both families beyond the limit: half for each": {lists{{"2001:db8::3", v6, v6b, v4, v4b}}, unspecified, everywhere, 3,
			addressPlan{walk: addrs("2001:db8::3", v6, v4), omitted: 2}, "", nil},
		"few addresses of the second family: all are walked": {lists{{v6, v4, v4b, "198.51.100.3", "198.51.100.4"}}, unspecified, uniqueLocal, 4,
			addressPlan{walk: addrs(v4, v4b, "198.51.100.3", v6), omitted: 1}, "", nil},
		"few addresses of the first family: the second has the rest": {lists{{v6, v4, v4b, "198.51.100.3", "198.51.100.4"}}, unspecified, everywhere, 4,
			addressPlan{walk: addrs(v6, v4, v4b, "198.51.100.3"), omitted: 1}, "", nil},
		"both families and one place: the leading address": {lists{{v6, v4}}, unspecified, everywhere, 1, addressPlan{walk: addrs(v6), omitted: 1}, "", nil},
		"a sinkhole of the second family: no place is kept": {lists{{v6, v6b, "10.0.0.1"}}, notPublic, everywhere, 2,
			addressPlan{walk: addrs(v6, v6b), sinkholes: addrs("10.0.0.1")}, "", nil},
		"a sinkhole: not walked":                                          {lists{{"10.0.0.1", v4}}, notPublic, everywhere, 8, addressPlan{walk: addrs(v4), sinkholes: addrs("10.0.0.1"), sinkholeFirst: true}, "", nil},
		"a later sinkhole: not what a device connects to":                 {lists{{v4, "10.0.0.1"}}, notPublic, everywhere, 8, addressPlan{walk: addrs(v4), sinkholes: addrs("10.0.0.1")}, "", nil},
		"many sinkholes: bounded":                                         {lists{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}}, notPublic, everywhere, 2, addressPlan{sinkholes: addrs("10.0.0.1", "10.0.0.2"), sinkholeFirst: true, omitted: 1}, "", nil},
		"a private address without a route: omitted":                      {lists{{"fd00::1", v4}}, notPublic, onlyIPv4, 8, addressPlan{walk: addrs(v4), omitted: 1}, "", nil},
		"an IPv4 address behind the site's own NAT64 prefix":              {lists{{"fd64:ff9b::c633:6401", v4}}, notPublic, everywhere, 8, addressPlan{walk: addrs(v4, "fd64:ff9b::c633:6401")}, "", nil},
		"a NAT64 prefix before a sinkhole: a sinkhole too":                {lists{{"fd64:ff9b::a00:1", "10.0.0.1"}}, notPublic, everywhere, 8, addressPlan{sinkholes: addrs("10.0.0.1", "fd64:ff9b::a00:1"), sinkholeFirst: true}, "", nil},
		"an address without a route, then a sinkhole: the sinkhole leads": {lists{{v6, "10.0.0.1"}}, notPublic, onlyIPv4, 8, addressPlan{sinkholes: addrs("10.0.0.1"), sinkholeFirst: true, omitted: 1}, "", nil},
		"an IPv4-mapped IPv6 address: the same":                           {lists{{"::ffff:198.51.100.1"}, {v4}}, unspecified, everywhere, 8, addressPlan{walk: addrs(v4)}, "", nil},
		"nothing":                                                         {nil, unspecified, everywhere, 8, addressPlan{}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var given [][]netip.Addr
			for _, list := range test.given {
				given = append(given, addrs(list...))
			}
			routed := test.routed
			if routed == nil {
				routed = over(false, false)
			}
			if got := (&planner{nat64: nat64Of(given), uses: uses(test.versions), sinkhole: test.sinkhole, source: test.source, routed: routed, limit: test.limit}).plan(given); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// nat64Of returns what the answers themselves show.
func nat64Of(given [][]netip.Addr) (out resolve.NAT64) {
	for _, addresses := range given {
		for _, addr := range addresses {
			if addr.Is4() {
				out.IPv4 = append(out.IPv4, addr)
			}
		}
	}
	return out
}

func TestNotTheCloud(t *testing.T) {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	for name, test := range map[string]struct {
		addr  string
		nat64 resolve.NAT64
		want  bool
	}{
		"a public address: no sinkhole":                                  {"198.51.100.1", resolve.NAT64{}, false},
		"a private IPv4 address: a sinkhole":                             {"10.0.0.1", resolve.NAT64{}, true},
		"loopback: a sinkhole":                                           {"::1", resolve.NAT64{}, true},
		"link-local: a sinkhole":                                         {"fe80::1", resolve.NAT64{}, true},
		"unspecified: a sinkhole":                                        {"::", resolve.NAT64{}, true},
		"under a known /96: no sinkhole":                                 {"fd64::c633:6401", resolve.NAT64{Prefixes: prefixes("fd64::/96")}, false},
		"under a known /64: no sinkhole":                                 {"fd64:0:0:1:c6:3364:100::", resolve.NAT64{Prefixes: prefixes("fd64:0:0:1::/64")}, false},
		"under a known /32: no sinkhole":                                 {"fd64:0:c633:6401::", resolve.NAT64{Prefixes: prefixes("fd64::/32")}, false},
		"a private address under a known prefix: a sinkhole":             {"fd64::a00:1", resolve.NAT64{Prefixes: prefixes("fd64::/96")}, true},
		"under another prefix, the IPv4 address known: a sinkhole":       {"fd65::1", resolve.NAT64{Prefixes: prefixes("fd64::/96"), IPv4: addrs("198.51.100.1")}, true},
		"under another prefix, no IPv4 address known: nothing shows it":  {"fd65::c633:6401", resolve.NAT64{Prefixes: prefixes("fd64::/96")}, false},
		"no prefix, the IPv4 address known, /96: no sinkhole":            {"fd64::c633:6401", resolve.NAT64{IPv4: addrs("198.51.100.1")}, false},
		"no prefix, the IPv4 address known, /64: no sinkhole":            {"fd64:0:0:1:c6:3364:100::", resolve.NAT64{IPv4: addrs("198.51.100.1")}, false},
		"no prefix, the IPv4 address known, /40: no sinkhole":            {"fd64:0:c6:3364:1::", resolve.NAT64{IPv4: addrs("198.51.100.1")}, false},
		"no prefix, another IPv4 address known: a sinkhole":              {"fd64::1", resolve.NAT64{IPv4: addrs("198.51.100.1")}, true},
		"no prefix, a private IPv4 address known: a sinkhole":            {"fd64::a00:1", resolve.NAT64{IPv4: addrs("10.0.0.1")}, true},
		"no prefix, no IPv4 address known: nothing shows that it is one": {"fd64::1", resolve.NAT64{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := notPublic(netip.MustParseAddr(test.addr), test.nat64); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// uses is the rule of an endpoint with ip_versions.
func uses(versions string) func(netip.Addr) bool {
	return func(a netip.Addr) bool { return versions == "" || a.Is4() == (versions == "4") }
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}
