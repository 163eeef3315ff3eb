package dns

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// reachTries is how many names a resolver is asked for before it counts as cut off from a zone. Its own questions may
// be lost, and it remembers failures (RFC 9520), so each try has another name. One that reaches the zone is asked once.
const reachTries = 3

// Reaches reports whether a resolver reaches the authoritative servers of host's zone, asked through resolvers: it
// asks the resolver for a random name of the zone, which no cache can hold. ok is false if ctx ended first or the
// zone is not known.
func (c *ZoneClient) Reaches(ctx context.Context, resolvers []netip.AddrPort, resolver netip.AddrPort, host string) (reaches, ok bool) {
	zone := host
	if len(c.options.Servers) == 0 {
		if zone, ok = c.cache.cutOf(ctx, resolvers, host); !ok {
			return false, false
		}
	}
	for range reachTries {
		q := Query{Name: strings.ToLower(rand.Text()) + "." + zone, Type: dns.TypeA, Recursive: true}
		reply := c.options.Exchanger.Exchange(ctx, resolver, q)
		stale := slices.ContainsFunc(reply.EDE, func(e measurement.EDE) bool {
			return e.Code == dns.ExtendedErrorCodeStaleAnswer || e.Code == dns.ExtendedErrorCodeStaleNXDOMAINAnswer
		})
		switch {
		case isOver(ctx), reply.Failure == measurement.DNSOutOfTime:
			return false, false
		case !reply.Received.IsZero() && !isError(&reply) && !stale:
			return true, true
		}
	}
	return false, true
}
