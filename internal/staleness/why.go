package staleness

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Why is the reason for a verdict as facts. Kind determines which other fields are set.
type Why struct {
	Kind WhyKind
	// Unconfirmed is set for evidence that the authoritative servers have not confirmed yet.
	Unconfirmed bool

	TTL      time.Duration // answered by the resolver
	ZoneTTL  time.Duration // the most that the zone publishes, or the configuration asserts
	Value    string        // withdrawn: an address, or a CNAME target without its final dot; text from the network
	LastSeen time.Time     // end of the last authoritative sample with Value

	Failure     measurement.SampleFailure // why the authoritative servers' samples are unusable
	Remaining   time.Duration             // of learning, or until evidence can be a proof; at least a second
	Pause       time.Duration             // between rounds, that made learning start again; 0 if there was none
	Interval    time.Duration             // between rounds
	MaxInterval time.Duration             // the longest interval that allows a verdict
	// TTLFrozen is set if the resolver is ok but its TTLs do not count down.
	TTLFrozen bool
}

// WhyKind is a reason for a verdict. The list is closed.
type WhyKind string

// Reasons for the verdict stale.
const (
	WhyTTLInflated         WhyKind = "ttl_inflated"          // TTL, ZoneTTL as published
	WhyExpectedTTLExceeded WhyKind = "expected_ttl_exceeded" // TTL, ZoneTTL as asserted by Options.ExpectedTTL
	WhyWithdrawnAddress    WhyKind = "withdrawn_address"     // Value, LastSeen, ZoneTTL
	WhyStaleAnswers        WhyKind = "stale_answers"         // marked by the resolver itself (EDE 3 or 19)
)

// Reasons for the verdict suspect.
const (
	WhyTTLInflatedOnce      WhyKind = "ttl_inflated_once"      // TTL, ZoneTTL, Remaining
	WhyWithdrawnAddressOnce WhyKind = "withdrawn_address_once" // Value, LastSeen, Remaining
	WhyViewUnproven         WhyKind = "view_unproven"          // Value, LastSeen; the resolver may see another view
	WhyViewUnprovenTTL      WhyKind = "view_unproven_ttl"      // TTL, ZoneTTL; the resolver may see another view
	// WhyUpstreamUntested: proved, but it is not known yet whether the resolver reaches the authoritative servers.
	WhyUpstreamUntested WhyKind = "upstream_untested"
	// WhyFormerServer: Value and LastSeen, or TTL and ZoneTTL; servers that the zone no longer uses may still publish
	// the value or the TTL.
	WhyFormerServer       WhyKind = "former_server"
	WhyStaleAnswersSeldom WhyKind = "stale_answers_seldom"
	// WhyStaleAnswersUnverified: marked by the resolver itself, and the authoritative servers cannot be asked.
	WhyStaleAnswersUnverified WhyKind = "stale_answers_unverified"
	WhyStaleFirst             WhyKind = "stale_first" // expired record first, refreshed afterwards
)

// Reasons for the verdict unknown.
const (
	WhyNoAnswer      WhyKind = "no_answer"       // the resolver gives no address
	WhyNotConfigured WhyKind = "not_configured"  // nothing is remembered of this host; set by the caller
	WhyAuthorityOff  WhyKind = "authority_off"   // authority.mode: off
	WhyNotSampled    WhyKind = "not_sampled"     // the authoritative servers have not been asked yet
	WhySampleFailed  WhyKind = "sample_failed"   // Failure
	WhyNoZoneAddress WhyKind = "no_zone_address" // the zone has no address of this family, the resolver has
	WhyRoundsTooFar  WhyKind = "rounds_too_far"  // Interval, MaxInterval
	WhyLearning      WhyKind = "learning"        // Remaining, Pause
	// WhyUpstreamDown: the resolver itself does not reach the authoritative servers, so it may serve expired records.
	WhyUpstreamDown WhyKind = "upstream_down"
	// WhyValuesReturn: the zone's values come and go, so that samples cannot show that one is withdrawn.
	WhyValuesReturn WhyKind = "values_return"
	// WhyServersNotAsked: the zone has more servers than are asked, and what these publish is not known.
	WhyServersNotAsked  WhyKind = "servers_not_asked"
	WhyForeignAddresses WhyKind = "foreign_addresses" // none of the answer's addresses is known at the zone
)

// Reasons for the verdict ok.
const (
	WhyNoSign            WhyKind = "no_sign"             // TTLFrozen
	WhyWithinExpectedTTL WhyKind = "within_expected_ttl" // ZoneTTL as asserted
)

// WhyKinds lists every reason.
var WhyKinds = []WhyKind{
	WhyTTLInflated, WhyExpectedTTLExceeded, WhyWithdrawnAddress, WhyStaleAnswers,
	WhyTTLInflatedOnce, WhyWithdrawnAddressOnce, WhyViewUnproven, WhyViewUnprovenTTL, WhyFormerServer, WhyUpstreamUntested,
	WhyStaleAnswersSeldom, WhyStaleAnswersUnverified, WhyStaleFirst,
	WhyNoAnswer, WhyNotConfigured, WhyAuthorityOff, WhyNotSampled, WhySampleFailed, WhyNoZoneAddress, WhyRoundsTooFar,
	WhyLearning, WhyUpstreamDown, WhyValuesReturn, WhyServersNotAsked, WhyForeignAddresses,
	WhyNoSign, WhyWithinExpectedTTL,
}
