package route

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestSort has cases of RFC 6724 §10.2, and of sites.
func TestSort(t *testing.T) {
	for _, test := range []struct {
		name string
		// destinations, each with its source after "<-", which is "?" where it is not known and "none" without a route.
		given []string
		want  string // in order
	}{
		{"both families, both global: IPv6", []string{"198.51.100.121<-198.51.100.117", "2001:db8:1::1<-2001:db8:1::2"}, "2001:db8:1::1 198.51.100.121"},
		{"IPv6 source is link-local: IPv4", []string{"2001:db8:1::1<-fe80::1", "198.51.100.121<-198.51.100.117"}, "198.51.100.121 2001:db8:1::1"},
		{"IPv6 source is unique local, destination global: IPv4", []string{"2001:db8:1::1<-fd00::2", "198.51.100.121<-192.168.1.2"}, "198.51.100.121 2001:db8:1::1"},
		{"IPv4 source is link-local: IPv6", []string{"198.51.100.121<-169.254.13.78", "2001:db8:1::1<-2001:db8:1::2"}, "2001:db8:1::1 198.51.100.121"},
		{"no route for IPv6: IPv4", []string{"2001:db8:1::1<-none", "198.51.100.121<-198.51.100.117"}, "198.51.100.121 2001:db8:1::1"},
		{"private IPv4 source: IPv6 first all the same", []string{"198.51.100.121<-10.1.2.4", "2001:db8:1::1<-2001:db8:1::2"}, "2001:db8:1::1 198.51.100.121"},
		{"6to4 destination, native source: the native one", []string{"2002:c633:6401::1<-2002:c633:6401::2", "2001:db8:1::1<-2001:db8:1::2"}, "2001:db8:1::1 2002:c633:6401::1"},
		{"6to4 source for a native destination: IPv4", []string{"2001:db8:1::1<-2002:c633:6401::2", "10.1.2.3<-10.1.2.4"}, "10.1.2.3 2001:db8:1::1"},
		{"unique local destination and source: IPv4 by precedence", []string{"fd11::1<-fd11::2", "198.51.100.121<-192.168.1.2"}, "198.51.100.121 fd11::1"},
		{"longer common prefix: first", []string{"2001:db8:1::1<-2001:db8:3ffe::2", "2001:db8:3ffe::1<-2001:db8:3ffe::2"}, "2001:db8:3ffe::1 2001:db8:1::1"},
		{"common prefix beyond 64 bits: the given order", []string{"2001:db8:1::ff01<-2001:db8:1::2", "2001:db8:1::1<-2001:db8:1::2"}, "2001:db8:1::ff01 2001:db8:1::1"},
		{"IPv4 only: the given order", []string{"198.51.100.2<-10.0.0.1", "10.0.0.2<-10.0.0.1", "198.51.100.1<-10.0.0.1"}, "198.51.100.2 10.0.0.2 198.51.100.1"},
		{"link-local destination: smaller scope first", []string{"2001:db8:1::1<-2001:db8:1::2", "fe80::1<-fe80::2"}, "fe80::1 2001:db8:1::1"},
		{"sources not known: by precedence", []string{"198.51.100.1<-?", "2001:db8:1::1<-?"}, "2001:db8:1::1 198.51.100.1"},
		{"no routes at all: by precedence", []string{"198.51.100.1<-none", "2001:db8:1::1<-none"}, "2001:db8:1::1 198.51.100.1"},
		{"Teredo destination: after IPv4", []string{"2001:0:1::1<-2001:0:2::2", "198.51.100.1<-10.0.0.1"}, "198.51.100.1 2001:0:1::1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var destinations []Destination
			for _, text := range test.given {
				addr, source, _ := strings.Cut(text, "<-")
				d := Destination{Addr: netip.MustParseAddr(addr), Routed: source != "none"}
				if source != "?" && source != "none" {
					d.Source = netip.MustParseAddr(source)
				}
				destinations = append(destinations, d)
			}
			Sort(destinations)
			var got []string
			for _, d := range destinations {
				got = append(got, d.Addr.String())
			}
			if fmt.Sprint(strings.Join(got, " ")) != test.want {
				t.Errorf("%v, want %s", got, test.want)
			}
		})
	}
}

func TestSource(t *testing.T) {
	for _, test := range []struct {
		name   string
		remote string
		source string
	}{
		{"IPv4 loopback", "127.0.0.1:5684", "127.0.0.1"},
		{"another address of it", "127.0.53.1:5684", "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source, ok := Uplink{}.Source(netip.MustParseAddrPort(test.remote))
			if !ok || source.String() != test.source {
				t.Errorf("%v, %v", source, ok)
			}
		})
	}
}
