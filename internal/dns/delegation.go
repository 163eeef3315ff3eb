package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// walkDelegation asks the servers of the parent zone for the present delegation of z, unless that was done after
// since. The resolver itself may have cached an old delegation, whose servers may go on to answer with what the zone
// held before.
//
// Servers known through the resolver are kept in addition to those found: a resolver that follows the zone's own NS
// records may still ask them, and every address that they hold is one that the resolver may honestly have.
func (c *zoneCache) walkDelegation(ctx context.Context, resolvers []netip.AddrPort, z *zone, since time.Time) (*zone, bool) {
	for range 2 { // the first search may have begun before since
		walked, done := c.cachedDelegation(z.name, since)
		if done {
			return walked, walked != nil
		}
		if !c.join(ctx, searchKey{searchDelegation, z.name}, func(ctx context.Context) { c.searchDelegation(ctx, resolvers, z, since, nil) }) {
			return nil, false
		}
	}
	walked, _ := c.cachedDelegation(z.name, since)
	return walked, walked != nil
}

// replaceServers walks the delegation of z after all of its servers have declined to serve it, and forgets those that
// the parent zone does not name either: the zone has moved, and the resolvers still follow the old delegation. ok is
// false if that has changed nothing, or was tried a short time ago.
func (c *zoneCache) replaceServers(ctx context.Context, resolvers []netip.AddrPort, z *zone, declined []netip.AddrPort) (replaced *zone, ok bool) {
	now := c.client.options.Now()
	c.mu.Lock()
	known := c.zones[z.name]
	if known != z { // nil if the servers are configured
		c.mu.Unlock()
		return known, known != nil && !slices.Equal(known.servers, z.servers)
	}
	wait := now.Before(z.nextReplacing) || now.Before(z.nextWalking)
	c.mu.Unlock()
	if wait {
		return nil, false
	}
	c.join(ctx, searchKey{searchDelegation, z.name}, func(ctx context.Context) { c.searchDelegation(ctx, resolvers, z, now, declined) })
	c.mu.Lock()
	defer c.mu.Unlock()
	known = c.zones[z.name]
	return known, known != nil && !slices.Equal(known.servers, z.servers)
}

// cachedDelegation is the zone if its delegation was walked after since; done is true if it need not, or must not
// yet, be walked.
func (c *zoneCache) cachedDelegation(name string, since time.Time) (walked *zone, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	z := c.zones[name]
	switch {
	case z == nil:
		return nil, false
	case !z.walked.Before(since):
		return z, true
	}
	return nil, c.client.options.Now().Before(z.nextWalking)
}

// searchDelegation walks and stores a delegation. It forgets the servers in declined, unless the parent zone names
// them.
func (c *zoneCache) searchDelegation(ctx context.Context, resolvers []netip.AddrPort, z *zone, since time.Time, declined []netip.AddrPort) {
	if _, done := c.cachedDelegation(z.name, since); done {
		return // another search has just ended
	}
	began := c.client.options.Now()
	next := *z
	if found := c.askParent(ctx, resolvers, z.name); len(found.servers) > 0 {
		found.incomplete = found.incomplete || z.incomplete
		for _, known := range z.servers {
			switch {
			case slices.Contains(found.servers, known) || slices.Contains(declined, known):
			case len(found.servers) >= maxZoneServers:
				found.incomplete = true
			default:
				found.servers = append(found.servers, known)
			}
		}
		next.zoneServers, next.walked, next.walkingFailures = found, began, 0
	} else {
		next.walkingFailures++
		next.nextWalking = c.client.options.Now().Add(retryAfter(next.walkingFailures))
	}
	if declined != nil {
		next.replacements++
		next.nextReplacing = c.client.options.Now().Add(retryAfter(next.replacements))
	}
	c.store(&next)
}

// askParent asks the servers of the parent zone for the servers of a zone.
func (c *zoneCache) askParent(ctx context.Context, resolvers []netip.AddrPort, name string) zoneServers {
	parent, ok := c.parentZone(ctx, resolvers, name)
	if !ok {
		return zoneServers{}
	}
	ask, tries := c.client.choose(parent.servers, false)
	for _, at := range ask[:min(tries, len(ask))] {
		reply, asked := c.client.ask(ctx, at, Query{Name: name, Type: dns.TypeNS})
		if !asked || reply.Received.IsZero() || isError(&reply) || reply.Failure == measurement.DNSNXDomain || reply.Zone != name {
			continue
		}
		if found := c.addressesOf(ctx, resolvers, reply.NS, reply.Glue); len(found.servers) > 0 {
			return found
		}
	}
	return zoneServers{}
}

// parentZone is the zone above, including the root.
func (c *zoneCache) parentZone(ctx context.Context, resolvers []netip.AddrPort, name string) (*zone, bool) {
	above := parentOf(name)
	if above != "." {
		if cut, ok := c.cutOf(ctx, resolvers, above); ok {
			return c.serversOf(ctx, resolvers, cut)
		}
	}
	return c.serversOf(ctx, resolvers, ".")
}
