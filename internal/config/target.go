package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Target is what a person names on a command line: a host or service, and perhaps one of its paths.
type Target struct {
	Name      string                // an IP address in its canonical form, or a name as it was given
	Port      uint16                // 0: any
	Transport measurement.Transport // "": any
}

// ParseTarget parses NAME[:PORT][/tcp|/udp]. An IPv6 address with a port is in brackets; without one it may be.
func ParseTarget(text string) (Target, error) {
	if strings.Contains(text, "://") {
		return Target{}, fmt.Errorf("%s is a URL; want HOST, HOST:PORT or HOST:PORT/udp", quoted(text))
	}
	var t Target
	var err error
	place := text
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		if t.Transport, err = parseTransport(text[i+1:]); err != nil {
			return Target{}, err
		}
		place = text[:i]
	}
	if t.Name, t.Port, err = splitPort(place); err != nil {
		return Target{}, err
	}
	if t.Name == "" {
		return Target{}, fmt.Errorf("%s has no host; want HOST, HOST:PORT or HOST:PORT/udp", quoted(text))
	}
	if addr, err := netip.ParseAddr(t.Name); err == nil {
		t.Name = addr.Unmap().String()
	}
	return t, nil
}

// splitPort separates the port, or 0 without one, from a name or an IP address. It removes the brackets of an IPv6
// address.
func splitPort(text string) (name string, port uint16, err error) {
	name, rest := text, ""
	if inside, ok := strings.CutPrefix(text, "["); ok {
		end := strings.LastIndexByte(inside, ']')
		if end < 0 {
			return "", 0, fmt.Errorf("%s has no closing bracket; want for example [2001:db8::1]:5684", quoted(text))
		}
		name, rest = inside[:end], inside[end+1:]
		if _, err := netip.ParseAddr(name); err != nil || !strings.Contains(name, ":") {
			return "", 0, fmt.Errorf("%s is not an IPv6 address; only these are in brackets", quoted(name))
		}
	} else if _, err := netip.ParseAddr(text); err != nil {
		i := strings.IndexByte(text, ':')
		if i != strings.LastIndexByte(text, ':') {
			return "", 0, fmt.Errorf("%s is not an IP address; with a port, an IPv6 address is in brackets, for example [2001:db8::1]:5684", quoted(text))
		}
		if i >= 0 {
			name, rest = text[:i], text[i:]
		}
	}
	if rest == "" {
		return name, 0, nil
	}
	digits, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return "", 0, fmt.Errorf("%s is not an address with a port; want for example [2001:db8::1]:5684", quoted(text))
	}
	port, err = parsePort(digits)
	return name, port, err
}

func parsePort(text string) (uint16, error) {
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return 0, fmt.Errorf("%s is not a port; want 1 to 65535", quoted(text))
	}
	return uint16(number), nil
}

func parseTransport(text string) (measurement.Transport, error) {
	t := measurement.Transport(text)
	if t != measurement.TCP && t != measurement.UDP {
		return "", fmt.Errorf("%s is not a transport; want tcp or udp", quoted(text))
	}
	return t, nil
}
