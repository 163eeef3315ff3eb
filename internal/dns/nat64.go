package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// ipv4only is a name that has IPv4 addresses only, so that its IPv6 addresses show the NAT64 prefix of the site (RFC
// 7050).
const ipv4only = "ipv4only.arpa."

// The addresses of ipv4only.
var ipv4onlyAddresses = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 0, 170}), netip.AddrFrom4([4]byte{192, 0, 0, 171})}

// maxPrefixes bounds the NAT64 prefixes of one resolver; maxPrefixResolvers the resolvers remembered.
const (
	maxPrefixes        = 8
	maxPrefixResolvers = 64
)

// NAT64 finds and remembers the NAT64 prefixes that the resolvers of a site use. It is safe for concurrent use.
type NAT64 struct {
	exchanger Exchanger
	searches  *share.Group[netip.AddrPort, *prefixSearch]
}

// NewNAT64 returns a NAT64 that knows no prefix yet. It must be closed.
func NewNAT64(x Exchanger, now func() time.Time) *NAT64 {
	return &NAT64{exchanger: x, searches: share.NewGroup[netip.AddrPort, *prefixSearch](share.Options{Now: now, MaxKept: maxPrefixResolvers})}
}

// Close ends the searches that run and waits for them.
func (n *NAT64) Close() { n.searches.Close() }

// Prefixes returns the prefixes with which a resolver synthesises IPv6 addresses (RFC 6147), at most an hour old. It
// is empty if the resolver synthesises none, or if ctx is done first.
func (n *NAT64) Prefixes(ctx context.Context, resolver netip.AddrPort) []netip.Prefix {
	call, err := n.searches.Join(resolver, foundLifetime, searchBudget, func() *prefixSearch {
		return &prefixSearch{exchanger: n.exchanger, resolver: resolver}
	})
	if err != nil || !call.Wait(ctx) {
		return nil
	}
	return call.Computation().prefixes
}

// prefixSearch asks one resolver for its prefixes.
type prefixSearch struct {
	exchanger Exchanger
	resolver  netip.AddrPort
	prefixes  []netip.Prefix
}

// Run asks the resolver.
func (s *prefixSearch) Run(ctx context.Context) (keep bool) {
	reply := s.exchanger.Exchange(ctx, s.resolver, Query{Name: ipv4only, Type: dns.TypeAAAA, Recursive: true})
	for _, addr := range reply.Addresses() {
		if prefix, ok := prefixOf(addr); ok && len(s.prefixes) < maxPrefixes && !slices.Contains(s.prefixes, prefix) {
			s.prefixes = append(s.prefixes, prefix)
		}
	}
	return reply.Failure == "" || reply.Failure == measurement.DNSNoAddress || reply.Failure == measurement.DNSNXDomain
}

// prefixOf finds the prefix of a synthesised address of ipv4only (RFC 7050 §3).
func prefixOf(addr netip.Addr) (netip.Prefix, bool) {
	for _, length := range measurement.NAT64Lengths {
		if v4, ok := measurement.EmbeddedIPv4(addr, length); ok && slices.Contains(ipv4onlyAddresses, v4) {
			return netip.PrefixFrom(addr, length).Masked(), true
		}
	}
	return netip.Prefix{}, false
}
