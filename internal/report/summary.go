package report

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// State is the state of a site, a host or a path.
type State string

const (
	Up      State = "up"
	Down    State = "down"
	Unknown State = "unknown" // nothing is known to be wrong, and not everything is known to be well
)

// Summary is the verdict on the whole site.
type Summary struct {
	// State is Up if every path is proved to carry a device by each address, every resolver answers, and none is proved
	// stale.
	State State
	Paths PathCount
	// Resolvers are the site's DNS servers over all hosts, in the order in which devices ask them.
	Resolvers []ResolverSummary
	// Suspected is true if some resolver is suspected of staleness, and none is proved stale.
	Suspected bool
	// Probed is true if at least one path has an address that was probed or could have been.
	Probed bool
	// Interrupted is that of the report.
	Interrupted bool
	// Cause is the one thing that explains why no path carries a device; CauseNone if nothing does.
	Cause Cause
	// Advice is what to do, each cause once, ordered by what the cause costs devices. That of Cause comes first.
	Advice []Advice
	// Open are the resolvers without a verdict on staleness, or with a suspicion only.
	Open []OpenVerdict
}

// PathCount counts the site's paths.
type PathCount struct {
	All, Up, Unknown int
	Unproven         int // neither proved to carry a device nor known to fail; not counted in Up
	Unjudged         int // the certificate was compared with no trust anchor; not counted in Up or Unproven
	PartlyUp         int // of those that are up: with an address that fails
	Diverted         int // by DNS, to an address that cannot be the cloud
	// ByClass counts the paths that are not up, except those diverted.
	ByClass map[reason.Class]int
}

// Cause is why no path of the site carries a device. It is a closed list.
type Cause string

const (
	CauseNone            Cause = ""
	CauseNoTime          Cause = "no_time"          // no DNS server answered before the round ended
	CauseNoResolver      Cause = "no_resolver"      // no DNS server is known
	CauseResolversSilent Cause = "resolvers_silent" // no DNS server answers
	CauseResolversFail   Cause = "resolvers_fail"   // every DNS server answers SERVFAIL for every name
	CauseResolversRefuse Cause = "resolvers_refuse" // every DNS server refuses to answer
	CauseNamesUnknown    Cause = "names_unknown"    // no DNS server gives an address for any name
	CauseNoRoute         Cause = "no_route"         // this machine has no route to any address
	CauseAllBlocked      Cause = "all_blocked"      // every path is blocked
	CauseAllStopped      Cause = "all_stopped"      // the same, and where a TCP connection opens, the handshake is stopped
)

// ResolverSummary is one of the site's DNS servers, over all hosts.
type ResolverSummary struct {
	Server        netip.AddrPort
	Asked, CutOff int                      // look-ups; those that the deadline cut off
	Failures      []measurement.DNSFailure // each kind once
	Failing       []string                 // hosts for which it gives no address
	OnlyHere      []string                 // those of Failing for which another server gives an address
	Silent        bool                     // it answered no look-up at all
	Stale         bool                     // proved, for at least one host
	Suspect       bool                     // suspected, for at least one host
}

// Advice is what to do about one cause, with everything that the cause explains.
type Advice struct {
	Kind reason.Advice
	// Places are the hosts, paths and addresses that the cause explains, and Paths is how many paths that is. Both are
	// empty for a cause that is not about paths.
	Places []Place
	Paths  int
	// Alternates is true if port 443 and the cloud's own port differ on some host, one blocked and one open, both over
	// TCP: a client that is set to 443 alternates between the two after each error.
	Alternates bool
	// Family is the IP version over which nothing passes, for reason.RepairFamily.
	Family config.IPVersion
	// InspectedToo is true if other paths to one of the hosts are intercepted: to open this one does not help by
	// itself.
	InspectedToo bool

	// Certificate is the one that was seen instead of the expected one. Expected is "" if it differs between the
	// places.
	Certificate Certificate
	// Proxy is that of the report, for reason.PassProxy.
	Proxy Proxy
	// Resolvers are the DNS servers that the advice is about.
	Resolvers []ResolverSummary
	// Staleness is the assessment of the first host, for reason.StopStaleRecords.
	Staleness *staleness.Assessment
	// Lost is the shortest silence after which connections were dropped, and Keepalive the devices' own, for
	// reason.ShortenKeepalive.
	Lost, Keepalive time.Duration
}

// Place is some paths to one host, with the addresses that the advice is about.
type Place struct {
	Host      string
	Paths     []measurement.Path
	Addresses []netip.Addr // empty if the host is an address itself, or has none
	// Down is true if no path to the host carries a device, and Passing are the host's other paths that do.
	Down    bool
	Passing []measurement.Path
}

// OpenVerdict is a DNS server whose staleness is not known for some hosts.
type OpenVerdict struct {
	Server    netip.AddrPort
	Hosts     []string
	Staleness *staleness.Assessment // of the first of the hosts
	// MayChange is true if more rounds can bring a verdict.
	MayChange bool
}
