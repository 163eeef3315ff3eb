// Package dns asks DNS servers as devices do and returns their answers as plain data:
//
//   - exchange.go, parse.go, message.go, edns.go: one question to one server, and the strict reading of its answer
//   - lookup.go: the addresses of one host at one of the site's resolvers
//   - zoneclient.go: direct samples from the authoritative servers of a host's zone
//   - zonecache.go, delegation.go: finding these servers through the site's resolvers, and through the parent zone
//   - nameservers.go: the load on each authoritative server
//   - port53.go, interception.go: whether port 53 beyond the site is open, and who answers there
//   - whoami.go, reach.go, nat64.go: whether resolver and exporter see the same view of a zone, whether the resolver
//     reaches the zone, and the site's NAT64 prefixes
//   - resolvconf.go: the resolvers of this machine
//
// Package dns does not judge staleness: see package staleness.
package dns
