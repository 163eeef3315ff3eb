package config

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// maxService is the longest service name, a label's value, in bytes.
const maxService = 64

// trustName is the syntax of the names of trust anchors.
var trustName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// forms are the syntaxes of texts. Each returns the canonical form of a text.
var forms = map[string]func(r *reader, text string) (string, error){
	"allow":      func(_ *reader, text string) (string, error) { return parseAllow(text) },
	"catalogue":  func(_ *reader, text string) (string, error) { return parseCatalogue(text) },
	"file":       (*reader).parseFile,
	"host":       func(_ *reader, text string) (string, error) { return ParseHost(text) },
	"name":       func(_ *reader, text string) (string, error) { return parseName(text) },
	"public_key": func(_ *reader, text string) (string, error) { return parsePublicKey(text) },
	"source":     func(_ *reader, text string) (string, error) { return parseSource(text) },
	"service":    func(_ *reader, text string) (string, error) { return parseService(text) },
}

// quoted is a text of the file as an error shows it.
func quoted(text string) string { return strconv.Quote(measurement.Printable(text, 60)) }

func parseCatalogue(text string) (string, error) {
	if known := Builtins(); !slices.Contains(known, text) {
		return "", fmt.Errorf("%s is not a built-in catalogue; there are %s%s", quoted(text), strings.Join(known, ", "), suggestion(text, known))
	}
	return text, nil
}

// parseFile makes a file name independent of the working directory.
func (r *reader) parseFile(text string) (string, error) {
	if text == "" || strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("%s is not a file name", quoted(text))
	}
	if !filepath.IsAbs(text) && r.dir != "" {
		return filepath.Join(r.dir, text), nil
	}
	return text, nil
}

// parseName parses a DNS name. "" stands for no name.
func parseName(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, err := ParseHost(text)
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", fmt.Errorf("%s is an address; want a DNS name", host)
	}
	return host, nil
}

// maxInterface is the longest name of an interface on Linux, in bytes. Names on Windows have more.
const maxInterface = 64

// parseSource parses an IP address or the name of an interface. "" stands for neither.
func parseSource(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
			return "", fmt.Errorf("%s is not an address of this machine to send from; write one without a zone, or the name of the interface", quoted(text))
		}
		return addr.Unmap().String(), nil
	}
	if len(text) > maxInterface || strings.ContainsAny(text, "/:") || strings.TrimSpace(text) != text || measurement.Text(text) != text {
		return "", fmt.Errorf("%s is neither an IP address nor the name of an interface; want for example 192.0.2.10 or eth1", quoted(text))
	}
	return text, nil
}

func parseService(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("the service has no name; write one, for example meters")
	case strings.TrimSpace(text) != text:
		return "", fmt.Errorf("%s has blanks around it; remove them", quoted(text))
	case len(text) > maxService:
		return "", fmt.Errorf("%s has %d bytes; a service has at most %d", quoted(text), len(text), maxService)
	case !utf8.ValidString(text) || measurement.Text(text) != text:
		return "", fmt.Errorf("%s has characters that cannot be printed; remove them", quoted(text))
	}
	return text, nil
}

// pemPublicKey is a public key in PEM. YAML may have folded its lines into one.
var pemPublicKey = regexp.MustCompile(`^\s*-----BEGIN PUBLIC KEY-----\s([^-]*)\s-----END PUBLIC KEY-----\s*$`)

// parsePublicKey takes a SubjectPublicKeyInfo in base64 or PEM and returns it in base64 without blanks.
func parsePublicKey(text string) (string, error) {
	const fix = "want what `openssl x509 -in ca.pem -noout -pubkey` prints"
	if m := pemPublicKey.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	text = strings.Join(strings.Fields(text), "")
	switch {
	case text == "":
		return "", errors.New("the public key is empty; " + fix)
	case strings.Contains(text, "BEGINCERTIFICATE"):
		return "", errors.New("this is a certificate, not a public key; put it in a file and set ca_file, or " +
			strings.TrimPrefix(fix, "want ") + " here")
	case strings.Contains(text, "PRIVATEKEY"):
		return "", errors.New("this is a private key; " + fix)
	}
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		return "", errors.New("the public key is not base64; " + fix)
	}
	return text, nil
}

// server reads the address of a DNS server, with a port if that is not 53.
func (r *reader) server(n node, into reflect.Value) {
	if !r.scalar(n, "!!str", "an IP address, "+serverExamples) {
		return
	}
	server, err := ParseServer(n.Value)
	if err != nil {
		r.mistake(n, "%s", err)
		return
	}
	into.Set(reflect.ValueOf(server))
}

const serverExamples = "for example 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353"

// ParseServer parses the address of a DNS server: ADDRESS, ADDRESS:PORT (IPv4), [ADDRESS] or [ADDRESS]:PORT. What
// [netip.AddrPort.String] writes is one of them.
func ParseServer(text string) (netip.AddrPort, error) {
	address, number, err := splitPort(text)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s is not an IP address; want one, %s", quoted(address), serverExamples)
	}
	number = cmp.Or(number, 53)
	addr = addr.Unmap()
	switch zone := addr.Zone(); {
	case addr.IsUnspecified() || addr.IsMulticast():
		return netip.AddrPort{}, fmt.Errorf("%s is not the address of a server", addr)
	case zone == "" && addr.Is6() && addr.IsLinkLocalUnicast():
		return netip.AddrPort{}, fmt.Errorf("%s is a link-local address; add the interface, for example %s%%eth0", addr, addr)
	case zone != "" && (measurement.Text(zone) != zone || strings.ContainsAny(zone, "[]% ")):
		return netip.AddrPort{}, fmt.Errorf("%s is not the name of an interface", quoted(zone))
	}
	return netip.AddrPortFrom(addr, number), nil
}
