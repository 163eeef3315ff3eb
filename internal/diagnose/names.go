package diagnose

import (
	"net/netip"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// IsSinkhole reports whether an address cannot be a public cloud: loopback, unspecified, private (RFC 1918, RFC 4193)
// or link-local. Shared address space (RFC 6598) is not a sinkhole, because carriers route it.
func IsSinkhole(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsUnspecified() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
}

// SinkholeFinding is the finding for an address that cannot be the cloud; nothing was sent to it.
func SinkholeFinding(addr netip.Addr) report.Finding {
	f := finding(reason.Sinkhole)
	f.Address = addr
	return f
}

// NoRouteFinding is the finding for a host all of whose addresses are of a family that this machine has no route for.
func NoRouteFinding() report.Finding {
	f := finding(reason.Unreachable)
	f.Advice = reason.FindRoute
	return f
}

// OutOfTimeFinding is the finding for a host whose look-ups the round's deadline cut off.
func OutOfTimeFinding() report.Finding {
	f := finding(reason.OutOfTime)
	f.Advice = reason.AllowMoreTimeForNames
	return f
}

// DNSFinding is the finding for a host for which no resolver gave an address. If the deadline cut off every look-up,
// nothing is known, and the finding is [OutOfTimeFinding]. zone is what the host's zone answers.
func DNSFinding(lookups []measurement.Lookup, zone report.ZoneFailure) report.Finding {
	f := finding(reason.DNSFailed)
	if len(lookups) == 0 {
		f.Advice = reason.SetResolvers
		return f
	}
	known, missing, answered := false, false, false
	for i := range lookups {
		if _, filtered := lookups[i].Filtered(); filtered {
			f.Advice = reason.UnblockName
			return f
		}
		failure := lookups[i].Failure
		known = known || failure != measurement.DNSOK && failure != measurement.DNSOutOfTime
		answered = answered || isAnswer(failure)
		missing = missing || failure == measurement.DNSNXDomain || failure == measurement.DNSNoAddress
	}
	switch {
	case !known:
		return OutOfTimeFinding()
	case missing && zone == report.ZoneNoAddress:
		f.Advice = reason.CheckHostName // the resolver repeats what the zone answers
	case !answered:
		f.Advice = reason.RepeatLookup // the questions may have been lost
	}
	return f
}

// isAnswer reports whether a failed look-up failed by an answer of the DNS server.
func isAnswer(f measurement.DNSFailure) bool {
	return f != measurement.DNSOK && f != measurement.DNSOutOfTime && f != measurement.DNSTimeout && f != measurement.DNSUnreachable
}

// finding has a reason and the advice of its record.
func finding(r reason.Reason) report.Finding {
	return report.Finding{Reason: r, Advice: r.Info().Advice}
}
