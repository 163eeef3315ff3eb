// Package dns asks DNS servers as devices do and returns their answers as plain data:
//
//   - exchange.go, parse.go, message.go, edns.go: one question to one server, and the strict reading of its answer
//   - lookup.go: the addresses of one host at one of the site's resolvers
//   - zoneclient.go: direct samples from the authoritative servers of a host's zone; zonecache.go finds these servers through
//     the site's resolvers, delegation.go through the servers of the parent zone; nameservers.go bounds the load on each server
//   - port53.go, interception.go, whoami.go: whether port 53 beyond the site is open, who answers there, and whether resolver
//     and exporter see the same view of a zone
//   - resolvconf.go: the resolvers of this machine
//
// Package dns does not judge staleness: see package staleness.
package dns
