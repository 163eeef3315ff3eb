// Package report holds everything that one round found, as plain data: package survey assembles it, and the collector,
// the page, the terminal, Markdown and JSON are views of it. It has no behaviour, so that no view can compute a verdict
// of its own.
package report

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// Report is everything that one round found. It is immutable: all that a person or a program sees is a view of it.
type Report struct {
	Site     string // host name of the machine that looked
	Started  time.Time
	Finished time.Time
	Hosts    []Host // in the order of the configuration
	// IncompletePaths counts the paths that the deadline cut off.
	IncompletePaths int
	// AuthorityPath is the exporter's own view of port 53 to the zones' servers.
	AuthorityPath measurement.Port53State
	// Queries counts DNS queries since start, by leg and rcode; nil in the report of one host.
	Queries []measurement.QueryCount
}

// Host is one endpoint in a report.
type Host struct {
	Endpoint  *config.Endpoint // read-only
	Resolvers []Resolver       // in the order of the configuration; empty for an endpoint that is an address
	Zone      Zone
	Paths     []Path // as Endpoint.Paths
	// Up: at least one path carries a device. Known is false if none is known to, while the deadline cut off one that might.
	Up, Known bool
	// Advice compares the host's paths ("5684 over UDP is dropped, TCP passes: …"); empty if there is nothing to compare.
	Advice []diagnose.Comparison
}

// Zone is what the authoritative servers of a host's zone answer.
type Zone struct {
	Known     bool // a valid direct sample, or an asserted TTL, is there
	TTL       time.Duration
	Addresses []netip.Addr
	LastValid time.Time // of the last valid direct sample; zero if none
	Failure   ZoneFailure
}

// ZoneFailure is why a round has no valid direct sample of a host's zone: a closed list; "" if it has one or needs none.
type ZoneFailure string

const (
	ZoneUnconfigured     ZoneFailure = "unconfigured" // the host is not configured: its zone's servers are never asked
	ZoneNotAsked         ZoneFailure = "not_asked"    // authority.mode: off
	ZoneNotFound         ZoneFailure = "not_found"    // the servers could not be found through the site's resolvers, or there was no time to ask them
	ZoneSilent                       = ZoneFailure(measurement.SampleSilent)
	ZoneBlocked                      = ZoneFailure(measurement.SampleBlocked)
	ZoneIntercepted                  = ZoneFailure(measurement.SampleIntercepted)
	ZoneNotAuthoritative             = ZoneFailure(measurement.SampleNotAuthoritative)
	ZoneRefused                      = ZoneFailure(measurement.SampleRefused)
	ZoneNoAddress                    = ZoneFailure(measurement.SampleNoAddress)
)

// ZoneFailures lists every failure.
var ZoneFailures = []ZoneFailure{
	ZoneUnconfigured, ZoneNotAsked, ZoneNotFound,
	ZoneSilent, ZoneBlocked, ZoneIntercepted, ZoneNotAuthoritative, ZoneRefused, ZoneNoAddress,
}

// Resolver is one host at one of the site's resolvers.
type Resolver struct {
	Lookup     measurement.Lookup
	Changes    uint64    // of the address set since start
	LastChange time.Time // zero: none seen
	Staleness  staleness.Assessment
}

// Path is one way to a host, walked to each of its addresses.
type Path struct {
	measurement.Path
	Walks   []Walk // one per probed address; the one that a device would take first
	Omitted int    // addresses over max_addresses, or of a family without a route
	// Up: the address that a device would take now carries it. Known is false when the deadline cut that one off;
	// Up is then false and means nothing.
	Up, Known bool
	// Finding is that of the first address, or why there is none (dns_failed, sinkhole).
	Finding diagnose.Finding
	// Attempts since start.
	OK, Failed uint64
	// Idle is what is known of silence on this path; nil if it is not measured.
	Idle *IdleBounds
}

// Walk is one path to one address: what was seen, who signed it, what it means.
type Walk struct {
	Outcome   measurement.Outcome
	Judgement trust.Judgement
	Finding   diagnose.Finding
	// Withdrawn marks an address that a resolver still hands out though the zone has withdrawn it. It is walked to know
	// the harm, and counts in none of the path's sums.
	Withdrawn bool
}

// IdleBounds bound how long a silent connection survives a path. A zero duration is "not known".
type IdleBounds struct {
	Survived  time.Duration // longest silence survived
	Lost      time.Duration // shortest silence after which the path had dropped it
	Closed    time.Duration // after which the server itself closed it
	LastRound time.Time
	Reason    IdleReason
	Why       string // why a bound is unknown, or in words what happened
}

// IdleReason is the one word for what silence does to a path: a closed list, kept by package idle.
type IdleReason string
