package dns

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestAdapterResolvers(t *testing.T) {
	servers := func(list ...string) (out []netip.Addr) {
		for _, s := range list {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	for name, test := range map[string]struct {
		adapters []adapter
		want     string
	}{
		"no adapter: none": {nil, "[]"},
		"the lowest metric first": {
			[]adapter{{up: true, metric: 50, servers: servers("192.168.8.1")}, {up: true, metric: 25, servers: servers("192.168.7.1", "2001:db8::53")}},
			"[192.168.7.1:53 [2001:db8::53]:53 192.168.8.1:53]",
		},
		"equal metrics: in the order of the system": {
			[]adapter{{up: true, servers: servers("192.168.8.1")}, {up: true, servers: servers("192.168.7.1")}}, "[192.168.8.1:53 192.168.7.1:53]",
		},
		"a metric of 2^32-1 is last": {
			[]adapter{{up: true, metric: 1<<32 - 1, servers: servers("192.168.8.1")}, {up: true, metric: 1, servers: servers("192.168.7.1")}}, "[192.168.7.1:53 192.168.8.1:53]",
		},
		"an adapter that is down: none":     {[]adapter{{servers: servers("192.168.7.1")}}, "[]"},
		"the loopback adapter: none":        {[]adapter{{up: true, loopback: true, servers: servers("192.168.7.1")}}, "[]"},
		"the same server of two adapters":   {[]adapter{{up: true, servers: servers("192.168.7.1")}, {up: true, servers: servers("::ffff:192.168.7.1")}}, "[192.168.7.1:53]"},
		"the addresses of no configuration": {[]adapter{{up: true, servers: servers("fec0:0:0:ffff::1", "fec0:0:0:ffff::2%1", "fec0:0:0:ffff::3", "0.0.0.0")}}, "[]"},
		"link-local without an interface":   {[]adapter{{up: true, servers: servers("fe80::1")}}, "[]"},
		"link-local with an interface":      {[]adapter{{up: true, servers: servers("fe80::1%12")}}, "[[fe80::1%12]:53]"},
		"a server on this machine":          {[]adapter{{up: true, servers: servers("127.0.0.1")}}, "[127.0.0.1:53]"},
		"at most three":                     {[]adapter{{up: true, servers: servers("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")}}, "[10.0.0.1:53 10.0.0.2:53 10.0.0.3:53]"},
		"an address that is not valid":      {[]adapter{{up: true, servers: make([]netip.Addr, 1)}}, "[]"},
	} {
		if got := fmt.Sprint(adapterResolvers(test.adapters)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
