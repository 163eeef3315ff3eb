// Package dns asks name servers as devices do and returns what they said as plain data:
//
//   - exchange.go, message.go: one question to one server, and its answer read with distrust
//   - lookup.go: one host at one of the site's resolvers
//   - authority.go: the zone's own servers, asked in rotation and checked; directory.go finds them through the site's
//     resolver, walk.go anew from the parent zone's servers, servers.go holds the load on each of them down
//   - interception.go, whoami.go: who answers on port 53 beyond the site, and whether resolver and exporter share one view
//   - resolvconf.go: the system's resolvers
//
// Nothing here judges staleness: see package staleness.
package dns
