package collector

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// resolver adds the series of one host at one resolver.
func (s *series) resolver(of *subject, r *report.Resolver, zoneKnown bool) {
	lookup := &r.Lookup
	if lookup.Failure != measurement.DNSOK {
		s.add(dnsFailure, 1, of, measurement.Text(string(lookup.Failure)))
	}
	if lookup.Failure != measurement.DNSOutOfTime {
		s.lookup(of, lookup)
	}
	// Without a verdict, the deadline came before the resolver's state was read.
	if a := &r.Staleness; a.Verdict != "" {
		s.add(dnsAddressChanges, float64(r.Changes), of)
		s.at(dnsLastChange, r.LastChange, of)
		s.staleness(of, a, zoneKnown)
	}
}

// lookup adds the series of an answer, or of its absence.
func (s *series) lookup(of *subject, l *measurement.Lookup) {
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
	if failed := l.FamilyFailure(); failed != nil {
		s.add(dnsFamilyFailure, 1, of, familyOf(failed), measurement.Text(string(failed.Failure)))
	}
	if len(addresses) > 0 {
		s.add(dnsTTL, l.TTL.Seconds(), of)
	}
	for _, a := range measurement.BoundFamilies(addresses, s.options.MaxAddresses) {
		s.add(dnsAddressInfo, 1, of, measurement.Text(a.String()))
	}
}

// familyOf is the address family that a question asks for.
func familyOf(a *measurement.Answer) string {
	if a.Type == dns.TypeA {
		return familyIPv4
	}
	return familyIPv6
}

// staleness adds the series of the verdict on a resolver's records. What is not known is absent, so that a query for 0
// does not count it as good: the proof while the verdict is unknown, and the excess over the zone's TTL while that TTL
// is not known, unless it was measured within hold.
func (s *series) staleness(of *subject, a *staleness.Assessment, zoneKnown bool) {
	s.oneOf(dnsVerdict, string(a.Verdict), of)
	for _, kind := range staleness.Kinds {
		s.add(dnsEvidence, float64(a.Counts[kind]), of, string(kind))
	}
	if zoneKnown || a.TTLExcess > 0 {
		s.add(dnsTTLExcess, a.TTLExcess.Seconds(), of)
	}
	if a.Verdict == staleness.Unknown {
		return
	}
	s.add(dnsStale, number(a.Verdict == staleness.Stale), of)
	s.add(dnsStaleness, a.Staleness.Seconds(), of)
	s.add(dnsWithdrawnAddresses, float64(len(distinct(a.Withdrawn))), of)
}

// authority adds the series of the zone's authoritative servers. They never give a valid answer without an address, so
// that no address means no answer.
func (s *series) authority(target *subject, a *report.Zone) {
	if a.Known {
		s.add(dnsAuthorityTTL, a.TTL.Seconds(), target)
	}
	if n := len(distinct(a.Addresses)); n > 0 {
		s.add(dnsAuthorityAddresses, float64(n), target)
	}
	s.at(dnsAuthorityLastValid, a.LastValid, target)
}

// queries adds the counts of DNS queries, each from 0. The report of one host has none, because the sum over its
// probes would be wrong.
func (s *series) queries(round *subject, counts []measurement.QueryCount) {
	if counts == nil {
		return
	}
	type key struct{ leg, rcode string }
	sums := make(map[key]uint64, len(counts))
	for _, q := range counts {
		rcode := strings.ToLower(q.Rcode)
		if !slices.Contains(measurement.DNSRcodes, rcode) {
			rcode = measurement.RcodeOther
		}
		sums[key{q.Leg, rcode}] += q.Count
	}
	for _, leg := range measurement.DNSLegs {
		for _, rcode := range measurement.DNSRcodes {
			s.add(dnsQueries, float64(sums[key{leg, rcode}]), round, leg, rcode)
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
