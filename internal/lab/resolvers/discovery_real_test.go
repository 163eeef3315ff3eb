//go:build realpeers

package resolvers

import (
	"context"
	"net/netip"
	"strconv"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// TestDiscoveryThroughRealResolvers finds the servers of a zone through each product with its default configuration,
// and again through the servers of the parent zone.
//
// The zone's servers use a port other than 53, where resolvers would not ask them. So the resolvers are configured to
// ask the server of the parent zone for the zone below, which it serves too.
func TestDiscoveryThroughRealResolvers(t *testing.T) {
	t.Parallel()
	const below = "sub.cloud.test."
	childServers := []lab.Server{{Name: "ns1." + below, Address: netip.MustParseAddr("127.0.53.2")}}
	names := map[string]lab.RecordSet{
		"host." + below:  {TTL: lab.TTL(60), CNAME: "edge." + below},
		"edge." + below:  {TTL: lab.TTL(20), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.1"))},
		"plain." + below: {TTL: lab.TTL(30), Addresses: lab.Fixed(netip.MustParseAddr("198.51.100.2"))},
	}
	sub := &lab.Zone{Origin: below, Servers: childServers, Names: names}
	parent := &lab.Zone{Origin: zone, Servers: []lab.Server{{Name: "ns." + zone, Address: netip.MustParseAddr("127.0.53.1")}}}
	served, err := lab.ServeDNS(netip.MustParseAddrPort("127.0.53.1:0"), &lab.NameServer{Zones: []*lab.Zone{parent, sub}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	parentAt := served.Address
	port := strconv.Itoa(int(parentAt.Port()))
	child := netip.AddrPortFrom(childServers[0].Address, parentAt.Port())
	childServed, err := lab.ServeDNS(child, &lab.NameServer{Zones: []*lab.Zone{sub}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range []*lab.DNSServer{served, childServed} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for product, settings := range map[Product]string{
		Unbound:  "stub-zone:\n name: \"" + below + "\"\n stub-addr: 127.0.53.1@" + port + "\nserver:\n",
		Dnsmasq:  "",
		BIND:     "",
		PowerDNS: "forward-zones+=" + below + "=127.0.53.1:" + port + "\n",
	} {
		t.Run(string(product), func(t *testing.T) {
			at := Start(t, Config{Product: product, Zone: zone, Authority: parentAt, Settings: settings})
			a := dns.NewZoneClient(dns.Options{Exchanger: new(dns.Client), Port: parentAt.Port()})
			defer a.Close()
			for name, ttls := range map[string][]uint32{"host." + below: {60, 20}, "plain." + below: {30}} {
				samples := a.Confirm(context.Background(), []netip.AddrPort{at}, name, miekg.TypeA, 2, time.Now())
				if len(samples) < 2 {
					t.Fatalf("%s: %d samples", name, len(samples))
				}
				for _, s := range samples {
					if !s.Walked || s.Failure != "" || len(s.Steps) != 1 || s.Steps[0].Server != child {
						t.Fatalf("%s: %+v", name, s)
					}
					for i, r := range s.Steps[0].Records {
						if len(s.Steps[0].Records) != len(ttls) || r.TTL != ttls[i] {
							t.Errorf("%s: %+v", name, s.Steps[0].Records)
						}
					}
				}
			}
		})
	}
}
