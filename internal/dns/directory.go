package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// How long what was found stands, and after how long a failed search is made again.
const (
	foundFor  = time.Hour
	failedFor = time.Minute
)

// Bounds of the directory.
const (
	maxNames       = 1024
	maxZones       = 256
	maxZoneServers = 33 // one more than package staleness tells apart: it then knows that it does not see all
	maxCuts        = 12 // questions on the way up from a name to its zone
)

// zone is a zone and its servers. It is not changed once made.
type zone struct {
	name    string // of the apex
	servers []netip.AddrPort
	found   time.Time
	walked  time.Time // start of the newest walk from the parent; zero: through the resolver only
	again   time.Time // after a failure: not to be searched before
	rewalk  time.Time // after a failure: not to be walked before
}

// cutting says which zone holds a name.
type cutting struct {
	zone  string // "" if not found
	found time.Time
	again time.Time // after a failure: not to be tried before
}

// directory knows which zone holds a name and which servers hold a zone. It asks the site's resolver.
type directory struct {
	a *Authority

	mu    sync.Mutex
	good  netip.AddrPort // the resolver that answered last: asked first
	names map[string]cutting
	zones map[string]*zone
	busy  map[string]chan struct{} // searches under way, by what is searched
}

// once lets one caller at a time search for key; the others wait for it. done must be called if true.
func (d *directory) once(ctx context.Context, key string) (done func(), mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.busy[key]; c != nil {
		d.mu.Unlock()
		select {
		case <-c:
		case <-ctx.Done():
		}
		d.mu.Lock()
		return nil, false
	}
	c := make(chan struct{})
	d.busy[key] = c
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.busy, key)
		close(c)
	}, true
}

// zoneOf is the zone that holds name, with its servers.
func (d *directory) zoneOf(ctx context.Context, resolvers []netip.AddrPort, name string) (*zone, bool) {
	cut, ok := d.cutOf(ctx, resolvers, name)
	if !ok {
		return nil, false
	}
	return d.serversOf(ctx, resolvers, cut)
}

// cutOf is the apex of the zone that holds name, found by asking for NS records from the name upwards; an SOA record in
// a negative answer shortens the way (RFC 2308).
func (d *directory) cutOf(ctx context.Context, resolvers []netip.AddrPort, name string) (string, bool) {
	key := "cut " + name
	for ctx.Err() == nil {
		now := d.a.o.Now()
		d.mu.Lock()
		have, known := d.names[name]
		d.mu.Unlock()
		if known && (now.Sub(have.found) < foundFor || now.Before(have.again)) {
			return have.zone, have.zone != ""
		}
		done, mine := d.once(ctx, key)
		if !mine {
			continue
		}
		// What was found an hour ago beats nothing.
		next := cutting{zone: have.zone, found: have.found, again: now.Add(failedFor)}
		if zone, ok := d.searchCut(ctx, resolvers, name); ok {
			next = cutting{zone: zone, found: now}
		}
		d.mu.Lock()
		bound(d.names, maxNames, func(c cutting) bool { return now.Sub(c.found) >= foundFor })
		d.names[name] = next
		d.mu.Unlock()
		done()
		return next.zone, next.zone != ""
	}
	return "", false
}

func (d *directory) searchCut(ctx context.Context, resolvers []netip.AddrPort, name string) (string, bool) {
	at := name
	for range maxCuts {
		reply, ok := d.askResolvers(ctx, resolvers, Query{Name: at, Type: dns.TypeNS, Recursive: true})
		switch {
		case !ok:
			return "", false
		case reply.Zone != "" && reply.Zone != ".":
			return reply.Zone, true
		case reply.SOA != "" && reply.SOA != at && dns.IsSubDomain(reply.SOA, at):
			at = reply.SOA
		default:
			at = parentOf(at)
		}
		if at == "." {
			return "", false
		}
	}
	return "", false
}

// askResolvers asks one resolver after the other until one answers.
func (d *directory) askResolvers(ctx context.Context, resolvers []netip.AddrPort, q Query) (Reply, bool) {
	d.mu.Lock()
	good := max(0, slices.Index(resolvers, d.good))
	d.mu.Unlock()
	for i := range resolvers {
		at := resolvers[(good+i)%len(resolvers)]
		reply := d.a.o.Exchanger.Exchange(ctx, at, q)
		if !reply.Received.IsZero() && !lame(&reply) {
			d.mu.Lock()
			d.good = at
			d.mu.Unlock()
			return reply, true
		}
	}
	return Reply{}, false
}

// serversOf are a zone's servers.
func (d *directory) serversOf(ctx context.Context, resolvers []netip.AddrPort, name string) (*zone, bool) {
	for ctx.Err() == nil {
		now := d.a.o.Now()
		d.mu.Lock()
		have := d.zones[name]
		d.mu.Unlock()
		if have != nil && (now.Sub(have.found) < foundFor || now.Before(have.again)) {
			return have, len(have.servers) > 0
		}
		done, mine := d.once(ctx, "servers "+name)
		if !mine {
			continue
		}
		z := &zone{name: name, found: now}
		if reply, ok := d.askResolvers(ctx, resolvers, Query{Name: name, Type: dns.TypeNS, Recursive: true}); ok && reply.Zone == name {
			z.servers = d.addresses(ctx, resolvers, reply.NS, nil)
		}
		z = d.keep(z, have)
		done()
		return z, len(z.servers) > 0
	}
	return nil, false
}

// keep remembers what a search found. One that found nothing leaves what was known before, and is made again soon.
func (d *directory) keep(z, before *zone) *zone {
	if len(z.servers) == 0 {
		z = &zone{name: z.name, again: z.found.Add(failedFor)}
		if before != nil {
			z.servers, z.found, z.walked = before.servers, before.found, before.walked
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	bound(d.zones, maxZones, func(old *zone) bool { return d.a.o.Now().Sub(old.found) >= foundFor })
	d.zones[z.name] = z
	return z
}

// addresses finds those of the servers' names, in glue or at the resolver, and keeps the usable ones.
func (d *directory) addresses(ctx context.Context, resolvers []netip.AddrPort, names []string, glue map[string][]netip.Addr) []netip.AddrPort {
	var each [maxRecords][]netip.Addr
	var all sync.WaitGroup
	for i, name := range names {
		if each[i] = glue[name]; len(each[i]) > 0 {
			continue
		}
		for _, typ := range Types {
			all.Go(func() {
				reply, _ := d.askResolvers(ctx, resolvers, Query{Name: name, Type: typ, Recursive: true})
				d.mu.Lock()
				defer d.mu.Unlock()
				each[i] = append(each[i], reply.Addresses()...)
			})
		}
	}
	all.Wait()
	var out []netip.AddrPort
	for _, list := range each {
		slices.SortFunc(list, netip.Addr.Compare)
		for _, addr := range list {
			at := netip.AddrPortFrom(addr.Unmap(), d.a.o.Port)
			if len(out) < maxZoneServers && d.a.o.Usable(at.Addr()) && !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// forget lets the zone of a name be searched anew, though not more often than failures are.
func (d *directory) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.names[name]; ok && d.a.o.Now().Sub(c.found) >= failedFor {
		delete(d.names, name)
	}
}

// parentOf drops a name's first label.
func parentOf(name string) string {
	if _, rest, ok := strings.Cut(name, "."); ok && rest != "" {
		return rest
	}
	return "."
}

// bound makes room in a full map: what is old goes first, else anything.
func bound[K comparable, V any](m map[K]V, most int, old func(V) bool) {
	if len(m) < most {
		return
	}
	for k, v := range m {
		if old(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < most {
			return
		}
		delete(m, k)
	}
}
