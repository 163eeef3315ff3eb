package measurement

import (
	"net/netip"
	"testing"
)

// TestEmbeddedIPv4 has the examples of RFC 6052 §2.4.
func TestEmbeddedIPv4(t *testing.T) {
	for _, test := range []struct {
		addr   string
		length int
		want   string // "" if the address cannot be of that form
	}{
		{"2001:db8:c000:221::", 32, "192.0.2.33"},
		{"2001:db8:1c0:2:21::", 40, "192.0.2.33"},
		{"2001:db8:122:c000:2:2100::", 48, "192.0.2.33"},
		{"2001:db8:122:3c0:0:221::", 56, "192.0.2.33"},
		{"2001:db8:122:344:c0:2:2100::", 64, "192.0.2.33"},
		{"2001:db8:122:344::c000:221", 96, "192.0.2.33"},
		{"64:ff9b::c000:221", 96, "192.0.2.33"},
		{"2001:db8:122:344:ff00:2:2100::", 64, ""},
		{"2001:db8::1", 72, ""},
		{"192.0.2.33", 96, ""},
		{"::ffff:192.0.2.33", 96, ""},
	} {
		v4, ok := EmbeddedIPv4(netip.MustParseAddr(test.addr), test.length)
		if got := v4.String(); ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s, /%d: %s, %v; want %s", test.addr, test.length, got, ok, test.want)
		}
	}
}
