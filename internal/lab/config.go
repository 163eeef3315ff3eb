package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Config is a configuration file with which the exporter monitors this lab.
func (l *Lab) Config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "catalogues: []\nresolvers: [%q]\n", l.ResolverAddress)
	fmt.Fprintf(&b, "authority:\n  mode: servers\n  servers: [%q]\n  interception_test: false\n", l.NameServerAddress)
	b.WriteString("trust:\n")
	for _, name := range []string{ByBootstrap, ByLwM2M, ByWeb} {
		authority := l.authority(name)
		fmt.Fprintf(&b, "  %s:\n    issuer: %q\n    public_key: %s\n", name, issuerName(authority), authority.PublicKey())
	}
	b.WriteString("endpoints:\n")
	for _, host := range l.hosts {
		client := "device"
		if host.Web {
			client = "web"
		}
		fmt.Fprintf(&b, "  - service: %s\n    host: %s\n    client: %s\n    trust: %s\n    addresses: any\n    single_view: true\n",
			host.Service, host.Name, client, host.Authority)
		if host.Keepalive > 0 {
			fmt.Fprintf(&b, "    keepalive: %s\n", host.Keepalive)
		}
		if !host.Web {
			b.WriteString("    coap_ping: true\n")
		}
		b.WriteString("    paths:\n")
		for _, path := range host.Paths {
			fmt.Fprintf(&b, "      - {transport: %s, port: %d}\n", path.Transport, l.ports[path.Nominal])
		}
	}
	return b.String()
}

// Port is the lab's port for one of the real cloud's.
func (l *Lab) Port(nominal uint16) uint16 { return l.ports[nominal] }

// AddressesOf lists a host's addresses in order; nil for an unknown one.
func (l *Lab) AddressesOf(host string) []netip.Addr {
	var out []netip.Addr
	for _, f := range l.fronts {
		if a := f.at().Addr(); f.host.Name == host && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// issuerName is an authority's name as the configuration has it, in the order of the certificate.
func issuerName(a *Authority) string {
	parts := strings.Split(a.Certificate.Subject.String(), ",")
	slices.Reverse(parts)
	return strings.Join(parts, ", ")
}
