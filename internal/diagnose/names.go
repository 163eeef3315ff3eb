package diagnose

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// IsSinkhole reports whether an address cannot be a public cloud: loopback, unspecified, private (RFC 1918, RFC 4193) or
// link-local. Shared address space (RFC 6598) is none: carriers route it.
func IsSinkhole(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
}

// SinkholeFinding is that of a name that resolves to an address that cannot be the cloud; nothing was sent there.
func SinkholeFinding(host string, addr netip.Addr) Finding {
	host = textOr(host, "the host")
	return Finding{
		Reason: Sinkhole, Class: ClassOf(Sinkhole), Where: host,
		Summary: fmt.Sprintf("the name resolves to %s, which cannot be the cloud", measurement.Text(addr.String())),
		Advice: fmt.Sprintf("The site's DNS server diverts %s to %s. Ask the network's owner to exempt the name from DNS filtering; "+
			"if that address is meant to be, set addresses: any for this endpoint.", host, measurement.Text(addr.String())),
	}
}

// NoRouteFinding is that of a host all of whose addresses are of a family that this machine has no route to.
func NoRouteFinding(host string) Finding {
	host = textOr(host, "of the host")
	return Finding{
		Reason: Unreachable, Class: ClassOf(Unreachable), Where: host,
		Summary: "no route to any of its addresses",
		Advice: fmt.Sprintf("The name %s resolves only to addresses that this machine has no route to. "+
			"Ask the network's owner for a route, or for a DNS server that answers with addresses of the other IP version too.", host),
	}
}

// OutOfTimeFinding is that of a host whose look-ups the round's deadline cut off.
func OutOfTimeFinding(host string) Finding {
	host = textOr(host, "the host")
	return Finding{
		Reason: OutOfTime, Class: ClassOf(OutOfTime), Where: host,
		Summary: "the round ended before the name was resolved",
		Advice: fmt.Sprintf("The round ended too soon, which says nothing about the path. If it lasts, look at the site's DNS servers (endpoint_dns_lookup_duration_seconds of %s), "+
			"or raise survey.timeout and the scrape's timeout.", host),
	}
}

// DNSFinding is that of a host that no resolver gave an address for. Where the deadline cut every look-up off nothing
// is known, and the finding is [OutOfTimeFinding].
func DNSFinding(host string, lookups []measurement.Lookup) Finding {
	var said []string
	for i := range lookups {
		l := &lookups[i]
		switch l.Failure {
		case measurement.DNSOK, measurement.DNSOutOfTime:
			continue
		}
		one := fmt.Sprintf("%s: %s", l.Resolver, DNSWords(l.Failure))
		if detail := measurement.Text(l.Detail.Text); detail != "" {
			one += " (" + detail + ")"
		}
		said = append(said, one)
	}
	if len(said) == 0 && len(lookups) > 0 {
		return OutOfTimeFinding(host)
	}
	host = textOr(host, "the host")
	f := Finding{Reason: DNSFailed, Class: ClassOf(DNSFailed), Where: host, Summary: "the name does not resolve"}
	if len(said) == 0 {
		f.Advice = fmt.Sprintf("No DNS server was asked for %s. Set resolvers, or mend /etc/resolv.conf.", host)
		return f
	}
	f.Summary += " at " + strings.Join(said, "; ")
	f.Advice = fmt.Sprintf("Devices cannot find %s. Ask whoever runs the site's DNS servers to let the name resolve, "+
		"and to allow their queries to the Internet on port 53.", host)
	return f
}

// DNSWords says a failure of a look-up in plain words.
func DNSWords(f measurement.DNSFailure) string {
	switch f {
	case measurement.DNSNXDomain:
		return "the name does not exist"
	case measurement.DNSServFail:
		return "the server could not find out"
	case measurement.DNSRefused:
		return "the server refuses to answer"
	case measurement.DNSNoAddress:
		return "the name has no address"
	case measurement.DNSTimeout:
		return "no answer in time"
	case measurement.DNSUnreachable:
		return "the server is unreachable"
	case measurement.DNSMalformed:
		return "the answer breaks the protocol"
	case measurement.DNSLoop:
		return "the chain of aliases does not end"
	}
	return "the server answered with an error"
}
