// Package dns asks name servers as a device's resolver does and returns what they said as plain data: one exchange with
// one server (exchange.go), one host at one of the site's resolvers (lookup.go), and the zone's own servers: found,
// asked in rotation under a rate cap, and checked (authority.go). Nothing here judges staleness: see package freshness.
package dns
