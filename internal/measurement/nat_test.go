package measurement

import (
	"net/netip"
	"testing"
)

func TestNATBetween(t *testing.T) {
	for _, test := range []struct {
		local, remote string
		want          NAT
	}{
		{"192.168.1.5", "34.197.6.1", SiteNAT},
		{"10.0.0.5", "34.197.6.1", SiteNAT},
		{"172.17.0.2", "34.197.6.1", SiteNAT},
		{"::ffff:192.168.1.5", "::ffff:34.197.6.1", SiteNAT},
		{"169.254.3.4", "34.197.6.1", SiteNAT},
		{"fd00::5", "2600:1f18::1", SiteNAT},
		{"100.64.0.1", "34.197.6.1", CarrierNAT},
		{"100.127.255.254", "34.197.6.1", CarrierNAT},
		{"192.0.0.4", "34.197.6.1", CarrierNAT},
		{"2001:db8::5", "64:ff9b::22c5:601", NAT64},
		{"2001:db8::5", "64:ff9b:1::22c5:601", NAT64},
		{"fd00::5", "64:ff9b::22c5:601", NAT64},

		{"34.197.6.2", "34.197.6.1", NoNAT},
		{"100.128.0.1", "34.197.6.1", NoNAT},
		{"2600:1f18::2", "2600:1f18::1", NoNAT},
		{"192.168.1.5", "10.1.2.3", NoNAT},
		{"10.1.2.4", "10.1.2.3", NoNAT},
		{"192.168.1.5", "100.64.0.1", NoNAT},
		{"fd00::5", "fd00::1", NoNAT},
		{"127.0.0.1", "127.9.9.9", NoNAT},
		{"127.0.0.1", "34.197.6.1", NoNAT},
		{"0.0.0.0", "34.197.6.1", NoNAT},
		{"fe80::1", "2600:1f18::1", NoNAT},
		{"192.168.1.5", "127.0.0.1", NoNAT},
		{"192.168.1.5", "224.0.0.1", NoNAT},
		{"", "34.197.6.1", NoNAT},
		{"192.168.1.5", "", NoNAT},
	} {
		parse := func(s string) (a netip.Addr) {
			if s != "" {
				a = netip.MustParseAddr(s)
			}
			return a
		}
		got := NATBetween(parse(test.local), parse(test.remote))
		walk := Outcome{Local: netip.AddrPortFrom(parse(test.local), 40000), Address: netip.AddrPortFrom(parse(test.remote), 5684)}
		if got != test.want || walk.BehindNAT() != (test.want != NoNAT) {
			t.Errorf("from %q to %q: %q, want %q", test.local, test.remote, got, test.want)
		}
	}
}
