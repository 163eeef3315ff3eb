package present

import (
	"fmt"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// StalenessText is the reason for a verdict on a resolver, as a clause that begins with its verb where the resolver is
// the subject.
func StalenessText(a *staleness.Assessment) string {
	clause := whyText(&a.Why)
	if a.Verdict == staleness.Suspect && a.Why.Remaining > 0 {
		clause += "; it can be proved in " + roundDuration(a.Why.Remaining) + " at the earliest"
	}
	if clause != "" && a.Why.Unconfirmed {
		clause += "; still to be confirmed at the zone's servers"
	}
	return text(clause)
}

// Advice of the verdict stale.
const (
	adviceMinimumTTL = "lower its minimum cache TTL (dnsmasq min-cache-ttl, Unbound cache-min-ttl, BIND min-cache-ttl, " +
		"PowerDNS Recursor minimum-ttl-override, from version 5 on minimum_ttl_override in recursor.yml, Knot cache.min_ttl)" + adviceLocalEntry
	adviceWithdrawn = "lower its minimum cache TTL and turn off serving of expired records (dnsmasq min-cache-ttl and " +
		"use-stale-cache, Unbound cache-min-ttl and serve-expired)" + adviceLocalEntry
	// adviceLocalEntry: a record configured at the resolver never expires and looks the same.
	adviceLocalEntry = ", or remove its local entry for this name (local-data, hosts file, response policy)"
	adviceServeStale = "turn off serving of expired records (dnsmasq use-stale-cache, Pi-hole dns.cache.optimizer), or let " +
		"it ask the zone's servers first (Unbound serve-expired-client-timeout: 1800, BIND stale-answer-client-timeout off)"
)

// whyText has one sentence for every member of staleness.WhyKinds.
func whyText(w *staleness.Why) string {
	sentence := whyTexts[w.Kind]
	switch {
	case w.Kind == staleness.WhyFormerServer && w.Value == "":
		sentence = "answers with TTL {ttl seconds} where the zone publishes {zone seconds}" + formerServer
	case w.Kind == staleness.WhyLearning && w.Pause > 0:
		sentence += "; it started again after a pause of {pause} between rounds: scrape without pauses"
	case w.Kind == staleness.WhyNoSign && w.TTLFrozen:
		sentence += "; its TTLs do not count down (serve-original-ttl, keepttl), so caches behind it keep records too long"
	}
	if !strings.Contains(sentence, "{") {
		return sentence
	}
	return fill(sentence, map[string]string{
		"ttl": roundDuration(w.TTL), "ttl seconds": secondsText(w.TTL), "zone": roundDuration(w.ZoneTTL), "zone seconds": secondsText(w.ZoneTTL),
		"value": w.Value, "seen": momentText(w.LastSeen), "interval": roundDuration(w.Interval), "max": roundDuration(w.MaxInterval),
		"remaining": roundDuration(w.Remaining), "pause": roundDuration(w.Pause), "failure": sampleFailureText[w.Failure],
	})
}

const formerServer = "; not proved: it may still ask servers that the zone used before its delegation moved"

// whyTexts has the sentences, in which [whyText] replaces the names in braces.
var whyTexts = map[staleness.WhyKind]string{
	staleness.WhyTTLInflated:         "keeps records for {ttl} where the zone publishes {zone}: " + adviceMinimumTTL,
	staleness.WhyExpectedTTLExceeded: "keeps records for {ttl} where the configuration expects {zone}: " + adviceMinimumTTL,
	staleness.WhyWithdrawnAddress:    "still gives {value}, which the zone's servers last gave at {seen} (TTL {zone}): " + adviceWithdrawn,
	staleness.WhyStaleAnswers: "marks its answers as expired (EDE 3) although the zone's servers answer: " + adviceServeStale +
		", and check that it can reach them",
	staleness.WhyTTLInflatedOnce: "answers with TTL {ttl} where the zone publishes {zone}; not proved: the record may be from before the " +
		"exporter started, or this was seen only once",
	staleness.WhyWithdrawnAddressOnce: "gives {value}, which the zone's servers have not given since {seen}; seen once so far",
	staleness.WhyViewUnproven: "gives {value}, which the zone's servers have not given since {seen}; not proved: it may see another view " +
		"of the zone (set single_view or authority.whoami)",
	staleness.WhyViewUnprovenTTL: "answers with TTL {ttl} where the zone publishes {zone} to us; not proved: it may see another view of the " +
		"zone (set single_view or authority.whoami)",
	staleness.WhyUpstreamUntested: "keeps records past their TTL; before that is final, it is tested whether it reaches the zone's servers, since " +
		"otherwise it may serve expired records",
	staleness.WhyUpstreamDown: "does not reach the zone's servers itself, so it may serve expired records (RFC 8767), and devices depend on them: " +
		"repair its way to the Internet, and do not empty its cache",
	staleness.WhyFormerServer: "gives {value}, which the zone's servers have not given since {seen}" + formerServer,
	staleness.WhyStaleAnswersSeldom: "marked an answer as expired (EDE 3) although the zone's servers answer; too seldom so far for a proof, as where one " +
		"of several servers behind its address does so",
	staleness.WhyStaleAnswersUnverified: "marks its answers as expired (EDE 3); not proved, because the zone's servers cannot be asked from here: " +
		"check that it reaches them, else " + adviceServeStale,
	staleness.WhyStaleFirst:    "seems to answer with the expired record first and to refresh it afterwards",
	staleness.WhyNoAnswer:      "the resolver gives no address",
	staleness.WhyNotConfigured: "the host is not configured, so nothing is remembered of it and its zone's servers are not asked",
	staleness.WhyAuthorityOff:  "the zone's servers are not asked (authority.mode: off): set expected_ttl to have TTLs judged",
	staleness.WhyNotSampled:    "the zone's servers have not been asked yet",
	staleness.WhySampleFailed:  "{failure}: cannot be judged now",
	staleness.WhyNoZoneAddress: "the zone's servers give no address of this family, but the resolver does: it synthesises addresses, or sees " +
		"another view of the zone",
	staleness.WhyRoundsTooFar: "rounds are {interval} apart: a verdict needs one at least every {max}",
	staleness.WhyLearning:     "still learning: {remaining} left",
	staleness.WhyValuesReturn: "the zone's addresses come and go, so that a withdrawn one cannot be told from one that returns; TTLs show no sign " +
		"that records are kept too long",
	staleness.WhyServersNotAsked: "the zone has more servers than are asked (with authority.mode: servers, list all of them), so that an old record cannot be " +
		"told from that of another server; there is no sign that records are kept too long",
	staleness.WhyForeignAddresses: "gives only addresses that the zone's servers have not given: it sees another view of the zone, or the zone has " +
		"many addresses",
	staleness.WhyNoSign:            "no sign that records are kept past their TTL",
	staleness.WhyWithinExpectedTTL: "its TTLs stay within the {zone} that the configuration expects",
}

// sampleFailureText words why the zone's servers cannot be used, as the beginning of a sentence.
var sampleFailureText = map[measurement.SampleFailure]string{
	measurement.SampleSilent:           "the zone's servers do not answer us",
	measurement.SampleBlocked:          "port 53 to the zone's servers is blocked",
	measurement.SampleIntercepted:      "port 53 is intercepted, another server answers for the zone's servers",
	measurement.SampleNotAuthoritative: "what answers for the zone's servers is not authoritative (a DNS proxy on the path?)",
	measurement.SampleRefused:          "what answers for the zone's servers refuses (port 53 redirected to a resolver?)",
	measurement.SampleNoAddress:        "the zone's servers give no address",
}

// roundDuration formats a duration in whole seconds up to five minutes, then in minutes up to two hours, then in hours.
func roundDuration(d time.Duration) string {
	switch {
	case d <= 5*time.Minute:
		return fmt.Sprintf("%d s", int64((d+time.Second/2)/time.Second))
	case d <= 2*time.Hour:
		return fmt.Sprintf("%d min", int64((d+time.Minute/2)/time.Minute))
	default:
		return fmt.Sprintf("%d h", int64((d+time.Hour/2)/time.Hour))
	}
}
