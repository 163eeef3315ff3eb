package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// ParseHost reads a host: a DNS name, returned in lower case without its final dot, or an IP address. Names hold letters,
// digits, hyphens and underscores (RFC 1035 §2.3.1 and what is found in use), at most 63 bytes a label and 253 in all.
func ParseHost(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return "", errors.New("an address with a zone is not taken")
		}
		return addr.Unmap().String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	switch {
	case name == "":
		return "", errors.New("the host is empty")
	case len(name) > 253:
		return "", fmt.Errorf("the host has %d bytes, a name has at most 253", len(name))
	case strings.Contains(name, "://"):
		return "", errors.New("write the host alone, without scheme and path")
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("%q is not a host: %w", measurement.Text(s), err)
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%q is neither an IP address nor a name", measurement.Text(s))
	}
	return name, nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("a label is empty")
	case len(label) > 63:
		return errors.New("a label has more than 63 bytes")
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a label begins or ends with a hyphen")
	}
	for _, c := range label {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return errors.New("write it in its ASCII form (xn--…)")
		case c == ':':
			return errors.New("a port belongs into paths")
		default:
			return fmt.Errorf("%q is not allowed in a name", c)
		}
	}
	return nil
}

// EndpointsOf are the endpoints of one host, in the order of the configuration.
func (c *Config) EndpointsOf(host string) []Endpoint {
	var out []Endpoint
	for i := range c.Endpoints {
		if c.Endpoints[i].Host == host {
			out = append(out, c.Endpoints[i])
		}
	}
	return out
}

// Stranger is the endpoint of a host that is not configured but allowed by probe.allow: walked as a browser would on TCP
// 443, held against the web's authorities. Which addresses it may lead to is [Probe.AllowsAddress]'s to say.
func Stranger(host string) *Endpoint {
	return &Endpoint{
		Service: "probe", Host: host, Client: measurement.Web, Trust: WebTrust, Finish: true, Addresses: AddressesAny,
		Paths: []measurement.Path{{Transport: measurement.TCP, Port: 443}},
	}
}
