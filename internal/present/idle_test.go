package present

import (
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/closedlist"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestIdleText(t *testing.T) {
	const minute = time.Minute
	detail := measurement.Detail{Text: "as measured"}
	open := func(f report.IdleFact) report.IdleBounds { return report.IdleBounds{Open: report.IdleOpen{Fact: f}} }
	for name, test := range map[string]struct {
		bounds report.IdleBounds
		want   string
	}{
		"before the first round": {open(report.IdleFact{Kind: report.IdleNotMeasuredYet}), "not measured yet"},
		"no connection at all":   {open(report.IdleFact{Kind: report.IdleNothingMeasured}), "not known: nothing was measured"},
		"interceptor":            {open(report.IdleFact{Kind: report.IdleForeign}), "not known: something other than the cloud answers, and its timeouts are not those of the path"},
		"all survived":           {report.IdleBounds{Survived: 9 * minute}, "a silence of 540 s survives if the device speaks first"},
		"lost": {report.IdleBounds{Survived: minute, Lost: 2 * minute, LostBy: report.IdleFact{Kind: report.IdleRSTAfter}},
			"a silence of 60 s survives if the device speaks first; after 120 s the connection is lost: RST in answer to what was sent after it"},
		"lost before the server's limit": {report.IdleBounds{Lost: minute, LostBy: report.IdleFact{Kind: report.IdleNoAnswer}, Closed: 2 * minute, ClosedBy: report.IdleFact{Kind: report.IdleFIN}},
			"after 60 s the connection is lost: dropped silently, while a fresh connection is answered; " +
				"after 120 s the server itself ends the connection (FIN), so that longer silences are not known"},
		"single end": {report.IdleBounds{Survived: minute, Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleRSTDuring}, After: 2 * minute}},
			"a silence of 60 s survives if the device speaks first; longer silences are not known: one connection ended after 120 s (RST during the silence), which no second one confirms"},
		"longer silence without a result": {report.IdleBounds{Survived: minute, Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdlePathDown, Cause: report.IdleNoConnection, Detail: detail}}},
			"a silence of 60 s survives if the device speaks first; longer silences are not known: the path is down: a fresh connection fails too (no connection: as measured)"},
		"UDP without pings": {open(report.IdleFact{Kind: report.IdleNeedsPing, Cause: report.IdlePingNotSupported}),
			"not known: over UDP only a CoAP ping in a session shows that it is alive, and the server does not answer it"},
		"unsteady": {report.IdleBounds{Survived: minute, Unsteady: report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: 3, Survived: 1, Silence: 2 * minute}},
			"a silence of 60 s survives if the device speaks first; unsteady: of 3 connections silent for 120 s, 1 survived"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IdleText(&test.bounds); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestIdleWordsAreComplete: every member of a closed list has its own words.
func TestIdleWordsAreComplete(t *testing.T) {
	seen := make(map[string]string)
	check := func(kind, words string) {
		t.Helper()
		if words == "" || words == kind || strings.ContainsAny(words, "{}") || seen[words] != "" {
			t.Errorf("%s: %q, which is also %q", kind, words, seen[words])
		}
		seen[words] = kind
	}
	for _, k := range closedlist.Constants(t, "../report", "IdleKind") {
		check(k, idleFact(report.IdleFact{Kind: report.IdleKind(k)}))
	}
	for _, k := range closedlist.Constants(t, "../report", "IdleUnsteadyKind") {
		check(k, idleUnsteady(report.IdleUnsteady{Kind: report.IdleUnsteadyKind(k)}))
	}
	for _, k := range closedlist.Constants(t, "../report", "IdleAdviceKind") {
		check(k, idleSetting(&report.IdleAdvice{Kind: report.IdleAdviceKind(k)}))
	}
}

func TestIdleRoundText(t *testing.T) {
	round := report.IdleRound{
		Proof: report.IdleByPing, Complete: true,
		Observations: []report.IdleObservation{
			{Step: 240 * time.Second, After: 240 * time.Second, Ending: report.IdleDropped, How: report.IdleFact{Kind: report.IdleNoAnswer}},
			{Step: 30 * time.Second, After: 30 * time.Second, Ending: report.IdleSurvived},
			{Step: 540 * time.Second, After: 300 * time.Second, Ending: report.IdleReset, How: report.IdleFact{Kind: report.IdleRSTDuring}},
			{Step: 90 * time.Second, Ending: report.IdleUnknown, How: report.IdleFact{Kind: report.IdleClockJumped}},
		},
		Bounds: report.IdleBounds{Survived: 30 * time.Second, Lost: 240 * time.Second, LostBy: report.IdleFact{Kind: report.IdleNoAnswer}},
	}
	advice := report.IdleAdvice{
		Kind: report.IdleLimitKeepalive, Setting: 30 * time.Second, NAT: measurement.SiteNAT,
		Keepalives: []report.Keepalive{{Build: report.BuildCClient, Interval: 540 * time.Second, Survival: report.DoesNotSurvive}, {Build: report.BuildEdge, Interval: 60 * time.Second}},
	}
	const want = "Tested by a CoAP ping after each silence:\n" +
		"      30 s  survived\n" +
		"      90 s  unknown: this machine's clock jumped, or it was suspended or overloaded\n" +
		"     240 s  dropped silently, while a fresh connection is answered\n" +
		"     540 s  reset after 300 s: RST during the silence\n" +
		"\n" +
		"Result: a silence of 30 s survives if the device speaks first; after 240 s the connection is lost: dropped silently, while a fresh connection is answered.\n" +
		"A keepalive of 20 s survives here.\n" +
		"Keepalives of devices: 540 s (the C client's default) does not survive, 60 s (Edge) is not known to survive.\n" +
		"Set the keepalive to at most 30 seconds: MBED_CLIENT_TCP_KEEPALIVE_INTERVAL in mbed_cloud_client_user_config.h, or " +
		"mbed-client.tcp-keepalive-interval in mbed_app.json (Mbed OS), never both: that gives duplicate definitions.\n" +
		"There is a NAT on the path (private local address). Behind a NAT the vendor recommends CoAP over TCP, or a dedicated tunnel where UDP is required.\n" +
		"After each silence this side speaks first. Whether the cloud reaches a device that is silent (CoAP observe, downlink) is not measured: " +
		"a firewall can drop that earlier.\n"
	if got := IdleRoundText(&round, &advice, 20*time.Second, report.Survives); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestIdleRoundTextNothingKnown: without a verdict on any keepalive they are not listed.
func TestIdleRoundTextNothingKnown(t *testing.T) {
	round := report.IdleRound{Complete: true, Bounds: report.IdleBounds{Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleNoConnection}}}}
	advice := report.IdleAdvice{Kind: report.IdleNoResult, Keepalives: []report.Keepalive{
		{Build: report.BuildCClient, Interval: 540 * time.Second, Survival: report.SurvivalUnknown},
		{Build: report.BuildEdge, Interval: 60 * time.Second, Survival: report.SurvivalUnknown},
	}}
	const want = "Result: not known: no connection.\nNo setting can be recommended, since nothing is known about silence on this path.\n"
	if got := IdleRoundText(&round, &advice, 0, report.SurvivalUnknown); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestIdleRoundTextInterrupted: without an observation neither a table nor a result nor advice is printed.
func TestIdleRoundTextInterrupted(t *testing.T) {
	round := report.IdleRound{Proof: report.IdleByPing, Bounds: report.IdleBounds{Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleNothingMeasured}}}}
	got := IdleRoundText(&round, &report.IdleAdvice{Kind: report.IdleIncomplete}, 0, report.SurvivalUnknown)
	if want := "Interrupted before any silence was measured to its end.\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSilence(t *testing.T) {
	for d, want := range map[time.Duration]string{
		540 * time.Second: "540 s", 240*time.Second + 31*time.Millisecond: "240 s", 90 * time.Minute: "5400 s",
		1250 * time.Millisecond: "1.25 s", 301 * time.Millisecond: "0.3 s", 9999 * time.Millisecond: "10 s",
	} {
		if got := silence(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestWrapLines(t *testing.T) {
	const result = "Tested by a CoAP ping after each silence:\n" +
		"      60 s  survived\n" +
		"     180 s  dropped silently, while a fresh connection is answered\n" +
		"\n" +
		"Result: a silence of 60 s survives if the device speaks first.\n"
	const want = "Tested by a CoAP ping after each silence:\n" +
		"      60 s  survived\n" +
		"     180 s  dropped silently, while a\n" +
		"            fresh connection is answered\n" +
		"\n" +
		"Result: a silence of 60 s survives if the\n" +
		"device speaks first.\n"
	if got := WrapLines(result, 42); got != want || strings.Contains(got, "\t") {
		t.Errorf("\n%s", got)
	}
}
