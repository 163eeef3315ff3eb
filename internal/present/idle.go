package present

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// IdleText says in a sentence without a full stop how long a silent connection survives, and why no more is known.
func IdleText(b *report.IdleBounds) string {
	var clauses []string
	add := func(format string, args ...any) { clauses = append(clauses, fmt.Sprintf(format, args...)) }
	if b.Survived > 0 {
		add("a silence of %s survives if the device speaks first", silence(b.Survived))
	}
	if b.Lost > 0 {
		add("after %s the connection is lost: %s", silence(b.Lost), idleFact(b.LostBy))
	}
	if b.Closed > 0 {
		add("after %s the server itself ends the connection (%s), so that longer silences are not known", silence(b.Closed), idleFact(b.ClosedBy))
	}
	unknown := "not known"
	if b.Survived > 0 {
		unknown = "longer silences are not known"
	}
	switch open := b.Open; {
	case open == report.IdleOpen{}:
	case open.Fact.Kind == report.IdleNotMeasuredYet:
		add("%s", idleFact(open.Fact))
	case open.After > 0:
		add("%s: one connection ended after %s (%s), which no second one confirms", unknown, silence(open.After), idleFact(open.Fact))
	default:
		add("%s: %s", unknown, idleFact(open.Fact))
	}
	if b.Unsteady.Kind != "" {
		add("unsteady: %s", idleUnsteady(b.Unsteady))
	}
	return text(strings.Join(clauses, "; "))
}

// idleFact is a clause for how a connection ended, or why that is not known.
func idleFact(f report.IdleFact) string {
	detail := detailText(f.Detail)
	if f.Kind == report.IdleAlert && detail != "" {
		return detail
	}
	clause := cmp.Or(idleFactTexts[f.Kind], string(f.Kind))
	if !strings.Contains(clause, "{cause}") {
		return strings.ReplaceAll(clause, "{:detail}", withDetail("", detail))
	}
	return strings.ReplaceAll(clause, "{cause}", idleFact(report.IdleFact{Kind: f.Cause, Detail: f.Detail}))
}

// idleFactTexts has a clause for each kind. {:detail} is the detail after a colon, {cause} the clause of the cause.
var idleFactTexts = map[report.IdleKind]string{
	report.IdleNoAnswer:         "dropped silently, while a fresh connection is answered",
	report.IdleRSTDuring:        "RST during the silence",
	report.IdleRSTAfter:         "RST in answer to what was sent after it",
	report.IdleICMPDuring:       "ICMP port unreachable during the silence",
	report.IdleICMPAfter:        "ICMP port unreachable in answer to what was sent after it",
	report.IdleFIN:              "FIN",
	report.IdleNotify:           "close_notify",
	report.IdleAlert:            "TLS alert",
	report.IdleNothingMeasured:  "nothing was measured",
	report.IdleNotMeasuredYet:   "not measured yet",
	report.IdleForeign:          "something other than the cloud answers, and its timeouts are not those of the path",
	report.IdleNoConnection:     "no connection{:detail}",
	report.IdleHelloUnanswered:  "the hello is not answered{:detail}",
	report.IdleHelloDiffers:     "after the silence the hello is answered in another way{:detail}",
	report.IdleNoSession:        "no session{:detail}",
	report.IdlePingUnanswered:   "the ping before the silence was not answered",
	report.IdlePingUnsent:       "the ping could not be sent in time",
	report.IdleWalkFailed:       "the connection failed{:detail}",
	report.IdlePathDown:         "the path is down: a fresh connection fails too ({cause})",
	report.IdleClockJumped:      "this machine's clock jumped, or it was suspended or overloaded",
	report.IdleNeedsPing:        "over UDP only a CoAP ping in a session shows that it is alive, and {cause}",
	report.IdleFinishDisabled:   "the configuration forbids completing it (finish: false)",
	report.IdlePingDisabled:     "the configuration forbids pings (coap_ping: false)",
	report.IdleFlightUnfit:      "the server flight allows none{:detail}",
	report.IdleFinishFailed:     "it cannot be completed{:detail}",
	report.IdlePingNotSupported: "the server does not answer it",
	report.IdleDisagreement:     "connections with the same silence ended in different ways",
}

func idleUnsteady(u report.IdleUnsteady) string {
	return fill(cmp.Or(idleUnsteadyTexts[u.Kind], string(u.Kind)), map[string]string{
		"n": strconv.Itoa(u.Connections), "survived": strconv.Itoa(u.Survived), "silence": silence(u.Silence),
	})
}

var idleUnsteadyTexts = map[report.IdleUnsteadyKind]string{
	report.IdleEndedTogether: "{n} connections ended at one moment after silences of different length, so that something other than silence " +
		"ended them, such as a restart",
	report.IdleSomeSurvived:   "of {n} connections silent for {silence}, {survived} survived",
	report.IdleEndsDiffer:     "{n} connections that were to be silent for {silence} ended after different times",
	report.IdleLongerSurvived: "another connection survived {silence}",
}

// silence writes a silence as the settings of devices and NATs have it: "540 s".
func silence(d time.Duration) string { return silenceSeconds(d) + " s" }

// silenceSeconds writes the seconds of a silence without their unit. Fractions matter only below 10 s.
func silenceSeconds(d time.Duration) string {
	precision := time.Second
	if d < 10*time.Second {
		precision = 10 * time.Millisecond
	}
	return strconv.FormatFloat(d.Round(precision).Seconds(), 'f', -1, 64)
}

// IdleHeadText says what the idle command measures: by which configuration, on which path, and whether that carries a
// device. foreign is true if something other than the cloud answers, so that nothing is measured.
func IdleHeadText(r *report.Report, first *report.Walk, foreign bool) string {
	host, at := r.Hosts[0].Endpoint.Host, first.Outcome.Address
	p := measurement.Path{Transport: first.Outcome.Transport, Port: at.Port()}
	place := report.Place{Host: host, Paths: []measurement.Path{p}}
	if at.Addr().String() != host {
		place.Addresses = []netip.Addr{at.Addr()}
	}
	out := sourceText(NewView(r, "")) + "\n" + placeLine(&place) + "\n"
	if f := &first.Finding; f.Reason != reason.OK {
		out += fmt.Sprintf("This path does not carry a device (%s): %s.\n%s\n", f.Reason, FindingText(f), AdviceText(f, host, p))
	}
	if first.Judgement.Unjudged && first.Finding.Reason == reason.OK {
		out += "Not judged: no trust anchor is known for who answers (--trust).\n"
	}
	if foreign {
		out += "Silence is not measured: something other than the cloud answers.\n"
	}
	return out
}

// IdleRoundText is the result of one round: a table of what each connection showed, the bounds, whether the keepalive
// survives if one is not 0, and the advice.
func IdleRoundText(r *report.IdleRound, advice *report.IdleAdvice, keepalive time.Duration, survival report.IdleSurvival) string {
	var b strings.Builder
	if len(r.Observations) > 0 {
		switch r.Proof {
		case report.IdleByPing:
			b.WriteString("Tested by a CoAP ping after each silence:\n")
		case report.IdleByHello:
			b.WriteString("Tested by a hello after each silence:\n")
		}
	}
	if r.Proof != "" {
		sorted := slices.SortedStableFunc(slices.Values(r.Observations), func(a, b report.IdleObservation) int { return cmp.Compare(a.Step, b.Step) })
		for i := range sorted {
			fmt.Fprintf(&b, "  %8s  %s\n", silence(sorted[i].Step), idleObservation(&sorted[i]))
		}
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	switch {
	case !r.Complete && (r.Proof == "" || len(r.Observations) == 0):
		return "Interrupted before any silence was measured to its end.\n"
	case !r.Complete:
		b.WriteString("Interrupted. So far: ")
	default:
		b.WriteString("Result: ")
	}
	b.WriteString(IdleText(&r.Bounds) + ".\n")
	if keepalive > 0 {
		outcome := idleSurvival(survival) + " here"
		if after := r.Bounds.Open.After; survival == report.SurvivalUnknown && after > 0 && keepalive >= after {
			outcome = fmt.Sprintf("is not known to survive here: one connection ended after %s, which no second one confirms", silence(after))
		}
		fmt.Fprintf(&b, "A keepalive of %s %s.\n", silence(keepalive), outcome)
	}
	for _, line := range idleAdvice(advice) {
		b.WriteString(line + "\n")
	}
	if r.Bounds.Survived > 0 {
		b.WriteString(clientFirst + "\n")
	}
	return b.String()
}

// clientFirst says what the measurement does not cover. A firewall that has forgotten a connection can take it up again
// when the device sends (Linux: nf_conntrack_tcp_loose), and drops what the cloud sends before that.
const clientFirst = "After each silence this side speaks first. Whether the cloud reaches a device that is silent (CoAP observe, downlink) is not measured: " +
	"a firewall can drop that earlier."

// idleObservation is a line of the table, without the step.
func idleObservation(o *report.IdleObservation) string {
	var early string
	if o.After > 0 && o.After < o.Step {
		early = " after " + silence(o.After)
	}
	switch o.Ending {
	case report.IdleSurvived:
		return "survived"
	case report.IdleDropped:
		return idleFact(o.How)
	case report.IdleReset, report.IdleClosed, report.IdleUnknown:
	}
	return string(o.Ending) + early + ": " + idleFact(o.How)
}

func idleSurvival(s report.IdleSurvival) string {
	switch s {
	case report.Survives:
		return "survives"
	case report.DoesNotSurvive:
		return "does not survive"
	case report.SurvivalUnknown:
	}
	return "is not known to survive"
}

// keepaliveSetting says where a device's keepalive is set.
const keepaliveSetting = "MBED_CLIENT_TCP_KEEPALIVE_INTERVAL in mbed_cloud_client_user_config.h, or " +
	"mbed-client.tcp-keepalive-interval in mbed_app.json (Mbed OS), never both: that gives duplicate definitions"

const lengthenTimeout = "or ask the network's owner to lengthen the idle timeout."

// idleAdvice says what bounds mean for devices: one sentence per line.
func idleAdvice(a *report.IdleAdvice) []string {
	if a.Kind == "" {
		return nil
	}
	var lines []string
	known := func(k report.Keepalive) bool {
		return k.Survival == report.Survives || k.Survival == report.DoesNotSurvive
	}
	if slices.ContainsFunc(a.Keepalives, known) {
		var builds []string
		for _, k := range a.Keepalives {
			builds = append(builds, fmt.Sprintf("%s (%s) %s", silence(k.Interval), cmp.Or(keepaliveBuilds[k.Build], string(k.Build)), idleSurvival(k.Survival)))
		}
		lines = append(lines, "Keepalives of devices: "+strings.Join(builds, ", ")+".")
	}
	lines = append(lines, idleSetting(a))
	if a.NAT != measurement.NoNAT {
		lines = append(lines, fmt.Sprintf("There is a NAT on the path (%s). Behind a NAT the vendor recommends CoAP over TCP, or a dedicated tunnel "+
			"where UDP is required.", a.NAT))
	}
	return lines
}

var keepaliveBuilds = map[report.KeepaliveBuild]string{
	report.BuildCClient:       "the C client's default",
	report.BuildMbedOS:        "Mbed OS",
	report.BuildDocumentation: "a page of the vendor's documentation",
	report.BuildEdge:          "Edge",
}

func idleSetting(a *report.IdleAdvice) string {
	unit := "seconds"
	if a.Setting == time.Second {
		unit = "second"
	}
	return fill(cmp.Or(idleSettings[a.Kind], string(a.Kind)), map[string]string{
		"setting": silenceSeconds(a.Setting), "unit": unit, "survived": silence(a.Survived), "longest": silence(a.Longest),
		"lifetime": silence(a.Survived * 4 / 3),
	})
}

var idleSettings = map[report.IdleAdviceKind]string{
	report.IdleKeepSettings:    "Every device may keep its setting.",
	report.IdleSetKeepalive:    "Set the keepalive to {setting} seconds: " + keepaliveSetting + ".",
	report.IdleLimitKeepalive:  "Set the keepalive to at most {setting} {unit}: " + keepaliveSetting + ".",
	report.IdleIncomplete:      "No setting is recommended, since the measurement is incomplete.",
	report.IdleNoResult:        "No setting can be recommended, since nothing is known about silence on this path.",
	report.IdleMeasureAgain:    "Connections ended, but not always after the same silence: measure again before you change a setting.",
	report.IdleMeasureLonger:   "Nothing was lost up to {survived}, so no setting is recommended: measure up to {longest} (--steps) to know about longer keepalives.",
	report.IdleTooShort:        "A silence of {survived} survives, which is too short for a keepalive: measure longer ones (--steps), " + lengthenTimeout,
	report.IdleNothingSurvived: "No measured silence survives here: measure shorter ones (--steps), " + lengthenTimeout,
	report.IdleUDPSuffices: "Over UDP a device sends no keepalive, only registration updates, at 75 % of the lifetime. " +
		"Silences of up to {survived} survive here, enough for a lifetime of {lifetime}; for a longer one use CoAP over TCP.",
	report.IdleUDPDoesNotSuffice: "UDP does not work here: over it a device sends no keepalive, and registration updates come later than this path's idle timeout. Use CoAP over TCP.",
	report.IdleUDPUnknown:        "Whether UDP works here is not known. Over UDP a device sends no keepalive: if in doubt, use CoAP over TCP.",
}

// IdleProgressText says how far a round is.
func IdleProgressText(silentNow, done int) string {
	return fmt.Sprintf("%s silent, %d done", count(silentNow, "connection"), done)
}
