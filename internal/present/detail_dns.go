package present

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// dnsDetailText words what is known about a failed look-up besides its failure. It is the text of a detail that
// dnsDetailTexts does not have.
func dnsDetailText(d measurement.Detail) string {
	return cmp.Or(fillDetail(dnsDetailTexts[d.Kind], d), text(d.Text))
}

// dnsDetailTexts has a clause for each kind of DNS detail. [fillDetail] replaces the names in braces.
var dnsDetailTexts = map[measurement.DetailKind]string{
	measurement.DNSDetailSilent:       "no answer within {after} ({datagrams} sent)",
	measurement.DNSDetailRoundEnded:   "the round ended before an answer arrived",
	measurement.DNSDetailSuspended:    "this machine was suspended or overloaded (it ran {after} late)",
	measurement.DNSDetailNoSocket:     "this machine could not open a socket: {text}",
	measurement.DNSDetailUnreachable:  "no path to the server: {text}",
	measurement.DNSDetailTCPSilent:    "truncated over UDP, and no answer over TCP within {after}",
	measurement.DNSDetailTCPFailed:    "truncated over UDP, and failed over TCP: {text}",
	measurement.DNSDetailTCPClosed:    "truncated over UDP, and the server closed the TCP connection without an answer",
	measurement.DNSDetailTCPTruncated: "truncated over UDP, and no complete answer over TCP either",
	measurement.DNSDetailTCPForeign:   "truncated over UDP, and the answers over TCP belong to other questions",
	measurement.DNSDetailBroken:       "the answer cannot be parsed",
	measurement.DNSDetailFlood:        "{n} packets arrived that do not answer the question",
	measurement.DNSDetailRcode:        "{rcode}",
	measurement.DNSDetailFiltered:     "the server says that it filters the name: {ede}",
	measurement.DNSDetailLoop:         "the CNAME chain does not end",
	measurement.DNSDetailBadAddress:   "an address record holds no address",
	measurement.DNSDetailNoAddress:    "the answer holds no address",
}

// lookupDetail words what is known about a look-up besides its failure.
func lookupDetail(e *config.Endpoint, l *measurement.Lookup) string {
	words := dnsDetailText(l.Detail)
	failed := l.FamilyFailure()
	if failed == nil || len(e.IPVersions) == 1 { // devices that use one family ask for it only
		return text(words)
	}
	if words != "" {
		words += "; "
	}
	return text(words + familyFailureText(failed))
}

// familyFailureCost words what it costs devices that one family fails, where this is not that musl fails and glibc
// works.
var familyFailureCost = map[measurement.DNSFailure]string{
	measurement.DNSTimeout:   "devices with musl do not resolve the name, devices with glibc wait 5 s or more",
	measurement.DNSMalformed: "some devices do not resolve the name",
}

// familyFailureText words that one family failed, and what this costs devices. What the libraries do is known from the
// comparison with them in internal/lab/names.
func familyFailureText(a *measurement.Answer) string {
	version := config.IPv6
	if a.Type == dns.TypeA {
		version = config.IPv4
	}
	family, _, typ := familyWords(version)
	cost := cmp.Or(familyFailureCost[a.Failure], "devices with musl do not resolve the name, devices with glibc do")
	return fmt.Sprintf("%s (%s) fails, %s: %s", typ, family, lookupFailureText(a.Failure, dnsDetailText(a.Detail)), cost)
}

// rcodeText names a response code and the Extended DNS Error that explains it.
func rcodeText(rcode int, ede measurement.EDE) string {
	words := cmp.Or(dns.RcodeToString[rcode], fmt.Sprintf("response code %d", rcode))
	if ede == (measurement.EDE{}) {
		return words
	}
	return text(words + ": " + edeText(ede))
}

// edeText names an Extended DNS Error, with the server's own text.
func edeText(ede measurement.EDE) string {
	name := cmp.Or(dns.ExtendedErrorCodeToString[ede.Code], fmt.Sprintf("extended error %d", ede.Code))
	return text(withNote(name, ede.Text))
}

// resolverText words the reason for the verdict on a resolver, and what limits the verdict.
func resolverText(r *report.Resolver) string {
	words := StalenessText(&r.Staleness)
	if words != "" && r.Stub {
		words += "; it is this machine's own stub (systemd-resolved), which devices do not ask"
	}
	if words != "" && slices.ContainsFunc(r.Lookup.Answers, func(a measurement.Answer) bool { return a.WithoutEDNS }) {
		words = text(words + "; it answers only questions without EDNS, so it cannot mark an answer as expired (EDE)")
	}
	return words
}

// ZoneText words why there is no valid sample of a zone; empty if there is one. A failure of the sample is worded as
// in the reason for a verdict.
func ZoneText(z *report.Zone) string {
	return cmp.Or(zoneTexts[z.Failure], sampleFailureText[measurement.SampleFailure(z.Failure)])
}

var zoneTexts = map[report.ZoneFailure]string{
	report.ZoneUnconfigured: "the host is not configured, so its zone's servers are not asked",
	report.ZoneNotAsked:     "the zone's servers are not asked (authority.mode: off)",
	report.ZoneNotFound:     "the zone's servers could not be found through the site's resolvers, or there was no time to ask them",
}
