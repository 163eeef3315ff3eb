package present

import (
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// dnsDetailText words what is known about a failed look-up besides its failure. It is empty for a detail without a kind and
// without a text.
func dnsDetailText(d measurement.Detail) string {
	words := text(d.Text)
	switch d.Kind {
	case measurement.DNSDetailSilent:
		words = fmt.Sprintf("no answer within %s (%d %s sent)", d.After.Round(100*time.Millisecond), d.N, plural(d.N, "datagram", "datagrams"))
	case measurement.DNSDetailRoundEnded:
		words = "the round ended before an answer arrived"
	case measurement.DNSDetailNoSocket:
		words = "this machine could not open a socket: " + words
	case measurement.DNSDetailUnreachable:
		words = "no path to the server: " + words
	case measurement.DNSDetailTCPSilent:
		words = fmt.Sprintf("truncated over UDP, and no answer over TCP within %s", d.After.Round(100*time.Millisecond))
	case measurement.DNSDetailTCPFailed:
		words = "truncated over UDP, and failed over TCP: " + words
	case measurement.DNSDetailTCPClosed:
		words = "truncated over UDP, and the server closed the TCP connection without an answer"
	case measurement.DNSDetailTCPTruncated:
		words = "truncated over UDP, and no complete answer over TCP either"
	case measurement.DNSDetailTCPForeign:
		words = "truncated over UDP, and the answers over TCP belong to other questions"
	case measurement.DNSDetailBroken:
		words = "the answer cannot be parsed"
	case measurement.DNSDetailRcode:
		words = rcodeText(d.N, d.EDE)
	case measurement.DNSDetailLoop:
		words = "the CNAME chain does not end"
	case measurement.DNSDetailBadAddress:
		words = "an address record holds no address"
	case measurement.DNSDetailBadCNAME:
		words = "a CNAME leads to a name that no host can have"
	case measurement.DNSDetailNoAddress:
		words = "the answer holds no address"
	}
	return words
}

// rcodeText names a response code and the Extended DNS Error that explains it.
func rcodeText(rcode int, ede measurement.EDE) string {
	words, ok := dns.RcodeToString[rcode]
	if !ok {
		words = fmt.Sprintf("response code %d", rcode)
	}
	if ede == (measurement.EDE{}) {
		return words
	}
	name, ok := dns.ExtendedErrorCodeToString[ede.Code]
	if !ok {
		name = fmt.Sprintf("extended error %d", ede.Code)
	}
	words += ": " + name
	if ede.Text != "" {
		words += " (" + ede.Text + ")"
	}
	return text(words)
}

// ZoneText words why there is no valid answer from a zone's authoritative servers; empty if there is one.
func ZoneText(z *report.Zone) string {
	switch z.Failure {
	case report.ZoneUnconfigured:
		return "the host is not configured, so the authoritative servers of its zone are not asked"
	case report.ZoneNotAsked:
		return "the authoritative servers are not asked (authority.mode: off)"
	case report.ZoneNotFound:
		return "the authoritative servers could not be found through the site's resolvers, or there was no time to ask them"
	case report.ZoneSilent:
		return "the authoritative servers do not answer"
	case report.ZoneBlocked:
		return "port 53 to the authoritative servers is blocked"
	case report.ZoneIntercepted:
		return "port 53 is intercepted: something on the path answers for the authoritative servers"
	case report.ZoneNotAuthoritative:
		return "the answers that arrive are not authoritative (a DNS proxy on the path?)"
	case report.ZoneRefused:
		return "the authoritative servers refuse to answer (or port 53 is redirected to a resolver?)"
	case report.ZoneNoAddress:
		return "the authoritative servers have no address for the host"
	}
	return ""
}
