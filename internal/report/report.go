// Package report holds everything that the rounds of some hosts found, as plain data. Package survey assembles it,
// package diagnose adds the findings and the summary, and the collector, the page, the terminal, Markdown and JSON are
// views of it. It judges nothing, so that every view shows the same verdict.
package report

import (
	"iter"
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Report is everything that the rounds of its hosts found. It is immutable once it is assembled.
type Report struct {
	Site string // host name of the machine that probed
	// Configuration names the configuration in use: a file, or the built-in catalogue.
	Configuration string
	Resolvers     []netip.AddrPort // the site's DNS servers, in the order in which devices ask them
	Proxy         Proxy            // that of this machine's environment, which no path uses
	Started       time.Time
	Finished      time.Time
	// Interrupted: the caller cancelled the report before every path was probed to its end.
	Interrupted bool
	Hosts       []Host // in the order of the configuration
	// IncompletePaths counts the paths that the deadline cut off.
	IncompletePaths int
	// AuthorityPath is the state of port 53 from this machine to the zones' authoritative servers.
	AuthorityPath measurement.Port53State
	// Queries counts DNS queries since start, by leg and rcode; nil in the report of one host.
	Queries []measurement.QueryCount
	// Summary is the verdict on the whole site, by diagnose.Summarize.
	Summary Summary
	// Traces are how far packets of blocked paths get, if that was asked for.
	Traces []Trace
}

// Paths iterates over the paths of all hosts, each with its host.
func (r *Report) Paths() iter.Seq2[*Host, *Path] {
	return func(yield func(*Host, *Path) bool) {
		for i := range r.Hosts {
			h := &r.Hosts[i]
			for j := range h.Paths {
				if !yield(h, &h.Paths[j]) {
					return
				}
			}
		}
	}
}

// Proxy is an HTTP or SOCKS proxy that an environment variable names.
type Proxy struct {
	Variable string // "": there is no proxy
	Address  string // host and port, without a user name and password; "" if the value cannot be parsed
}

// Host is one endpoint in a report.
type Host struct {
	Endpoint  *config.Endpoint // read-only
	Resolvers []Resolver       // in the order of the configuration; empty for an endpoint that is an address
	Zone      Zone
	Paths     []Path // as Endpoint.Paths
	// Up is true if at least one path carries a device. Known is false if no path is known to, and the deadline cut off
	// one that might; Up is then false.
	Up, Known bool
	// Advice is what to do about the host's paths, each cause once, by diagnose.Summarize. It knows nothing of other
	// hosts.
	Advice []Advice
}

// Zone is what the authoritative servers of a host's zone answer.
type Zone struct {
	Known     bool // a valid direct sample, or an asserted TTL, is there
	TTL       time.Duration
	Addresses []netip.Addr
	LastValid time.Time // of the last valid direct sample; zero if none
	Failure   ZoneFailure
}

// ZoneFailure is why a round has no valid direct sample of a host's zone: a closed list; "" if it has one or needs
// none.
type ZoneFailure string

const (
	ZoneUnconfigured     ZoneFailure = "unconfigured" // the host is not configured: its zone's servers are never asked
	ZoneNotAsked         ZoneFailure = "not_asked"    // authority.mode: off
	ZoneNotFound         ZoneFailure = "not_found"    // through the site's resolvers, or not in time
	ZoneSilent                       = ZoneFailure(measurement.SampleSilent)
	ZoneBlocked                      = ZoneFailure(measurement.SampleBlocked)
	ZoneIntercepted                  = ZoneFailure(measurement.SampleIntercepted)
	ZoneNotAuthoritative             = ZoneFailure(measurement.SampleNotAuthoritative)
	ZoneRefused                      = ZoneFailure(measurement.SampleRefused)
	ZoneNoAddress                    = ZoneFailure(measurement.SampleNoAddress)
)

// Resolver is one host at one of the site's resolvers.
type Resolver struct {
	Lookup     measurement.Lookup
	Stub       bool      // it is this machine's own stub resolver, which devices do not ask
	Changes    uint64    // of the address set since start
	LastChange time.Time // zero if there was none
	Staleness  staleness.Assessment
}

// Path is one way to a host, probed to each of its addresses.
type Path struct {
	measurement.Path
	Walks   []Walk // one per probed address; the one that a device would take comes first
	Omitted int    // addresses over max_addresses, or of a family without a route
	// Up is true if the address that a device would take now carries it. Known is false if the deadline cut that
	// address off; Up is then false and means nothing.
	Up, Known bool
	// Unproven is that of the first address; Up is then true, because a device's certificate may be accepted.
	Unproven bool
	// Unjudged is that of the judgement at the first address; Up is then true, and who answers is not known.
	Unjudged bool
	// Finding is that of the first address, or why the path has none (dns_failed, sinkhole).
	Finding Finding
	// OK and Failed count the rounds since start.
	OK, Failed uint64
	// Idle bounds how long a silent connection survives; nil if that is not measured.
	Idle *IdleBounds
}

// Walk is one path to one address: what was measured, who signed, and what it means.
type Walk struct {
	Outcome   measurement.Outcome
	Judgement trust.Judgement
	Finding   Finding
	// Withdrawn marks an address that a resolver still gives although the zone has withdrawn it. It is probed to know
	// the harm, and counts in none of the path's sums.
	Withdrawn bool
	// Unproven marks a session that ended without a TLS alert after a client certificate that is not the site's own.
	// Either the server refuses that certificate or a firewall cuts the session; nothing in the report decides which.
	// The finding is then the zero value.
	Unproven bool
}

// MaxPoints is how many past rounds of a path a history keeps: with a scrape every 15 s those of the last 30 minutes.
const MaxPoints = 120

// Point is a past round of a path, in a history.
type Point struct {
	At    time.Time // when the round ended
	State State
	Took  time.Duration // connect and hello at the address that a device would take; 0 if the hello was not answered
}
