package measurement

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestBoundFamilies(t *testing.T) {
	for name, test := range map[string]struct {
		six, four, limit int // addresses of each family, the IPv6 addresses first
		want             string
	}{
		"fewer than the limit: all":             {1, 1, 4, "[::1 0.0.0.1]"},
		"as many as the limit: all":             {2, 2, 4, "[::1 ::2 0.0.0.1 0.0.0.2]"},
		"many of both: half for each":           {8, 8, 4, "[::1 ::2 0.0.0.1 0.0.0.2]"},
		"an odd limit: more for the first":      {8, 8, 3, "[::1 ::2 0.0.0.1]"},
		"few of the second family: all of them": {8, 1, 4, "[::1 ::2 ::3 0.0.0.1]"},
		"few of the first family: all of them":  {1, 8, 4, "[::1 0.0.0.1 0.0.0.2 0.0.0.3]"},
		"one family: the first addresses":       {0, 8, 2, "[0.0.0.1 0.0.0.2]"},
		"one place: the first address":          {8, 8, 1, "[::1]"},
		"no addresses: none":                    {0, 0, 4, "[]"},
	} {
		var addresses []netip.Addr
		for i := range test.six {
			addresses = append(addresses, netip.AddrFrom16([16]byte{15: byte(i + 1)}))
		}
		for i := range test.four {
			addresses = append(addresses, netip.AddrFrom4([4]byte{3: byte(i + 1)}))
		}
		if got := fmt.Sprint(BoundFamilies(addresses, test.limit)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
