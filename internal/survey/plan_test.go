package survey

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestPlanAddresses(t *testing.T) {
	everywhere := func(netip.Addr) bool { return true }
	onlyIPv4 := func(a netip.Addr) bool { return a.Is4() }
	type lists [][]string
	for name, test := range map[string]struct {
		given    lists
		sinkhole sinkholeRule
		hasRoute func(netip.Addr) bool
		limit    int
		want     addressPlan
	}{
		"one resolver, in its order":                                                    {lists{{"2001:db8::1", "198.51.100.1"}}, notAnywhere, everywhere, 8, addressPlan{walk: addrs("2001:db8::1", "198.51.100.1")}},
		"the first resolver leads, the union follows":                                   {lists{{"198.51.100.1"}, {"198.51.100.2", "198.51.100.1"}}, notAnywhere, everywhere, 8, addressPlan{walk: addrs("198.51.100.1", "198.51.100.2")}},
		"one that gave nothing is passed over":                                          {lists{nil, {"198.51.100.2"}}, notAnywhere, everywhere, 8, addressPlan{walk: addrs("198.51.100.2")}},
		"a family without a route is counted":                                           {lists{{"2001:db8::1", "198.51.100.1"}}, notAnywhere, onlyIPv4, 8, addressPlan{walk: addrs("198.51.100.1"), omitted: 1}},
		"what is over the limit is counted":                                             {lists{{"198.51.100.1", "198.51.100.2", "198.51.100.3"}}, notAnywhere, everywhere, 2, addressPlan{walk: addrs("198.51.100.1", "198.51.100.2"), omitted: 1}},
		"a sinkhole is not walked":                                                      {lists{{"127.0.0.1", "198.51.100.1"}}, notTheCloud, everywhere, 8, addressPlan{walk: addrs("198.51.100.1"), sinkholes: addrs("127.0.0.1"), sinkholeFirst: true}},
		"a later sinkhole is not what a device takes":                                   {lists{{"198.51.100.1", "10.0.0.1"}}, notTheCloud, everywhere, 8, addressPlan{walk: addrs("198.51.100.1"), sinkholes: addrs("10.0.0.1")}},
		"sinkholes are bounded too":                                                     {lists{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}}, notTheCloud, everywhere, 2, addressPlan{sinkholes: addrs("10.0.0.1", "10.0.0.2"), sinkholeFirst: true, omitted: 1}},
		"a private address without a route: not a sinkhole, a device uses the next one": {lists{{"fd00::1", "198.51.100.1"}}, notTheCloud, onlyIPv4, 8, addressPlan{walk: addrs("198.51.100.1"), omitted: 1}},
		"an IPv4 address behind the site's own NAT64 prefix":                            {lists{{"fd64:ff9b::c633:6401", "198.51.100.1"}}, notTheCloud, everywhere, 8, addressPlan{walk: addrs("fd64:ff9b::c633:6401", "198.51.100.1")}},
		"a NAT64 prefix before a sinkhole is one too":                                   {lists{{"fd64:ff9b::a00:1", "10.0.0.1"}}, notTheCloud, everywhere, 8, addressPlan{sinkholes: addrs("fd64:ff9b::a00:1", "10.0.0.1"), sinkholeFirst: true}},
		"no route, then a sinkhole: the sinkhole leads":                                 {lists{{"2001:db8::1", "10.0.0.1"}}, notTheCloud, onlyIPv4, 8, addressPlan{sinkholes: addrs("10.0.0.1"), sinkholeFirst: true, omitted: 1}},
		"an IPv4 address in IPv6 form is the same":                                      {lists{{"::ffff:198.51.100.1"}, {"198.51.100.1"}}, notAnywhere, everywhere, 8, addressPlan{walk: addrs("198.51.100.1")}},
		"nothing": {nil, notAnywhere, everywhere, 8, addressPlan{}},
	} {
		t.Run(name, func(t *testing.T) {
			var given [][]netip.Addr
			for _, list := range test.given {
				given = append(given, addrs(list...))
			}
			if got := planAddresses(given, test.sinkhole, test.hasRoute, test.limit); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}
