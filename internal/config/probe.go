package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// parseAllow parses an entry of probe.allow and returns its canonical form: a name, a wildcard for all names below one
// (*.example.org, which does not include example.org), or a CIDR prefix. A single address becomes a prefix.
func parseAllow(s string) (string, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if prefix.Masked() != prefix {
			return "", fmt.Errorf("%s has bits beyond the prefix; write %s", s, prefix.Masked())
		}
		if prefix.Addr().Is4In6() {
			return "", fmt.Errorf("%s is an IPv4 prefix in IPv6 form; write it as IPv4", s)
		}
		return prefix.String(), nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	if parent, ok := strings.CutPrefix(s, "*."); ok {
		name, err := ParseHost(parent)
		if err != nil {
			return "", err
		}
		if _, err := netip.ParseAddr(name); err == nil {
			return "", errors.New("an address has no wildcards; write a CIDR prefix, for example 10.20.0.0/16")
		}
		return "*." + name, nil
	}
	if strings.Contains(s, "/") && !strings.Contains(s, "://") {
		return "", fmt.Errorf("%s is not a CIDR prefix; want for example 10.20.0.0/16", quoted(s))
	}
	return ParseHost(s)
}

// AllowsHost reports whether /probe accepts a host in the form of [ParseHost]: a name that is listed or below a
// wildcard, or an address in a prefix.
func (p Probe) AllowsHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.inPrefix(addr)
	}
	return slices.ContainsFunc(p.Allow, func(entry string) bool {
		parent, wildcard := strings.CutPrefix(entry, "*")
		return entry == host || wildcard && len(host) > len(parent) && strings.HasSuffix(host, parent)
	})
}

// AllowsAddress reports whether /probe may connect to an address that an allowed host resolves to: a public one, one
// in an allowed prefix, or one that DNS64 made from such an address with the well-known prefix. A name that others
// control must not open the site's own network.
func (p Probe) AllowsAddress(addr netip.Addr) bool {
	if p.inPrefix(addr) {
		return true
	}
	if wellKnownNAT64.Contains(addr) {
		addr, _ = measurement.EmbeddedIPv4(addr, wellKnownNAT64.Bits())
	}
	return p.inPrefix(addr) || isPublic(addr)
}

// wellKnownNAT64 is the well-known prefix of NAT64, which an IPv4 address follows (RFC 6052 §2.1). The addresses of a
// NAT64 with a prefix of the site's network need an allowed prefix, as all of that network does.
var wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")

func (p Probe) inPrefix(addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(p.Allow, func(entry string) bool {
		prefix, err := netip.ParsePrefix(entry)
		return err == nil && prefix.Contains(addr)
	})
}

// AllowsPort reports whether /probe may connect to a port of a host that is not configured.
func (p Probe) AllowsPort(port uint16) bool { return slices.Contains(p.Ports, port) }

// ProbeRequest is what a request to /probe asks for about a host that is not configured.
type ProbeRequest struct {
	Client measurement.Client
	Paths  []measurement.Path // at least one, each once
}

// ParseProbeRequest parses the parameters of /probe, each of which may be "". Without any, a web client on TCP 443 is
// asked for. Otherwise the client is web on port 443 and device on others, the port is 443 for web and 5684 for device,
// and the transports are TCP for web and both for device.
func ParseProbeRequest(transport, port, client string) (ProbeRequest, error) {
	if transport == "" && port == "" && client == "" {
		client = string(measurement.Web)
	}
	var t Target
	var err error
	if transport != "" {
		if t.Transport, err = parseTransport(transport); err != nil {
			return ProbeRequest{}, fmt.Errorf("parameter transport: %w", err)
		}
	}
	if port != "" {
		if t.Port, err = parsePort(port); err != nil {
			return ProbeRequest{}, fmt.Errorf("parameter port: %w", err)
		}
	}
	switch measurement.Client(client) {
	case "", measurement.Device, measurement.Web:
	default:
		return ProbeRequest{}, fmt.Errorf("parameter client: %s is not a client; want device or web", quoted(client))
	}
	return t.probeRequest(measurement.Client(client))
}

// Ports of targets without a port.
const (
	devicePort = 5684 // CoAP over TLS and DTLS (RFC 7252 §12.8, RFC 8323 §11.1)
	webPort    = 443
)

// probeRequest returns the paths of a target of which a client, port or transport may be missing.
func (t Target) probeRequest(client measurement.Client) (ProbeRequest, error) {
	if client == "" {
		client = measurement.Device
		if t.Port == webPort && t.Transport != measurement.UDP {
			client = measurement.Web
		}
	}
	if client == measurement.Web && t.Transport == measurement.UDP {
		return ProbeRequest{}, errors.New("a web client uses TCP; want the client device for a path over UDP")
	}
	a := ProbeRequest{Client: client}
	port := cmp.Or(t.Port, devicePort)
	if client == measurement.Web {
		port = cmp.Or(t.Port, webPort)
	}
	if t.Transport != measurement.UDP {
		a.Paths = append(a.Paths, measurement.Path{Transport: measurement.TCP, Port: port})
	}
	if t.Transport != measurement.TCP && client == measurement.Device {
		a.Paths = append(a.Paths, measurement.Path{Transport: measurement.UDP, Port: port})
	}
	return a, nil
}

// adHoc returns the endpoint of a host that is not configured. Its trust anchor is [WebTrust] for web clients and
// [NoTrust] for devices.
func (c *Config) adHoc(service, host string, a ProbeRequest) Endpoint {
	e := endpointDefaults(host, a.Client)
	e.Service, e.Addresses, e.Paths = service, AddressesAny, a.Paths
	if e.IPVersions == nil { // the host is not an address
		e.IPVersions = c.IPVersions
	}
	if a.Client == measurement.Device {
		e.CoAPPing, e.Trust = true, NoTrust
	}
	return e
}

// Unconfigured returns the endpoint of a host that is not configured but allowed by probe.allow. [Probe.AllowsAddress]
// and [Probe.AllowsPort] decide what it may connect to.
func (c *Config) Unconfigured(host string, a ProbeRequest) *Endpoint {
	e := c.adHoc("probe", host, a)
	return &e
}

// reserved are the blocks of IANA's special-purpose registries (RFC 6890) that are not globally reachable and that no
// method of [netip.Addr] covers.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), // documentation
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), // IPv4-compatible, deprecated
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: contains any IPv4 address
	netip.MustParsePrefix("fec0::/10"), // site-local, deprecated
}

// isPublic reports whether an address is globally reachable.
func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsValid() && addr.Zone() == "" && addr.IsGlobalUnicast() && !addr.IsPrivate() &&
		!slices.ContainsFunc(reserved, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}
