package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// walk asks the servers of the parent zone to whom z is delegated now, unless that was done since. The resolver may itself
// hold an old delegation, whose servers would go on to say what the zone said once.
//
// Servers known through the resolver stay beside those found: a resolver that goes by the zone's own NS records may
// still ask them, and whatever they hold speaks for it.
func (d *directory) walk(ctx context.Context, resolvers []netip.AddrPort, z *zone, since time.Time) (*zone, bool) {
	for ctx.Err() == nil {
		d.mu.Lock()
		have := d.zones[z.name]
		d.mu.Unlock()
		switch {
		case have != nil && !have.walked.Before(since):
			return have, true
		case have != nil && d.a.o.Now().Before(have.rewalk):
			return nil, false
		}
		done, mine := d.once(ctx, "walk "+z.name)
		if !mine {
			continue
		}
		walked, ok := d.walkAnew(ctx, resolvers, z)
		if !ok {
			failed := *z
			failed.rewalk = d.a.o.Now().Add(failedFor)
			d.keep(&failed, z)
		}
		done()
		return walked, ok
	}
	return nil, false
}

func (d *directory) walkAnew(ctx context.Context, resolvers []netip.AddrPort, z *zone) (*zone, bool) {
	began := d.a.o.Now()
	parent, ok := d.parent(ctx, resolvers, z.name)
	if !ok {
		return nil, false
	}
	ask, tries := d.a.choose(parent.servers, false)
	for _, at := range ask[:min(tries, len(ask))] {
		reply, asked := d.a.ask(ctx, at, Query{Name: z.name, Type: dns.TypeNS})
		if !asked || reply.Received.IsZero() || lame(&reply) || reply.Failure == measurement.DNSNXDomain || reply.Zone != z.name {
			continue
		}
		servers := d.addresses(ctx, resolvers, reply.NS, reply.Glue)
		if len(servers) == 0 {
			continue
		}
		for _, known := range z.servers {
			if len(servers) < maxZoneServers && !slices.Contains(servers, known) {
				servers = append(servers, known)
			}
		}
		return d.keep(&zone{name: z.name, servers: servers, found: z.found, walked: began}, z), true
	}
	return nil, false
}

// parent is the zone above, the root included.
func (d *directory) parent(ctx context.Context, resolvers []netip.AddrPort, name string) (*zone, bool) {
	above := parentOf(name)
	if above == "." {
		return d.serversOf(ctx, resolvers, ".")
	}
	if cut, ok := d.cutOf(ctx, resolvers, above); ok {
		return d.serversOf(ctx, resolvers, cut)
	}
	return d.serversOf(ctx, resolvers, ".")
}
