package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxName and maxLabel are the longest DNS name and label, in bytes (RFC 1035 §2.3.4).
const (
	maxName  = 253
	maxLabel = 63
)

// ParseHost parses a host: a DNS name, returned in lower case and without the final dot, or an IP address, which may
// be in brackets. Names consist of letters, digits, hyphens and underscores (RFC 1035 §2.3.1 and what is found in
// use).
func ParseHost(s string) (string, error) {
	address := s
	if inside, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inside, "]") && strings.Contains(inside, ":") {
		address = strings.TrimSuffix(inside, "]")
	}
	if addr, err := netip.ParseAddr(address); err == nil {
		if addr.Zone() != "" {
			return "", fmt.Errorf("%s is not a host: addresses with a zone are not supported; remove %%%s", quoted(s), addr.Zone())
		}
		return addr.Unmap().String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	switch {
	case name == "":
		return "", errors.New("the host is empty; want a DNS name or an IP address")
	case strings.Contains(name, "://"):
		return "", fmt.Errorf("%s is a URL; write its host only, without scheme and path", quoted(s))
	case len(name) > maxName:
		return "", fmt.Errorf("%s is not a host: it has %d bytes, and a name has at most %d", quoted(s), len(name), maxName)
	}
	if port, ok := portOf(name); ok {
		return "", fmt.Errorf("%s is not a host: it ends in the port %s; set ports under paths", quoted(s), port)
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("%s is not a host: %w", quoted(s), err)
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%s is neither an IP address nor a DNS name", quoted(s))
	}
	return name, nil
}

// portOf returns the port of NAME:PORT, ADDRESS:PORT or [ADDRESS]:PORT; any digits count as one.
func portOf(s string) (port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i == len(s)-1 || strings.Trim(s[i+1:], "0123456789") != "" {
		return "", false
	}
	return s[i+1:], !strings.Contains(s[:i], ":") || strings.HasSuffix(s[:i], "]")
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("a label is empty; remove the second dot")
	case len(label) > maxLabel:
		return fmt.Errorf("a label has %d bytes, and at most %d are allowed", len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a label begins or ends with a hyphen")
	}
	for _, c := range label {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return errors.New("it is not ASCII; write its xn--… form")
		default:
			return fmt.Errorf("a name cannot have the character %q", c)
		}
	}
	return nil
}
