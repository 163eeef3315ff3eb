package present

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// The small words that the sentences of this package share.

// maxSentence bounds, in bytes, the texts that hold several others.
const maxSentence = 2000

// maxAddress bounds, in bytes, an address with port: the longest there is without a zone.
const maxAddress = len("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")

// text makes a text safe to show.
func text[T ~string](s T) T { return T(measurement.Printable(string(s), maxSentence)) }

// address makes an address safe to show: its zone is text.
func address(a fmt.Stringer) string { return measurement.Printable(a.String(), maxAddress) }

// addresses makes addresses safe to show.
func addresses(list []netip.Addr) []string {
	return each(list, func(a *netip.Addr) string { return address(a) })
}

// each returns the words for every item of a list; nil if it is empty.
func each[T any](list []T, word func(*T) string) (words []string) {
	for i := range list {
		words = append(words, word(&list[i]))
	}
	return words
}

// distinct returns a list without repetitions, in its order.
func distinct(words []string) (out []string) {
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// serverName names a DNS server as a person does: without the usual port.
func serverName(server netip.AddrPort) string {
	if server.Port() == 53 {
		return address(server.Addr())
	}
	return address(server)
}

// familyWords names an address family, the other one, and the type of its records.
func familyWords(family config.IPVersion) (name, other, record string) {
	if family == config.IPv4 {
		return "IPv4", "IPv6", "A"
	}
	return "IPv6", "IPv4", "AAAA"
}

// plural chooses between one and many.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// withDetail returns "clause: detail", or the clause if detail is empty.
func withDetail(clause, detail string) string {
	if detail == "" {
		return clause
	}
	return clause + ": " + detail
}

// withNote returns "clause (note)", or the clause if note is empty.
func withNote(clause, note string) string {
	if note == "" {
		return clause
	}
	return clause + " (" + note + ")"
}

// fill replaces the names in braces of a sentence. It does not look for names in the words that replace them. A name
// without a word stays as it is.
func fill(sentence string, words map[string]string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(sentence, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		word, ok := words[name]
		if !ok {
			word = "{" + name + "}"
		}
		out.WriteString(word)
		sentence = after
	}
}

// count is "1 path" or "3 paths".
func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun, noun+"s")) }

// list is "a, b and c".
func list(words []string) string { return join(words, "and") }

// choice is "a, b or c".
func choice(words []string) string { return join(words, "or") }

func join(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// pathName is "TCP 5684".
func pathName(p measurement.Path) string {
	return fmt.Sprintf("%s %d", strings.ToUpper(string(text(p.Transport))), p.Port)
}

func pathNames(paths []measurement.Path) []string {
	return each(paths, func(p *measurement.Path) string { return pathName(*p) })
}

// placeLine is "TCP 5684 and TCP 443 to lwm2m.example.com (192.0.2.1)".
func placeLine(p *report.Place) string {
	if len(p.Paths) == 0 {
		return hostLine(p)
	}
	return list(pathNames(p.Paths)) + " to " + hostLine(p)
}

// hostLine is "lwm2m.example.com (192.0.2.1)".
func hostLine(p *report.Place) string {
	return withNote(text(p.Host), strings.Join(addresses(p.Addresses), ", "))
}

// seconds is a duration for a table: milliseconds below one second.
func seconds(s float64) string {
	switch {
	case s < 0.01:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f s", s)
}

// moment is how a time is written for a person.
const moment = "2006-01-02 15:04:05 UTC"

func momentText(t time.Time) string { return t.UTC().Format(moment) }

// localMomentText is momentText followed by the time in the location of t, with which a person compares other logs. In
// UTC it is momentText.
func localMomentText(t time.Time) string {
	if _, offset := t.Zone(); offset == 0 {
		return momentText(t)
	}
	form := "15:04:05 -07:00"
	if t.Format(time.DateOnly) != t.UTC().Format(time.DateOnly) {
		form = "2006-01-02 " + form
	}
	return fmt.Sprintf("%s (%s local time)", momentText(t), t.Format(form))
}

// age is how long ago something was.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	}
	return fmt.Sprintf("%d min ago", d/time.Minute)
}

// Object identifiers of the attributes by which a person knows an authority.
const (
	commonNameType   = "2.5.4.3"
	organizationType = "2.5.4.10"
)

// attribute is the last attribute of a type in an RFC 4514 name; ok is false if the text is not a name, or has none.
func attribute(name, typ string) (value string, ok bool) {
	parsed, err := trust.ParseName(name)
	if err != nil {
		return "", false
	}
	for _, rdn := range parsed {
		for _, a := range rdn {
			if a.Type == typ {
				value, ok = a.Value, true
			}
		}
	}
	return text(value), ok
}

// commonName shortens a name to its CN where it has one.
func commonName(name string) string {
	if cn, ok := attribute(name, commonNameType); ok {
		return cn
	}
	return text(name)
}

// authority names an authority shortly: "ARM Bootstrap CA" in quotes, or the text as it is if it is not a name.
func authority(name string) string {
	cn, ok := attribute(name, commonNameType)
	if !ok {
		return text(name)
	}
	return `"` + cn + `"`
}

// signer names who signed a certificate, with the organisation where there is one: "SSLInspect" (O=Example Corp).
func signer(name string) string {
	if name == "" {
		return "an unnamed issuer"
	}
	out := authority(name)
	if _, ok := attribute(name, commonNameType); !ok {
		return out
	}
	if o, ok := attribute(name, organizationType); ok {
		out += " (O=" + o + ")"
	}
	return out
}

// signerAndExpected names two authorities shortly, or in full if the short names are equal: a box can copy the CN.
func signerAndExpected(issuer, expected string) (is, shouldBe string) {
	if expected == "" {
		expected = "the expected authority"
	}
	if commonName(issuer) == commonName(expected) {
		return `"` + text(issuer) + `"`, `"` + text(expected) + `"`
	}
	return signer(issuer), authority(expected)
}

// dnsFailureText says why a look-up gave no address.
var dnsFailureText = map[measurement.DNSFailure]string{
	measurement.DNSNXDomain:    "the name does not exist",
	measurement.DNSServFail:    "the server failed to resolve it",
	measurement.DNSRefused:     "the server refuses to answer",
	measurement.DNSNoAddress:   "the name has no address",
	measurement.DNSTimeout:     "no answer in time",
	measurement.DNSUnreachable: "the server is unreachable",
	measurement.DNSMalformed:   "the answer is malformed",
	measurement.DNSLoop:        "the CNAME chain does not end",
	measurement.DNSRcode:       "the server answers with an error",
	measurement.DNSOutOfTime:   "the round ended before the answer",
}

// serverFailures names a DNS server with the ways in which it fails: "192.0.2.53: no answer in time".
func serverFailures(s *report.ResolverSummary) string {
	return serverName(s.Server) + ": " + failureTexts(s)
}

func failureTexts(s *report.ResolverSummary) string {
	return strings.Join(each(s.Failures, func(f *measurement.DNSFailure) string { return dnsFailureText[*f] }), "; ")
}
