package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// How long a zone cut or a zone's servers are remembered, and how long after a failed search the next one is made:
// retryInterval, doubled with every failure in a row up to maxRetryInterval.
const (
	foundLifetime    = time.Hour
	retryInterval    = time.Minute
	maxRetryInterval = 15 * time.Minute
)

// retryAfter is the time until the next search after so many failures in a row.
func retryAfter(failures int) time.Duration {
	return min(maxRetryInterval, retryInterval<<min(failures-1, 10))
}

// Bounds of the zone cache and of one search.
const (
	maxNames       = 1024
	maxZones       = 256
	maxZoneServers = 32 // as many as package staleness tells apart
	maxCuts        = 12 // questions from a name up to its zone cut
	// A zone can name servers whose addresses cannot be found, to make the site's resolvers work. So at most
	// maxServerNames names are looked up, one after the other, until maxFailedNames in a row have no address.
	maxServerNames = 10
	maxFailedNames = 4
	// searchBudget bounds one search for a zone cut or for a zone's servers: a few look-ups one after the other, once
	// an hour, or once a minute while they fail.
	searchBudget = 5 * time.Second
)

// zone is a zone and its authoritative servers. It is not changed after it has been stored.
type zone struct {
	zoneServers
	name            string // of the apex
	found           time.Time
	walked          time.Time // start of the newest walk from the parent zone; zero: found through the resolvers only
	nextSearch      time.Time // after a failed search: no search before this time
	nextWalking     time.Time // after a failed walk: no walk before this time
	nextReplacing   time.Time // after all servers have declined: they are not replaced before this time
	failures        int       // searches that failed in a row
	walkingFailures int       // walks that failed in a row
	replacements    int       // walks since found because all servers had declined
}

// zoneServers are the servers of a zone.
type zoneServers struct {
	servers    []netip.AddrPort
	incomplete bool             // there are more servers
	unlisted   []netip.AddrPort // those of which Options.Servers lists no address; none if it is empty
}

// zoneCut is the zone that holds a name.
type zoneCut struct {
	zone       string // "" if not found
	found      time.Time
	nextSearch time.Time // after a failed search: no search before this time
	failures   int       // searches that failed in a row
}

// zoneCache remembers which zone holds a name and which servers serve a zone. It asks the site's resolvers. Searches
// are shared: a caller that leaves early ends none, so that its lack of time is not taken for a failure. It is safe
// for concurrent use.
type zoneCache struct {
	client   *ZoneClient
	searches *share.Group[searchKey, search]

	mu       sync.Mutex
	resolver netip.AddrPort // the resolver that answered last: asked first
	cuts     map[string]zoneCut
	zones    map[string]*zone
}

func newZoneCache(c *ZoneClient) *zoneCache {
	return &zoneCache{
		client: c, searches: share.NewGroup[searchKey, search](share.Options{Now: c.options.Now}),
		cuts: make(map[string]zoneCut), zones: make(map[string]*zone),
	}
}

// searchKey is what is searched.
type searchKey struct {
	kind searchKind
	name string
}

type searchKind int

const (
	searchCut searchKind = iota
	searchServers
	searchDelegation
)

// search is one search; it stores what it finds in the cache.
type search func(ctx context.Context)

// Run searches. The result is in the cache, which knows how long it holds.
func (s search) Run(ctx context.Context) (keep bool) {
	s(ctx)
	return false
}

// join runs a search, or waits for the one that runs; it returns false if ctx is done first.
func (c *zoneCache) join(ctx context.Context, key searchKey, run search) bool {
	call, err := c.searches.Join(key, 0, searchBudget, func() search { return run })
	return err == nil && call.Wait(ctx)
}

// zoneOf is the zone that holds name, with its servers.
func (c *zoneCache) zoneOf(ctx context.Context, resolvers []netip.AddrPort, name string) (*zone, bool) {
	cut, ok := c.cutOf(ctx, resolvers, name)
	if !ok {
		return nil, false
	}
	return c.serversOf(ctx, resolvers, cut)
}

// cutOf is the apex of the zone that holds name.
func (c *zoneCache) cutOf(ctx context.Context, resolvers []netip.AddrPort, name string) (string, bool) {
	cut, valid := c.cachedCut(name)
	if !valid {
		c.join(ctx, searchKey{searchCut, name}, func(ctx context.Context) { c.searchCut(ctx, resolvers, name) })
		cut, _ = c.cachedCut(name) // one found earlier is better than none
	}
	return cut.zone, cut.zone != ""
}

// cachedCut returns the cached zone cut of a name; valid is false if a search is needed.
func (c *zoneCache) cachedCut(name string) (cut zoneCut, valid bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut, known := c.cuts[name]
	now := c.client.options.Now()
	return cut, known && (now.Sub(cut.found) < foundLifetime || now.Before(cut.nextSearch))
}

// searchCut finds and stores the zone cut of a name. If that fails, what was found before is kept.
func (c *zoneCache) searchCut(ctx context.Context, resolvers []netip.AddrPort, name string) {
	cut, valid := c.cachedCut(name)
	if valid {
		return // another search has just ended
	}
	now := c.client.options.Now()
	if zone, ok := c.askForCut(ctx, resolvers, name); ok {
		cut = zoneCut{zone: zone, found: now}
	} else {
		cut.failures++
		cut.nextSearch = now.Add(retryAfter(cut.failures))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.cuts, maxNames, func(old zoneCut) bool { return now.Sub(old.found) >= foundLifetime })
	c.cuts[name] = cut
}

// askForCut asks for NS records from the name upwards; the SOA record of a negative answer shortens the way (RFC 2308).
func (c *zoneCache) askForCut(ctx context.Context, resolvers []netip.AddrPort, name string) (string, bool) {
	at := name
	for range maxCuts {
		reply, ok := c.askResolvers(ctx, resolvers, Query{Name: at, Type: dns.TypeNS, Recursive: true})
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
func (c *zoneCache) askResolvers(ctx context.Context, resolvers []netip.AddrPort, q Query) (Reply, bool) {
	return c.askUntil(ctx, resolvers, q, func(*Reply) bool { return true })
}

// askUntil asks one resolver after the other until one gives an answer that is enough.
func (c *zoneCache) askUntil(ctx context.Context, resolvers []netip.AddrPort, q Query, enough func(*Reply) bool) (Reply, bool) {
	c.mu.Lock()
	first := max(0, slices.Index(resolvers, c.resolver))
	c.mu.Unlock()
	for i := range resolvers {
		at := resolvers[(first+i)%len(resolvers)]
		reply := c.client.options.Exchanger.Exchange(ctx, at, q)
		if !reply.Received.IsZero() && !isError(&reply) && enough(&reply) {
			c.mu.Lock()
			c.resolver = at
			c.mu.Unlock()
			return reply, true
		}
	}
	return Reply{}, false
}

// serversOf is the zone of the given name, with its servers; ok is false if none are known.
func (c *zoneCache) serversOf(ctx context.Context, resolvers []netip.AddrPort, name string) (z *zone, ok bool) {
	z, valid := c.cachedZone(name)
	if !valid {
		c.join(ctx, searchKey{searchServers, name}, func(ctx context.Context) { c.searchServers(ctx, resolvers, name) })
		z, _ = c.cachedZone(name) // servers found earlier are better than none
	}
	return z, z != nil && len(z.servers) > 0
}

// cachedZone returns the cached zone, or nil; valid is false if a search is needed.
func (c *zoneCache) cachedZone(name string) (z *zone, valid bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	z = c.zones[name]
	now := c.client.options.Now()
	return z, z != nil && (now.Sub(z.found) < foundLifetime || now.Before(z.nextSearch))
}

// searchServers finds and stores the servers of a zone. If that fails, what was found before is kept.
func (c *zoneCache) searchServers(ctx context.Context, resolvers []netip.AddrPort, name string) {
	before, valid := c.cachedZone(name)
	if valid {
		return // another search has just ended
	}
	now := c.client.options.Now()
	found := &zone{name: name, found: now}
	found.zoneServers = c.addressesOf(ctx, resolvers, c.namesOf(ctx, resolvers, name), nil)
	if len(found.servers) == 0 {
		found = &zone{name: name}
		if before != nil {
			*found = *before
		}
		found.failures++
		found.nextSearch = now.Add(retryAfter(found.failures))
	}
	c.store(found)
}

// namesOf asks every resolver for the names of a zone's servers, and returns their union: while a delegation moves, one
// resolver may follow the old one and another the new one.
func (c *zoneCache) namesOf(ctx context.Context, resolvers []netip.AddrPort, zone string) (names []string) {
	replies := make([]Reply, len(resolvers))
	share.Each(len(resolvers), func(i int) {
		replies[i] = c.client.options.Exchanger.Exchange(ctx, resolvers[i], Query{Name: zone, Type: dns.TypeNS, Recursive: true})
	})
	for i := range replies {
		if r := &replies[i]; !r.Received.IsZero() && !isError(r) && r.Zone == zone {
			for _, name := range r.NS {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func (c *zoneCache) store(z *zone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.client.options.Now()
	makeRoom(c.zones, maxZones, func(old *zone) bool { return now.Sub(old.found) >= foundLifetime })
	c.zones[z.name] = z
}

// addressesOf finds the addresses of name servers, in the glue or through the resolvers, and keeps those that can be
// reached. There may be more servers than the bounds allow.
func (c *zoneCache) addressesOf(
	ctx context.Context, resolvers []netip.AddrPort, names []string, glue map[string][]netip.Addr,
) (out zoneServers) {
	lookups, failures := 0, 0
	for _, name := range names {
		addresses := slices.DeleteFunc(slices.Clone(glue[name]), func(a netip.Addr) bool { return !c.client.options.Usable(a.Unmap()) })
		if len(addresses) == 0 { // behind NAT64, glue is IPv4 only, and the resolver synthesises IPv6 addresses
			if lookups++; lookups > maxServerNames || failures >= maxFailedNames || ctx.Err() != nil {
				out.incomplete = true
				continue
			}
			addresses = c.lookUp(ctx, resolvers, name)
			if failures++; len(addresses) > 0 {
				failures = 0
			}
		}
		slices.SortStableFunc(addresses, netip.Addr.Compare)
		unlisted := len(c.client.options.Servers) > 0 && !slices.ContainsFunc(addresses, c.client.lists)
		for _, addr := range addresses {
			at := netip.AddrPortFrom(addr.Unmap(), c.client.options.Port)
			switch {
			case !c.client.options.Usable(at.Addr()) || slices.Contains(out.servers, at):
			case len(out.servers) >= maxZoneServers:
				out.incomplete = true
			default:
				out.servers = append(out.servers, at)
				if unlisted {
					out.unlisted = append(out.unlisted, at)
				}
			}
		}
	}
	return out
}

// lookUp asks for the addresses of a name server at one resolver after the other, until one knows the name: while a
// delegation moves, not all of them do.
func (c *zoneCache) lookUp(ctx context.Context, resolvers []netip.AddrPort, name string) []netip.Addr {
	exists := func(r *Reply) bool { return r.Failure != measurement.DNSNXDomain }
	var each [len(Types)][]netip.Addr
	share.Each(len(Types), func(i int) {
		reply, _ := c.askUntil(ctx, resolvers, Query{Name: name, Type: Types[i], Recursive: true}, exists)
		each[i] = reply.Addresses()
	})
	return slices.Concat(each[:]...)
}

// forgetCut lets the zone cut of a name be searched again, but not more often than failed searches are repeated.
func (c *zoneCache) forgetCut(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cut, ok := c.cuts[name]; ok && c.client.options.Now().Sub(cut.found) >= retryInterval {
		delete(c.cuts, name)
	}
}

// parentOf drops the first label of a name.
func parentOf(name string) string {
	if _, rest, ok := strings.Cut(name, "."); ok && rest != "" {
		return rest
	}
	return "."
}

// makeRoom deletes entries of a full map: old ones first, then any.
func makeRoom[K comparable, V any](m map[K]V, most int, old func(V) bool) {
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
