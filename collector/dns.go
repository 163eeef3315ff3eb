package collector

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// resolver makes the series of one host at one resolver.
func (s *series) resolver(of []string, r *report.Resolver, zoneKnown bool) {
	lookup := &r.Lookup
	if lookup.Failure != measurement.DNSOK {
		s.add(dnsFailure, 1, of, measurement.Text(string(lookup.Failure)))
	}
	if lookup.Failure != measurement.DNSOutOfTime {
		s.lookup(of, lookup)
	}
	// Without a verdict the round was cut off before what is remembered of the resolver was asked for.
	if a := &r.Staleness; a.Verdict != "" {
		s.add(dnsAddressChanges, float64(r.Changes), of)
		s.at(dnsLastChange, r.LastChange, of)
		s.freshness(of, a, zoneKnown)
	}
}

// lookup makes the series of an answer, or of the want of one.
func (s *series) lookup(of []string, l *measurement.Lookup) {
	addresses := distinct(l.Addresses)
	s.add(dnsUp, number(len(addresses) > 0), of)
	s.seconds(dnsLookupDuration, l.Took, of)
	ipv4 := 0
	for _, a := range addresses {
		if a.Is4() {
			ipv4++
		}
	}
	s.add(dnsAddresses, float64(ipv4), of, familyIPv4)
	s.add(dnsAddresses, float64(len(addresses)-ipv4), of, familyIPv6)
	if len(addresses) > 0 {
		s.add(dnsTTL, l.TTL.Seconds(), of)
	}
	if s.options.Addresses {
		for _, a := range addresses[:min(len(addresses), s.options.MaxAddresses)] {
			s.add(dnsAddressInfo, 1, of, measurement.Text(a.String()))
		}
	}
}

// freshness makes the series of the judgement on a resolver's records. By how much their TTL exceeds the zone's cannot be
// said where the zone's is not known, unless it was within hold.
func (s *series) freshness(of []string, a *staleness.Assessment, zoneKnown bool) {
	s.add(dnsStale, number(a.Verdict == staleness.Stale), of)
	s.oneOf(dnsVerdict, string(a.Verdict), of)
	for _, kind := range staleness.Kinds {
		s.add(dnsEvidence, float64(a.Counts[kind]), of, string(kind))
	}
	if zoneKnown || a.TTLExcess > 0 {
		s.add(dnsTTLExcess, a.TTLExcess.Seconds(), of)
	}
	s.add(dnsStaleness, a.Staleness.Seconds(), of)
	s.add(dnsWithdrawnAddresses, float64(len(distinct(a.Withdrawn))), of)
}

// authority makes the series of what the zone's own servers say. They never validly say that there is no address, so
// none means that they were not heard.
func (s *series) authority(target []string, a *report.Zone) {
	if a.Known {
		s.add(dnsAuthorityTTL, a.TTL.Seconds(), target)
	}
	if n := len(distinct(a.Addresses)); n > 0 {
		s.add(dnsAuthorityAddresses, float64(n), target)
	}
	s.at(dnsAuthorityLastValid, a.LastValid, target)
}

// queries makes the series of the queries sent, each from 0; none for the report of one host, whose sum over the hosts would
// be wrong.
func (s *series) queries(counts []measurement.QueryCount) {
	if counts == nil {
		return
	}
	type way struct{ leg, rcode string }
	sums := make(map[way]uint64, len(counts))
	for _, q := range counts {
		rcode := strings.ToLower(q.Rcode)
		if !slices.Contains(measurement.DNSRcodes, rcode) {
			rcode = measurement.RcodeOther
		}
		sums[way{q.Leg, rcode}] += q.Count
	}
	for _, leg := range measurement.DNSLegs {
		for _, rcode := range measurement.DNSRcodes {
			s.add(dnsQueries, float64(sums[way{leg, rcode}]), []string{leg}, rcode)
		}
	}
}

// distinct lists each address once, in the order given.
func distinct(addresses []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(addresses))
	for _, a := range addresses {
		if a = a.Unmap(); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
