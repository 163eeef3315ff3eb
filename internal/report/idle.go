package report

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// IdleBounds bound how long a silent connection survives a path, with the facts that explain the bounds. A zero
// duration is not known. IdleBounds is comparable.
type IdleBounds struct {
	// Survived is the longest silence survived, below Lost if there is one.
	Survived time.Duration
	// Lost is the shortest silence after which the path had lost the connection, and LostBy how it ended.
	Lost   time.Duration
	LostBy IdleFact
	// Closed is the silence after which the server itself ended the connection, and ClosedBy how. What the path does
	// with longer silences is then not known.
	Closed   time.Duration
	ClosedBy IdleFact
	Reason   IdleReason
	// Open is why silences longer than Survived have no result; zero if they have one, or none was measured.
	Open IdleOpen
	// Unsteady is the contradiction between connections; zero without one.
	Unsteady IdleUnsteady
	// LastRound is the end of the last complete round; zero if there was none.
	LastRound time.Time
}

// IdleReason is the result for silence on a path in one word. It is a closed list.
type IdleReason string

const (
	IdleReasonUnknown  IdleReason = "unknown"      // no connection has a result
	IdleReasonSurvived IdleReason = "survived"     // every silence with a result survived
	IdleReasonDropped  IdleReason = "dropped"      // the path drops silent connections silently
	IdleReasonReset    IdleReason = "reset"        // silent connections are reset
	IdleReasonLimit    IdleReason = "server_limit" // the server itself ends silent connections
)

// IdleFact is how a silent connection ended, or why that is not known. The zero value says nothing.
type IdleFact struct {
	Kind IdleKind
	// Cause is the fact behind IdleNeedsPing and IdlePathDown; "" for other kinds.
	Cause IdleKind
	// Detail belongs to Cause if there is one, else to Kind: of the walk that failed, or of an alert.
	Detail measurement.Detail
}

// IdleKind is the kind of an IdleFact. It is a closed list.
type IdleKind string

// How a connection ended.
const (
	IdleNoAnswer   IdleKind = "no_answer"   // no answer after the silence, while a fresh connection is answered
	IdleRSTDuring  IdleKind = "rst_during"  // RST during the silence
	IdleRSTAfter   IdleKind = "rst_after"   // RST in answer to what was sent after the silence
	IdleICMPDuring IdleKind = "icmp_during" // ICMP port unreachable, the same two cases
	IdleICMPAfter  IdleKind = "icmp_after"
	IdleFIN        IdleKind = "fin"    // the server closed the connection
	IdleNotify     IdleKind = "notify" // the server ended the session by close_notify
	IdleAlert      IdleKind = "alert"  // the server ended the session by another alert; Detail names it
)

// Why it is not known how a silence ended.
const (
	IdleNothingMeasured  IdleKind = "nothing_measured"   // the round had no connection
	IdleNotMeasuredYet   IdleKind = "not_measured_yet"   // there was no complete round yet
	IdleForeign          IdleKind = "foreign"            // something other than the cloud answers
	IdleNoConnection     IdleKind = "no_connection"      // by Detail
	IdleHelloUnanswered  IdleKind = "hello_unanswered"   // by Detail
	IdleHelloDiffers     IdleKind = "hello_differs"      // the hello after the silence has another answer, by Detail
	IdleNoSession        IdleKind = "no_session"         // no session could be completed before the silence, by Detail
	IdlePingUnanswered   IdleKind = "ping_unanswered"    // the ping before the silence
	IdlePingUnsent       IdleKind = "ping_unsent"        // the ping could not be sent in time
	IdleWalkFailed       IdleKind = "walk_failed"        // the walk after the silence, by Detail
	IdlePathDown         IdleKind = "path_down"          // a fresh connection fails too, by Cause
	IdleClockJumped      IdleKind = "clock_jumped"       // this machine was suspended or overloaded, or its clock was set
	IdleNeedsPing        IdleKind = "needs_ping"         // over UDP only a ping proves it alive, which fails by Cause
	IdleFinishDisabled   IdleKind = "finish_disabled"    // by the configuration
	IdlePingDisabled     IdleKind = "ping_disabled"      // by the configuration
	IdleFlightUnfit      IdleKind = "flight_unfit"       // the server flight allows no session, by Detail
	IdleFinishFailed     IdleKind = "finish_failed"      // the session cannot be completed, by Detail
	IdlePingNotSupported IdleKind = "ping_not_supported" // the server does not answer pings
	IdleDisagreement     IdleKind = "disagreement"       // connections with one silence ended in different ways
)

// IdleOpen is why longer silences have no result.
type IdleOpen struct {
	Fact IdleFact
	// After is not 0 if a single connection ended after this silence, as Fact says, and no other one agrees.
	After time.Duration
}

// IdleUnsteady is a contradiction between the connections of a round.
type IdleUnsteady struct {
	Kind        IdleUnsteadyKind
	Connections int           // that the contradiction is about
	Survived    int           // of them, for IdleSomeSurvived
	Silence     time.Duration // that they were to keep, or that one survived
}

// IdleUnsteadyKind is a closed list.
type IdleUnsteadyKind string

const (
	IdleEndedTogether  IdleUnsteadyKind = "ended_together"  // at one moment after different silences, as by a restart
	IdleSomeSurvived   IdleUnsteadyKind = "some_survived"   // of the connections with one silence
	IdleEndsDiffer     IdleUnsteadyKind = "ends_differ"     // connections with one silence ended after different times
	IdleLongerSurvived IdleUnsteadyKind = "longer_survived" // another connection survived a longer silence
)

// IdleRound is what one round of connections showed.
type IdleRound struct {
	Proof        IdleProof
	Observations []IdleObservation
	Bounds       IdleBounds
	// Complete is false if the context was cancelled first; Bounds then cover only the observations made so far.
	Complete bool
}

// IdleProof is what proves on a path that a connection is alive. It is a closed list; "" if nothing does.
type IdleProof string

const (
	IdleByPing  IdleProof = "ping"  // the answer to a CoAP ping in a session
	IdleByHello IdleProof = "hello" // TCP: the answer to the device's hello, whatever it is
)

// IdleObservation is what one silent connection showed.
type IdleObservation struct {
	Step   time.Duration // the silence that was to be kept
	After  time.Duration // the silence kept: less than Step if the connection was ended during it; 0 for IdleUnknown
	Ending IdleEnding
	How    IdleFact  // how it ended, or why that is not known; zero for IdleSurvived
	Ended  time.Time // when it was ended during the silence; zero if it was not
}

// IdleEnding is how a silent connection ended. It is a closed list.
type IdleEnding string

const (
	// IdleUnknown: the connection has no result.
	IdleUnknown IdleEnding = "unknown"
	// IdleSurvived: what was sent after the silence was answered.
	IdleSurvived IdleEnding = "survived"
	// IdleDropped: there was no answer, while a fresh connection got one. This is the worst case: a device waits
	// about 15 minutes before it gives up the connection.
	IdleDropped IdleEnding = "dropped"
	// IdleReset: RST, or ICMP port unreachable over UDP.
	IdleReset IdleEnding = "reset"
	// IdleClosed: the server ended the connection, by FIN or a TLS alert.
	IdleClosed IdleEnding = "closed"
)

// IdleSurvival is whether a connection survives silences of one length. It is a closed list.
type IdleSurvival string

const (
	SurvivalUnknown IdleSurvival = "unknown"
	Survives        IdleSurvival = "survives"
	DoesNotSurvive  IdleSurvival = "does_not_survive"
)

// IdleAdvice is what the bounds of a path mean for devices. The zero value is for a host that devices do not use.
type IdleAdvice struct {
	Kind IdleAdviceKind
	// Keepalives are those of the device's builds, the longest first; nil over UDP, where a device sends none.
	Keepalives []Keepalive
	Setting    time.Duration // for IdleSetKeepalive and IdleLimitKeepalive
	Survived   time.Duration // the longest silence survived
	Longest    time.Duration // of the devices' keepalives
	NAT        measurement.NAT
}

// Keepalive is the keepalive of one build of the device's client, and whether it survives.
type Keepalive struct {
	Build    KeepaliveBuild
	Interval time.Duration
	Survival IdleSurvival
}

// KeepaliveBuild names a build. It is a closed list.
type KeepaliveBuild string

const (
	BuildCClient       KeepaliveBuild = "c_client" // the C client library with its default options
	BuildMbedOS        KeepaliveBuild = "mbed_os"
	BuildDocumentation KeepaliveBuild = "documentation" // a page of the vendor's documentation
	BuildEdge          KeepaliveBuild = "edge"
)

// IdleAdviceKind is a closed list.
type IdleAdviceKind string

const (
	IdleKeepSettings      IdleAdviceKind = "keep_settings"    // every device's keepalive survives
	IdleSetKeepalive      IdleAdviceKind = "set_keepalive"    // to Setting, that of a build
	IdleLimitKeepalive    IdleAdviceKind = "limit_keepalive"  // to Setting at most
	IdleIncomplete        IdleAdviceKind = "incomplete"       // the round was interrupted
	IdleNoResult          IdleAdviceKind = "no_result"        // nothing is known
	IdleMeasureAgain      IdleAdviceKind = "measure_again"    // connections ended, but not after one silence
	IdleMeasureLonger     IdleAdviceKind = "measure_longer"   // nothing was lost up to Survived
	IdleTooShort          IdleAdviceKind = "too_short"        // Survived is too short for a keepalive
	IdleNothingSurvived   IdleAdviceKind = "nothing_survived" // no measured silence survives
	IdleUDPSuffices       IdleAdviceKind = "udp_suffices"     // for lifetimes that follow from Survived
	IdleUDPDoesNotSuffice IdleAdviceKind = "udp_insufficient" // the path expires connections between registration updates
	IdleUDPUnknown        IdleAdviceKind = "udp_unknown"      // nothing is known
)
